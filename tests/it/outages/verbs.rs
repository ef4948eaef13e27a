//! Every verb that a server may keep waiting, with words that take it as far as it goes.

use std::collections::BTreeSet;

/// Verbs of the grammar that need no server, or of which one test cannot know the end.
const NO_SERVER: [&str; 23] = [
    // They run the parts themselves, and have limits and tests of their own (tests/local_stack).
    "local up",
    "local down",
    "local status",
    "local logs",
    "local reset",
    "local daemon",
    // Files of this machine.
    "local mail list",
    "local mail show",
    // A mail server alone: tests/it/mail.
    "notify test",
    // They wait for requests, and for jobs.
    "serve",
    "worker",
    // psql waits as psql does.
    "local psql",
    "tenant psql",
    "context list",
    "context use",
    "context show",
    "config show",
    "schema",
    "completions",
    "man",
    "version",
    // They read a token and a file.
    "token inspect",
    "migrate new",
];

/// The verb, then its words. `{}` stands for a name that nothing has yet.
pub const VERBS: &[(&str, &str)] = &[
    ("init", ""),
    ("doctor", ""),
    ("fsck", ""),
    ("exec", "--all -- select 1"),
    ("cluster add", "{} --host 127.0.0.1 --user x --password-file {password}"),
    ("cluster list", ""),
    ("cluster show", "default"),
    ("cluster update", "default --note x"),
    ("cluster check", ""),
    ("cluster drain", "none"),
    ("cluster remove", "none"),
    ("store add", "{} --driver local --endpoint http://127.0.0.1:1 --admin-token-file {password}"),
    ("store list", ""),
    ("store show", "default"),
    ("store update", "default --note x"),
    ("store check", ""),
    ("store drain", "none"),
    ("store remove", "none"),
    ("pool set", "--size 0"),
    ("pool list", ""),
    ("pool fill", ""),
    ("tenant create", "{}"),
    ("tenant adopt", "{} --dsn-file {dsn}"),
    ("tenant list", ""),
    ("tenant show", "acme"),
    ("tenant update", "acme --name Acme"),
    ("tenant rename", "none {}"),
    ("tenant env", "acme --reveal"),
    ("tenant suspend", "{spare} --reason test"),
    ("tenant resume", "{spare}"),
    ("tenant delete", "none"),
    ("tenant undelete", "none"),
    ("tenant purge", "--due"),
    ("tenant repair", "acme"),
    ("tenant prove", "acme"),
    ("operation list", ""),
    ("operation show", "00000000-0000-7000-8000-000000000000"),
    ("operation resume", ""),
    ("operation rollback", "00000000-0000-7000-8000-000000000000"),
    ("job list", ""),
    ("job show", "00000000-0000-7000-8000-000000000000"),
    ("job retry", "00000000-0000-7000-8000-000000000000"),
    ("job cancel", "00000000-0000-7000-8000-000000000000"),
    ("migrate set add", "{} --source {folder}"),
    ("migrate set list", ""),
    ("migrate set show", "shop"),
    ("migrate set update", "shop"),
    ("migrate set remove", "none"),
    ("migrate lint", ""),
    ("migrate plan", "--all"),
    ("migrate apply", "--plan {plan}"),
    ("migrate tenants", "--all"),
    ("migrate runs list", ""),
    ("migrate runs show", "00000000-0000-7000-8000-000000000000"),
    ("migrate runs resume", "00000000-0000-7000-8000-000000000000"),
    ("migrate runs cancel", "00000000-0000-7000-8000-000000000000"),
    ("migrate runs rollback", "00000000-0000-7000-8000-000000000000"),
    ("migrate status", ""),
    ("migrate verify", ""),
    ("migrate rehearse", ""),
    ("user create", "--tenant acme --email {}@a.example"),
    ("user invite", "--tenant acme ann@acme.example"),
    ("user list", "--tenant acme"),
    ("user show", "--tenant acme ann@acme.example"),
    ("user update", "--tenant acme ann@acme.example --name Ann"),
    ("user disable", "--tenant acme none@a.example"),
    ("user enable", "--tenant acme none@a.example"),
    ("user unlock", "--tenant acme ann@acme.example"),
    ("user delete", "--tenant acme none@a.example"),
    ("user undelete", "--tenant acme none@a.example"),
    ("user purge", "--tenant acme --due"),
    ("user export", "--tenant acme"),
    ("user password set", "--tenant acme none@a.example"),
    ("user password reset", "--tenant acme none@a.example"),
    ("user factor enrol", "--tenant acme none@a.example"),
    ("user factor confirm", "--tenant acme none@a.example"),
    ("user factor remove", "--tenant acme none@a.example"),
    ("user sessions list", "--tenant acme ann@acme.example"),
    ("user sessions revoke", "--tenant acme ann@acme.example"),
    ("user roles", "--tenant acme ann@acme.example"),
    ("user groups", "--tenant acme ann@acme.example"),
    ("user can", "--tenant acme ann@acme.example invoice:read"),
    ("role create", "--tenant acme R{}"),
    ("role list", "--tenant acme"),
    ("role show", "--tenant acme Admin"),
    ("role update", "--tenant acme none"),
    ("role delete", "--tenant acme none"),
    ("role allow", "--tenant acme Manager invoice:read"),
    ("role disallow", "--tenant acme Manager invoice:none"),
    ("role grant", "--tenant acme --user ann@acme.example Manager"),
    ("role revoke", "--tenant acme --user ann@acme.example Viewer"),
    ("permission list", "--tenant acme"),
    ("permission register", "--tenant acme --description x invoice:read"),
    ("group create", "--tenant acme G{}"),
    ("group list", "--tenant acme"),
    ("group tree", "--tenant acme"),
    ("group show", "--tenant acme none"),
    ("group members", "--tenant acme none"),
    ("group update", "--tenant acme none"),
    ("group move", "--tenant acme none --to-top"),
    ("group delete", "--tenant acme none"),
    ("group add", "--tenant acme none ann@acme.example"),
    ("group remove", "--tenant acme none ann@acme.example"),
    ("custom-field list", "--tenant acme"),
    ("custom-field show", "--tenant acme --of users none"),
    ("custom-field create", "--tenant acme --of users --type text f{}"),
    ("custom-field update", "--tenant acme --of users none --optional"),
    ("custom-field delete", "--tenant acme --of users none"),
    ("iam apply", "{iam}"),
    ("iam set", "--tenant acme --registration closed"),
    ("iam show", "--tenant acme"),
    ("operator grant", "none@a.example --tenant acme --role Viewer --reason x --for 1h"),
    ("operator revoke", "none@a.example --tenant acme"),
    ("operator list", ""),
    ("secret status", ""),
    ("audit list", ""),
    ("audit verify", ""),
    ("audit anchor", ""),
    ("audit export", ""),
    ("token mint", "--tenant acme --user ann@acme.example"),
    ("token refresh", "--file {password}"),
    ("token verify", ""),
    ("token list", ""),
    ("token revoke", "--tenant acme --user ann@acme.example"),
    ("key list", ""),
    ("key rotate", ""),
    ("key retire", "none"),
    ("key export", "--jwks"),
    ("api-key create", "--tenant acme --user ann@acme.example --name n{}"),
    ("api-key list", "--tenant acme"),
    ("api-key verify", ""),
    ("api-key revoke", "--tenant acme none"),
];

#[test]
fn every_verb_of_the_grammar_is_in_the_list() {
    fn leaves(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name());
            if inner.has_subcommands() {
                leaves(inner, &path, found);
            } else if !inner.is_hide_set() {
                found.insert(path.trim_start().to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    leaves(&nexus::cli::grammar(), "", &mut found);
    let listed = VERBS.iter().map(|(verb, _)| *verb).chain(NO_SERVER);
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "in neither list: {missing:?}");
    assert_eq!(VERBS.iter().filter(|(verb, _)| !found.contains(*verb)).count(), 0);
}
