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
      local        Run the embedded PostgreSQL and S3 endpoint
      init         Make the control database, the keys and the first operator
      doctor       Check everything a person would be asked to check, with the mend for each
      context      Choose which installation commands work on
      config       Show what is set, and where it was set
      cluster      Look after the PostgreSQL servers that tenants are placed on
      store        Look after the object stores that tenants' buckets are placed in
      pool         Keep tenants ready before anybody asks for them
      tenant       Make, show, use, mend and delete tenants
      operation    Look at recorded changes of tenants, finish them or take them back
      migrate      Keep sets of migrations, and bring every tenant to the same version
      exec         Run one statement in many tenants' databases, as each tenant's own login
      fsck         Compare the control database with all that is really there, and mend what differs
      user         Manage the users of a realm: a tenant's, or the platform's operators
      role         Say what a role allows, and who holds it
      permission   See and register what roles can allow
      group        Put users into groups that nest and carry roles
      iam          Declare a realm's roles, groups and grants in a file
      operator     Let the platform's operators into tenants' realms, for a time
      secret       Look after the keys that seal secrets
      audit        Show who changed what, and prove that nobody changed the record
      token        Mint, check, list and take back access tokens
      key          Look after the keys that sign access tokens
      api-key      Make, list, check and take back the keys with which machines act as a user
      completions  Print a shell's completion script
      man          Write the manual pages
      version      Show the version, with what a bug report needs

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --context <NAME>   Work on this context: one of the installations in nexus.toml
          --config <FILE>    Read this settings file, and look for no other
      -o, --output <FORMAT>  How data is written; a table only on a terminal, else its rows separated by
                             tabs [default: table] [possible values: table, json, yaml, csv, id]
      -q, --quiet            Write data and errors only: no notes, no progress
      -v, --verbose...       Log more, and show what caused an error; repeat for more still
      -y, --yes              Answer yes to questions; what destroys or changes many also wants --confirm
          --dry-run          Show what would be done, and do nothing
          --no-pager         Do not show long tables in a pager

    EXAMPLES
      nexus local up                    start the embedded PostgreSQL and S3 endpoint
      nexus tenant create acme          make a tenant
      nexus tenant psql acme            look into its database, as its own login
      nexus -o json tenant list         the tenants, for a script

    Exit codes: 0 done, 1 a bug, 2 usage, 3 refused, 4 no such thing, 5 conflict, 6 partly done,
    7 busy, 8 a dependency is down, 9 integrity, 130 interrupted.
    --- exit 0
    ");
}

#[test]
fn without_a_verb_the_nouns_help_is_shown_and_the_exit_says_usage() {
    let seen = Machine::new().run(&["secret"]);
    assert!(seen.starts_with("--- stderr\nLook after the keys"), "{seen}");
    assert!(seen.ends_with("--- exit 2"));
}

#[test]
fn a_verbs_help_teaches_by_example() {
    assert_snapshot!(Machine::new().run(&["tenant", "delete", "--help"]), @r"
    --- stdout
    Delete a tenant: nobody can use it, and it is kept for a while

    Its slug stays taken, and 'nexus tenant undelete' has it back until it is purged; how many days it
    is kept is a setting (retention_days). With --purge it is destroyed at once. The slug must be typed;
    a script passes --yes --confirm SLUG. Of several the number must be typed, and a script passes --yes
    --confirm N. Should anything stop it, the same command finishes the work.

    Usage: nexus tenant delete [OPTIONS] <SLUG|ID|--all|--where <KEY=VALUE,…>>

    Arguments:
      [SLUG|ID]...
              The tenants, by slug or id

    Options:
          --all
              Every tenant

          --where <KEY=VALUE,…>
              Those that meet all these conditions; may be repeated

          --purge
              Destroy it at once and for good: nothing of it can be had back

          --confirm <SLUG|N>
              Say which tenant is meant, or of several how many, where there is no terminal to type it
              on

          --jobs <N>
              Change this many at once
              
              [default: 4]

          --max-failures <N>
              Begin no more once this many have failed

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --context <NAME>
              Work on this context: one of the installations in nexus.toml

          --config <FILE>
              Read this settings file, and look for no other

      -o, --output <FORMAT>
              How data is written; a table only on a terminal, else its rows separated by tabs

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
              Log more, and show what caused an error; repeat for more still

      -y, --yes
              Answer yes to questions; what destroys or changes many also wants --confirm

          --dry-run
              Show what would be done, and do nothing

          --no-pager
              Do not show long tables in a pager

    EXAMPLES
      nexus tenant delete acme
      nexus tenant delete acme --yes --confirm acme             in a script
      nexus tenant delete acme --purge                          at once, and for good
      nexus tenant delete acme birch --yes --confirm 2          several: how many
      nexus tenant delete --where label.tier=trial,suspended<30d
      nexus --dry-run tenant delete acme --purge                what would go
      nexus tenant list --state trashed                         what can be had back
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
