//! The functions of features that a door can call: what `src/features` makes public and is given
//! something to reach data with. Relies on rustfmt.

#![expect(unreachable_pub, reason = "two test binaries share it")]

use std::fs;
use std::path::{Path, PathBuf};

/// What leads to data where it is a parameter.
const REACH: [&str; 8] =
    ["self", "PgConnection", "ServerAddress", "Realm", "Worker", "Provisioning", "Placement", "Reach<"];

/// Folders of a feature that are public themselves.
const MODULES: [&str; 16] = [
    "apply",
    "arrival",
    "custom_fields",
    "groups",
    "idempotency",
    "inbox",
    "lint",
    "log",
    "operators",
    "permissions",
    "provider",
    "roles",
    "self_service",
    "signin",
    "suppressions",
    "users",
];

/// A function that a door can call.
pub struct Service {
    /// E.g. `tenants::get`, `placement::Placement::add_cluster`.
    pub name: String,
    /// Its head, in one line.
    pub head: String,
    pub body: String,
    /// `pub`, or `pub(crate)`: what only `app` may call.
    pub public: bool,
}

/// All of them, by name.
pub fn found() -> Vec<Service> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a file of the source");
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        let name = path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned();
        of_file(&module_of(&name), &code, &mut found);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The module that a file's functions are known by.
fn module_of(file: &str) -> String {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let inner = parts.get(1).filter(|part| parts.len() > 2 && MODULES.contains(part));
    inner.map_or_else(|| parts[0].to_owned(), |inner| format!("{}::{inner}", parts[0]))
}

fn of_file(module: &str, code: &str, found: &mut Vec<Service>) {
    let lines: Vec<&str> = code.lines().collect();
    let mut of_type = String::new();
    for (start, line) in lines.iter().enumerate() {
        if line.starts_with("impl") {
            of_type = type_of(line);
        }
        let trimmed = line.trim_start();
        let Some((public, rest)) = visible(trimmed) else { continue };
        let asynchronous = rest.starts_with("async fn ");
        let Some(rest) = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ") else { continue };
        let own = rest.split(['(', '<']).next().unwrap_or_default();
        let indent = line.len() - trimmed.len();
        let open = lines[start..].iter().position(|line| line.ends_with('{') || line.ends_with('}'));
        let head = lines[start..=start + open.unwrap_or(0)].join(" ");
        let end = format!("{}}}", " ".repeat(indent));
        let body: Vec<&str> =
            lines[start + open.unwrap_or(0)..].iter().copied().take_while(|line| *line != end).collect();
        let parameters = head.rsplit_once("->").map_or(head.as_str(), |(before, _)| before);
        let reaches = asynchronous && REACH.iter().any(|word| parameters.contains(word));
        if !reaches && !parameters.contains("&Caller") {
            continue;
        }
        let within = if indent > 0 { format!("{of_type}::") } else { String::new() };
        let name = format!("{module}::{within}{own}");
        let head = head.split_whitespace().collect::<Vec<_>>().join(" ");
        found.push(Service { name, head, body: body.join("\n"), public });
    }
}

/// What follows `pub` or `pub(crate)`, and which it is.
fn visible(line: &str) -> Option<(bool, &str)> {
    let public = line.strip_prefix("pub ").map(|rest| (true, rest));
    public.or_else(|| line.strip_prefix("pub(crate) ").map(|rest| (false, rest)))
}

/// The type that an `impl` is for.
fn type_of(line: &str) -> String {
    let of = line.rsplit_once(" for ").map_or(line, |(_, of)| of);
    let of = of.trim_start_matches("impl").trim_start();
    let of = of.strip_prefix('<').and_then(|of| of.split_once("> ")).map_or(of, |(_, of)| of);
    of.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
