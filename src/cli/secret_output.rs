//! How a secret that is shown once gets into a file of the user's.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Invocation;
use crate::infra::handover::Handover;
use crate::kernel::{AnyFailure, ExposeSecret, SecretString};

/// Makes the file for a secret before there is a secret: one that cannot be made is refused while
/// nothing is done yet. In a dry run it is only looked at.
///
/// # Errors
/// When the name is taken, or the system refuses.
pub fn new_file(ctx: &Invocation, path: Option<&PathBuf>) -> Result<Option<Handover>, AnyFailure> {
    match path {
        Some(path) if ctx.global.dry_run => Ok(Handover::check(path).map(|()| None)?),
        Some(path) => Ok(Some(Handover::begin(path)?)),
        None => Ok(None),
    }
}

/// Writes one secret into its file, and says where it is; `what` it is, with its verb.
pub fn hand_over(
    ctx: &Invocation,
    mut file: Handover,
    secret: &SecretString,
    what: &str,
) -> Result<(), AnyFailure> {
    file.append(Zeroizing::new(format!("{}\n", secret.expose_secret())).as_bytes())?;
    let path = file.path().display().to_string();
    file.finish()?;
    ctx.screen.note(&format!("the {what} in {path}"));
    Ok(())
}
