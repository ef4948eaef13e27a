//! What the states of PostgreSQL's errors mean to a command (SQLSTATE; manual, appendix A). The only
//! place that maps them.

use crate::kernel::hint::{FsckAction, PlaceAction, PlaceKind, PlatformAction};
use crate::kernel::{ErrorKind, Hint};

/// The control database was restored from an older backup (migration `record_stamp`).
pub(super) const RECORD_OLDER: &str = "NX002";

/// A statement was cancelled: it took too long, or somebody asked for it (`query_canceled`).
pub(super) const CANCELLED: &str = "57014";
/// The server, the database or the login has no session left (`too_many_connections`).
pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";

/// The first row whose beginning a state has decides.
const KINDS: &[(&str, ErrorKind)] = &[
    // The session, or what it needs, is gone.
    ("08", ErrorKind::Unavailable),
    // A text that this database's encoding does not hold.
    ("22021", ErrorKind::Invalid),
    ("22P05", ErrorKind::Invalid),
    // A row that another session has made or deleted meanwhile.
    ("23503", ErrorKind::Conflict),
    ("23505", ErrorKind::Conflict),
    ("23P01", ErrorKind::Conflict),
    // A standby, or a server that was set to read only; sessions that waited too long.
    ("25006", ErrorKind::Unavailable),
    ("25P03", ErrorKind::Unavailable),
    ("25P04", ErrorKind::Unavailable),
    // Prepared statements that are not this session's: a pooler in transaction mode.
    ("26000", ErrorKind::Unavailable),
    ("42P05", ErrorKind::Unavailable),
    ("28", ErrorKind::Unavailable),
    ("2BP01", ErrorKind::Conflict),
    // What the record names is not there.
    ("3D000", ErrorKind::Integrity),
    ("3F000", ErrorKind::Integrity),
    ("42P01", ErrorKind::Integrity),
    ("42703", ErrorKind::Integrity),
    ("42704", ErrorKind::Integrity),
    ("42883", ErrorKind::Integrity),
    ("42P13", ErrorKind::Integrity),
    // Others were at work on the same rows.
    ("40002", ErrorKind::Conflict),
    ("40003", ErrorKind::Unavailable),
    ("40", ErrorKind::Busy),
    ("72", ErrorKind::Busy),
    // A plan that another session's change made invalid, or a feature that this server has not.
    ("0A000", ErrorKind::Conflict),
    ("42501", ErrorKind::Forbidden),
    // It is there already.
    ("42710", ErrorKind::Conflict),
    ("42723", ErrorKind::Conflict),
    ("42701", ErrorKind::Conflict),
    ("42P04", ErrorKind::Conflict),
    ("42P06", ErrorKind::Conflict),
    ("42P07", ErrorKind::Conflict),
    // Out of disk, memory or sessions; a limit of the server's.
    ("53", ErrorKind::Unavailable),
    ("54", ErrorKind::Unavailable),
    ("55", ErrorKind::Busy),
    // Shut down, cancelled, or timed out.
    ("57", ErrorKind::Unavailable),
    // The system, e.g. an I/O error; the server's configuration; another server behind it.
    ("58", ErrorKind::Unavailable),
    ("F0", ErrorKind::Unavailable),
    ("HV", ErrorKind::Unavailable),
    // What control.raise_stamp says of a control database that was restored from a backup.
    (RECORD_OLDER, ErrorKind::Integrity),
    // RAISE in a function or a trigger that is not ours.
    ("P0", ErrorKind::Conflict),
    ("38", ErrorKind::Conflict),
    ("39", ErrorKind::Conflict),
    // Damaged data; then PostgreSQL's own errors, e.g. of a thing that another session changed
    // meanwhile.
    ("XX001", ErrorKind::Integrity),
    ("XX002", ErrorKind::Integrity),
    ("XX", ErrorKind::Unavailable),
];

/// What sort of failure a state is. A statement that PostgreSQL cannot read, or a value that it cannot
/// take, is a bug of ours.
pub(super) fn kind(state: &str) -> ErrorKind {
    let row = KINDS.iter().find(|(beginning, _)| state.starts_with(beginning));
    row.map_or(ErrorKind::Internal, |(_, kind)| *kind)
}

