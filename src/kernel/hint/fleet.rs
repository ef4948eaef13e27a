//! Actions on sets of migrations and their runs, and questions to the fleet.

use super::macros::actions;
use crate::kernel::ids::RunId;

actions! {
    Set:
    /// On sets of migrations.
    SetAction {
        List,
        Show(String),
        /// Register one.
        Add,
        /// Give it another folder.
        SetSource(String),
        /// Let it come after another one.
        SetOrder(String),
        /// Let it come after no other one.
        MakeIndependent(String),
        /// Remove it, and leave its tables where they are.
        Forget(String),
    }
}

actions! {
    Run:
    /// On runs.
    RunAction {
        List,
        Show(RunId),
        Resume(RunId),
        Cancel(RunId),
    }
}

actions! {
    Migrate:
    /// On the fleet.
    MigrateAction {
        /// Bring every tenant up to date.
        All,
        /// Write a plan for every tenant to a file.
        Plan,
        Status,
        /// Compare a tenant with what it should be.
        Verify(Option<String>),
        /// Compare every tenant.
        VerifyAll,
        /// Look files over before they run.
        Lint,
        /// The same for one set.
        LintSet,
        /// Show the rules by which files are looked over.
        ShowRules,
        /// Begin a file of a set.
        NewFile(Option<String>),
        /// The same, as an example.
        NewFileExample,
        /// Try files on a copy.
        Rehearse,
        /// Run a statement in every tenant, as an example.
        AskExample,
    }
}
