//! Sets of migrations: Nexus's own and the operators', with their files. Bringing them to tenants, and
//! recording what of them is where, is `fleet`'s.
//!
//! A fact feature. It may use the door of `audit`. Start reading at `model.rs`, then `registry.rs`.

mod create;
mod error;
mod file;
mod folder;
mod header;
mod line_ends;
pub mod lint;
mod misnamed;
mod model;
mod name;
mod order;
mod registry;
mod sources;
mod store;
mod views;

pub use create::{MadeFile, NewFile, create_file};
pub use error::MigrationsError;
pub use file::Direction;
pub use header::{Header, HeaderFlaw, LONGEST_TIMEOUT, Waiver, time_text};
pub use line_ends::{LINE_ENDS_HINT, differs_in_line_ends};
pub use misnamed::{Misnamed, NameFlaw};
pub use model::{BUILT_IN, Directives, File, Set};
pub use name::{HistoryTable, SetName};
pub use registry::{
    AddSet, SetChange, SetOutcome, add_set, check_removable, remove_set, set, set_names, update_set,
};
pub(in crate::features) use registry::{sets, sets_or_kept};
pub use sources::Sources;
pub(in crate::features) use store::histories;
pub use views::{FileView, SetDetail, SetView, VersionView, list_sets, show_set};
