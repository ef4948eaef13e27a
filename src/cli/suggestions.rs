//! What is suggested for a word that is no command: words that other tools use for what Nexus has,
//! else the nearest names. Nothing that destroys is ever suggested.

use clap::Command;

use crate::kernel::suggest;

/// Verbs and flags that destroy or shut out, or that take everything: one who types them means them.
const DESTROYING: [&str; 18] = [
    "delete",
    "purge",
    "remove",
    "reset",
    "revoke",
    "drop",
    "discard",
    "erase",
    "prune",
    "destroy",
    "wipe",
    "retire",
    "--purge",
    "--prune",
    "--all",
    "--force",
    "--drop-orphans",
    "--yes",
];

/// The words of other tools, and the names of ours that do it, the first that a command has.
const SYNONYMS: [(&str, &[&str]); 52] = [
    ("ls", &["list"]),
    ("ps", &["list", "status"]),
    ("get", &["show", "list"]),
    ("describe", &["show"]),
    ("info", &["show", "status"]),
    ("view", &["show"]),
    ("cat", &["show"]),
    ("inspect", &["show"]),
    ("find", &["list"]),
    ("search", &["list"]),
    ("add", &["create", "register"]),
    ("new", &["create"]),
    ("make", &["create"]),
    ("register", &["add", "create"]),
    ("edit", &["update"]),
    ("set", &["update"]),
    ("modify", &["update"]),
    ("change", &["update"]),
    ("label", &["update"]),
    ("mv", &["rename", "move"]),
    ("deny", &["disallow"]),
    ("stop", &["suspend", "down", "disable", "cancel"]),
    ("pause", &["suspend", "disable"]),
    ("block", &["suspend", "disable"]),
    ("lock", &["suspend", "disable"]),
    ("disable", &["suspend"]),
    ("start", &["up", "resume"]),
    ("unsuspend", &["resume"]),
    ("activate", &["resume", "enable"]),
    ("enable", &["resume"]),
    ("unpause", &["resume"]),
    ("unblock", &["resume", "unlock", "enable"]),
    ("cordon", &["drain"]),
    ("recover", &["undelete"]),
    ("restore", &["undelete"]),
    ("fix", &["repair"]),
    ("verify", &["prove", "check"]),
    ("sql", &["psql"]),
    ("shell", &["psql"]),
    ("connect", &["psql"]),
    ("credentials", &["env"]),
    ("history", &["list", "status"]),
    ("up", &["tenants"]),
    ("apply", &["tenants"]),
    ("run", &["tenants", "up"]),
    ("mail", &["notify"]),
    ("email", &["notify", "mail"]),
    ("smtp", &["notify", "mail"]),
    ("queue", &["job"]),
    ("hook", &["webhook"]),
    ("endpoint", &["webhook"]),
    ("broker", &["service"]),
];

/// What other tools have and Nexus has not, with what is there today.
const ABSENT: [(&str, &str); 12] = [
    ("backup", "Nexus makes no backups yet; pg_dump takes what nexus tenant env prints"),
    ("backups", "Nexus makes no backups yet; pg_dump takes what nexus tenant env prints"),
    ("dump", "Nexus makes no dumps yet; pg_dump takes what nexus tenant env prints"),
    ("export", "Nexus does not export this yet; nexus user export writes users, nexus audit export the log"),
    (
        "import",
        "Nexus does not import this yet; nexus user import reads users, nexus tenant create --from tenants",
    ),
    ("restore", "Nexus does not restore from backups yet; nexus tenant undelete undeletes a tenant"),
    ("move", "Nexus does not move tenants between servers yet; nexus cluster drain stops placing new ones"),
    (
        "evacuate",
        "Nexus does not move tenants between servers yet; nexus cluster drain stops placing new ones",
    ),
    ("rotate", "Nexus does not rotate this yet; nexus key rotate rotates the keys that sign tokens"),
    ("clone", "Nexus does not copy tenants yet"),
    ("usage", "Nexus does not measure this yet; nexus tenant psql and nexus exec can query a database"),
    ("stats", "Nexus does not measure this yet; nexus tenant psql and nexus exec can query a database"),
];

