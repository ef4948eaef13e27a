//! What notifications say: the built-in templates, and a tenant's own in their place, by kind, channel and language.
//!
//! A fact feature. A tenant's template is a program of somebody else's: `syntax.rs` says what it may be, `engine.rs`
//! bounds what it does. Start reading at [`set`]; a message takes its text from [`choose`].

mod builtin;
mod choose;
mod engine;
mod error;
mod model;
mod names;
mod service;
mod store;
mod syntax;
mod views;

pub(in crate::features) use choose::{choose, require_renderable};
pub use engine::Rendered;
pub use error::TemplateError;
pub use model::{Channel, Kind, NotAChannel, Part, Source, TemplateKey};
pub use names::shown;
pub use service::{Trial, key, list, preview, reset, set, show};
pub use views::{BuiltInText, Preview, TemplateOrigin, TemplateText, TemplateView};
