//! Which realm a command works in.

use clap::Args;
use serde_json::Value;

use super::super::{Invocation, complete};
use crate::features::iam::Realm;
use crate::features::tenants::TenantRef;
use crate::kernel::AnyFailure;

/// Which realm.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Realm")]
pub struct RealmArgs {
    /// Work in this tenant's realm; without it, in the platform's, whose users are the operators
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
}

impl RealmArgs {
    /// Opens the realm; with `--dry-run`, so that nothing is written.
    ///
    /// # Errors
    /// When there is no such tenant, or something does not answer.
    pub async fn open(&self, ctx: &Invocation) -> Result<Realm, AnyFailure> {
        let caller = ctx.caller();
        let progress = ctx.screen.progress();
        let app = ctx.open(&progress).await?;
        let realm = app.enter_realm(&caller, self.tenant.as_ref()).await?;
        Ok(realm.dry_run(ctx.global.dry_run))
    }
}

/// Parses `KEY=VALUE`. A value that reads as a number, a truth or `null` in JSON is one; anything
/// else is text.
///
/// # Errors
/// When there is no `=`, or nothing before it.
pub(crate) fn attribute(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let parsed =
                serde_json::from_str::<Value>(value).ok().filter(|it| !it.is_object() && !it.is_array());
            Ok((key.to_owned(), parsed.unwrap_or_else(|| Value::from(value))))
        }
        _ => Err("a value is given as NAME=VALUE".to_owned()),
    }
}
