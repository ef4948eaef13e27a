//! `nexus context`.

use std::fs;

use insta::assert_snapshot;

use crate::support::machine::Machine;

const TWO: &str = r#"# ours
default_context = "prod" # careful

[context.prod.control]
host = "db.example"
user = "nexus"
[context.prod.store]
endpoint = "https://s3.example/"
admin_token = "env:TOKEN"

[context.eu-west.control]
host = "/run/postgresql"
user = "nexus"
"#;

#[test]
fn contexts_are_listed_with_the_one_in_use() {
    let machine = Machine::new().with_settings(TWO);
    assert_snapshot!(machine.run(&["context", "list"]), @r"
    --- stdout
    eu-west		servers	/run/postgresql
    local		local	
    prod	yes	servers	db.example
    --- exit 0
    ");
    assert_snapshot!(machine.run(&["-o", "id", "context", "list"]), @r"
    --- stdout
    eu-west
    local
    prod
    --- exit 0
    ");
    assert_snapshot!(machine.run(&["-o", "json", "context", "list"]), @r#"
    --- stdout
    [
    {"name":"eu-west","current":false,"kind":"servers","control":"/run/postgresql"},
    {"name":"local","current":false,"kind":"local","control":null},
    {"name":"prod","current":true,"kind":"servers","control":"db.example"}
    ]
    --- exit 0
    "#);
    assert_snapshot!(machine.run(&["-o", "yaml", "context", "list"]), @r"
    --- stdout
    - name: eu-west
      current: false
      kind: servers
      control: /run/postgresql
    - name: local
      current: false
      kind: local
      control: null
    - name: prod
      current: true
      kind: servers
      control: db.example
    --- exit 0
    ");
    assert_snapshot!(machine.run(&["-o", "csv", "context", "list"]), @r"
    --- stdout
    name,current,kind,control
    eu-west,,servers,/run/postgresql
    local,,local,
    prod,yes,servers,db.example
    --- exit 0
    ");
}

#[test]
fn the_context_in_use_is_shown() {
    let machine = Machine::new().with_settings(TWO);
    assert_snapshot!(machine.run(&["context", "show"]), @r"
    --- stdout
    name	prod
    chosen_by	[M]/work/nexus.toml:2
    kind	servers
    file	[M]/work/nexus.toml
    home	[M]/nexus
    control	nexus@db.example:5432/nexus
    cluster	nexus@db.example:5432/postgres
    store	https://s3.example
    master_key	file:[M]/nexus/keys/prod.key
    --- exit 0
    ");
    assert_snapshot!(machine.run(&["--context", "local", "-o", "json", "context", "show"]), @r#"
    --- stdout
    {
      "name": "local",
      "chosen_by": "flag --context",
      "kind": "local",
      "file": "[M]/work/nexus.toml",
      "home": "[M]/nexus",
      "control": null,
      "cluster": null,
      "store": null,
      "master_key": "file:[M]/nexus/keys/local.key"
    }
    --- exit 0
    "#);
}

#[test]
fn using_a_context_changes_that_one_value_and_nothing_else() {
    let machine = Machine::new().with_settings(TWO);
    assert_snapshot!(machine.run(&["--dry-run", "context", "use", "eu-west"]), @r#"
    --- stderr
    would write default_context = "eu-west" into [M]/work/nexus.toml
    --- exit 0
    "#);
    assert_eq!(fs::read_to_string(machine.path("work/nexus.toml")).unwrap(), TWO);
    assert_snapshot!(machine.run(&["context", "use", "eu-west"]), @r"
    --- stderr
    commands now use eu-west by default, as set in [M]/work/nexus.toml
    --- exit 0
    ");
    let now = fs::read_to_string(machine.path("work/nexus.toml")).unwrap();
    assert_eq!(now, TWO.replace("default_context = \"prod\"", "default_context = \"eu-west\""));
    assert_eq!(fs::read_dir(machine.path("work")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn without_a_file_the_choice_goes_to_the_users_own() {
    let machine = Machine::new();
    assert_snapshot!(machine.run(&["context", "use", "local"]), @r"
    --- stderr
    commands now use local by default, as set in [M]/home/.config/nexus/nexus.toml
    --- exit 0
    ");
    let file = machine.path("home/.config/nexus/nexus.toml");
    assert_eq!(fs::read_to_string(file).unwrap(), "default_context = \"local\"\n");
}

#[test]
fn a_context_that_is_not_described_is_no_such_thing() {
    let machine = Machine::new().with_settings(TWO);
    assert_snapshot!(machine.run(&["context", "use", "prd"]), @r#"
    --- stderr
    error: there is no context "prd"
    hint: did you mean prod?
    hint: nexus context list
    hint: describe it in [M]/work/nexus.toml under [context.prd]
    --- exit 4
    "#);
    assert_snapshot!(machine.run(&["--context", "../x", "context", "show"]), @r#"
    --- stderr
    error: "../x" cannot name a context: a context's name has 1 to 40 lower-case letters, digits and hyphens, and begins with a letter
    --- exit 2
    "#);
}

#[test]
fn a_variable_that_comes_first_is_pointed_out() {
    let machine = Machine::new().with_settings(TWO).with_variable("NEXUS_CONTEXT", "prod");
    let seen = machine.run(&["context", "use", "eu-west"]);
    assert!(seen.contains("warning: NEXUS_CONTEXT=prod is set here and takes precedence"), "{seen}");
}
