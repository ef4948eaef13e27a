//! SIGHUP: the settings are read again.

use super::super::Invocation;
use super::ServeArgs;
use crate::kernel::AnyFailure;
use crate::settings::reload::{Change, change};
use crate::settings::{Loaded, Settings};

/// Settings that were read again.
pub(super) struct Reread {
    pub(super) settings: Settings,
    /// What is compared with the next time.
    pub(super) loaded: Loaded,
    pub(super) change: Change,
}

/// The settings as they are, with what the command line says over them.
pub(super) fn settings(args: &ServeArgs, loaded: &Loaded) -> Result<Settings, AnyFailure> {
    let mut settings = loaded.settings()?;
    let serve = &mut settings.serve;
    serve.bind = args.bind.unwrap_or(serve.bind);
    serve.share_port |= args.share_port;
    if args.tls_cert.is_some() {
        (serve.tls_cert, serve.tls_key) = (args.tls_cert.clone(), args.tls_key.clone());
    }
    Ok(settings)
}

/// Reads the settings of the same context again.
pub(super) fn reread(args: &ServeArgs, ctx: &Invocation, old: &Loaded) -> Result<Reread, AnyFailure> {
    let mut sources = ctx.sources.clone();
    sources.flags.context = Some(old.context.to_string());
    let loaded = Loaded::read(&sources)?;
    let settings = settings(args, &loaded)?;
    let mut fixed = Vec::new();
    if args.bind.is_some() {
        fixed.push("bind");
    }
    if args.tls_cert.is_some() {
        fixed.extend(["tls_cert", "tls_key"]);
    }
    let change = change(old, &loaded, &fixed);
    Ok(Reread { settings, loaded, change })
}
