//! How far the changes of rows were read that bear the transaction which made them.

use std::collections::HashSet;
use std::hash::Hash;

/// How far changes were read, for readings one after the other.
#[derive(Debug)]
pub struct Horizon<K> {
    at: Option<i64>,
    /// Changes that were told and would be told again, because an older transaction is under way.
    told: HashSet<(K, i64)>,
}

impl<K> Default for Horizon<K> {
    fn default() -> Self {
        Self { at: None, told: HashSet::new() }
    }
}

/// What a reading found.
#[derive(Debug, PartialEq, Eq)]
pub enum News<K> {
    /// These were changed.
    Changed(Vec<K>),
    /// Any may have been: it is the first reading, or the database is older than at the last one.
    Any,
}

impl<K: Eq + Hash + Clone> Horizon<K> {
    /// From where the next reading has to begin; `None` at the first.
    #[must_use]
    pub fn at(&self) -> Option<i64> {
        self.at
    }

    /// Takes a reading from [`Horizon::at`] on: what was changed, and the horizon of that reading.
    pub fn take(&mut self, (changed, horizon): (Vec<(K, i64)>, i64)) -> News<K> {
        if self.at.is_none_or(|before| horizon < before) {
            (self.at, self.told) = (Some(horizon), HashSet::new());
            return News::Any;
        }
        let told: HashSet<(K, i64)> = changed.into_iter().collect();
        let news = told.difference(&self.told).map(|(key, _)| key.clone()).collect();
        (self.at, self.told) = (Some(horizon), told);
        News::Changed(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_however_long_an_older_transaction_lasts() {
        let mut horizon = Horizon::default();
        assert_eq!(horizon.take((Vec::new(), 10)), News::Any);
        assert_eq!(horizon.take((vec![("acme", 12)], 10)), News::Changed(vec!["acme"]));
        assert_eq!(horizon.take((vec![("acme", 12)], 10)), News::Changed(vec![]));
        assert_eq!(horizon.take((vec![("acme", 15)], 14)), News::Changed(vec!["acme"]));
    }

    #[test]
    fn after_a_restore_anything_may_have_changed() {
        let mut horizon = Horizon::default();
        horizon.take((vec![("acme", 12)], 20));
        assert_eq!(horizon.take((Vec::new(), 7)), News::Any);
        assert_eq!(horizon.at(), Some(7));
    }
}
