//! What the commands of servers and of stores share.

use std::path::Path;

use clap::Args;

use super::arguments::Limit;
use super::{Invocation, prompt, secret_input};
use crate::app::Session;
use crate::features::placement::{PlaceChange, Placement, PlacementState};
use crate::kernel::label::Label;
use crate::kernel::{AnyFailure, Failure, Labels, SecretString};

/// Most bytes of a file of certificates.
const MAX_BYTES: u64 = 1 << 20;

/// What changes of a server or a store.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Add a label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// Remove a label; may be repeated
    #[arg(long, value_name = "KEY")]
    pub unlabel: Vec<String>,
    /// Maximum number of tenants, or 'none'
    #[arg(long, value_name = "N|none")]
    pub capacity: Option<Limit<i32>>,
}

impl UpdateArgs {
    /// The change.
    pub(super) fn change(&self) -> PlaceChange {
        PlaceChange {
            labels: labels_of(&self.labels),
            unlabel: self.unlabel.clone(),
            capacity: self.capacity.map(Limit::number),
            ..PlaceChange::default()
        }
    }
}

/// Stops placing tenants, or goes on with it.
pub(super) fn drained(undo: bool) -> PlaceChange {
    let state = if undo { PlacementState::Active } else { PlacementState::Draining };
    PlaceChange { state: Some(state), ..PlaceChange::default() }
}

/// Labels as a map.
pub(super) fn labels_of(labels: &[Label]) -> Labels {
    labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect()
}

/// Labels as they are typed.
pub(super) fn labels_text(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The context, and its servers and stores.
pub(super) async fn open(ctx: &Invocation) -> Result<(Session, Placement), AnyFailure> {
    let app = ctx.open(&ctx.screen.progress()).await?;
    let placement = app.provisioning.placement.clone();
    Ok((app, placement))
}

/// A secret from standard input, from a private file, or asked for on a terminal.
pub(super) fn read_secret(
    from_stdin: bool,
    file: Option<&Path>,
    (what, flags): (&'static str, &str),
    ctx: &Invocation,
) -> Result<SecretString, AnyFailure> {
    if from_stdin {
        return Ok(secret_input::line_from_stdin(what)?);
    }
    match file {
        Some(path) => Ok(secret_input::line_from_file(path, what)?),
        None => Ok(prompt::password(&ctx.screen, what, flags)?),
    }
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot read {path}: {source}")]
#[failure(Invalid, "file_unreadable")]
struct Unreadable {
    path: String,
    source: std::io::Error,
}

/// The text of a file that holds no secret.
pub(super) fn read_text(path: &Path) -> Result<String, AnyFailure> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(crate::kernel::text::without_mark(&text).to_owned()),
        Err(source) => Err(Unreadable { path: path.display().to_string(), source }.into()),
    }
}
