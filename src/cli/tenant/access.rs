//! `nexus tenant env` and `nexus tenant psql`: a tenant's own credentials, for its app and for who
//! looks after it.

use super::super::output::{self, EnvFormat};
use super::super::{CommandResult, Exit, Invocation, psql};
use super::{EnvArgs, PsqlArgs};
use crate::app::App;
use crate::features::tenants::{self, EnvView};
use crate::infra::private_file;

pub(super) async fn env(args: &EnvArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?.active()?;
    let environment = app.environment(&tenant).await?;
    let reveal = args.reveal || args.file.is_some();
    if reveal {
        let how = if args.file.is_some() { "file" } else { "reveal" };
        app.note_disclosure(&caller, &tenant, "tenant.env", how).await?;
    }
    let variables = environment.variables(reveal);
    let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let text = zeroize::Zeroizing::new(output::render_env(format_of(args.format, on), &pairs, EnvView::URL)?);
    match &args.file {
        Some(path) => {
            private_file::replace(path, text.as_bytes())?;
            on.screen.note(&format!("the environment of {} is in {}", tenant.slug, path.display()));
        }
        None => on.screen.raw(text.as_bytes())?,
    }
    if !reveal {
        on.screen.note("secrets are masked; --reveal prints them, --file PATH writes them into a 0600 file");
    }
    Ok(Exit::Done)
}

/// `-o json` asks for the same as `--format json`.
fn format_of(format: EnvFormat, on: &Invocation) -> EnvFormat {
    if on.screen.json() && format == EnvFormat::Dotenv { EnvFormat::Json } else { format }
}

pub(super) async fn psql(args: PsqlArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?.active()?;
    let environment = app.environment(&tenant).await?;
    app.note_disclosure(&caller, &tenant, "tenant.psql", "session").await?;
    drop(app);
    psql::run(environment.server(), &args.args, on).await
}
