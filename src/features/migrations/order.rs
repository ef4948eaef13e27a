//! The order of sets: each after those that it depends on, Nexus's own first.

use std::collections::{BTreeMap, BTreeSet};

use super::model::BUILT_IN;

/// Names with those that come before them.
pub(super) type Dependencies = BTreeMap<String, Vec<String>>;

/// The names in order: where nothing else decides, by the alphabet.
///
/// # Errors
/// A cycle, its first name once more at its end.
pub(super) fn order(sets: &Dependencies) -> Result<Vec<String>, Vec<String>> {
    let mut ordered: Vec<String> = Vec::new();
    if sets.contains_key(BUILT_IN) {
        ordered.push(BUILT_IN.to_owned());
    }
    let mut left: BTreeSet<&str> = sets.keys().map(String::as_str).filter(|name| *name != BUILT_IN).collect();
    while !left.is_empty() {
        let free = left.iter().copied().find(|name| !sets[*name].iter().any(|it| left.contains(it.as_str())));
        let Some(free) = free else { return Err(cycle(sets, &left)) };
        left.remove(free);
        ordered.push(free.to_owned());
    }
    Ok(ordered)
}

/// A cycle among sets each of which waits for another of them.
fn cycle(sets: &Dependencies, waiting: &BTreeSet<&str>) -> Vec<String> {
    let mut path: Vec<&str> = waiting.iter().copied().take(1).collect();
    while let Some(last) = path.last().copied() {
        let before = sets.get(last).and_then(|names| names.iter().find(|it| waiting.contains(it.as_str())));
        let Some(before) = before.map(String::as_str) else { break };
        if let Some(start) = path.iter().position(|name| *name == before) {
            path.push(before);
            return path[start..].iter().map(|name| (*name).to_owned()).collect();
        }
        path.push(before);
    }
    path.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(of: &[(&str, &[&str])]) -> Dependencies {
        let owned = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        of.iter().map(|(name, before)| ((*name).to_owned(), owned(before))).collect()
    }

    #[test]
    fn a_set_comes_after_those_that_it_depends_on() {
        let all =
            sets(&[("a", &["z"]), ("m", &[]), ("z", &["m"]), ("nexus", &[]), ("b", &["nexus", "gone"])]);
        assert_eq!(order(&all).unwrap(), ["nexus", "b", "m", "z", "a"]);
    }

    #[test]
    fn a_circle_is_told_as_it_runs() {
        let all = sets(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]);
        assert_eq!(order(&all).unwrap_err(), ["b", "c", "b"]);
        assert_eq!(order(&sets(&[("a", &["a"])])).unwrap_err(), ["a", "a"]);
    }
}
