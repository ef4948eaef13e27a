//! What is asked for, and what was approved.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wave::Waves;
use crate::features::migrations::Sources;
use crate::features::tenants::{Selector, TenantRef};

/// Which tenants are meant.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All that are in use, suspended or kept ready.
    All,
    /// Those that meet conditions, each as it was written and as it is understood.
    Where(Vec<(String, Selector)>),
    /// These.
    Names(Vec<TenantRef>),
}

impl Selection {
    /// In words, as records hold it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Where(conditions) => {
                let texts: Vec<&str> = conditions.iter().map(|(text, _)| text.as_str()).collect();
                format!("where {}", texts.join(","))
            }
            Self::Names(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }
}

/// A part of the tenants that are behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Those that failed in the last run that they were in.
    Failed,
    /// Those that did not.
    Pending,
}

impl Only {
    /// Both, for help and completion.
    pub const ALL: [Self; 2] = [Self::Failed, Self::Pending];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }
}

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// More than these.
    Count(u32),
    /// More than these hundredths of the run's tenants.
    Percent(u8),
}

/// A text that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit is a number, or hundredths from 0% to 100%")]
pub struct LimitError;

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix('%') {
            Some(share) => {
                share.parse().ok().filter(|share| *share <= 100).map(Self::Percent).ok_or(LimitError)
            }
            None => text.parse().map(Self::Count).map_err(|_| LimitError),
        }
    }
}

impl Limit {
    /// How many of a number of tenants may fail.
    #[must_use]
    pub fn of(self, tenants: usize) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(share) => u32::try_from(tenants * usize::from(share) / 100).unwrap_or(u32::MAX),
        }
    }
}

/// One of several processes that share a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub number: u16,
    /// Of how many.
    pub of: u16,
}

/// A text that is no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shard is I/N, e.g. 1/4, with I from 1 to N")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, of) = text.split_once('/').ok_or(ShardError)?;
        let parse = |text: &str| text.parse::<u16>().map_err(|_| ShardError);
        let shard = Self { number: parse(number)?, of: parse(of)? };
        if (1..=shard.of).contains(&shard.number) { Ok(shard) } else { Err(ShardError) }
    }
}

/// How a run goes about its tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Most tenants at a time on one server, for each process.
    pub jobs: u16,
    /// Failures after which no more tenants are begun; `None`: as many as come in the last wave,
    /// and none before it.
    pub max_failures: Option<Limit>,
    /// How often a tenant is tried again after a lock timeout, a deadlock or a serialisation failure.
    pub retries: u32,
    /// How long one statement may wait for a lock, in milliseconds; zero: as long as it takes.
    pub lock_timeout_ms: u64,
    /// How long one statement may take, in milliseconds; zero: as long as it takes.
    pub statement_timeout_ms: u64,
    /// How long to wait after one wave, in milliseconds, before the next.
    pub soak_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            jobs: 8,
            max_failures: None,
            retries: 3,
            lock_timeout_ms: 2000,
            statement_timeout_ms: 0,
            soak_ms: 0,
        }
    }
}

impl Settings {
    /// How long one statement may wait for a lock.
    #[must_use]
    pub fn lock_timeout(&self) -> Duration {
        Duration::from_millis(self.lock_timeout_ms)
    }

    /// How long one statement may take.
    #[must_use]
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    pub selection: Selection,
    /// Which sets; none: all.
    pub sets: Vec<String>,
    pub sources: Sources,
    /// Up to this version of the one set, and no further.
    pub to: Option<i64>,
    /// Which part of those that are behind.
    pub only: Option<Only>,
    pub waves: Waves,
    pub settings: Settings,
    /// How long to wait for another run.
    pub lock_wait: Duration,
    /// Share the run that is under way, where it is this one.
    pub shard: Option<Shard>,
}

impl Request {
    /// Which tenants are meant, in words, as records hold it.
    #[must_use]
    pub fn text(&self) -> String {
        let all = self.selection.text();
        self.only.map_or(all.clone(), |only| format!("{all}, of them only {}", only.as_str()))
    }
}

/// A set in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSet {
    pub name: String,
    pub history: String,
    /// The newest version that may run.
    pub version: i64,
    /// How many files there are up to it.
    pub files: i64,
    /// The set has newer files that are not to run.
    #[serde(default)]
    pub cut: bool,
}

/// A file in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    pub set: String,
    pub version: i64,
    pub description: String,
    /// SHA-384 of its text, in hexadecimal.
    pub checksum: String,
    /// It runs in a transaction.
    pub transaction: bool,
    /// Nobody else of its server is migrated at the same time.
    pub alone: bool,
    /// Some tenant may lack it; of the others the checksums are compared.
    pub pending: bool,
}

/// What was approved: the same for every process that shares the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which tenants were meant, in words.
    pub selection: String,
    /// Sets, in the order of their dependence.
    pub sets: Vec<PlannedSet>,
    /// Files that may run, in their order.
    pub files: Vec<PlannedFile>,
    /// What the waves are called.
    pub waves: Vec<String>,
    pub settings: Settings,
}

/// A version for each set.
pub(super) type Versions = BTreeMap<String, i64>;

impl Plan {
    /// Whether another plan means the same: the same tenants in words, the same files, the same
    /// waves.
    #[must_use]
    pub fn means_the_same(&self, other: &Self) -> bool {
        let files = |plan: &Self| -> Vec<(String, i64, String)> {
            let key = |file: &PlannedFile| (file.set.clone(), file.version, file.checksum.clone());
            plan.files.iter().map(key).collect()
        };
        self.selection == other.selection && self.waves == other.waves && files(self) == files(other)
    }

    /// Whether a file wants its server for itself.
    #[must_use]
    pub fn has_alone(&self) -> bool {
        self.files.iter().any(|file| file.alone && file.pending)
    }

    /// The wave that holds the rest.
    #[must_use]
    pub fn last_wave(&self) -> i32 {
        i32::try_from(self.waves.len()).unwrap_or(i32::MAX) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_share() {
        assert_eq!("3".parse(), Ok(Limit::Count(3)));
        assert_eq!("10%".parse::<Limit>().unwrap().of(50), 5);
        assert_eq!("0%".parse::<Limit>().unwrap().of(50), 0);
        for bad in ["", "-1", "101%", "x%"] {
            assert_eq!(bad.parse::<Limit>(), Err(LimitError), "{bad}");
        }
    }

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for bad in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert_eq!(bad.parse::<Shard>(), Err(ShardError), "{bad}");
        }
    }
}
