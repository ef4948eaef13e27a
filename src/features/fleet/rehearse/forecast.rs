//! What a rehearsal lets us expect of the fleet. Pure.

use std::collections::{BTreeMap, HashMap};

use super::model::{Forecast, Rehearsed};

/// A tenant with files to come.
#[derive(Debug, Clone)]
pub(super) struct Coming {
    pub(super) slug: String,
    pub(super) cluster: String,
    pub(super) bytes: i64,
    /// Sets and versions.
    pub(super) files: Vec<(String, i64)>,
}

/// A file takes in proportion to the size of the database, by the largest clone that it was run on,
/// and never less than on the quickest.
pub(super) fn forecast(clones: &[Rehearsed], fleet: &[Coming], jobs: usize) -> Forecast {
    let mut measured: HashMap<(&str, i64), Vec<(i64, u64)>> = HashMap::new();
    for clone in clones {
        for step in clone.steps.iter().filter(|step| step.error.is_none()) {
            let runs = measured.entry((step.set.as_str(), step.version)).or_default();
            runs.push((clone.bytes, step.milliseconds));
        }
    }
    let expected = |bytes: i64, (set, version): &(String, i64)| {
        let Some(runs) = measured.get(&(set.as_str(), *version)) else { return 0 };
        let least = runs.iter().map(|(_, time)| *time).min().unwrap_or(0);
        let (size, time) = runs.iter().copied().max().unwrap_or((1, 0));
        let share =
            u128::from(time) * u128::from(bytes.unsigned_abs()) / u128::from(size.unsigned_abs().max(1));
        u64::try_from(share).unwrap_or(u64::MAX).max(least)
    };
    let mut forecast = Forecast { tenants: fleet.len(), jobs, ..Forecast::default() };
    let mut servers: BTreeMap<&str, u64> = BTreeMap::new();
    for coming in fleet {
        let time: u64 = coming.files.iter().map(|file| expected(coming.bytes, file)).sum();
        *servers.entry(&coming.cluster).or_default() += time;
        if forecast.longest.is_none() || time > forecast.longest_milliseconds {
            forecast.longest_milliseconds = time;
            forecast.longest = Some(coming.slug.clone());
        }
    }
    // Servers work beside each other, and none is done before its longest tenant.
    let jobs = u64::try_from(jobs.max(1)).unwrap_or(1);
    let whole = servers.into_values().map(|time| time.div_ceil(jobs)).max().unwrap_or(0);
    forecast.milliseconds = whole.max(forecast.longest_milliseconds);
    let locks = clones.iter().flat_map(|clone| &clone.steps).flat_map(|step| &step.locks);
    let shut = locks.filter(|lock| lock.mode == "AccessExclusiveLock").map(|lock| lock.milliseconds);
    forecast.shut_milliseconds = shut.max().unwrap_or(0);
    forecast
}

#[cfg(test)]
mod tests {
    use super::super::model::{Lock, Step};
    use super::*;

    #[test]
    fn a_fleet_takes_what_its_sizes_take_shared_among_jobs() {
        let step = |milliseconds| Step {
            set: "shop".to_owned(),
            version: 1,
            description: String::new(),
            milliseconds,
            locks: vec![Lock { table: "t".to_owned(), mode: "AccessExclusiveLock".to_owned(), milliseconds }],
            rewritten: Vec::new(),
            error: None,
        };
        let clone = |bytes, milliseconds| Rehearsed {
            tenant: String::new(),
            cluster: String::new(),
            why: "",
            bytes,
            copy_milliseconds: 0,
            not_copied: Vec::new(),
            steps: vec![step(milliseconds)],
        };
        let coming = |slug: &str, bytes| Coming {
            slug: slug.to_owned(),
            cluster: "default".to_owned(),
            bytes,
            files: vec![("shop".to_owned(), 1)],
        };
        let fleet = [coming("a", 1000), coming("b", 500), coming("c", 1)];
        let told = forecast(&[clone(1000, 400), clone(10, 20)], &fleet, 2);
        // 400, 200, and never less than the 20 of the quickest: 620 by two at a time, but one takes 400.
        assert_eq!((told.tenants, told.milliseconds, told.shut_milliseconds), (3, 400, 400));
        assert_eq!((told.longest.as_deref(), told.longest_milliseconds), (Some("a"), 400));
        assert_eq!(forecast(&[clone(1000, 400), clone(10, 20)], &fleet, 1).milliseconds, 620);
        assert_eq!(forecast(&[], &fleet, 1).milliseconds, 0);
    }
}
