//! Holds the house's arrows, its sizes, and who may write where. One crate gives no walls; this
//! test does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/texts.rs"]
mod texts;

use texts::literals;

/// Most lines of a file of code, its unit tests apart.
const MOST_LINES: usize = 500;
/// Most lines of a function's body.
const MOST_FUNCTION_LINES: usize = 60;

/// Each room with the rooms that it may import, beside itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    // One of its files serves the API, see below.
    ("cli", &["http", "worker", "app", "features", "infra", "settings", "kernel"]),
    ("http", &["app", "features", "settings", "kernel"]),
    ("worker", &["app", "features", "settings", "kernel"]),
    ("app", &["features", "infra", "settings", "kernel"]),
    ("features", &["infra", "settings", "kernel"]),
    ("infra", &["settings", "kernel"]),
    ("settings", &["kernel"]),
    ("kernel", &[]),
    // A derive: the paths are those of what it writes.
    ("failure", &["kernel"]),
];

/// Libraries that belong to one door or mechanism, and the rooms that must not know them.
const FOREIGN: &[(&str, &[&str])] = &[
    (
        "kernel",
        &[
            "clap",
            "comfy_table",
            "dialoguer",
            "indicatif",
            "tokio",
            "aws_sdk_s3",
            "aws_sdk_iam",
            "s3s",
            "hyper",
        ],
    ),
    (
        "settings",
        &[
            "clap",
            "comfy_table",
            "dialoguer",
            "indicatif",
            "sqlx",
            "aws_sdk_s3",
            "aws_sdk_iam",
            "s3s",
            "hyper",
        ],
    ),
    ("infra", &["clap", "comfy_table", "dialoguer", "indicatif", "axum"]),
    ("features", &["clap", "comfy_table", "dialoguer", "indicatif", "hyper", "s3s", "axum"]),
    ("app", &["clap", "comfy_table", "dialoguer", "indicatif", "hyper", "s3s", "axum"]),
    ("cli", &["sqlx", "aws_sdk_s3", "aws_sdk_iam", "s3s", "hyper", "axum"]),
    ("http", &["clap", "comfy_table", "dialoguer", "indicatif", "sqlx", "aws_sdk_s3", "aws_sdk_iam", "s3s"]),
];

/// Which feature may use which other feature's door. Must have no cycle; facts come before
/// processes.
const FEATURES: &[(&str, &[&str])] = &[
    ("access", &[]),
    ("audit", &["access"]),
    ("outbox", &[]),
    ("iam", &["access", "audit", "outbox", "secrets"]),
    ("jobs", &["access", "audit"]),
    ("templates", &["access", "iam"]),
    ("messages", &["access", "iam", "jobs", "notifications", "outbox", "secrets", "templates"]),
    ("webhooks", &["access", "audit", "iam", "jobs", "outbox", "secrets"]),
    ("subscribers", &["access", "iam", "jobs", "outbox", "webhooks"]),
    ("relay", &["access", "iam", "jobs", "messages", "outbox", "subscribers", "webhooks"]),
    ("services", &["access", "audit", "iam", "tokens"]),
    ("events", &["access", "iam", "outbox", "relay"]),
    ("notifications", &["access", "audit", "iam", "outbox", "secrets", "templates"]),
    ("files", &["access", "iam", "usage"]),
    ("business", &["files", "iam", "migrations", "tenants", "usage"]),
    ("secrets", &["access"]),
    ("migrations", &["access", "audit"]),
    ("record", &[]),
    ("placement", &["access", "audit", "migrations", "record", "secrets"]),
    ("tenants", &["access", "audit", "iam", "record"]),
    ("local", &[]),
    ("tokens", &["access", "audit", "iam", "outbox", "record", "secrets", "tenants"]),
    ("usage", &["access", "tenants"]),
    ("installation", &["access", "audit", "iam", "placement", "record", "secrets"]),
    ("doctor", &["access", "installation", "local", "placement", "record", "secrets", "tokens"]),
    (
        "provisioning",
        &[
            "access",
            "audit",
            "iam",
            "installation",
            "notifications",
            "placement",
            "record",
            "secrets",
            "services",
            "subscribers",
            "tenants",
            "webhooks",
        ],
    ),
    ("fleet", &["access", "audit", "installation", "migrations", "placement", "secrets", "tenants"]),
    (
        "inspection",
        &[
            "access",
            "audit",
            "installation",
            "placement",
            "provisioning",
            "record",
            "secrets",
            "tenants",
            "tokens",
        ],
    ),
];

