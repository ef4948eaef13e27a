//! Errors: what failed, on what, why, what to type next, and the exit code.

use insta::assert_snapshot;

use crate::support::machine::Machine;

#[test]
fn a_slip_in_a_noun_names_the_nearest() {
    assert_snapshot!(Machine::new().run(&["tennant"]), @r"
    --- stderr
    error: unrecognized subcommand 'tennant'
    hint: did you mean tenant?
    hint: nexus --help
    --- exit 2
    ");
}

#[test]
fn a_word_of_another_tool_names_what_there_is_and_never_what_destroys() {
    for (args, hints) in [
        (&["tenant", "crate", "acme"][..], "did you mean create?\nnexus tenant --help"),
        (&["tenant", "ls"], "did you mean list?\nnexus tenant --help"),
        (&["tenant", "get", "acme"], "did you mean show?\nnexus tenant --help"),
        (&["tenant", "stop", "acme"], "did you mean suspend?\nnexus tenant --help"),
        (&["tenant", "delte", "acme"], "nexus tenant --help"),
        (&["tenant", "remove", "acme"], "nexus tenant --help"),
        (&["cluster", "remov", "eu1"], "nexus cluster --help"),
        (&["local", "rest"], "nexus local --help"),
        (&["workflow"], "nexus --help"),
        (&["tenant", "delete", "acme", "--purg"], "nexus tenant delete --help"),
        (&["tenant", "suspend", "--al", "--reason", "x"], "nexus tenant suspend --help"),
        (
            &["tenant", "restore", "acme"],
            "Nexus does not restore from backups yet; nexus tenant undelete undeletes a tenant\n\
             did you mean undelete?\nnexus tenant --help",
        ),
        (
            &["cluster", "move", "acme"],
            "Nexus does not move tenants between servers yet; nexus cluster drain stops placing new ones\n\
             nexus cluster --help",
        ),
    ] {
        let output = Machine::new().output(&[&["-o", "json"], args].concat(), "");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), error["error"]["hint"].as_str()),
            (Some(2), Some(hints)),
            "{args:?}"
        );
    }
}

#[test]
fn a_slip_in_a_flag_names_the_nearest() {
    assert_snapshot!(Machine::new().run(&["tenant", "create", "acme", "--admin-password", "hunter2"]), @r"
    --- stderr
    error: unexpected argument '--admin-password' found
    hint: did you mean --admin-password-stdin?
    hint: nexus tenant create --help
    --- exit 2
    ");
}

#[test]
fn a_slip_in_a_word_names_the_nearest() {
    assert_snapshot!(Machine::new().run(&["tenant", "env", "acme", "--format", "jsn"]), @r"
    --- stderr
    error: invalid value 'jsn' for '--format <FORM>' [possible values: dotenv, shell, json, url]
    hint: did you mean json?
    hint: nexus tenant env --help
    --- exit 2
    ");
}

/// The hints of a command line that does not parse, that of `--help` left out.
fn hints(args: &[&str]) -> Vec<String> {
    let output = Machine::new().output(&[&["-o", "json"], args].concat(), "");
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &error["error"]["code"]), (Some(2), &"usage".into()), "{args:?}");
    let all = error["error"]["hint"].as_str().unwrap().lines();
    all.filter(|hint| !hint.ends_with(" --help")).map(str::to_owned).collect()
}

#[test]
fn a_slug_is_made_up_only_for_a_tenant_that_is_yet_to_get_one() {
    for args in [&["tenant", "create", "c"][..], &["tenant", "rename", "acme", "c"]] {
        assert_eq!(hints(args), ["did you mean c-co?"], "{args:?}");
    }
    for args in
        [&["tenant", "env", "c"][..], &["tenant", "rename", "c", "acme"], &["user", "list", "--tenant", "c"]]
    {
        assert_eq!(hints(args), [""; 0], "{args:?}");
    }
    assert_eq!(hints(&["tenant", "env", "T6"]), ["did you mean t6?"]);
}

#[test]
fn no_other_tenant_is_named_beside_a_verb_that_shuts_out_or_destroys() {
    for args in [
        &["tenant", "delete", "t6*"][..],
        &["tenant", "delete", "t6", "--confirm", "T5"],
        &["tenant", "suspend", "T6", "--reason", "x"],
        &["user", "delete", "ann@acme.example", "--tenant", "T6"],
        &["user", "disable", "ann@acme.example", "--tenant", "T6"],
    ] {
        assert_eq!(hints(args), [""; 0], "{args:?}");
    }
}

#[test]
fn a_statement_that_stands_among_the_tenants_is_put_where_it_belongs() {
    let json = "the statement goes after --: nexus -o json exec t1";
    assert_eq!(hints(&["exec", "t1", "select 1"]), [format!("{json} -- 'select 1'")]);
    assert_eq!(
        hints(&["exec", "t1", "update a set b = 1", "--write"]),
        [format!("{json} --write -- 'update a set b = 1'")]
    );
    assert_eq!(
        hints(&["exec", "t1", "vacuum"]),
        ["the statement goes after --: nexus exec SLUG -- 'select 1'"]
    );
    let help = Machine::new().output(&["exec", "--help"], "");
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("|-- <SQL>>\n"), "{help}");
}

