//! What a tenant's database answers against what should be there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::model::{Comparison, ERROR, Finding};
use crate::features::migrations::{File, LINE_ENDS_HINT, Set, differs_in_line_ends};
use crate::features::tenants::Tenant;
use crate::infra::cluster::{APP_ROLE, Line};
use crate::infra::db::{Applied, HistoryFault, HistoryRows, HistoryState};

/// How a tenant stands with one set.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) findings: Vec<Finding>,
    /// The newest version that was applied to its end.
    pub(super) version: Option<i64>,
    /// How many files were applied to their end.
    pub(super) files: i64,
    /// How many newer files there are.
    pub(super) pending: usize,
}

/// What the registry has of a tenant and a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registered {
    pub(super) version: i64,
    /// How many files the history held; 0: nobody counted.
    pub(super) files: i32,
}

/// Compares a history with the files of its set, and with the version that the registry has.
pub(super) fn standing(
    tenant: &Tenant,
    set: &Set,
    history: &HistoryState,
    registered: Option<Registered>,
) -> Standing {
    let mut standing = Standing::default();
    let mut add = |code, object: String, detail: String| {
        let finding = Finding::of(tenant, code, ERROR, object, detail);
        standing.findings.push(finding.in_set(&set.name));
    };
    let table = || format!("table {}", set.history);
    let nothing = HistoryRows::default();
    let held = match history {
        HistoryState::There(held) => held,
        HistoryState::Absent => &nothing,
        HistoryState::Malformed => {
            let detail = "it is not a plain table with sqlx's columns; it was not read";
            add("history_malformed", table(), detail.to_owned());
            return standing;
        }
    };
    let newest = held.newest();
    for (row, fault) in held.faults(set.checksums()) {
        let (code, detail) = match fault {
            HistoryFault::CutShort => {
                ("migration_failed", "it failed half-way, outside a transaction".to_owned())
            }
            HistoryFault::Unknown => {
                ("migration_extra", "it was applied, and there is no such file".to_owned())
            }
            HistoryFault::Changed => ("migration_changed", changed(set, row)),
        };
        add(code, format!("migration {}", row.version), detail);
    }
    // A file may come late, with an older version: then the registry knows of no more than are there.
    let whole =
        registered.is_some_and(|it| usize::try_from(it.files).is_ok_and(|it| it == held.iter().count()));
    for version in held.skipped(set.checksums().map(|(version, _)| version)) {
        if whole {
            standing.pending += 1;
        } else {
            let detail = "it was skipped: a newer one was applied".to_owned();
            add("migration_missing", format!("migration {version}"), detail);
        }
    }
    let registry = registered.map(|it| it.version);
    if newest != registry {
        let (known, found) = (words(registry), words(newest));
        if *history == HistoryState::Absent {
            let detail = format!("it does not exist; the control database says {known}");
            add("history_missing", table(), detail);
        } else {
            let detail = format!("the control database says {known}, the tenant's database {found}");
            add("registry_differs", "its version".to_owned(), detail);
        }
    }
    let ahead = |version: i64| newest.is_none_or(|newest| version > newest);
    standing.pending += set.files.iter().filter(|file| ahead(file.version)).count();
    standing.version = newest;
    standing.files = held.count();
    standing
}

/// How a file is another one than when it was applied.
fn changed(set: &Set, row: &Applied) -> String {
    let file = set.files.iter().find(|file| file.version == row.version);
    if file.is_some_and(|file| differs_in_line_ends(&file.up, &row.checksum)) {
        return format!("it had different line endings when it was applied; {LINE_ENDS_HINT}");
    }
    "it has changed since it was applied".to_owned()
}

/// What a set's history holds where the registry is right, and nothing came late or was left out.
pub(super) fn as_registered(set: &Set, registered: Option<Registered>) -> HistoryState {
    let Some(registered) = registered else { return HistoryState::Absent };
    let applied =
        |file: &File| Applied { version: file.version, success: true, checksum: file.checksum.clone() };
    let held = set.files.iter().filter(|file| file.version <= registered.version).map(applied);
    HistoryState::There(HistoryRows::new(held.collect()))
}

/// SHA-256 of histories, in hexadecimal digits.
pub(super) fn histories_digest(histories: &BTreeMap<String, HistoryState>) -> String {
    let mut hash = Sha256::new();
    for (name, history) in histories {
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(name.as_bytes());
        match history {
            HistoryState::Absent => part(b"absent"),
            HistoryState::Malformed => part(b"strange"),
            HistoryState::There(held) => {
                part(&(held.iter().count() as u64).to_be_bytes());
                for row in held.iter() {
                    part(&row.version.to_be_bytes());
                    part(&[u8::from(row.success)]);
                    part(&row.checksum);
                }
            }
        }
    }
    hex::encode(hash.finalize())
}

fn words(version: Option<i64>) -> String {
    version.map_or_else(|| "nothing was applied".to_owned(), |version| version.to_string())
}

/// One difference of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) what: String,
    /// How it is in the template; none: it is not there.
    pub(super) expected: Option<String>,
    /// How it is in the tenant; none: it is not there.
    pub(super) found: Option<String>,
}

/// Compares two schemas.
pub(super) fn differences(expected: &[Line], found: &[Line]) -> Vec<Difference> {
    let mut both: BTreeMap<&str, [Vec<&str>; 2]> = BTreeMap::new();
    for (at, lines) in [expected, found].into_iter().enumerate() {
        for Line(what, how) in lines {
            both.entry(what).or_default()[at].push(how);
        }
    }
    let text = |hows: &[&str]| (!hows.is_empty()).then(|| hows.join("\n"));
    both.into_iter()
        .filter(|(_, [expected, found])| expected != found)
        .map(|(what, [expected, found])| Difference {
            what: what.to_owned(),
            expected: text(&expected),
            found: text(&found),
        })
        .collect()
}

