//! Folders that need each other can be read only together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, sources, whole_paths};

/// The one circle that there is: a user has roles and is in groups, and both say who has them; signing in,
/// messages and suggestions read users, and whoever deletes a user ends their sessions.
const KNOWN: [&str; 6] = [
    "features/iam/groups",
    "features/iam/messages",
    "features/iam/roles",
    "features/iam/signin",
    "features/iam/subject",
    "features/iam/users",
];

/// Which folder needs which, and one file that does. A folder and one inside it belong together.
type Needs<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

fn needs(all: &[Source]) -> Needs<'_> {
    let folder = |source: &Source| source.path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
    let modules: BTreeMap<Vec<&str>, &str> =
        all.iter().map(|it| (it.module(), &it.path[..folder(it)])).collect();
    let mut needs: Needs<'_> = BTreeMap::new();
    for source in all {
        let own = &source.path[..folder(source)];
        for path in whole_paths(source) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let other = (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]));
            let within = |a: &str, b: &str| a == b || b.is_empty() || a.starts_with(&format!("{b}/"));
            if let Some(other) = other.filter(|other| !within(own, other) && !within(other, own)) {
                needs.entry(own).or_default().insert(other, &source.path);
            }
        }
    }
    needs
}

/// What is left where whatever needs nothing, or nobody needs, is taken away: circles, and what joins them.
fn circles(mut needs: Needs<'_>) -> Needs<'_> {
    loop {
        let needed: BTreeSet<&str> = needs.values().flat_map(BTreeMap::keys).copied().collect();
        let before: usize = needs.values().map(BTreeMap::len).sum();
        needs.retain(|folder, _| needed.contains(folder));
        let needing: BTreeSet<&str> = needs.keys().copied().collect();
        for others in needs.values_mut() {
            others.retain(|other, _| needing.contains(other));
        }
        needs.retain(|_, others| !others.is_empty());
        if needs.values().map(BTreeMap::len).sum::<usize>() == before {
            return needs;
        }
    }
}

#[test]
fn no_folders_need_each_other() {
    let all = sources();
    let needs = needs(&all);
    assert!(needs.len() > 60, "only {} folders were found", needs.len());
    let left = circles(needs);
    let folders: Vec<&str> = left.keys().copied().collect();
    assert_eq!(folders, KNOWN, "{left:#?}");
}

#[test]
fn a_circle_is_seen_through_braces() {
    let source = |path: &str, code: &str| Source { path: path.to_owned(), lines: vec![code.to_owned()] };
    let all = [
        source("a/mod.rs", "use crate::kernel::Id;"),
        source("a/b/mod.rs", ""),
        source("a/b/c.rs", "use super::super::{Id, d::{self, store}};"),
        source("a/d/mod.rs", "mod store;"),
        source("a/d/store.rs", "use super::super::b::c::Row;"),
        source("kernel/mod.rs", ""),
        source("z/mod.rs", "use crate::a::b::c;"),
    ];
    let left = circles(needs(&all));
    assert_eq!(left.keys().collect::<Vec<_>>(), [&"a/b", &"a/d"]);
}