struct Source {
    /// Its path below `src/`, e.g. `features/tenants/store.rs`.
    path: String,
    /// Its lines, unit tests and comments blanked out.
    lines: Vec<String>,
}

impl Source {
    fn parts(&self) -> Vec<&str> {
        self.path.trim_end_matches(".rs").split('/').collect()
    }

    /// The path of its module.
    fn module(&self) -> Vec<&str> {
        let mut module = self.parts();
        module.pop_if(|last| ["mod", "lib"].contains(last));
        module
    }

    fn room(&self) -> &str {
        self.parts()[0]
    }

    fn feature(&self) -> Option<&str> {
        (self.room() == "features")
            .then(|| self.parts().get(1).copied())
            .flatten()
            .filter(|name| *name != "mod")
    }
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("src/build.rs") {
                found.push(read(&src, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(src: &Path, path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap();
    // Unit tests end a file; what they do is their own matter.
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    let name = path.strip_prefix(src).unwrap().to_string_lossy().into_owned();
    Source { path: name, lines: lines.map(str::to_owned).collect() }
}

/// The paths within this crate that a file names, `self::` and `super::` resolved: each as its
/// first two parts.
fn inner_paths(source: &Source) -> BTreeSet<(String, String)> {
    let part = |path: &[String], index: usize| path.get(index).cloned().unwrap_or_default();
    whole_paths(source).iter().map(|path| (part(path, 0), part(path, 1))).collect()
}

/// The same whole.
fn whole_paths(source: &Source) -> BTreeSet<Vec<String>> {
    let module = source.module();
    let mut found = BTreeSet::new();
    for text in statements(source) {
        for (place, start) in [("crate::", 0), ("nexus::", 0), ("super::", 1)] {
            for (at, _) in text.match_indices(place) {
                if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let mut rest = &text[at + place.len()..];
                let mut up = start;
                while let Some(more) = rest.strip_prefix("super::") {
                    rest = more;
                    up += 1;
                }
                let base: Vec<&str> =
                    if start == 0 { vec![] } else { module[..module.len().saturating_sub(up)].to_vec() };
                for branch in branches(rest) {
                    found.insert(base.iter().map(|part| (*part).to_owned()).chain(branch).collect());
                }
            }
        }
    }
    found
}

/// Every `use` as one line, and every other line as it is.
fn statements(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in &source.lines {
        let trimmed = line.trim();
        match &mut open {
            Some(text) => text.push_str(trimmed),
            None if trimmed.starts_with("use ") || trimmed.starts_with("pub use ") => {
                open = Some(trimmed.to_owned());
            }
            None => found.push(trimmed.to_owned()),
        }
        if open.as_ref().is_some_and(|text| text.ends_with(';')) {
            found.extend(open.take());
        }
    }
    found
}

/// The parts of a path, for each branch of its braces.
fn branches(rest: &str) -> Vec<Vec<String>> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if let Some(inner) = rest.strip_prefix('{') {
        let mut depth = 0;
        let mut found = Vec::new();
        let mut start = 0;
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    found.extend(branches(inner[start..at].trim()));
                    start = at + 1;
                    if c == '}' {
                        return found;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return found;
    }
    let first = word(rest);
    if first.is_empty() {
        return Vec::new();
    }
    let deeper = rest[first.len()..].strip_prefix("::").map(branches).unwrap_or_default();
    if deeper.is_empty() {
        return vec![vec![first]];
    }
    deeper.into_iter().map(|branch| [first.clone()].into_iter().chain(branch).collect()).collect()
}

/// Whether a text stands in a line, not as the end of a longer name or path.
fn is_word(line: &str, text: &str) -> bool {
    let within = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.';
    line.match_indices(text).any(|(at, _)| !line[..at].ends_with(within))
}

#[test]
fn the_scan_sees_through_braces_and_super() {
    let code = "use super::super::{infra::db, kernel::{Slug, ids}};\nlet a = crate::app::App::new();";
    let source = Source {
        path: "features/tenants/store.rs".to_owned(),
        lines: code.lines().map(str::to_owned).collect(),
    };
    let seen: Vec<String> = inner_paths(&source).into_iter().map(|(a, b)| format!("{a}::{b}")).collect();
    assert_eq!(seen, ["app::App", "features::infra", "features::kernel"]);
    let deep = Source { path: "features/tenants/steps/role.rs".to_owned(), ..source };
    let seen: BTreeSet<_> = inner_paths(&deep).into_iter().map(|(room, _)| room).collect();
    assert!(seen.contains("features") && seen.contains("app"));
}

#[test]
fn rooms_import_only_what_lies_to_their_right() {
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "lib") {
        let room = source.room();
        let allowed = rooms.get(room).unwrap_or_else(|| panic!("{} is in no room of the house", source.path));
        for (other, _) in inner_paths(source) {
            let is_foreign = rooms.contains_key(other.as_str()) && other != room;
            let starts_it = ["cli/serve.rs", "cli/worker.rs", "cli/schema.rs"]
                .contains(&source.path.as_str())
                || room != "cli"
                || !["http", "worker"].contains(&other.as_str());
            if is_foreign && !(allowed.contains(&other.as_str()) && starts_it) {
                wrong.push(format!("{} imports {other}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((_, foreign)) = FOREIGN.iter().find(|(room, _)| *room == source.room()) else { continue };
        for (number, line) in source.lines.iter().enumerate() {
            for library in *foreign {
                if is_word(line, &format!("{library}::")) {
                    wrong.push(format!("{}:{} knows {library}", source.path, number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn features_use_each_others_doors_along_an_acyclic_table() {
    let table: BTreeMap<_, _> = FEATURES.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(feature) = source.feature() else { continue };
        let Some(allowed) = table.get(feature) else {
            wrong.push(format!("{feature} is not in the table of features"));
            continue;
        };
        for (room, other) in inner_paths(&source) {
            if room == "features" && table.contains_key(other.as_str()) && other != feature {
                if !allowed.contains(&other.as_str()) {
                    wrong.push(format!("{} uses {other}", source.path));
                }
                if source.lines.iter().any(|line| line.contains(&format!("{other}::store"))) {
                    wrong.push(format!("{} reaches into the store of {other}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Taking away whatever uses nothing that is left must leave nothing.
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        FEATURES.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    while let Some(free) = left.iter().find(|(_, uses)| uses.is_empty()).map(|(name, _)| *name) {
        left.remove(free);
        for uses in left.values_mut() {
            uses.remove(free);
        }
    }
    assert!(left.is_empty(), "a cycle among {:?}", left.keys());
}

#[test]
fn sql_is_written_in_stores_and_below() {
    let mut wrong = Vec::new();
    for source in sources() {
        let may = source.room() == "infra" || source.path.ends_with("/store.rs");
        for (number, line) in source.lines.iter().enumerate() {
            let query =
                ["sqlx::query", "query_as(", "query_as::<", "query_scalar(", "query_scalar::<", "raw_sql("]
                    .iter()
                    .any(|call| line.contains(call));
            if query && !may {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "SQL outside a store:\n{}", wrong.join("\n"));
}

/// A session of the driver's own would wait for ever where a server gives no sign of life.
#[test]
fn sessions_are_those_of_infra_db_whose_waits_end() {
    let mut wrong = Vec::new();
    for source in sources() {
        // The local stack's probe has a limit of its own.
        let may = source.path.starts_with("infra/db/") || source.path == "features/local/probe.rs";
        for (number, line) in source.lines.iter().enumerate() {
            let named = ["PgConnection", "Connection", "Transaction", "Acquire", "ConnectOptions"]
                .iter()
                .any(|word| {
                    let imported = line.trim_start().starts_with("use sqlx::") && is_word(line, word);
                    imported || is_word(line, &format!("sqlx::{word}"))
                });
            if named && !may {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "the driver's sessions outside infra/db:\n{}", wrong.join("\n"));
}

#[test]
fn errors_say_what_they_are_by_the_derive() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "failure") {
        for (number, line) in source.lines.iter().enumerate() {
            if line.trim_start().starts_with("impl") && line.contains("Failure for ") {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "written by hand, so that a variant can be forgotten:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_screen_writes_to_standard_output_and_standard_error() {
    let mut wrong = Vec::new();
    for source in sources() {
        // A crash report must not depend on anything that could have crashed.
        let may = source.path == "main.rs"
            || source.path.starts_with("cli/output/")
            || source.path == "cli/crash.rs";
        for (number, line) in source.lines.iter().enumerate() {
            let writes = ["println!", "eprintln!", "print!", "eprint!", "io::stdout(", "io::stderr("];
            let bare = ["stdout()", "stderr()"].iter().any(|call| is_word(line, call));
            if !may && (bare || writes.iter().any(|call| is_word(line, call))) {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "writes past the screen:\n{}", wrong.join("\n"));
}

#[test]
fn programs_are_started_in_an_environment_that_does_not_steer_them() {
    let mut wrong = Vec::new();
    for source in sources() {
        // The first becomes the program itself again; the second runs before there is a program.
        let may = ["main.rs", "build.rs", "kernel/child.rs"].contains(&&*source.path);
        for (number, line) in source.lines.iter().enumerate() {
            if !may && line.contains("Command::new(") && !line.contains("clap::Command::new(") {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "started past kernel::child:\n{}", wrong.join("\n"));
}

/// Where a text outside `cli/` may hold what looks like a flag of the command line, and why.
const FLAGS_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("settings/", "--context", "a setting says which flag it was given by"),
    ("settings/", "--config", "a setting says which flag it was given by"),
    ("features/local/start.rs", "--context", "this program starts itself as the daemon"),
    ("features/local/postgres/", "--", "arguments of PostgreSQL's own programs"),
    ("features/local/error.rs", "useradd --system", "a line for a shell, of another program"),
    ("features/doctor/programs.rs", "--version", "an argument of PostgreSQL's own programs"),
    ("features/doctor/", "apt-get install --only-upgrade", "a line for a shell, of another program"),
    ("features/doctor/", "pg_checksums --enable", "a line for a shell, of another program"),
    ("features/doctor/", "cp --remove-destination", "a line for a shell, of another program"),
    ("features/doctor/", "du -xh --max-depth", "a line for a shell, of another program"),
    ("infra/cluster/copy.rs", "--", "arguments of PostgreSQL's own programs"),
    ("infra/db/statements.rs", "pg_dump --inserts", "an argument of PostgreSQL's own program"),
];

/// What is said below the command line is said of every door: hints carry actions, and `cli/hint/` has the
/// grammar.
#[test]
fn only_the_command_line_speaks_its_grammar() {
    let grammar = nexus::cli::grammar();
    let nouns: BTreeSet<&str> = grammar.get_subcommands().map(clap::Command::get_name).collect();
    let mut wrong = Vec::new();
    let mut used: BTreeSet<&(&str, &str, &str)> = BTreeSet::new();
    let below = |source: &&Source| source.room() != "cli" && !source.path.ends_with("tests.rs");
    for source in sources().iter().filter(below) {
        for (number, text) in literals(&source.lines) {
            let command = text.match_indices("nexus ").any(|(at, found)| {
                let rest = &text[at + found.len()..];
                let noun = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap();
                nouns.contains(noun)
            });
            let flag = text.match_indices("--").any(|(at, found)| {
                let begins = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
                begins && text[at + found.len()..].starts_with(|c: char| c.is_ascii_lowercase())
            });
            let may = FLAGS_ELSEWHERE
                .iter()
                .find(|(place, part, _)| source.path.starts_with(place) && text.contains(part));
            used.extend(may.filter(|_| flag));
            if command || (flag && may.is_none()) {
                wrong.push(format!("{}:{number}: {text:?}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "the command line's grammar outside of it:\n{}", wrong.join("\n"));
    let unused: Vec<_> = FLAGS_ELSEWHERE.iter().filter(|it| !used.contains(it)).collect();
    assert!(unused.is_empty(), "excepted for nothing: {unused:?}");
}

#[test]
fn files_and_functions_keep_to_their_size() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.lines.len() > MOST_LINES {
            wrong.push(format!("{} has {} lines", source.path, source.lines.len()));
        }
        for (head, body) in functions(&source.lines) {
            if body.len() > MOST_FUNCTION_LINES {
                wrong.push(format!("{}: {} has {} lines", source.path, head.trim(), body.len()));
            }
        }
    }
    let main = sources().into_iter().find(|source| source.path == "main.rs").unwrap();
    assert!(main.lines.len() < 60, "main.rs has {} lines", main.lines.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first lines of functions with their bodies, relying on rustfmt: a body ends with a brace as far
/// in as its head.
fn functions(lines: &[String]) -> Vec<(&str, &[String])> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        let is_head = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn ", "pub(crate) fn "]
            .iter()
            .chain(&["pub(super) async fn ", "pub(crate) async fn ", "const fn ", "pub const fn "])
            .any(|word| head.starts_with(word));
        if !is_head || line.trim_end().ends_with([';', '}']) {
            continue;
        }
        let indent = line.len() - head.len();
        let end = format!("{}}}", " ".repeat(indent));
        let open = lines[start..].iter().position(|line| line.trim_end().ends_with('{')).unwrap_or(0);
        let body = &lines[(start + open + 1).min(lines.len())..];
        if let Some(length) = body.iter().position(|line| *line == end) {
            found.push((head, &body[..length]));
        }
    }
    found
}

/// A server's threads are for what waits without keeping them. The embedded stack runs on a machine of
/// its own account.
#[test]
fn async_functions_of_features_leave_files_and_the_making_of_keys_to_other_threads() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    let of_servers = |source: &&Source| source.feature().is_some_and(|feature| feature != "local");
    for source in sources().iter().filter(of_servers) {
        for (head, body) in functions(&source.lines).iter().filter(|(head, _)| head.contains("async fn ")) {
            seen += 1;
            let keeps = |line: &&String| {
                let words = [
                    "std::fs::",
                    "fs::",
                    "File::open",
                    "File::create",
                    "OpenOptions::",
                    "private_file::",
                    "own_file::",
                ];
                let opens =
                    words.iter().any(|word| is_word(line, word)) || line.contains("generate_blocking(");
                opens && !line.contains("spawn_blocking(")
            };
            wrong.extend(body.iter().filter(keeps).map(|line| format!("{}: {head} {line}", source.path)));
        }
    }
    assert!(seen > 300, "only {seen} were found");
    assert!(wrong.is_empty(), "files and keys on the threads of the runtime:\n{}", wrong.join("\n"));
}

#[test]
fn rooms_say_what_they_are() {
    for source in sources().iter().filter(|source| source.path.ends_with("mod.rs")) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("//! "), "{} says nothing of itself", source.path);
    }
}

/// What a door may call and asks nobody: at most sixteen, each with its reason.
const UNASKED: &[(&str, &str)] = &[
    ("iam::idempotency::", "keeps what its own caller asks for, and the answer; the change itself asks"),
    ("iam::self_service::", "who has not signed in registers, or asks for a message to an address"),
    ("iam::signin::answer_challenge", "the challenge and the code are what lets in: there is no caller yet"),
    ("iam::signin::redeem", "the invitation is what lets in: there is no caller yet"),
    ("iam::signin::sign_in", "the password is what lets in: there is no caller yet"),
    ("notifications::unsubscribe", "the link of a message is what lets in: its reader has not signed in"),
    ("installation::open", "finds out whether there is a platform whose realm could be asked"),
    ("local::", "runs the servers of the account's own machine, where there is no realm before they run"),
    ("secrets::", "holds the master key itself; no door gets it, see below"),
    ("tokens::IssueTime::read", "the clock of the control database, and nothing of its rows"),
    ("tokens::Tokens::revoke_presented", "the access token is what lets in: whoever holds one may end it"),
    ("tokens::Tokens::switch", "access that the tenant's realm granted to the operator is what lets in"),
    ("tokens::Tokens::sign_out", "the refresh token is what lets in: there is no caller yet"),
    ("tokens::Tokens::verify_api_key", "the API key is what lets in: there is no caller yet"),
];

/// Those that ask by a call of another that does, with the caller.
const BY_ANOTHER: [(&str, &str); 16] = [
    ("messages::list", "some(realm, caller, "),
    ("messages::page", "some(realm, caller, "),
    ("notifications::inbox::inbox", "own(&work)"),
    ("notifications::inbox::read", "own(&work)"),
    ("notifications::inbox::delete", "own(&work)"),
    ("notifications::provider::get", "find(realm, caller)"),
    ("notifications::preferences", "work.person(who, "),
    ("notifications::set_preferences", "work.person(who, "),
    ("events::Readers::follow", "page(realm, caller, "),
    ("provisioning::Concealed::disclose_login", "self.disclose(control, caller, "),
    ("tokens::Tokens::change_password", "signin::change_password(realm, caller, "),
    ("tokens::Presented::tenant", "tenants::enter(control, caller, "),
    ("tokens::Tokens::refresh", "self.refresh_within(control, caller, "),
    ("usage::of", "tenants::get(control, caller, "),
    ("webhooks::enable", "switch(realm, caller, "),
    ("webhooks::disable", "switch(realm, caller, "),
];

fn is_unasked(name: &str) -> bool {
    UNASKED.iter().any(|(it, _)| name == *it || (it.ends_with("::") && name.starts_with(it)))
}

#[test]
fn whatever_a_door_can_call_asks_for_a_permission() {
    assert!(UNASKED.len() <= 16);
    let found = services::found();
    assert!(found.len() > 100, "only {} were found", found.len());
    let mut wrong = Vec::new();
    for it in found.iter().filter(|it| it.public && !is_unasked(&it.name)) {
        let takes_proof = it.head.contains("&Authorized<");
        // In a realm the caller's rights are loaded with its session, and decided by what is looked at.
        let by_realm = it.name.starts_with("iam::")
            && ["read(caller)", "write(caller)", "realm, caller"].iter().any(|call| it.body.contains(call));
        let asks = it.head.contains("caller: &Caller")
            && (by_realm || it.body.contains("authorize(") || it.body.contains("authorize_machine("));
        let by_another = BY_ANOTHER.iter().any(|(name, call)| it.name == *name && it.body.contains(call));
        if !takes_proof && !asks && !by_another {
            wrong.push(it.name.clone());
        }
    }
    assert!(wrong.is_empty(), "these ask for no permission:\n{}", wrong.join("\n"));
    for (name, _) in UNASKED {
        assert!(found.iter().any(|it| is_unasked(&it.name) && it.name.starts_with(name)), "{name} is none");
    }
}

/// So that a log or a trace says where a request spent its time. Statements have theirs in `infra/db`.
#[test]
fn whatever_a_door_can_wait_for_has_a_span() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.feature().is_some()) {
        for (number, line) in source.lines.iter().enumerate() {
            let is_service = line.trim_start().starts_with("pub async fn ");
            if is_service && !source.lines[number - 1].contains("#[tracing::instrument(") {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "these have no span:\n{}", wrong.join("\n"));
}

/// What the compiler cannot keep from `cli`, because `app` needs it.
#[test]
fn doors_reach_for_no_key_and_for_nothing_that_asks_nobody() {
    let inner: Vec<String> = services::found()
        .into_iter()
        .filter(|it| !it.public && !it.name.starts_with("local::"))
        .filter_map(|it| it.name.rsplit("::").next().map(|name| format!(".{name}(")))
        // A word of everything.
        .filter(|call| call != ".get(")
        .collect();
    assert!(inner.contains(&".another_worker(".to_owned()), "{inner:?}");
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room() == "cli") {
        for (number, line) in source.lines.iter().enumerate() {
            let reaches = inner.iter().any(|call| line.contains(call.as_str()));
            if reaches || line.contains("provisioning.secrets") || is_word(line, "Secrets::") {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "past the services:\n{}", wrong.join("\n"));
}

/// Whoever can say that somebody may do something says it in one place.
#[test]
fn only_the_check_makes_an_authorized_caller() {
    let may = [
        (
            "Authorized::by_its_realm(",
            vec![
                "features/iam/realm.rs",
                "features/tokens/api_keys/exchange.rs",
                "features/tokens/revoke.rs",
                "features/tokens/sign_in.rs",
                "features/tokens/switch.rs",
            ],
        ),
        ("Authorized::nexus(", vec!["features/fleet/plan/mod.rs", "features/tokens/refresh/mod.rs"]),
        ("Authorized::new(", vec!["features/access/authorize.rs"]),
        // And whoever opens a tenant's database does so by the login of its apps.
        ("Database::new(", vec!["app/databases.rs"]),
        (".app.database(", vec!["http/share.rs"]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        for (call, files) in &may {
            if source.lines.iter().any(|line| line.contains(call)) && !files.contains(&source.path.as_str()) {
                wrong.push(format!("{} calls {call}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_of_the_architecture_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let named: BTreeSet<&str> =
        page.split('`').filter(|word| word.starts_with("src/") || word.starts_with("tests/")).collect();
    assert!(named.len() > 40, "only {} files are named", named.len());
    let missing: Vec<_> = named.into_iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
