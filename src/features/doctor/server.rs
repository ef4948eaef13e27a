//! What every PostgreSQL server is asked, whatever it serves.

use std::net::IpAddr;

use time::OffsetDateTime;

use super::model::Group;
use super::releases::{self, Side};
use super::store::ServerFacts;
use crate::features::local::PgVersion;
use crate::infra::db::{DbError, Host, ServerAddress};
use crate::kernel::hint::{LocalAction, PlatformAction, StatementServer, Statements};
use crate::kernel::{ErrorKind, Failure, Finding, Hint};

/// The oldest major version that serves.
const OLDEST: u32 = 15;
/// Share of the connections in use from which a person should look, in percent.
const FULL_SOON: i64 = 80;
/// Share from which logins begin to fail, in percent.
const FULL: i64 = 97;
/// Seconds that two clocks may differ by before it is worth a word.
const SKEW: f64 = 2.0;
/// Seconds from which signatures, tokens and time limits go wrong.
const FAR_SKEW: f64 = 60.0;

/// A server that is looked at: which group it is reported in, and under what name.
#[derive(Debug, Clone)]
pub(super) struct ServerSubject {
    pub(super) group: Group,
    pub(super) name: String,
    pub(super) address: ServerAddress,
    /// Whether it is the embedded stack's.
    pub(super) embedded: bool,
    /// Most sessions that the platform gives itself there.
    pub(super) budget: Option<i64>,
}

impl ServerSubject {
    pub(super) fn ok(&self, check: &str, found: impl Into<String>) -> Finding {
        Finding::ok(self.group, check, &self.name, found)
    }

    pub(super) fn warning(&self, check: &str, found: impl Into<String>) -> Finding {
        Finding::warning(self.group, check, &self.name, found)
    }

    pub(super) fn problem(&self, check: &str, kind: ErrorKind, found: impl Into<String>) -> Finding {
        Finding::problem((self.group, check), kind, &self.name, found)
    }

    /// What runs a statement there as a superuser.
    pub(super) fn psql(&self, sql: &str) -> Hint {
        self.psql_in("postgres", &[sql])
    }

    /// The same in one of the server's databases, for statements that cannot share a transaction.
    pub(super) fn psql_in(&self, database: &str, statements: &[&str]) -> Hint {
        self::statements(&self.address, self.embedded, database, statements)
    }

    /// What gives a setting another value, where it was set.
    fn set(&self, facts: &ServerFacts, name: &str, value: &str) -> Hint {
        if facts.own_settings.iter().any(|own| own == name) {
            let ServerAddress { database, user, .. } = &self.address;
            return self.psql(&format!(
                "alter database {database} reset {name}; alter role {user} reset {name}; \
                 alter role {user} in database {database} reset {name}"
            ));
        }
        let change = format!("alter system set {name} = '{value}'");
        self.psql_in("postgres", &[&change, "select pg_reload_conf()"])
    }

    /// That it does not answer, or does not let us in.
    pub(super) fn unreachable(&self, error: &DbError) -> Finding {
        let finding = Finding::failure((self.group, "reachable"), &self.name, error);
        let finding = finding.kind(ErrorKind::Unavailable);
        let ServerAddress { host, port, .. } = &self.address;
        match error {
            DbError::LoginRefused { .. } if self.embedded => {
                finding.fix(LocalAction::Logs(Some("postgres".to_owned())))
            }
            DbError::LoginRefused { user, .. } => finding.fix(Hint::new(
                format!("correct the password of {user}, or its file"),
                PlatformAction::ShowSettings,
            )),
            _ if self.embedded => finding.fix(LocalAction::Start),
            _ => finding
                .fix(format!("pg_isready -h {host} -p {port}  # start the server, or correct its address")),
        }
    }

    /// That nothing came within the time that a check has.
    pub(super) fn silent(&self, seconds: u64) -> Finding {
        let ServerAddress { host, port, .. } = &self.address;
        self.problem(
            "reachable",
            ErrorKind::Unavailable,
            format!("no answer from {host}:{port} within {seconds} s"),
        )
        .fix(format!("pg_isready -h {host} -p {port}  # start the server, or correct its address"))
    }
}

/// What runs statements on a server, for a person who may log in there.
pub(super) fn statements(
    address: &ServerAddress,
    embedded: bool,
    database: &str,
    statements: &[&str],
) -> Hint {
    let ServerAddress { host, port, user, .. } = address;
    let (host, user) = (host.to_string(), user.clone());
    let server = (!embedded).then_some(StatementServer { host, port: *port, user });
    let statements = statements.iter().map(|sql| (*sql).to_owned()).collect();
    let statements = Statements { server, database: database.to_owned(), statements };
    PlatformAction::RunStatements(statements).into()
}

