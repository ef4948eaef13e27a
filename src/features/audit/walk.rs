//! The walk along a chain, row by row, remembering little. No I/O.

use std::cmp::Ordering;

use super::anchor::Anchor;
use super::chain::{Hash, Record};
use super::tampering::Tampering;

/// The end of the chain, as the database has recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: i64,
    pub(super) hash: Option<Hash>,
}

/// Where a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) rows: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) hash: Hash,
    pub(super) anchors: u64,
}

/// A walk from the first row to the last.
#[derive(Debug)]
pub(super) struct Walk {
    rows: u64,
    first: i64,
    /// The position that comes next.
    next: i64,
    previous: Hash,
    /// In the order of their positions; those that were passed are taken off.
    anchors: std::iter::Peekable<std::vec::IntoIter<Anchor>>,
    passed: u64,
    recorded: Option<Head>,
    tampering: Option<Tampering>,
    search: Option<Search>,
}

/// After the first bad position: the row that belongs there may stand further on.
#[derive(Debug)]
struct Search {
    position: i64,
    previous: Hash,
    stored: Option<Hash>,
}

impl Walk {
    /// From the first row on. `recorded` is the end that the database knows, if it is asked.
    pub(super) fn new(mut anchors: Vec<Anchor>, recorded: Option<Head>) -> Self {
        anchors.sort_by_key(|anchor| anchor.position);
        Self {
            rows: 0,
            first: 1,
            next: 1,
            previous: Hash::START,
            anchors: anchors.into_iter().peekable(),
            passed: 0,
            recorded,
            tampering: None,
            search: None,
        }
    }

    /// Begins at a later row: a part of a log says itself what stands before it.
    pub(super) fn begin_at(&mut self, sequence: i64, previous: Hash) {
        if sequence < 2 {
            return;
        }
        (self.first, self.next, self.previous) = (sequence, sequence, previous);
        while self.anchors.next_if(|anchor| anchor.position < sequence - 1).is_some() {}
        self.compare_anchors(sequence - 1);
    }

    /// Takes the next row.
    pub(super) fn row(&mut self, record: &Record) {
        self.rows += 1;
        if self.tampering.is_some() {
            return self.look_for(record);
        }
        match record.sequence.cmp(&self.next) {
            Ordering::Less => self.tampering = Some(Tampering::Forged { position: record.sequence }),
            Ordering::Greater => {
                let until = record.sequence - 1;
                self.tampering = Some(Tampering::Missing { position: self.next, until });
                self.search = Some(Search { position: self.next, previous: self.previous, stored: None });
                self.look_for(record);
            }
            Ordering::Equal => self.expected(record),
        }
    }

    /// Takes the next row of an export, which also says what stands before it.
    pub(super) fn exported_row(&mut self, record: &Record, before: Option<Hash>) {
        let said_otherwise = record.sequence == self.next && before != Some(self.previous);
        if said_otherwise && self.tampering.is_none() {
            self.tampering = Some(Tampering::Edited { position: self.next });
        }
        self.row(record);
    }

    fn expected(&mut self, record: &Record) {
        let position = self.next;
        let hash = record.hash_at(position, self.previous);
        if record.hash == Some(hash) {
            self.previous = hash;
            self.next = position.saturating_add(1);
            self.compare_anchors(position);
        } else if self.recorded.is_some_and(|head| position > head.sequence) {
            self.tampering = Some(Tampering::Forged { position });
        } else {
            self.tampering = Some(Tampering::Edited { position });
            self.search = Some(Search { position, previous: self.previous, stored: record.hash });
        }
    }

    fn look_for(&mut self, record: &Record) {
        let Some(Search { position, previous, stored }) = self.search else { return };
        let hash = Some(record.hash_at(position, previous));
        if hash == record.hash || hash == stored {
            self.tampering = Some(Tampering::Reordered { position, found_at: record.sequence });
            self.search = None;
        }
    }

    fn compare_anchors(&mut self, position: i64) {
        while let Some(anchor) = self.anchors.next_if(|anchor| anchor.position <= position) {
            self.passed += 1;
            if anchor.hash != self.previous && self.tampering.is_none() {
                self.tampering = Some(Tampering::Rewritten { position: anchor.position });
            }
        }
    }

    /// The position of the last row that was as it should be.
    pub(super) fn last(&self) -> i64 {
        self.next - 1
    }

    /// Ends a walk that does not go to the last row.
    pub(super) fn pause(self) -> Result<End, Tampering> {
        match self.tampering {
            Some(tampering) => Err(tampering),
            None => Ok(End {
                rows: self.rows,
                first: self.first,
                last: self.next - 1,
                hash: self.previous,
                anchors: self.passed,
            }),
        }
    }

    /// Ends the walk after the last row.
    pub(super) fn end(mut self) -> Result<End, Tampering> {
        let last = self.next - 1;
        if let Some(tampering) = self.tampering {
            return Err(tampering);
        }
        let anchored = self.anchors.by_ref().map(|anchor| anchor.position).max();
        // A later part may have none: what stands before it was there.
        if self.rows == 0 && self.first == 1 {
            let recorded = self.recorded.map_or(0, |head| head.sequence);
            return Err(Tampering::Wiped { until: anchored.unwrap_or(0).max(recorded) });
        }
        if let Some(head) = self.recorded {
            match head.sequence.cmp(&last) {
                Ordering::Greater => {
                    return Err(Tampering::TailCut {
                        position: last + 1,
                        until: head.sequence,
                        anchored: false,
                    });
                }
                Ordering::Less => return Err(Tampering::Forged { position: head.sequence.max(0) + 1 }),
                Ordering::Equal if head.hash != Some(self.previous) => {
                    return Err(Tampering::HeadChanged { position: last });
                }
                Ordering::Equal => {}
            }
        }
        if let Some(until) = anchored {
            return Err(Tampering::TailCut { position: last + 1, until, anchored: true });
        }
        self.pause()
    }
}
