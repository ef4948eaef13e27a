//! Who asks. Every service call takes a caller first, and the audit log names it.

use std::fmt;

/// Who asks for a change or a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A person or script at the command line, who holds the platform's credentials: the name of
    /// the account on the machine. May do everything.
    Machine(String),
    /// Nexus itself, e.g. a repair that nobody asked for.
    System,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(account) => write!(f, "machine:{account}"),
            Self::System => f.write_str("system"),
        }
    }
}
