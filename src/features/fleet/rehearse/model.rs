//! What a rehearsal measures.

use serde::Serialize;

use crate::features::migrations::Sources;

/// What is to be rehearsed.
#[derive(Debug, Clone)]
pub struct RehearseRequest {
    /// Of these sets; none: of all.
    pub sets: Vec<String>,
    pub sources: Sources,
    /// With so many tenants.
    pub tenants: usize,
    /// How many tenants would be migrated at a time on each server.
    pub jobs: usize,
    /// Only tell which tenants would be copied.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Rehearsal {
    /// Each tenant that was cloned.
    pub clones: Vec<Rehearsed>,
    /// What to expect of the fleet.
    pub forecast: Forecast,
}

/// A tenant that was cloned.
#[derive(Debug, Clone, Serialize)]
pub struct Rehearsed {
    pub tenant: String,
    pub cluster: String,
    pub why: &'static str,
    /// The size of its database.
    pub bytes: i64,
    pub copy_milliseconds: u64,
    /// What the copy lacks, because only a superuser makes it.
    pub not_copied: Vec<String>,
    /// Each file, in order, up to one that failed.
    pub steps: Vec<Step>,
}

/// A file that was run on a clone.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub set: String,
    pub version: i64,
    pub description: String,
    pub milliseconds: u64,
    /// Tables that it locked.
    pub locks: Vec<Lock>,
    /// Tables that it wrote anew.
    pub rewritten: Vec<String>,
    /// Why it failed; none: it did not.
    pub error: Option<StepError>,
}

/// A table that was locked.
#[derive(Debug, Clone, Serialize)]
pub struct Lock {
    pub table: String,
    /// The strongest mode (manual, chapter 13.3.1).
    pub mode: String,
    /// How long some lock on it was held, to about ten milliseconds.
    pub milliseconds: u64,
}

/// Why a file failed.
#[derive(Debug, Clone, Serialize)]
pub struct StepError {
    /// The server's code (manual, appendix A).
    pub sqlstate: Option<String>,
    pub message: String,
}

/// What to expect of the fleet: what was measured, in proportion to the size of each database.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// How many tenants have files to come.
    pub tenants: usize,
    /// How many work at a time on each server.
    pub jobs: usize,
    /// How long the fleet takes.
    pub milliseconds: u64,
    /// How long the tenant takes that takes longest.
    pub longest_milliseconds: u64,
    pub longest: Option<String>,
    /// The longest that a table of a clone let nobody in.
    pub shut_milliseconds: u64,
}
