//! `nexus.toml`, the environment, and what is said of a mistake in either.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::support::machine::Machine;

const PROD: &str = r#"default_context = "prod"

[log]
format = "json"

[context.prod.control]
host = "db.example"
user = "nexus"
password = "file:db.password"
ca_file = "ca.pem"

[context.prod.store]
endpoint = "https://s3.example"
admin_token = "cmd:vault read --token hunter2"
"#;

#[test]
fn with_no_settings_at_all_the_context_is_local() {
    assert_snapshot!(Machine::new().run(&["config", "show"]), @r"
    --- stdout
    context	local	default
    home	[M]/nexus	env NEXUS_HOME
    default_context	local	default
    log.level	warn	default
    log.format	text	default
    telemetry.endpoint		default: none: no traces are made
    telemetry.headers		default: none
    local.postgres_bin		default: searched for on PATH, through pg_config and in the distributions' folders
    local.s3_port		default: a free one, kept from then on
    context.local.keys.master	file:[M]/nexus/keys/local.key	default
    context.local.tenants.connection_limit	20	default
    context.local.tenants.invitation_ttl_hours	168	default
    context.local.tenants.retention_days	30	default
    context.local.passwords.memory_kib	19456	default
    context.local.passwords.passes	2	default
    context.local.passwords.lanes	1	default
    context.local.passwords.at_once		default: one for each core, at most four
    context.local.passwords.guesses	10	default
    context.local.passwords.wait_minutes	15	default
    context.local.passwords.reset_ttl_minutes	60	default
    context.local.passwords.retention_days	30	default
    context.local.tokens.issuer	http://127.0.0.1:8420	default
    context.local.tokens.audience	nexus	default
    context.local.tokens.ttl_minutes	15	default
    context.local.tokens.development_keys		default: accept in context local, else refuse
    context.local.tokens.lost_answer	10s	default
    context.local.serve.bind	127.0.0.1:8420	default
    context.local.serve.share_port	false	default
    context.local.serve.tls_cert		default: none: plain HTTP
    context.local.serve.tls_key		default: none
    context.local.serve.public_url		default: http:// or https:// and the address that is listened on
    context.local.serve.tenant_domain		default: none: a request names its tenant by token or header
    context.local.serve.app_url		default: public_url
    context.local.serve.mail_folder		default: none: without smtp_host, messages wait; in context local they go to its mailbox
    context.local.serve.sessions	32	default
    context.local.serve.timeout_seconds	30	default
    context.local.serve.body_kib	1024	default
    context.local.serve.trusted_proxies		default: none: X-Forwarded-For is ignored
    context.local.serve.cors_origins		default: none: no page of another origin calls the API
    context.local.serve.metrics_from	127.0.0.0/8,::1/128	default
    context.local.serve.messages_a_minute	30	default
    context.local.serve.passwords_a_minute	30	default
    context.local.serve.sessions_a_minute	120	default
    context.local.serve.requests_a_minute	6000	default
    context.local.mail.smtp_host		default: in context local the stack's own mailbox; else none: no mail is sent
    context.local.mail.smtp_port		default: 587 with starttls, 465 with implicit, 25 with none
    context.local.mail.smtp_tls		default: implicit on port 465, else starttls
    context.local.mail.smtp_plaintext	refuse	default
    context.local.mail.smtp_user		default: none: without a login
    context.local.mail.smtp_password		default: none
    context.local.mail.smtp_ca_file		default: the system's certificates
    context.local.mail.from		default: required where smtp_host is set
    context.local.mail.reply_to		default: none: replies go to from
    context.local.mail.dns_server		default: those of /etc/resolv.conf
    context.local.outbound.allow_networks		default: in context local 127.0.0.0/8,::1/128; else none: public addresses on port 443 only
    context.local.outbound.plaintext_http		default: in context local allow, else refuse
    context.local.events.backend	postgres	default
    context.local.events.nats_url		default: required where backend is nats
    context.local.events.nats_credentials		default: none: without a login
    context.local.events.nats_ca_file		default: the system's certificates
    context.local.events.nats_plaintext	refuse	default
    context.local.events.nats_prefix	nexus	default
    context.local.events.nats_replicas	1	default
    context.local.events.nats_max_mb	1024	default
    --- exit 0
    ");
}

#[test]
fn each_value_is_shown_with_where_it_came_from() {
    let machine = Machine::new()
        .with_settings(PROD)
        .with_variable("NEXUS_CONTEXT_PROD_CONTROL_PORT", "6432")
        .with_variable("NEXUS_CONTEXT_PROD_TENANTS_CONNECTION_LIMIT", "7");
    assert_snapshot!(machine.run(&["config", "show"]), @r"
    --- stdout
    context	prod	[M]/work/nexus.toml:1
    home	[M]/nexus	env NEXUS_HOME
    default_context	prod	[M]/work/nexus.toml:1
    log.level	warn	default
    log.format	json	[M]/work/nexus.toml:4
    telemetry.endpoint		default: none: no traces are made
    telemetry.headers		default: none
    context.prod.control.host	db.example	[M]/work/nexus.toml:7
    context.prod.control.port	6432	env NEXUS_CONTEXT_PROD_CONTROL_PORT
    context.prod.control.user	nexus	[M]/work/nexus.toml:8
    context.prod.control.database	nexus	default
    context.prod.control.password	file:[M]/work/db.password	[M]/work/nexus.toml:9
    context.prod.control.tls		default: verify-full; disable on a socket
    context.prod.control.ca_file	[M]/work/ca.pem	[M]/work/nexus.toml:10
    context.prod.store.driver	local	default
    context.prod.store.endpoint	https://s3.example	[M]/work/nexus.toml:13
    context.prod.store.admin_endpoint		default: none; driver garage needs it
    context.prod.store.region	us-east-1	default
    context.prod.store.admin_token	cmd:vault …	[M]/work/nexus.toml:14
    context.prod.keys.master	file:[M]/nexus/keys/prod.key	default
    context.prod.tenants.connection_limit	7	env NEXUS_CONTEXT_PROD_TENANTS_CONNECTION_LIMIT
    context.prod.tenants.invitation_ttl_hours	168	default
    context.prod.tenants.retention_days	30	default
    context.prod.passwords.memory_kib	19456	default
    context.prod.passwords.passes	2	default
    context.prod.passwords.lanes	1	default
    context.prod.passwords.at_once		default: one for each core, at most four
    context.prod.passwords.guesses	10	default
    context.prod.passwords.wait_minutes	15	default
    context.prod.passwords.reset_ttl_minutes	60	default
    context.prod.passwords.retention_days	30	default
    context.prod.tokens.issuer	http://127.0.0.1:8420	default
    context.prod.tokens.audience	nexus	default
    context.prod.tokens.ttl_minutes	15	default
    context.prod.tokens.development_keys		default: accept in context local, else refuse
    context.prod.tokens.lost_answer	10s	default
    context.prod.serve.bind	127.0.0.1:8420	default
    context.prod.serve.share_port	false	default
    context.prod.serve.tls_cert		default: none: plain HTTP
    context.prod.serve.tls_key		default: none
    context.prod.serve.public_url		default: http:// or https:// and the address that is listened on
    context.prod.serve.tenant_domain		default: none: a request names its tenant by token or header
    context.prod.serve.app_url		default: public_url
    context.prod.serve.mail_folder		default: none: without smtp_host, messages wait; in context local they go to its mailbox
    context.prod.serve.sessions	32	default
    context.prod.serve.timeout_seconds	30	default
    context.prod.serve.body_kib	1024	default
    context.prod.serve.trusted_proxies		default: none: X-Forwarded-For is ignored
    context.prod.serve.cors_origins		default: none: no page of another origin calls the API
    context.prod.serve.metrics_from	127.0.0.0/8,::1/128	default
    context.prod.serve.messages_a_minute	30	default
    context.prod.serve.passwords_a_minute	30	default
    context.prod.serve.sessions_a_minute	120	default
    context.prod.serve.requests_a_minute	6000	default
    context.prod.mail.smtp_host		default: in context local the stack's own mailbox; else none: no mail is sent
    context.prod.mail.smtp_port		default: 587 with starttls, 465 with implicit, 25 with none
    context.prod.mail.smtp_tls		default: implicit on port 465, else starttls
    context.prod.mail.smtp_plaintext	refuse	default
    context.prod.mail.smtp_user		default: none: without a login
    context.prod.mail.smtp_password		default: none
    context.prod.mail.smtp_ca_file		default: the system's certificates
    context.prod.mail.from		default: required where smtp_host is set
    context.prod.mail.reply_to		default: none: replies go to from
    context.prod.mail.dns_server		default: those of /etc/resolv.conf
    context.prod.outbound.allow_networks		default: in context local 127.0.0.0/8,::1/128; else none: public addresses on port 443 only
    context.prod.outbound.plaintext_http		default: in context local allow, else refuse
    context.prod.events.backend	postgres	default
    context.prod.events.nats_url		default: required where backend is nats
    context.prod.events.nats_credentials		default: none: without a login
    context.prod.events.nats_ca_file		default: the system's certificates
    context.prod.events.nats_plaintext	refuse	default
    context.prod.events.nats_prefix	nexus	default
    context.prod.events.nats_replicas	1	default
    context.prod.events.nats_max_mb	1024	default
    --- exit 0
    ");
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let machine = Machine::new().with_settings(PROD).with_variable("NEXUS_CONTEXT", "local");
    let chosen = |args: &[&str]| machine.run(args).lines().nth(1).unwrap().to_owned();
    assert_eq!(chosen(&["config", "show"]), "context\tlocal\tenv NEXUS_CONTEXT");
    assert_eq!(chosen(&["config", "show", "--context", "prod"]), "context\tprod\tflag --context");
}

#[test]
fn the_first_file_found_is_the_only_one_read() {
    let machine = Machine::new()
        .with_settings("[log]\nlevel = \"info\"\n")
        .with_file("home/.config/nexus/nexus.toml", "[log]\nlevel = \"error\"\n")
        .with_file("nexus/nexus.toml", "[log]\nlevel = \"off\"\n")
        .with_file("named.toml", "[log]\nlevel = \"trace\"\n");
    let level = |machine: &Machine, args: &[&str]| {
        let seen = machine.run(&[args, &["config", "show"]].concat());
        seen.lines().find(|line| line.starts_with("log.level")).unwrap_or(&seen).to_owned()
    };
    let named = machine.path("named.toml").display().to_string();
    assert_eq!(level(&machine, &["--config", &named]), "log.level\ttrace\t[M]/named.toml:2");
    assert_eq!(level(&machine, &[]), "log.level\tinfo\t[M]/work/nexus.toml:2");
    fs::remove_file(machine.path("work/nexus.toml")).unwrap();
    assert_eq!(level(&machine, &[]), "log.level\terror\t[M]/home/.config/nexus/nexus.toml:2");
    fs::remove_file(machine.path("home/.config/nexus/nexus.toml")).unwrap();
    assert_eq!(level(&machine, &[]), "log.level\toff\t[M]/nexus/nexus.toml:2");
    let machine = machine.with_variable("NEXUS_CONFIG", &named);
    assert_eq!(level(&machine, &[]), "log.level\ttrace\t[M]/named.toml:2");
}

#[test]
fn a_named_file_that_is_not_there_is_an_error() {
    assert_snapshot!(Machine::new().run(&["--config", "no.toml", "config", "show"]), @r"
    --- stderr
    error: there is no settings file no.toml
    hint: name none to use the usual places
    --- exit 2
    ");
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_nearest() {
    let with = |text: &str| Machine::new().with_settings(text).run(&["config", "show"]);
    assert_snapshot!(with("[context.prod.control]\nhots = \"db\"\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:2: unknown key "context.prod.control.hots"
    hint: did you mean context.prod.control.host?
    --- exit 2
    "#);
    assert_snapshot!(with("[context.prod.controll]\nhost = \"db\"\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:1: unknown key "context.prod.controll"
    hint: did you mean context.prod.control?
    --- exit 2
    "#);
    assert_snapshot!(with("[log]\nlevel = \"inof\"\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:2: log.level must be one of off, error, warn, info, debug, trace, not "inof"
    hint: did you mean info?
    --- exit 2
    "#);
    assert_snapshot!(with("[serve]\nbind = \"127.0.0.1:8420\"\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:1: unknown key "serve"
    hint: did you mean context.NAME.serve?
    --- exit 2
    "#);
    assert_snapshot!(with("zzz = 1\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:1: unknown key "zzz"
    hint: the keys there are: default_context, log, telemetry, local, context
    --- exit 2
    "#);
}

#[test]
fn an_issuer_is_an_https_url_or_one_of_this_machine() {
    let with = |issuer: &str| {
        let text = format!("[context.local.tokens]\nissuer = \"{issuer}\"\n");
        Machine::new().with_settings(&text).run(&["config", "show"])
    };
    assert_snapshot!(with("http://api.example.com"), @r"
    --- stderr
    error: [M]/work/nexus.toml:2: context.local.tokens.issuer must be an https URL without a user, a query or a fragment; http is for this machine alone
    hint: use the URL at which clients reach the API, e.g. https://api.example.com; without one it is http://127.0.0.1:8420
    --- exit 2
    ");
    assert_snapshot!(with("https://API.example.com"), @r"
    --- stderr
    error: [M]/work/nexus.toml:2: context.local.tokens.issuer must be an https URL without a user, a query or a fragment; http is for this machine alone
    hint: write it as clients do: https://api.example.com/
    --- exit 2
    ");
    for good in ["https://api.example.com/nexus", "http://localhost:9000"] {
        assert!(with(good).contains(&format!("context.local.tokens.issuer\t{good}\t")), "{good}");
    }
}

#[test]
fn a_table_where_a_value_belongs_and_the_other_way_round_are_errors() {
    let with = |text: &str| Machine::new().with_settings(text).run(&["config", "show"]);
    assert_snapshot!(with("context = \"prod\"\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:1: context holds a table for each context, not a value
    hint: to choose the context that is used, write default_context = "NAME"
    --- exit 2
    "#);
    assert_snapshot!(with("[context.prod.control.host]\nname = \"db\"\n"), @r"
    --- stderr
    error: [M]/work/nexus.toml:1: context.prod.control.host must be one value, not a table
    --- exit 2
    ");
    assert_snapshot!(with("log = 3\n"), @r"
    --- stderr
    error: [M]/work/nexus.toml:1: log must be a table of keys, not one value
    --- exit 2
    ");
    assert_snapshot!(with("[context.prod.control]\nport = 70000\n"), @r#"
    --- stderr
    error: [M]/work/nexus.toml:2: context.prod.control.port must be a whole number from 1 to 65535, not "70000"
    --- exit 2
    "#);
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_its_line_without_repeating_it() {
    let text = "[context.prod.control]\npassword = \"hunter2\nport = 1\n";
    assert_snapshot!(Machine::new().with_settings(text).run(&["config", "show"]), @r#"
    --- stderr
    error: [M]/work/nexus.toml:2: invalid basic string, expected `"`
    --- exit 2
    "#);
}

#[test]
fn a_literal_secret_is_refused_with_the_three_forms_and_never_repeated() {
    let text = "[context.prod.control]\npassword = \"hunter2\"\n";
    assert_snapshot!(Machine::new().with_settings(text).run(&["-o", "json", "config", "show"]), @r#"
    --- stderr
    {"error":{"code":"settings_value_invalid","message":"[M]/work/nexus.toml:2: context.prod.control.password must be a reference to a secret: a secret itself is not accepted here","hint":"write \"env:NAME\"\nwrite \"file:/path/to/a/0600/file\"\nwrite \"cmd:PROGRAM ARGS\"","details":{"key":"context.prod.control.password"},"operation":null}}
    --- exit 2
    "#);
    let machine = Machine::new().with_variable("NEXUS_CONTEXT_PROD_CONTROL_PASSWORD", "hunter2");
    assert_snapshot!(machine.run(&["config", "show"]), @r#"
    --- stderr
    error: env NEXUS_CONTEXT_PROD_CONTROL_PASSWORD: context.prod.control.password must be a reference to a secret: a secret itself is not accepted here
    hint: write "env:NAME"
    hint: write "file:/path/to/a/0600/file"
    hint: write "cmd:PROGRAM ARGS"
    --- exit 2
    "#);
}

#[test]
fn a_slip_in_a_variable_is_an_error_and_a_strangers_variable_is_not() {
    let machine = Machine::new().with_variable("NEXUS_CONTEXT_PROD_CONTROL_HOTS", "db");
    assert_snapshot!(machine.run(&["config", "show"]), @r"
    --- stderr
    error: the variable NEXUS_CONTEXT_PROD_CONTROL_HOTS does not stand for a key
    hint: did you mean NEXUS_CONTEXT_PROD_CONTROL_HOST?
    --- exit 2
    ");
    let machine = Machine::new().with_variable("NEXUS_USER", "me").with_variable("NEXUS_HOEM", "/x");
    let seen = machine.run(&["config", "show"]);
    assert!(seen.contains("warning: unknown variable NEXUS_HOEM; did you mean NEXUS_HOME?"), "{seen}");
    assert!(seen.ends_with("--- exit 0") && !seen.contains("NEXUS_USER"), "{seen}");
}

#[test]
fn a_key_that_a_context_must_have_is_named() {
    let machine = Machine::new().with_settings("[context.prod.control]\nhost = \"db\"\n");
    assert_snapshot!(machine.run(&["--context", "prod", "context", "show"]), @r"
    --- stderr
    error: context.prod.control.user is not set
    hint: set it in nexus.toml, or as NEXUS_CONTEXT_PROD_CONTROL_USER
    hint: every key and what it takes: docs/configuration.md
    --- exit 2
    ");
}

#[test]
fn settings_that_everybody_can_write_are_not_trusted_also_where_they_are_named() {
    let machine = Machine::new().with_settings("[log]\nlevel = \"info\"\n");
    fs::set_permissions(machine.path("work/nexus.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    assert_snapshot!(machine.run(&["config", "show"]), @r"
    --- stderr
    error: the settings file [M]/work/nexus.toml is not trusted: [M]/work/nexus.toml can be written by everybody (mode 0666)
    hint: chmod go-w [M]/work/nexus.toml
    hint: or read it and use a copy: nexus --config COPY_OF_nexus.toml …
    --- exit 3
    ");
    assert!(machine.run(&["--config", "nexus.toml", "config", "show"]).ends_with("--- exit 3"));
}

#[test]
fn a_wrong_log_filter_is_an_error() {
    let machine = Machine::new().with_variable("NEXUS_LOG", "a=b=c");
    assert_snapshot!(machine.run(&["context", "list"]), @r#"
    --- stderr
    error: NEXUS_LOG="a=b=c" is not a log filter
    hint: NEXUS_LOG=debug, or by part: NEXUS_LOG=nexus=debug,sqlx=info
    --- exit 2
    "#);
}
