//! `nexus tenant env` and `nexus tenant psql`: a tenant's own credentials, for its app and for who
//! looks after it.

use std::path::Path;

use zeroize::Zeroizing;

use super::super::output::{self, EnvFormat, NotDotenv};
use super::super::{CommandResult, Exit, Invocation, own_files, psql};
use super::{EnvArgs, PsqlArgs};
use crate::app::App;
use crate::features::tenants::{self, EnvView};

pub(super) async fn env(args: &EnvArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let reveal = args.reveal || args.file.is_some();
    let progress = ctx.screen.progress();
    let mut app = if reveal {
        App::open(&settings, &caller, &progress).await?
    } else {
        App::open_to_read(&settings, &caller, &progress).await?
    };
    drop(progress);
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?.active()?;
    let concealed = app.provisioning.environment(&mut app.control, &caller, &tenant).await?;
    let format = format_of(args.format, ctx);
    if let Some(path) = &args.file {
        // Before it is told: what is not written is not told.
        let masked = rendered(concealed.view(), format)?;
        own_files::check(path, args.force, &|there| own_files::is_environment(there, &masked))?;
    }
    if ctx.global.dry_run && args.file.is_some() {
        let path = args.file.as_deref().unwrap_or(Path::new("")).display();
        ctx.screen.note(&format!("would write the environment of {} into {path}", tenant.slug));
        return Ok(Exit::Done);
    }
    let text = if reveal {
        let how = if args.file.is_some() { "file" } else { "reveal" };
        let told = concealed.disclose(&mut app.control, &caller, ("tenant.env", how)).await?;
        rendered(&told, format)?
    } else {
        rendered(concealed.view(), format)?
    };
    match &args.file {
        Some(path) => {
            let marked = match format {
                EnvFormat::Dotenv | EnvFormat::Shell => Zeroizing::new(own_files::marked(&text)),
                EnvFormat::Json | EnvFormat::Url => text.clone(),
            };
            let ours = |there: &[u8]| own_files::is_environment(there, &text);
            own_files::write_private(path, marked.as_bytes(), args.force, &ours)?;
            ctx.screen.note(&format!("the environment of {} is in {}", tenant.slug, path.display()));
        }
        None => ctx.screen.raw(text.as_bytes())?,
    }
    if !reveal {
        ctx.screen.note("secrets are masked; --reveal prints them, --file PATH writes them into a 0600 file");
    }
    Ok(Exit::Done)
}

fn rendered(environment: &EnvView, format: EnvFormat) -> Result<Zeroizing<String>, NotDotenv> {
    let variables = environment.variables();
    let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(Zeroizing::new(output::render_env(format, &pairs, EnvView::URL)?))
}

/// `-o json` asks for the same as `--format json`.
fn format_of(format: EnvFormat, ctx: &Invocation) -> EnvFormat {
    if ctx.screen.json() && format == EnvFormat::Dotenv { EnvFormat::Json } else { format }
}

pub(super) async fn psql(args: PsqlArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?.active()?;
    let concealed = app.provisioning.environment(&mut app.control, &caller, &tenant).await?;
    let login = concealed.disclose_login(&mut app.control, &caller, ("tenant.psql", "session")).await?;
    drop(app);
    psql::run(&login, &args.args, ctx).await
}
