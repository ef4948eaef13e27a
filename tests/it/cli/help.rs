//! What a person who does not know the command yet is told.

use insta::assert_snapshot;

use crate::support::machine::Machine;

#[test]
fn the_grammar_has_no_contradiction() {
    nexus::cli::grammar().debug_assert();
}

#[test]
fn every_verb_has_help_with_examples_and_a_first_line_in_the_imperative() {
    fn check(command: &clap::Command, path: &str) {
        let about = command.get_about().unwrap_or_else(|| panic!("{path} has no help")).to_string();
        assert!(!about.ends_with('.'), "{path}: no full stop after the first line");
        assert!(about.starts_with(char::is_uppercase), "{path}: a sentence");
        if command.has_subcommands() {
            for inner in command.get_subcommands() {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        } else if !command.is_hide_set() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.starts_with("EXAMPLES\n"), "{path} has no examples");
        }
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            assert!(arg.get_help().is_some(), "{path}: {} has no help", arg.get_id());
        }
    }
    check(&nexus::cli::grammar(), "nexus");
}

#[test]
fn without_a_command_the_help_is_shown() {
    assert_snapshot!(Machine::new().run(&[]), @r"
    --- stdout
    Give every customer a database and a bucket of their own

    Usage: nexus [OPTIONS] <COMMAND>

    Commands:
      local         Run the embedded PostgreSQL and S3 endpoint
      init          Create the control database, the keys and the first operator
      doctor        Check the installation and suggest a fix for each problem
      context       Choose the installation that commands work on
      config        Show the settings, and where each comes from
      cluster       Manage the PostgreSQL servers that tenants are placed on
      store         Manage the object stores that tenants' buckets are placed in
      pool          Provision spare tenants ahead of time
      tenant        Create, inspect, repair and delete tenants
      operation     List, resume and roll back recorded changes of tenants
      migrate       Manage sets of migrations, and migrate every tenant to the same version
      exec          Run one statement in many tenants' databases, as each tenant's own login
      fsck          Compare the control database with the servers and stores, and fix what differs
      user          Manage the users of a realm: a tenant's, or the platform's operators
      role          Manage what roles allow, and who holds them
      permission    List and register the permissions that roles can hold
      group         Manage groups of users, which nest and carry roles
      custom-field  Define the custom fields of users and groups
      iam           Declare a realm's roles, groups and grants in a file, and change its settings
      operator      Give operators temporary access to tenants
      secret        Show the keys that seal secrets
      audit         Show who changed what, and prove that the log was not changed
      token         Mint, verify, list and revoke access tokens
      key           Manage the keys that sign access tokens
      api-key       Create, list, verify and revoke API keys
      webhook       Send events of tenants to addresses of their own, and see what became of them
      service       Register services of apps, which others call by name, and call them
      notify        Send notifications, set what they say, and test that mail can be sent
      serve         Serve the API that apps are built on
      worker        Run background jobs without serving the API
      job           List, retry and cancel background jobs
      event         List, follow and replay what happened in a realm
      schema        Print the JSON Schema of what commands write with -o json, and the page of the API
      completions   Print a shell's completion script
      man           Write the manual pages
      version       Show the version, with what a bug report needs

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --context <NAME>   Work on this context: one of the installations in nexus.toml
          --config <FILE>    Read this settings file and no other
      -o, --output <FORMAT>  Output format; tables are drawn on a terminal, elsewhere rows are separated
                             by tabs [default: table] [possible values: table, json, yaml, csv, id]
      -q, --quiet            Write data and errors only: no notes, no progress
      -v, --verbose...       Log more, and show the causes of an error; may be repeated
      -y, --yes              Assume yes; commands that destroy, or change many, also need --confirm
          --dry-run          Show what would be done, and do nothing
          --no-pager         Do not show long tables in a pager

    EXAMPLES
      nexus local up                    start the embedded PostgreSQL and S3 endpoint
      nexus tenant create acme          create a tenant
      nexus tenant psql acme            open its database, as its own login
      nexus -o json tenant list         the tenants, for a script

    Exit codes: 0 done, 1 a bug, 2 usage, 3 refused, 4 no such thing, 5 conflict, 6 partly done,
    7 busy, 8 a dependency is down, 9 integrity, 130 interrupted.
    --- exit 0
    ");
}

#[test]
fn without_a_verb_the_nouns_help_is_shown_and_the_exit_says_usage() {
    let seen = Machine::new().run(&["secret"]);
    assert!(seen.starts_with("--- stderr\nShow the keys"), "{seen}");
    assert!(seen.ends_with("--- exit 2"));
}

#[test]
fn a_verbs_help_teaches_by_example() {
    assert_snapshot!(Machine::new().run(&["tenant", "delete", "--help"]), @r"
    --- stdout
    Delete a tenant; it can be undeleted until it is purged

    All access is blocked, and its slug stays taken. How many days it is kept is a setting
    (retention_days); until then 'nexus tenant undelete' undeletes it. With --purge it is destroyed at
    once. The slug must be typed; a script passes --yes --confirm SLUG. For several tenants their number
    must be typed; a script passes --yes --confirm N. If it is interrupted, the same command finishes
    the work.

    Usage: nexus tenant delete [OPTIONS] <SLUG|ID|--all|--where <KEY=VALUE,…>>

    Arguments:
      [SLUG|ID]...
              The tenants, by slug or id

    Options:
          --all
              Every tenant

          --where <KEY=VALUE,…>
              Tenants that meet all these conditions; may be repeated

          --purge
              Destroy it at once and permanently: it cannot be undeleted

          --confirm <SLUG|N>
              Confirm the slug, or the number of several tenants, in a script

          --jobs <N>
              Change this many at once
              
              [default: 4]

          --max-failures <N>
              Start no more once this many have failed

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --context <NAME>
              Work on this context: one of the installations in nexus.toml

          --config <FILE>
              Read this settings file and no other

      -o, --output <FORMAT>
              Output format; tables are drawn on a terminal, elsewhere rows are separated by tabs

              Possible values:
              - table: A table on a terminal; elsewhere its rows, separated by tabs
              - json:  A list is an array, a thing is an object
              - yaml:  The same fields as JSON
              - csv:   A header and rows
              - id:    Ids or names only, one a line
              
              [default: table]

      -q, --quiet
              Write data and errors only: no notes, no progress

      -v, --verbose...
              Log more, and show the causes of an error; may be repeated

      -y, --yes
              Assume yes; commands that destroy, or change many, also need --confirm

          --dry-run
              Show what would be done, and do nothing

          --no-pager
              Do not show long tables in a pager

    EXAMPLES
      nexus tenant delete acme
      nexus tenant delete acme --yes --confirm acme             in a script
      nexus tenant delete acme --purge                          at once and permanently
      nexus tenant delete acme birch --yes --confirm 2          several: how many
      nexus tenant delete --where tier=trial,suspended<30d
      nexus --dry-run tenant delete acme --purge                what would be destroyed
      nexus tenant list --state trashed                         what can be undeleted
    --- exit 0
    ");
}

#[test]
fn the_version_comes_alone() {
    let seen = Machine::new().run(&["--version"]);
    assert_eq!(seen, concat!("--- stdout\nnexus ", env!("CARGO_PKG_VERSION"), "\n--- exit 0"));
}

#[test]
fn a_bug_report_can_be_read_by_a_program() {
    let output = Machine::new().output(&["-o", "json", "version"], "");
    let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in ["version", "commit", "target", "rustc", "profile", "os", "psql"] {
        assert!(view.get(name).is_some(), "{name}");
    }
}