/// The version that a server's number stands for (manual, chapter 20.15).
pub(super) fn version_of(facts: &ServerFacts) -> PgVersion {
    let number = u32::try_from(facts.version_num).unwrap_or(0);
    PgVersion { major: number / 10_000, minor: number % 10_000 }
}

/// What is the same for every server.
pub(super) fn common(subject: &ServerSubject, facts: &ServerFacts) -> Vec<Finding> {
    vec![
        subject.ok("reachable", subject.address.display()),
        version(subject, facts),
        rights(subject, facts),
        tls(subject, facts),
        connections(subject, facts),
        durability(subject, facts),
        checksums(subject, facts),
        logging(subject, facts),
    ]
}

fn version(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    let version = version_of(facts);
    if version.major < OLDEST {
        let found = format!("PostgreSQL {version} is too old: {OLDEST} or newer is needed");
        return subject
            .problem("version", ErrorKind::Unavailable, found)
            .fix(format!("pg_upgrade  # to PostgreSQL {OLDEST} or newer"));
    }
    match releases::holes(version, Side::Server) {
        None => subject.ok("version", format!("PostgreSQL {version}")),
        Some((names, needed)) => subject
            .warning(
                "version",
                format!("PostgreSQL {version} has known vulnerabilities: {}", names.join(", ")),
            )
            .fix(format!(
                "apt-get install --only-upgrade postgresql-{}  # on the server, to {needed} or newer",
                version.major
            )),
    }
}

fn rights(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    let user = &subject.address.user;
    if facts.superuser {
        return subject.ok("rights", format!("{user} may create databases and roles"));
    }
    subject.problem("rights", ErrorKind::Unavailable, format!("login {user:?} is not a superuser")).fix(
        format!(
            "psql -h {} -p {} -U postgres -c 'alter role \"{user}\" superuser'",
            subject.address.host, subject.address.port
        ),
    )
}

/// Whether a host is this machine: a socket, or a loopback address or its usual name.
pub(super) fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn verify_full(subject: &ServerSubject) -> Hint {
    let words = format!("set tls = \"verify-full\" for {}", subject.name);
    Hint::new(words, PlatformAction::ShowSettings)
}

fn tls(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    match &subject.address.host {
        Host::Socket(_) => subject.ok("tls", "a socket of this machine"),
        Host::Tcp(_) if facts.tls => match subject.address.ssl_mode() {
            Some("verify-full") => subject.ok("tls", "encrypted, and the server proved its name"),
            _ => subject
                .warning("tls", "encrypted, but the server is not asked who it is")
                .fix(verify_full(subject)),
        },
        Host::Tcp(host) if is_here(host) => subject.ok("tls", "not encrypted, on this machine"),
        Host::Tcp(host) => subject
            .warning("tls", format!("passwords and data go to {host} without encryption"))
            .fix(verify_full(subject)),
    }
}

fn connections(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    let room = (facts.max_connections - facts.reserved).max(1);
    let most = subject.budget.map_or(room, |budget| budget.min(room)).max(1);
    let found = format!("{} of {most} connections in use", facts.sessions);
    let fix =
        subject.psql("select usename, datname, count(*) from pg_stat_activity group by 1, 2 order by 3 desc");
    match facts.sessions * 100 / most {
        share if share >= FULL && facts.sessions * 100 / room >= FULL => {
            subject.problem("connections", ErrorKind::Unavailable, found).fix(fix)
        }
        share if share >= FULL_SOON => subject.warning("connections", found).fix(fix),
        _ => subject.ok("connections", found),
    }
}

fn durability(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    let settings = [
        ("fsync", &facts.fsync),
        ("synchronous_commit", &facts.synchronous_commit),
        ("full_page_writes", &facts.full_page_writes),
    ];
    let off: Vec<&str> =
        settings.iter().filter(|(_, value)| *value == "off").map(|(name, _)| *name).collect();
    let Some(first) = off.first() else {
        return subject.ok("durability", "commits are on disk");
    };
    let found = format!("{} off: a power cut can lose or corrupt committed data", off.join(" and "));
    subject.problem("durability", ErrorKind::Integrity, found).fix(subject.set(facts, first, "on"))
}

