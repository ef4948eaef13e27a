//! What is not Nexus's and will stop it: collations of another version, transactions that were prepared
//! and forgotten, a full lock table, slots that hold back the log, ages, wrecks, broken files.

use super::server::ServerSubject;
use super::store::Stoppers;
use crate::infra::db::{identifier, literal};
use crate::kernel::{ErrorKind, Finding};

/// Share of the lock table in use from which a person should look, and from which statements fail.
const LOCKS_SOON: i64 = 50;
const LOCKS_FULL: i64 = 90;
/// Transactions before the server takes no more (manual, chapter 25.1.5: two thousand million).
const OLD: i64 = 1_000_000_000;
const TOO_OLD: i64 = 1_800_000_000;
/// Days before a login ends at which somebody should be told.
const NOTICE: f64 = 14.0;

pub(super) fn examine(subject: &ServerSubject, seen: &Stoppers) -> Vec<Finding> {
    vec![
        collations(subject, seen),
        prepared(subject, seen),
        locks(subject, seen),
        slots(subject, seen),
        age(subject, seen),
        half_dropped(subject, seen),
        files(subject, seen),
        login(subject, seen),
    ]
}

fn collations(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let Some(first) = seen.collations.first() else {
        return subject.ok("collation", "every database has the system's collations");
    };
    let found = format!(
        "the system's collations are of another version than those of {}: indexes on text may be wrong",
        some(&seen.collations)
    );
    let reindex = format!("reindex database {}", identifier(first));
    let refresh = format!("alter database {} refresh collation version", identifier(first));
    let fix = subject.psql_in(first, &[&reindex, &refresh]).saying("in each of them, e.g.");
    if seen.collations.iter().any(|name| name.starts_with("template") || name.starts_with("nxt")) {
        return subject.problem("collation", ErrorKind::Unavailable, found).fix(fix);
    }
    subject.warning("collation", found).fix(fix)
}

fn prepared(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let (Some(gid), Some(database)) = (&seen.first_prepared, &seen.prepared_in) else {
        return subject.ok("prepared", "no prepared transaction was left behind");
    };
    let found = format!(
        "prepared and left behind, with all their locks: {}; what they hold cannot be changed or dropped",
        some(&seen.prepared)
    );
    let fix = format!("rollback prepared {}", literal(gid));
    subject
        .warning("prepared", found)
        .fix(subject.psql_in(database, &[&fix]).saying("commit it, or roll it back"))
}

fn locks(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let share = seen.locks * 100 / seen.lock_room.max(1);
    let found = format!("{} of about {} locks in use", seen.locks, seen.lock_room);
    if share < LOCKS_SOON {
        return subject.ok("locks", found);
    }
    let (holder, pid) =
        (seen.holder.as_deref().unwrap_or("nobody known"), seen.holder_pid.unwrap_or_default());
    let found = format!("{found}; {holder} in process {pid}: when the table is full nobody can log in");
    let fix = subject.psql(&format!("select pg_terminate_backend({pid})"));
    if share >= LOCKS_FULL {
        return subject.problem("locks", ErrorKind::Unavailable, found).fix(fix);
    }
    subject.warning("locks", found).fix(fix)
}

fn slots(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let Some(first) = &seen.first_slot else {
        return subject.ok("slots", "no replication slot holds the log back");
    };
    let found = format!("replication slots hold the log back, which fills the disk: {}", some(&seen.slots));
    let fix = format!("select pg_drop_replication_slot({})", literal(first));
    subject.warning("slots", found).fix(subject.psql(&fix).saying("if nobody needs it"))
}

fn age(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let name = seen.oldest_in.as_deref().unwrap_or("template1");
    let found = format!("the oldest transaction that is not frozen is {} back, in {name}", seen.oldest);
    let fix = subject.psql_in(name, &["vacuum freeze"]);
    match seen.oldest {
        TOO_OLD.. => subject
            .problem(
                "wraparound",
                ErrorKind::Unavailable,
                format!("{found}: the server will soon accept no more"),
            )
            .fix(fix),
        OLD.. => subject.warning("wraparound", found).fix(fix),
        _ => subject.ok("wraparound", found),
    }
}

fn half_dropped(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let Some(first) = seen.half_dropped.first() else {
        return subject.ok("damaged", "no drop of a database was interrupted");
    };
    let found = format!("can only be dropped, because a drop was interrupted: {}", some(&seen.half_dropped));
    let fix = format!("drop database {}", identifier(first));
    subject.warning("damaged", found).fix(subject.psql(&fix))
}

fn files(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    if seen.files.is_empty() {
        return subject.ok("files", "the server's configuration can be read");
    }
    let found = format!("the server's next start or reload will reject: {}", some(&seen.files));
    subject
        .warning("files", found)
        .fix(subject.psql("select pg_reload_conf()").saying("correct the file, then"))
}

fn login(subject: &ServerSubject, seen: &Stoppers) -> Finding {
    let user = &subject.address.user;
    let Some(days) = seen.login_ends_in.filter(|days| *days < NOTICE) else {
        return subject.ok("expiry", format!("login {user} does not expire"));
    };
    let found = format!("the password of login {user} expires in {days:.1} days: then nothing works");
    let fix = format!("alter role {} valid until 'infinity'", identifier(user));
    subject.warning("expiry", found).fix(subject.psql(&fix))
}

/// The first few of a list.
fn some(list: &[String]) -> String {
    const MOST: usize = 5;
    let more = list.len().saturating_sub(MOST);
    let text = list.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}