/// What sets make of a template's schema: all that an empty database does not have, or with schema
/// nexus alone what Nexus's own set makes. What apps may do by default, outside schema nexus, is in a
/// database that was there before Nexus its owner's affair.
pub(super) fn made_by_sets(expected: &[Line], wholly: bool) -> Vec<Line> {
    let of_every_database = |what: &str| {
        matches!(what, "schema public" | "extension plpgsql")
            || what.starts_with("setting ")
            || what.starts_with("default rights of ") && !in_nexus(what)
    };
    let ours = |line: &&Line| if wholly { !of_every_database(&line.0) } else { in_nexus(&line.0) };
    expected.iter().filter(ours).cloned().map(without_app).collect()
}

/// What of a database is about the same things, or stands in schema nexus, where nothing else is to
/// be.
pub(super) fn about(expected: &[Line], found: Vec<Line>) -> Vec<Line> {
    let whats: BTreeSet<&str> = expected.iter().map(|line| line.0.as_str()).collect();
    let is_meant = |line: &Line| in_nexus(&line.0) || whats.contains(line.0.as_str());
    found.into_iter().filter(is_meant).map(without_app).collect()
}

/// Without what the role for all apps may do with a thing outside schema nexus.
fn without_app(Line(what, how): Line) -> Line {
    let right = format!("{APP_ROLE} may ");
    if in_nexus(&what) || !how.contains(&right) {
        return Line(what, how);
    }
    let parts: Vec<&str> = how.split("; ").filter(|part| !part.starts_with(&right)).collect();
    Line(what, parts.join("; "))
}

/// Whether a line is about schema nexus or something in it.
fn in_nexus(what: &str) -> bool {
    what == "schema nexus"
        || what.contains(" in nexus on ")
        || what.split(' ').find(|word| word.contains('.')).is_some_and(|name| name.starts_with("nexus."))
}

/// SHA-256 of lines, in hexadecimal digits.
pub(super) fn digest(lines: &[Line]) -> String {
    let mut hash = Sha256::new();
    for Line(what, how) in lines {
        for part in [what, how] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex::encode(hash.finalize())
}

/// The differences as findings: each, or only how many there are.
pub(super) fn told(tenant: &Tenant, differences: Vec<Difference>, each: bool) -> Vec<Finding> {
    let kind = |it: &Difference| match (&it.expected, &it.found) {
        (Some(_), None) => "schema_missing",
        (None, _) => "schema_extra",
        (Some(_), Some(_)) => "schema_changed",
    };
    if !each {
        let count = |code: &str| differences.iter().filter(|it| kind(it) == code).count();
        let detail = format!(
            "{} missing, {} extra, {} changed",
            count("schema_missing"),
            count("schema_extra"),
            count("schema_changed")
        );
        return vec![Finding::of(tenant, "schema_drift", ERROR, "its schema", detail)];
    }
    let finding = |it: Difference| {
        let (code, detail) = match kind(&it) {
            code @ "schema_missing" => (code, "it is in the template, but not here"),
            code @ "schema_extra" => (code, "it is here, but not in the template"),
            code => (code, "it differs from the template"),
        };
        let extra = Comparison { set: None, expected: it.expected, found: it.found };
        Finding { extra, ..Finding::of(tenant, code, ERROR, it.what, detail) }
    };
    differences.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: &str, how: &str) -> Line {
        Line(what.to_owned(), how.to_owned())
    }

    #[test]
    fn of_a_database_with_things_of_its_own_only_what_sets_made_is_compared() {
        let expected = [
            "column nexus.users.id",
            "extension plpgsql",
            "schema nexus",
            "schema public",
            "table public.shop",
        ];
        let expected: Vec<Line> = expected.iter().map(|what| line(what, "x")).collect();
        let whats = |lines: &[Line]| lines.iter().map(|line| line.0.clone()).collect::<Vec<_>>();
        let (ours, own) = (made_by_sets(&expected, true), made_by_sets(&expected, false));
        assert_eq!(whats(&ours), ["column nexus.users.id", "schema nexus", "table public.shop"]);
        assert_eq!(whats(&own), ["column nexus.users.id", "schema nexus"]);
        let found = vec![
            line("function public.f(a nexus.kind)", ""),
            line("materialized view nexus.planted", ""),
            line("schema public", "otherwise"),
            line("table public.own", ""),
            line("table public.shop", "x"),
        ];
        assert_eq!(
            whats(&about(&ours, found.clone())),
            ["materialized view nexus.planted", "table public.shop"]
        );
        assert_eq!(whats(&about(&own, found)), ["materialized view nexus.planted"]);
        let granted = line("table public.shop", "of owner; nexus_app may SELECT; x may SELECT");
        assert_eq!(about(&ours, vec![granted]), [line("table public.shop", "of owner; x may SELECT")]);
        assert_eq!(digest(&ours), digest(&ours.clone()));
        assert_ne!(digest(&ours), digest(&own));
    }

    #[test]
    fn a_difference_says_what_is_missing_extra_and_changed() {
        let expected = [line("a", "1"), line("b", "1"), line("c", "1"), line("c", "2")];
        let found = [line("b", "2"), line("c", "1"), line("c", "2"), line("d", "")];
        let seen: Vec<_> = differences(&expected, &found)
            .into_iter()
            .map(|it| (it.what, it.expected.is_some(), it.found.is_some()))
            .collect();
        assert_eq!(
            seen,
            [("a".to_owned(), true, false), ("b".to_owned(), true, true), ("d".to_owned(), false, true)]
        );
        assert!(differences(&expected, &expected).is_empty());
    }
}
