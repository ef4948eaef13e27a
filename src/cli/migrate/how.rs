//! Which tenants, which files, and how: what planning and applying have in common.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::super::{arguments, complete};
use crate::features::fleet::{Limit, Only, Request, Selection, Settings, Shard, Waves};
use crate::features::migrations::Sources;
use crate::features::tenants::{Selector, TenantRef};

/// A condition as it was written and as it is understood.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    text: String,
    selector: Selector,
}

impl FromStr for Condition {
    type Err = <Selector as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned(), selector: text.parse()? })
    }
}

/// Which tenants. One of the three ways must be used, and only one.
#[derive(Debug, Clone, Args)]
#[group(id = "fleet", required = true, multiple = true)]
pub(super) struct WhichArgs {
    /// The tenants, by slug or id
    #[arg(value_name = "SLUG|ID", conflicts_with_all = ["all", "conditions"], add = complete::tenants())]
    pub names: Vec<TenantRef>,
    /// Every tenant
    #[arg(long, conflicts_with = "conditions")]
    pub all: bool,
    /// Tenants that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…")]
    pub conditions: Vec<Condition>,
}

impl WhichArgs {
    fn selection(self) -> Selection {
        if self.all {
            Selection::All
        } else if self.names.is_empty() {
            Selection::Where(self.conditions.into_iter().map(|it| (it.text, it.selector)).collect())
        } else {
            Selection::Names(self.names)
        }
    }
}

/// Which files of which sets.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub(super) struct FilesArgs {
    /// Only this set; may be repeated
    #[arg(long = "set", value_name = "NAME")]
    pub sets: Vec<String>,
    /// Only up to this version of the one set
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(1..))]
    pub to: Option<i64>,
    /// Only tenants whose last attempt failed, or only the others
    #[arg(long, value_name = "WHICH", value_parser = arguments::word(Only::ALL, Only::as_str))]
    pub only: Option<Only>,
}

/// How tenants are gone about.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace")]
pub(super) struct PaceArgs {
    /// The waves in order, separated by ';': each NAME=SLUG,SLUG…, N%, N or rest
    #[arg(long, value_name = "WAVES", default_value = "rest")]
    pub wave: Waves,
    /// Wait this long after each wave
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = arguments::timeout)]
    pub soak: Duration,
    /// Migrate this many tenants at once on each server, within its limit of connections
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Start no more tenants once more than these have failed; without it, one failure stops all
    /// waves but the last
    #[arg(long, value_name = "N|P%")]
    pub max_failures: Option<Limit>,
    /// Retry a tenant this many times after a lock timeout, a deadlock or a serialisation failure
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// How long a statement may wait for a lock before it is cancelled; 0s: no limit
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = arguments::timeout)]
    pub ddl_lock_timeout: Duration,
    /// How long a statement may take; 0s: no limit
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = arguments::timeout)]
    pub statement_timeout: Duration,
}

impl PaceArgs {
    /// What of it the run keeps.
    pub(super) fn settings(&self) -> Settings {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Settings {
            jobs: self.jobs,
            max_failures: self.max_failures,
            retries: self.retries,
            lock_timeout_ms: milliseconds(self.ddl_lock_timeout),
            statement_timeout_ms: milliseconds(self.statement_timeout),
            soak_ms: milliseconds(self.soak),
        }
    }
}

/// What to do about another run.
#[derive(Debug, Clone, Args)]
pub(super) struct WaitArgs {
    /// Wait this long for another run to end
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = arguments::timeout)]
    pub lock_wait: Duration,
}

/// What is asked for.
pub(super) fn request(
    which: WhichArgs,
    (files, sources): (FilesArgs, Sources),
    pace: &PaceArgs,
    lock_wait: Duration,
    shard: Option<Shard>,
) -> Request {
    Request {
        selection: which.selection(),
        sets: files.sets,
        sources,
        to: files.to,
        only: files.only,
        waves: pace.wave.clone(),
        settings: pace.settings(),
        lock_wait,
        shard,
    }
}
