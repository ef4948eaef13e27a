//! What a bucket holds, in memory and in key order: listings come from here.

use std::collections::BTreeMap;
use std::ops::Bound;

/// What a listing tells of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub size: u64,
    pub etag: String,
    pub modified: i64,
}

/// All objects of a bucket.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: BTreeMap<String, Entry>,
    bytes: u64,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub prefix: String,
    /// Empty: no grouping.
    pub delimiter: String,
    /// Only what comes after it. A group that equals it is done with.
    pub after: String,
    /// At most so many objects and groups.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub objects: Vec<(String, Entry)>,
    /// Common prefixes.
    pub groups: Vec<String>,
    /// Where the next page goes on, when there is more.
    pub next: Option<String>,
}

impl Index {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn insert(&mut self, key: String, entry: Entry) {
        self.bytes += entry.size;
        if let Some(old) = self.entries.insert(key, entry) {
            self.bytes -= old.size;
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= old.size;
        }
    }

    /// One page. Keys that share a group cost one step together, however many there are.
    pub(crate) fn list(&self, query: &Query) -> Listing {
        let mut page = Listing::default();
        if query.limit == 0 {
            return page;
        }
        let mut from = if query.after.is_empty() || query.after < query.prefix {
            Bound::Included(query.prefix.clone())
        } else {
            Bound::Excluded(query.after.clone())
        };
        loop {
            let Some((key, entry)) = self.entries.range((from, Bound::Unbounded)).next() else {
                return page;
            };
            let Some(rest) = key.strip_prefix(query.prefix.as_str()) else {
                return page;
            };
            let group = (!query.delimiter.is_empty())
                .then(|| rest.find(query.delimiter.as_str()))
                .flatten()
                .map(|at| &key[..query.prefix.len() + at + query.delimiter.len()]);
            let listed = page.objects.len() + page.groups.len();
            let fresh = group != Some(query.after.as_str());
            if fresh && listed == query.limit {
                page.next = page.last();
                return page;
            }
            from = if let Some(group) = group {
                if fresh {
                    page.groups.push(group.to_owned());
                }
                let Some(next) = after_prefix(group) else {
                    return page;
                };
                Bound::Included(next)
            } else {
                page.objects.push((key.clone(), entry.clone()));
                Bound::Excluded(key.clone())
            };
        }
    }
}

impl Listing {
    fn last(&self) -> Option<String> {
        let object = self.objects.last().map(|(key, _)| key);
        object.max(self.groups.last()).cloned()
    }
}

/// The first string after all that begin with `prefix`; `None` when there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[&str]) -> Index {
        let mut index = Index::default();
        for key in keys {
            index.insert((*key).to_owned(), Entry { size: 1, etag: String::new(), modified: 0 });
        }
        index
    }

    fn all(index: &Index, prefix: &str, delimiter: &str, limit: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut after = String::new();
        for _ in 0..100 {
            let query =
                Query { prefix: prefix.into(), delimiter: delimiter.into(), after: after.clone(), limit };
            let page = index.list(&query);
            assert!(page.objects.len() + page.groups.len() <= limit);
            found.extend(page.objects.into_iter().map(|(key, _)| key));
            found.extend(page.groups);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        found.sort();
        found
    }

    #[test]
    fn every_page_size_gives_the_same_listing() {
        let index = index(&["a", "a/1", "a/2", "a/b/3", "b", "c/", "c/1", "d//e", "ü/1", "ü2"]);
        for limit in 1..12 {
            assert_eq!(all(&index, "", "/", limit), ["a", "a/", "b", "c/", "d/", "ü/", "ü2"]);
            assert_eq!(all(&index, "a/", "/", limit), ["a/1", "a/2", "a/b/"]);
            assert_eq!(all(&index, "a", "", limit), ["a", "a/1", "a/2", "a/b/3"]);
            assert_eq!(all(&index, "zz", "/", limit), Vec::<String>::new());
        }
    }

    #[test]
    fn a_start_within_a_group_still_shows_the_group() {
        let index = index(&["a/1", "a/2", "b"]);
        let query = Query { delimiter: "/".into(), after: "a/1".into(), limit: 10, ..Query::default() };
        assert_eq!(index.list(&query).groups, ["a/"]);
        let query = Query { after: "a/".into(), ..query };
        assert!(index.list(&query).groups.is_empty());
    }

    #[test]
    fn bytes_follow_overwrites_and_removals() {
        let mut index = index(&["a", "b"]);
        index.insert("a".into(), Entry { size: 10, etag: String::new(), modified: 0 });
        assert_eq!((index.len(), index.bytes()), (2, 11));
        index.remove("a");
        assert_eq!((index.len(), index.bytes()), (1, 1));
    }
}
