//! `nexus audit verify` and `nexus audit anchor`.

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::super::arguments::Input;
use super::super::interrupt::Stdin;
use super::super::output::Format;
use super::super::{CommandResult, Exit, Invocation};
use super::{AnchorArgs, VerifyArgs, watch};
use crate::app::{App, Session};
use crate::features::audit::{self, Anchor, AnchorFile, AuditError};
use crate::features::inspection;
use crate::kernel::{AnyFailure, Failure};

/// Both inputs are standard input.
#[derive(Debug, thiserror::Error, Failure)]
#[error("--file - and --anchor - cannot both be standard input")]
#[failure(Invalid, "usage")]
struct OneInput;

pub(super) async fn verify(args: VerifyArgs, ctx: &Invocation) -> CommandResult {
    if args.file == Some(Input::Stdin) && args.anchor == Some(Input::Stdin) {
        return Err(OneInput.into());
    }
    let anchors = match &args.anchor {
        Some(input) => Anchor::read_all(&name(input), open(input)?)?,
        None => Vec::new(),
    };
    let given = anchors.len() as u64;
    let progress = ctx.screen.progress();
    let mut record = None;
    let verified = if let Some(input) = &args.file {
        audit::check_file(&name(input), &mut *open(input)?, anchors, watch(ctx, &progress))?
    } else {
        let (settings, caller) = (ctx.settings()?, ctx.caller());
        let mut app = App::open_to_read(&settings, &caller, &progress).await?;
        let id = app.provisioning.installation.id;
        let verified = audit::verify(&mut app.control, &caller, id, anchors, watch(ctx, &progress)).await?;
        let Session { provisioning, control, .. } = &mut app;
        record = Some(inspection::examine_record(provisioning, control, &caller).await?);
        verified
    };
    drop(progress);
    ctx.screen.thing(&verified)?;
    if let Some(record) = record {
        for flaw in &record.findings {
            ctx.screen.warn(&format!("{}: {}: {}", flaw.code, flaw.subject.object, flaw.detail));
        }
        record.conclude()?;
    }
    if verified.anchors < given {
        let early = given - verified.anchors;
        ctx.screen.warn(&format!("{early} of {given} anchors are for rows before the first of this export"));
    }
    Ok(Exit::Done)
}

pub(super) async fn anchor(args: AnchorArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    let file = match &args.file {
        Some(path) if !ctx.global.dry_run => Some(AnchorFile::open(path)?),
        _ => None,
    };
    let earlier = match (&file, &args.file) {
        (Some(file), _) => file.anchors().to_vec(),
        (None, Some(path)) if path.exists() => {
            Anchor::read_all(&path.display().to_string(), open(&Input::File(path.clone()))?)?
        }
        _ => Vec::new(),
    };
    let id = app.provisioning.installation.id;
    let anchor = audit::anchor(&mut app.control, &caller, id, earlier, watch(ctx, &progress)).await?;
    drop(progress);
    if let Some(file) = file {
        file.append(&anchor)?;
    } else if let Some(path) = &args.file {
        ctx.screen.note(&format!("would append this anchor to {}", path.display()));
    }
    match ctx.screen.format() {
        // What a person pipes to a file is what --file would have appended.
        Format::Table | Format::Json => ctx.screen.raw(anchor.line().as_bytes())?,
        _ => ctx.screen.thing(&anchor)?,
    }
    Ok(Exit::Done)
}

fn name(input: &Input) -> String {
    match input {
        Input::Stdin => "standard input".to_owned(),
        Input::File(path) => path.display().to_string(),
    }
}

fn open(input: &Input) -> Result<Box<dyn BufRead>, AnyFailure> {
    match input {
        Input::Stdin => Ok(Box::new(BufReader::new(Stdin))),
        Input::File(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(BufReader::with_capacity(1 << 16, file))),
            Err(source) => Err(AuditError::File { action: "open", path: path.clone(), source }.into()),
        },
    }
}
