//! What long work tells while it runs. Services emit events; a door decides how they look.

/// One thing that happened. `subject` is what the work is about, e.g. a tenant's slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Many things are to be done.
    Total(u64),
    /// A step of a subject has begun.
    Step { subject: String, step: &'static str },
    /// A subject is done, well or not.
    Done {
        subject: String,
        /// Whether it went well.
        ok: bool,
    },
    /// A sentence for a person.
    Note(String),
}

/// Where events go.
pub trait Progress: Send + Sync {
    /// Takes one event; returns at once.
    fn event(&self, event: Event);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}
