//! `nexus audit export`.

use std::io::Write;

use super::super::{CommandResult, Exit, Invocation};
use super::{ExportArgs, Format, watch};
use crate::app::App;
use crate::features::audit::{self, ExportFormat};
use crate::infra::private_file::NewFile;
use crate::kernel::AnyFailure;

pub(super) async fn run(args: ExportArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    let period = args.period.period();
    let name = args.file.as_ref().map(|path| path.display().to_string());
    if ctx.global.dry_run {
        let outline = audit::outline(&mut app.control, &caller, period).await?;
        ctx.screen.thing(&audit::Exported { file: name, ..outline })?;
        return Ok(Exit::Done);
    }
    let format = match args.format {
        Format::Jsonl => ExportFormat::JsonLines,
        Format::Csv => ExportFormat::Csv,
    };
    let watch = watch(ctx, &progress);
    if let Some(path) = &args.file {
        let mut file = NewFile::begin(path)?;
        let write = |bytes: &[u8]| file.write_all(bytes).map_err(|error| file_failed(path, error));
        let exported = audit::export(&mut app.control, &caller, period, format, watch, write).await?;
        file.finish()?;
        drop(progress);
        ctx.screen.thing(&audit::Exported { file: name, ..exported })?;
        return Ok(Exit::Done);
    }
    let write = |bytes: &[u8]| match format {
        ExportFormat::JsonLines => Ok(ctx.screen.raw_json(bytes)?),
        ExportFormat::Csv => Ok(ctx.screen.raw_lines(bytes)?),
    };
    let exported = audit::export(&mut app.control, &caller, period, format, watch, write).await?;
    drop(progress);
    if let (Some(position), Some(hash)) = (exported.position, exported.hash) {
        ctx.screen.note(&format!("rows: {}; the last: position {position}, hash {hash}", exported.rows));
    }
    Ok(Exit::Done)
}

fn file_failed(path: &std::path::Path, source: std::io::Error) -> AnyFailure {
    audit::AuditError::File { action: "write", path: path.to_owned(), source }.into()
}
