//! Programs that Nexus starts, in an environment that does not steer them.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

/// A program to start. It gets this process's environment without libpq's variables, which would send
/// it to another server or change what its statements mean (`PG…`: manual, chapter 34.15), without the start-up
/// file of psql's that a variable names (`PSQLRC`: it may run programs), and without
/// what asks Nexus for completion. What it does need is set by whoever starts it.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if steers(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable changes what PostgreSQL's programs do. Colours do not.
fn steers(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let is_colour = name == b"PG_COLOR" || name == b"PG_COLORS";
    (name.starts_with(b"PG") && !is_colour) || name == b"PSQLRC" || name == b"NEXUS_COMPLETE"
}

/// What sqlx takes from the environment for every session and nobody can take back, e.g. the settings
/// of a session or a client's certificate.
pub const TAKEN_BY_THE_DRIVER: [&str; 4] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT"];

#[cfg(test)]
mod tests {
    use super::steers;

    #[test]
    fn what_steers_libpq_is_left_out_and_nothing_else() {
        for name in [
            "PGHOSTADDR",
            "PGSERVICE",
            "PGOPTIONS",
            "PGTARGETSESSIONATTRS",
            "PGSYSCONFDIR",
            "PGDATA",
            "PSQLRC",
        ] {
            assert!(steers(name.as_ref()), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "PAGER",
            "PSQL_PAGER",
            "PSQL_HISTORY",
            "PSQL_EDITOR",
            "PG_COLOR",
            "LANG",
            "NEXUS_HOME",
        ] {
            assert!(!steers(name.as_ref()), "{name}");
        }
    }
}
