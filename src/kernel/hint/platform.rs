//! Actions on the installation as a whole, and on the embedded stack.

use serde::{Deserialize, Serialize};

use super::macros::actions;
use crate::kernel::TenantId;

actions! {
    Platform:
    /// On the installation, its settings and this program.
    PlatformAction {
        /// Set the installation up, or bring it to this program's version.
        SetUp,
        /// Look at everything that could be wrong with it.
        Examine,
        /// Show this program's version.
        ShowVersion,
        ListContexts,
        ShowContext,
        /// Show the settings that are in force.
        ShowSettings,
        /// Use a copy of a settings file, by its name.
        UseCopyOfSettings(String),
        /// Show which master key secrets are sealed with.
        ShowMasterKey,
        /// List the jobs that wait for a person.
        ListDeadJobs,
        /// List jobs that are not done.
        ListJobs,
        /// List schedules.
        ListSchedules,
        /// List a tenant's jobs.
        ListJobsOf(TenantId),
        /// Let a shell complete what is typed.
        TeachShell(Shell),
        /// Run statements on a server.
        RunStatements(Statements),
    }
}

/// A shell that completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Statements for a server, to be run by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statements {
    /// `None`: that of the embedded stack, as its superuser.
    pub server: Option<StatementServer>,
    pub database: String,
    /// Each in a transaction of its own.
    pub statements: Vec<String>,
}

/// Where a person logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementServer {
    /// A name, an address, or the folder of a socket.
    pub host: String,
    pub port: u16,
    pub user: String,
}

actions! {
    Local:
    /// On the embedded stack.
    LocalAction {
        Start,
        Stop,
        /// Stop it and start it.
        Restart,
        /// Delete it with all data.
        Reset,
        Status,
        /// Its status, whichever context is in use.
        StatusOfItsContext,
        /// Its log, or that of a part of it.
        Logs(Option<String>),
        /// List the messages of its mailbox.
        MailList,
    }
}

actions! {
    Fsck:
    /// On what is recorded and what is outside.
    FsckAction {
        /// Compare the two.
        Inspect,
        /// Repair what can be repaired.
        Fix,
        /// The same, what nobody owns included.
        DropOrphans,
        /// Take the control database as it is for the truth.
        AcceptRecord,
    }
}

actions! {
    Audit:
    /// On the audit log.
    AuditAction {
        Verify,
        /// Verify an export.
        VerifyExport,
        /// Write an anchor to a file.
        Anchor,
        /// List what was done to a tenant, which may be gone.
        OfTenant(TenantId),
        /// List what was done to tokens.
        OfTokens,
    }
}

#[cfg(test)]
mod samples {
    use super::super::macros::Sample;
    use super::{Shell, StatementServer, Statements};

    impl Sample for Shell {
        fn sample(whole: bool) -> Self {
            if whole { Self::Bash } else { Self::Fish }
        }
    }

    impl Sample for Statements {
        fn sample(whole: bool) -> Self {
            let (host, user) = ("db.example.com".to_owned(), "postgres".to_owned());
            let server = whole.then_some(StatementServer { host, port: 5432, user });
            Self { server, database: "shop".to_owned(), statements: vec!["select 1".to_owned()] }
        }
    }
}
