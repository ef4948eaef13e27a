//! What a history of migrations holds, and how that stands beside the files of its set. Pure.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgRow;

/// A row of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub version: i64,
    /// SHA-384 of the text that was applied.
    pub checksum: Vec<u8>,
    /// It was applied whole.
    pub success: bool,
}

/// The rows of a history, by version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryRows(Vec<Applied>);

/// Why a row is not that of a file that was applied whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryFault {
    /// The file was cut short, outside a transaction.
    CutShort,
    /// The set has no such file.
    Unknown,
    /// The file has changed since it was applied.
    Changed,
}

impl HistoryRows {
    #[must_use]
    pub fn new(mut rows: Vec<Applied>) -> Self {
        rows.sort_by_key(|row| row.version);
        Self(rows)
    }

    /// The rows of a statement's result.
    pub(super) fn read<'r>(rows: impl IntoIterator<Item = &'r PgRow>) -> Result<Self, sqlx::Error> {
        let applied = |row: &PgRow| {
            let (version, checksum) = (row.try_get("version")?, row.try_get("checksum")?);
            Ok(Applied { version, checksum, success: row.try_get("success")? })
        };
        rows.into_iter().map(applied).collect::<Result<_, _>>().map(Self::new)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Applied> {
        self.0.iter()
    }

    /// What was applied whole.
    pub fn whole(&self) -> impl Iterator<Item = &Applied> {
        self.0.iter().filter(|row| row.success)
    }

    /// How many files were applied whole.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.whole().count().try_into().unwrap_or(i64::MAX)
    }

    /// The newest version that was applied whole.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.whole().last().map(|row| row.version)
    }

    #[must_use]
    pub fn get(&self, version: i64) -> Option<&Applied> {
        self.0.binary_search_by_key(&version, |row| row.version).ok().map(|at| &self.0[at])
    }

    /// Whether a file was applied whole.
    #[must_use]
    pub fn has(&self, version: i64) -> bool {
        self.get(version).is_some_and(|row| row.success)
    }

    /// A file was applied whole just now.
    pub fn insert(&mut self, version: i64, checksum: Vec<u8>) {
        self.remove(version);
        let at = self.0.partition_point(|row| row.version < version);
        self.0.insert(at, Applied { version, checksum, success: true });
    }

    /// A file was rolled back just now.
    pub fn remove(&mut self, version: i64) {
        self.0.retain(|row| row.version != version);
    }

    /// The rows that are wrong beside these files, each a version and a checksum.
    #[must_use]
    pub fn faults<'f>(
        &self,
        files: impl IntoIterator<Item = (i64, &'f [u8])>,
    ) -> Vec<(&Applied, HistoryFault)> {
        let known: BTreeMap<i64, &[u8]> = files.into_iter().collect();
        let fault = |row: &Applied| match known.get(&row.version) {
            _ if !row.success => Some(HistoryFault::CutShort),
            None => Some(HistoryFault::Unknown),
            Some(checksum) if *checksum != row.checksum => Some(HistoryFault::Changed),
            Some(_) => None,
        };
        self.0.iter().filter_map(|row| Some((row, fault(row)?))).collect()
    }

    /// The versions of files that have no row, although a newer one was applied.
    pub fn skipped(&self, versions: impl IntoIterator<Item = i64>) -> impl Iterator<Item = i64> {
        let older = |version: &i64| self.newest().is_some_and(|newest| *version < newest);
        versions.into_iter().filter(move |version| older(version) && self.get(*version).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(i64, u8, bool)]) -> HistoryRows {
        let row = |&(version, sum, success): &_| Applied { version, checksum: vec![sum], success };
        HistoryRows::new(rows.iter().map(row).collect())
    }

    #[test]
    fn a_history_is_compared_with_its_files() {
        let files: [(i64, &[u8]); 5] = [(1, &[1]), (2, &[2]), (3, &[3]), (4, &[4]), (5, &[5])];
        let held = rows(&[(6, 6, true), (1, 1, true), (3, 9, true), (4, 4, false)]);
        let faults: Vec<_> =
            held.faults(files).into_iter().map(|(row, fault)| (row.version, fault)).collect();
        assert_eq!(
            faults,
            [(3, HistoryFault::Changed), (4, HistoryFault::CutShort), (6, HistoryFault::Unknown)]
        );
        let skipped: Vec<i64> = held.skipped(files.map(|(version, _)| version)).collect();
        assert_eq!((held.newest(), held.count(), skipped), (Some(6), 3, vec![2, 5]));
        assert!(HistoryRows::default().skipped([1]).next().is_none(), "nothing was applied yet");
    }

    #[test]
    fn what_was_cut_short_is_applied_once_it_is_finished() {
        let mut held = rows(&[(1, 1, true), (2, 2, false)]);
        assert_eq!((held.has(2), held.newest()), (false, Some(1)));
        held.insert(2, vec![2]);
        assert_eq!(held, rows(&[(1, 1, true), (2, 2, true)]));
        held.remove(1);
        assert_eq!(held, rows(&[(2, 2, true)]));
    }
}