/// Names that may be meant by a word that is no subcommand of a command, the nearest first; at most
/// two.
fn near<'a>(command: &'a Command, word: &str) -> Vec<&'a str> {
    let known = |name: &str| {
        let found = command.get_subcommands().find(|inner| inner.get_name() == name);
        found.filter(|inner| !inner.is_hide_set()).map(Command::get_name)
    };
    let synonyms = SYNONYMS.iter().filter(|(other, _)| *other == word);
    let synonym = synonyms.flat_map(|(_, names)| names.iter()).find_map(|name| known(name));
    if let Some(name) = synonym {
        return vec![name];
    }
    let mut found: Vec<(usize, &str)> = Vec::new();
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let name = inner.get_name();
        let spellings = inner.get_all_aliases().chain([name]);
        let best = spellings.filter_map(|spelling| suggest::distance(word, spelling)).min();
        if let Some(best) = best.filter(|_| !destroys(name)) {
            found.push((best, name));
        }
    }
    found.sort_unstable();
    let best = found.first().map_or(0, |(distance, _)| *distance);
    // What is further off than the best is not meant.
    found.into_iter().filter(|(distance, _)| *distance == best).map(|(_, name)| name).take(2).collect()
}

/// What a person who typed a word that is no subcommand is told.
pub(super) fn of_verb(command: &Command, path: &str, word: &str) -> Vec<String> {
    let absent = ABSENT.iter().find(|(other, _)| *other == word).map(|(_, words)| (*words).to_owned());
    let near = near(command, word);
    // A verb of ours that a synonym leads to may do less than was asked for: both are said.
    let meant = (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")));
    let help = (word == "help").then(|| format!("for help: {path} --help"));
    absent.into_iter().chain(meant).chain(help).collect()
}

/// Whether a verb shuts somebody out, and can be undone.
pub(super) fn shuts_out(verb: &str) -> bool {
    matches!(verb, "suspend" | "disable")
}

/// Whether a verb or flag destroys, shuts out, or takes everything.
pub(super) fn destroys(word: &str) -> bool {
    let flag = word.split(['=', ' ']).next().unwrap_or(word);
    DESTROYING.contains(&flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, word: &str) -> String {
        let grammar = super::super::grammar();
        let mut command = &grammar;
        for name in path.split(' ').skip(1) {
            command = command.find_subcommand(name).unwrap();
        }
        of_verb(command, path, word).join("\n")
    }

    #[test]
    fn a_word_of_another_tool_leads_to_what_there_is() {
        assert_eq!(said("nexus tenant", "crate"), "did you mean create?");
        assert_eq!(said("nexus tenant", "ls"), "did you mean list?");
        assert_eq!(said("nexus tenant", "upadte"), "did you mean update?");
        assert_eq!(said("nexus tenants".trim_end_matches('s'), "unsuspend"), "did you mean resume?");
        assert_eq!(said("nexus migrate", "up"), "did you mean tenants?");
        assert!(said("nexus tenant", "backup").starts_with("Nexus makes no backups yet"));
        assert!(said("nexus tenant", "restore").ends_with("did you mean undelete?"));
        assert_eq!(said("nexus", "tennant"), "did you mean tenant?");
        assert_eq!(said("nexus", "mail"), "did you mean notify?");
        assert_eq!(said("nexus local", "email"), "did you mean mail?");
        for (path, word) in [("nexus", "console"), ("nexus tenant", "usage"), ("nexus cluster", "move")] {
            assert!(!said(path, word).contains("did you mean"), "{path} {word}: {}", said(path, word));
        }
    }

    /// Every word that is one letter off from a command's name, and some that people type.
    #[test]
    fn nothing_that_destroys_is_suggested() {
        fn each(command: &Command, path: &str, seen: &mut usize) {
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            let mut words: Vec<String> = SYNONYMS.iter().map(|(word, _)| (*word).to_owned()).collect();
            words.extend(ABSENT.iter().map(|(word, _)| (*word).to_owned()));
            words.extend(DESTROYING.iter().map(|word| (*word).to_owned()));
            words.extend(["rm", "del", "kill", "unset", "clean", "clear", "undo"].map(str::to_owned));
            for name in &names {
                words.extend((0..name.len()).map(|at| [&name[..at], &name[at + 1..]].concat()));
                words.extend((0..=name.len()).map(|at| [&name[..at], "x", &name[at..]].concat()));
            }
            for word in words.iter().filter(|word| !names.contains(&word.as_str())) {
                let near = near(command, word);
                assert!(
                    near.len() <= 2 && !near.iter().any(|name| destroys(name)),
                    "{path} {word}: {near:?}"
                );
                *seen += 1;
            }
            for inner in command.get_subcommands() {
                each(inner, &format!("{path} {}", inner.get_name()), seen);
            }
        }
        let mut seen = 0;
        each(&super::super::grammar(), "nexus", &mut seen);
        assert!(seen > 2000, "{seen}");
    }
}
