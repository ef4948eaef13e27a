//! Which releases of PostgreSQL have holes that matter here, by the project's own security page
//! (postgresql.org/support/security) and its CVE records.

use crate::features::local::PgVersion;

/// Where a hole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// In the server.
    Server,
    /// In `pg_dump`, `pg_restore` or `psql`.
    Client,
    /// In both.
    Both,
}

struct Hole {
    side: Side,
    names: &'static [&'static str],
    /// The first release of each major version without it; other major versions never had it, or
    /// are not cared for any more.
    fixed: &'static [(u32, u32)],
}

/// The newest first.
const HOLES: &[Hole] = &[
    Hole {
        side: Side::Client,
        names: &["CVE-2026-116314"],
        fixed: &[(14, 25), (15, 20), (16, 16), (17, 12), (18, 7)],
    },
    Hole {
        side: Side::Both,
        names: &["CVE-2026-15741"],
        fixed: &[(14, 24), (15, 19), (16, 15), (17, 11), (18, 6)],
    },
    Hole {
        side: Side::Client,
        names: &["CVE-2026-18408"],
        fixed: &[(14, 24), (15, 19), (16, 15), (17, 11), (18, 6)],
    },
    Hole {
        side: Side::Server,
        names: &["CVE-2026-6473", "CVE-2026-6637", "CVE-2026-6478"],
        fixed: &[(14, 23), (15, 18), (16, 14), (17, 10), (18, 4)],
    },
    Hole {
        side: Side::Client,
        names: &["CVE-2026-6477"],
        fixed: &[(14, 23), (15, 18), (16, 14), (17, 10), (18, 4)],
    },
    Hole {
        side: Side::Server,
        names: &["CVE-2026-2005", "CVE-2026-2006"],
        fixed: &[(14, 21), (15, 16), (16, 12), (17, 8), (18, 2)],
    },
    Hole {
        side: Side::Client,
        names: &["CVE-2025-8714", "CVE-2025-8715"],
        fixed: &[(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)],
    },
];

/// The known holes of a release, and the first minor release of the same major version that has
/// none of them; `None` where none is known.
pub(super) fn holes(version: PgVersion, side: Side) -> Option<(Vec<&'static str>, PgVersion)> {
    let mut names = Vec::new();
    let mut needed = version;
    for hole in HOLES.iter().filter(|hole| hole.side == side || hole.side == Side::Both) {
        let fixed = hole.fixed.iter().find(|(major, _)| *major == version.major);
        if let Some((_, minor)) = fixed.filter(|(_, minor)| version.minor < *minor) {
            names.extend(hole.names);
            needed.minor = needed.minor.max(*minor);
        }
    }
    (!names.is_empty()).then_some((names, needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str, side: Side) -> Option<(Vec<&'static str>, String)> {
        let (names, needed) = holes(PgVersion::parse(version).unwrap(), side)?;
        Some((names, needed.to_string()))
    }

    #[test]
    fn a_release_has_the_holes_that_later_releases_of_its_major_version_mended() {
        let (names, needed) = of("15.18", Side::Client).unwrap();
        assert_eq!(needed, "15.20");
        assert!(names.contains(&"CVE-2026-18408") && !names.contains(&"CVE-2025-8714"));
        assert!(of("17.5", Side::Client).unwrap().0.contains(&"CVE-2025-8715"));
        assert_eq!(of("15.19", Side::Server), None);
        for newest in ["15.20", "16.16", "17.12", "18.7", "19.1"] {
            assert_eq!(of(newest, Side::Client), None, "{newest}");
        }
    }
}