#[test]
fn a_bad_slug_is_refused_with_the_reason_and_the_nearest_good_one() {
    assert_snapshot!(Machine::new().run(&["tenant", "create", "Acme Corp."]), @r"
    --- stderr
    error: invalid value 'Acme Corp.' for '[SLUG]': a slug holds lower-case letters, digits and hyphens only, not 'A'
    hint: did you mean acme-corp?
    hint: nexus tenant create --help
    --- exit 2
    ");
    assert_snapshot!(Machine::new().run(&["tenant", "show", "postgres"]), @r#"
    --- stderr
    error: invalid value 'postgres' for '<SLUG|ID>': "postgres" is reserved
    hint: nexus tenant show --help
    --- exit 2
    "#);
}

#[test]
fn a_bad_label_address_or_name_is_refused() {
    assert_snapshot!(Machine::new().run(&["tenant", "create", "acme", "--label", "Plan"]), @r#"
    --- stderr
    error: invalid value 'Plan' for '--label <KEY=VALUE>': a label is written key=value, "Plan" has no '='
    hint: nexus tenant create --help
    --- exit 2
    "#);
    assert_snapshot!(Machine::new().run(&["tenant", "create", "acme", "--admin-email", "ann"]), @r"
    --- stderr
    error: invalid value 'ann' for '--admin-email <E-MAIL>': an e-mail address is written name@domain
    hint: nexus tenant create --help
    --- exit 2
    ");
    assert_snapshot!(Machine::new().run(&["tenant", "create", "acme", "--name", "a\u{1b}b"]), @r"
    --- stderr
    error: invalid value 'a' for '--name <NAME>': a name must be one line of visible text: U+001B is a control character
    hint: nexus tenant create --help
    --- exit 2
    ");
}

#[test]
fn a_purge_must_be_asked_for() {
    assert_snapshot!(Machine::new().run(&["tenant", "purge"]), @r"
    --- stderr
    error: the following required arguments were not provided: --due
    hint: nexus tenant purge --help
    --- exit 2
    ");
}

#[test]
fn with_json_every_error_is_one_object_on_standard_error() {
    let machine = Machine::new();
    assert_snapshot!(machine.run(&["-o", "json", "tennant"]), @r#"
    --- stderr
    {"error":{"code":"usage","message":"unrecognized subcommand 'tennant'","hint":"did you mean tenant?\nnexus --help","details":{},"operation":null}}
    --- exit 2
    "#);
    assert_snapshot!(machine.run(&["tenant", "show", "Acme", "--output=json"]), @r#"
    --- stderr
    {"error":{"code":"usage","message":"invalid value 'Acme' for '<SLUG|ID>': a slug holds lower-case letters, digits and hyphens only, not 'A'","hint":"did you mean acme?\nnexus tenant show --help","details":{},"operation":null}}
    --- exit 2
    "#);
    assert_snapshot!(machine.run(&["-o", "json", "tenant"]), @r#"
    --- stderr
    {"error":{"code":"usage","message":"a verb is missing","hint":"nexus tenant --help","details":{},"operation":null}}
    --- exit 2
    "#);
    assert_snapshot!(machine.run(&["-o", "json", "--context", "prod", "context", "show"]), @r#"
    --- stderr
    {"error":{"code":"context_unknown","message":"there is no context \"prod\"","hint":"nexus context list\ndescribe it in nexus.toml under [context.prod]","details":{},"operation":null}}
    --- exit 4
    "#);
}

#[test]
fn causes_are_shown_only_when_asked_for() {
    let machine = Machine::new().with_file("work/folder/file", "");
    assert_snapshot!(machine.run(&["man", "--out", "folder/file/x"]), @r"
    --- stderr
    error: cannot write folder/file/x: Not a directory (os error 20)
    --- exit 2
    ");
    assert_snapshot!(machine.run(&["-v", "man", "--out", "folder/file/x"]), @r"
    --- stderr
    error: cannot write folder/file/x: Not a directory (os error 20)
    cause: Not a directory (os error 20)
    code: man_unwritable
    --- exit 2
    ");
}

#[test]
fn what_follows_two_hyphens_is_not_ours() {
    // `-o json` belongs to psql here, so the error is text.
    let seen = Machine::new().run(&["tenant", "psql", "Acme", "--", "-o", "json"]);
    assert!(seen.contains("error: invalid value 'Acme'"), "{seen}");
}

#[test]
fn what_may_be_a_password_is_not_repeated() {
    let machine = Machine::new();
    for args in [
        &["user", "password", "set", "ann@acme.example", "hunter2-hunter2"][..],
        &["user", "password", "set", "--password-stdin", "hunter2-hunter2"],
        &["user", "password", "set", "ann@acme.example", "--password-stdin=hunter2-hunter2"],
    ] {
        let seen = machine.run(args);
        assert!(seen.contains("'…'") && !seen.contains("hunter2"), "{seen}");
        assert!(seen.contains("nexus user password set --help") && seen.ends_with("--- exit 2"), "{seen}");
    }
}

#[test]
fn where_any_of_several_flags_will_do_all_are_named() {
    let machine = Machine::new();
    for (args, hint) in [
        (&["token", "revoke"][..], "of everybody: --all"),
        (&["user", "update", "ann@acme.example"], "any of --email, --name and --set will do"),
        (&["role", "update", "User"], "any of --name and --description will do"),
        (&["group", "update", "Sales"], "any of --name and --description will do"),
        (&["api-key", "create", "--user", "a@b.example", "--name", "ci"], "or print the key: --reveal"),
    ] {
        let seen = machine.run(args);
        assert!(seen.contains(hint), "{seen}");
    }
}

#[test]
fn a_wrong_id_is_answered_with_what_one_looks_like() {
    let machine = Machine::new();
    for args in [&["user", "sessions", "revoke", "--session", "xyz"][..], &["api-key", "revoke", "zz"]] {
        let seen = machine.run(args);
        assert!(seen.contains("is a UUID") && seen.contains(" list"), "{seen}");
    }
}