fn checksums(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    if facts.data_checksums == "on" {
        return subject.ok("checksums", "pages have checksums");
    }
    subject
        .warning("checksums", "pages have no checksums: corruption on the disk is not noticed")
        .fix("pg_checksums --enable  # on the server, while it is stopped")
}

/// Statements may hold passwords and verifiers: a log that repeats them spreads them.
fn logging(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    let mut spreads = Vec::new();
    if facts.log_statement != "none" {
        spreads.push(("log_statement", &facts.log_statement, "none"));
    }
    // A failed statement is logged from the level "error" downwards (manual, table 20.2).
    if !["log", "fatal", "panic"].contains(&facts.log_min_error_statement.as_str()) {
        spreads.push(("log_min_error_statement", &facts.log_min_error_statement, "panic"));
    }
    if facts.log_min_duration_statement == "0" {
        spreads.push(("log_min_duration_statement", &facts.log_min_duration_statement, "-1"));
    }
    if facts.log_parameter_max_length_on_error != "0" {
        let is = &facts.log_parameter_max_length_on_error;
        spreads.push(("log_parameter_max_length_on_error", is, "0"));
    }
    let Some((name, _, right)) = spreads.first() else {
        return subject.ok("logging", "no statement is logged");
    };
    let list: Vec<String> = spreads.iter().map(|(name, is, _)| format!("{name} = {is}")).collect();
    subject
        .warning("logging", format!("the server's log can hold passwords: {}", list.join(", ")))
        .fix(subject.set(facts, name, right))
}

/// How passwords are kept that are set from now on.
pub(super) fn passwords(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    if facts.password_encryption == "scram-sha-256" {
        return subject.ok("passwords", "scram-sha-256");
    }
    let found = format!("password_encryption is {}, which can be cracked offline", facts.password_encryption);
    subject.warning("passwords", found).fix(subject.set(facts, "password_encryption", "scram-sha-256"))
}

/// Databases that belong to nobody must let nobody in (manual, chapter 5.7).
pub(super) fn closed(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    if facts.open.is_empty() {
        return subject.ok("closed", "no tenant can connect to the maintenance databases");
    }
    let revoke: Vec<String> =
        facts.open.iter().map(|name| format!("revoke all on database {name} from public")).collect();
    subject
        .problem(
            "closed",
            ErrorKind::Integrity,
            format!("every tenant can connect to {}", facts.open.join(" and ")),
        )
        .fix(subject.psql(&revoke.join("; ")))
}

/// What the difference of two clocks means; `theirs` was read between two readings of ours.
pub(super) fn skew(
    (group, name): (Group, &str),
    (before, theirs, after): (OffsetDateTime, OffsetDateTime, OffsetDateTime),
    grain: f64,
) -> Finding {
    let ahead = (theirs - after).as_seconds_f64();
    let behind = (before - theirs).as_seconds_f64() - grain;
    let seconds = ahead.max(behind).max(0.0);
    let way = if ahead > behind { "ahead of" } else { "behind" };
    let found = format!("its clock is {seconds:.1} s {way} this machine's");
    let fix = "timedatectl set-ntp true  # on both machines";
    if seconds > FAR_SKEW {
        return Finding::problem((group, "clock"), ErrorKind::Unavailable, name, found).fix(fix);
    }
    if seconds > SKEW {
        return Finding::warning(group, "clock", name, found).fix(fix);
    }
    Finding::ok(group, "clock", name, format!("within {SKEW} s of this machine's"))
}

/// What a failure is, as a finding of a check.
pub(super) fn failed(subject: &ServerSubject, check: &str, failure: &dyn Failure) -> Finding {
    Finding::failure((subject.group, check), &subject.name, failure)
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::kernel::Severity;

    #[test]
    fn clocks_may_differ_by_two_seconds_and_never_by_a_minute() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let of = |seconds: i64| {
            skew((Group::Store, "s"), (now, now + Duration::seconds(seconds), now), 1.0).severity
        };
        assert_eq!([of(0), of(2), of(-3)], [Severity::Ok; 3]);
        assert_eq!([of(3), of(-5), of(60)], [Severity::Warning; 3]);
        assert_eq!([of(61), of(-90)], [Severity::Error(ErrorKind::Unavailable); 2]);
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for here in ["/run/postgresql", "127.0.0.1", "localhost", "[::1]", "127.8.9.1"] {
            assert!(is_here(here), "{here}");
        }
        assert!(!is_here("10.0.0.1") && !is_here("localhost.example.com"));
    }
}
