//! Sets of migrations: Nexus's own and the operators', with their files. What of them is in which
//! tenant is recorded here; bringing it there is `fleet`'s.
//!
//! A fact feature. It may use the door of `audit`. Start reading at `model.rs`.

mod model;

pub use model::{BUILT_IN, Directives, File, Set};