/// Whether what PostgreSQL adds to such an error may quote the content of rows: then it is shown
/// nowhere. Class 22 quotes values, 23 keys and whole rows; what a RAISE says is unknown.
pub(super) fn quotes_rows(state: &str) -> bool {
    ["21", "22", "23", "38", "39", "44", "P0"].iter().any(|class| state.starts_with(class))
}

/// What to do next.
pub(super) fn hint(state: &str) -> Option<Hint> {
    let text = match state {
        "53100" => "the server's disk is full: free some space, then repeat",
        "53200" => {
            "the server has no memory or no locks left: repeat when less goes on there; the holder of \
                    many locks is seen in pg_locks"
        }
        "53300" => {
            let limit = PlaceAction::LimitConnections(None);
            return Some(Hint::new("keep Nexus to fewer sessions there", limit));
        }
        "55P03" => {
            "another session holds a lock; its server's administrator sees which: select pid, usename, \
                    state, query from pg_stat_activity join pg_locks using (pid) where granted"
        }
        "55006" => "other sessions use it: repeat when they have ended",
        "57014" => "an administrator or a time limit of the server's cancelled it: repeat",
        "25006" => {
            "the server only reads (a standby, or default_transaction_read_only): \
                    name the primary, or ask its administrator"
        }
        "25P03" | "25P04" | "57P05" => "the server ended the session because it waited too long: repeat",
        "26000" | "42P05" => {
            "between Nexus and the server is a pooler in transaction mode: \
                              connect to the server itself, or use session mode"
        }
        "42501" => {
            let check = PlaceAction::CheckAll(PlaceKind::Cluster);
            return Some(Hint::new("a right of the login was taken away", check));
        }
        "3D000" | "3F000" | "42P01" | "42703" | "42704" | "42883" => {
            return Some(Hint::new("see what is missing", FsckAction::Inspect));
        }
        RECORD_OLDER => return Some(Hint::new("see what differs, and change nothing", FsckAction::Inspect)),
        "XX001" | "XX002" => "the server's data is damaged: stop, and ask its administrator",
        state if state.starts_with("57P") => "the server is being restarted: repeat in a moment",
        state if state.starts_with("40") || state.starts_with("72") => {
            "others were changing the same rows: repeat"
        }
        state if state.starts_with("XX") => "an error inside PostgreSQL: repeat; its server's log says more",
        state if state.starts_with("08") => {
            return Some(Hint::new("find out what is wrong", PlatformAction::Examine));
        }
        _ => return None,
    };
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server, its administrator or another session can cause, and what only we can.
    #[test]
    fn every_state_that_the_world_can_cause_has_a_kind() {
        for (states, expected) in [
            (
                "08000 08001 08003 08004 08006 08007 08P01 25006 25P03 25P04 26000 28000 28P01 40003 42P05 \
                 53000 53100 53200 53300 53400 54000 54001 54011 54023 57000 57014 57P01 57P02 57P03 57P04 \
                 57P05 58000 58030 58P01 58P02 F0000 F0001 HV000 HV00N XX000",
                ErrorKind::Unavailable,
            ),
            ("40000 40001 40P01 55000 55006 55P02 55P03 55P04 72000", ErrorKind::Busy),
            (
                "0A000 23503 23505 23P01 2BP01 38000 38001 39000 40002 42701 42710 42723 42P04 42P06 42P07 \
                 P0000 P0001 P0002 P0003 P0004",
                ErrorKind::Conflict,
            ),
            ("3D000 3F000 42703 42704 42883 42P01 42P13 NX002 XX001 XX002", ErrorKind::Integrity),
            ("22021 22P05", ErrorKind::Invalid),
            ("42501", ErrorKind::Forbidden),
            ("22001 22003 22P02 23502 23514 25001 25P01 25P02 42601 42804 42P02", ErrorKind::Internal),
        ] {
            for state in states.split_whitespace() {
                assert_eq!(kind(state), expected, "{state}");
            }
        }
    }

    #[test]
    fn no_row_of_the_table_is_hidden_by_one_before_it() {
        for (at, (state, _)) in KINDS.iter().enumerate() {
            let first = KINDS.iter().position(|(beginning, _)| state.starts_with(beginning));
            assert_eq!(first, Some(at), "{state}");
        }
    }
}
