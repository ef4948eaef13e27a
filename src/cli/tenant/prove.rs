//! `nexus tenant prove`: that tenants are kept apart.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::output::{Column, Row, thing};
use super::super::own_files::{self, ForceArgs};
use super::super::{CommandResult, Exit, Invocation, complete, place};
use super::TenantSelection;
use crate::app::{App, Session};
use crate::features::inspection::{self, Breach, Checked, InspectionError, Kind, Proof, ProofOutcome};
use crate::features::tenants::{self, Selector, TenantRef};
use crate::kernel::text::counted;

/// Neighbours that each tenant tries, unless it is said.
const PAIRS: u32 = 4;

/// Arguments of `nexus tenant prove`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whom").args(["names", "all", "conditions", "verify", "public_key"]).required(true).multiple(false))]
pub(super) struct ProveArgs {
    /// The tenants, by slug or id
    #[arg(value_name = "SLUG|ID", add = complete::tenants())]
    pub names: Vec<TenantRef>,
    /// Every tenant
    #[arg(long)]
    pub all: bool,
    /// Tenants that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…", add = complete::selectors())]
    pub conditions: Vec<Selector>,
    /// Let each try this many others; if there are no more than that, every pair is tried
    #[arg(long, value_name = "N", default_value_t = PAIRS, conflicts_with_all = ["verify", "public_key"])]
    pub pairs: u32,
    /// Let this many try at once
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with_all = ["verify", "public_key"], value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Write a signed report into this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["verify", "public_key"], value_hint = clap::ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Whose file may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
    /// Verify a signed report; needs no server
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub verify: Option<PathBuf>,
    /// Accept only what was signed with the public key in this file
    #[arg(long, value_name = "PUBFILE", requires = "verify", value_hint = clap::ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Print the public key that reports are signed with
    #[arg(long)]
    pub public_key: bool,
}

pub(super) async fn run(args: ProveArgs, ctx: &Invocation) -> CommandResult {
    if let Some(file) = &args.verify {
        return verify(file, args.key.as_ref(), ctx);
    }
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    if args.public_key {
        let Session { provisioning, control, .. } = &mut app;
        let (pem, fingerprint) = inspection::public_key(provisioning, control, &caller).await?;
        ctx.screen.raw(pem.as_bytes())?;
        ctx.screen.note(&format!("its fingerprint is {fingerprint}"));
        return Ok(Exit::Done);
    }
    if let Some(path) = &args.report {
        own_files::check(path, args.force, &own_files::is_proof)?;
    }
    let selection = TenantSelection { names: args.names, all: args.all, conditions: args.conditions };
    let chosen = ctx.reading(selection.tenants(&mut app, &caller)).await?;
    let mut ids = Vec::with_capacity(chosen.len());
    for one in chosen {
        match one.tenant {
            TenantRef::Id(id) => ids.push(id),
            name @ TenantRef::Slug(_) => {
                ids.push(tenants::get(&mut app.control, &caller, &name).await?.active()?.id);
            }
        }
    }
    if ctx.global.dry_run {
        ctx.screen.note(&format!(
            "{} would try {} each",
            counted(ids.len(), "tenant"),
            counted(args.pairs, "other")
        ));
        return Ok(Exit::Done);
    }
    let Session { provisioning, control, .. } = &mut app;
    let pairs = usize::try_from(args.pairs).unwrap_or(usize::MAX);
    let how = (ids.as_slice(), pairs, usize::from(args.jobs));
    let proof = inspection::prove(provisioning, control, &caller, how, &progress, &ctx.interrupt).await?;
    drop(progress);
    if let Some(path) = &args.report {
        let signed = inspection::sign(provisioning, control, &caller, &proof).await?;
        let text = serde_json::to_string_pretty(&signed)
            .map_err(|error| InspectionError::NoProof(error.to_string()))?;
        let text = format!("{text}\n");
        own_files::write_private(path, text.as_bytes(), args.force, &own_files::is_proof)?;
        ctx.screen.note(&format!(
            "the signed report is in {}; its key is {}",
            path.display(),
            signed.fingerprint
        ));
    }
    tell(&proof, ctx)
}

/// The attempts of one kind, with those that were not refused in full.
#[derive(Serialize)]
struct Tried {
    #[serde(flatten)]
    kind: Kind,
    breaches: Vec<Breach>,
    no_answer: Vec<Breach>,
}

/// A tenant that cannot open what is its own has a kind of its own: `own`.
fn tried(proof: &Proof) -> Vec<Tried> {
    let mut kinds = proof.attempts.clone();
    if proof.unclear.iter().any(|it| it.kind == "own") {
        kinds.push(Kind { kind: "own".to_owned(), outcome: ProofOutcome::default() });
    }
    let of = |list: &[Breach], kind: &str| list.iter().filter(|it| it.kind == kind).cloned().collect();
    let row = |kind: Kind| Tried {
        breaches: of(&proof.breaches, &kind.kind),
        no_answer: of(&proof.unclear, &kind.kind),
        kind,
    };
    kinds.into_iter().map(row).collect()
}

/// Writes what was tried; each breach, and each attempt without a clear answer, in full.
fn tell(proof: &Proof, ctx: &Invocation) -> CommandResult {
    ctx.screen.list(tried(proof))?;
    let what = |it: &Breach| {
        let whose = if it.neighbour.is_empty() { "nobody" } else { it.neighbour.as_str() };
        format!("tenant {} at {} of {whose} ({})", it.tenant, it.object, it.kind)
    };
    for breach in &proof.breaches {
        ctx.screen.warn(&format!("access was granted: {}", what(breach)));
    }
    for unclear in &proof.unclear {
        ctx.screen.warn(&format!("unclear: {}: {}", what(unclear), unclear.unclear));
    }
    let tried: u64 = proof.attempts.iter().map(|kind| kind.outcome.tried).sum();
    ctx.screen.note(&format!(
        "{}, {}, {}",
        counted(proof.tenants.len(), "tenant"),
        counted(proof.pairs, "pair"),
        counted(tried, "attempt")
    ));
    proof.verdict()?;
    Ok(Exit::Done)
}

fn verify(file: &std::path::Path, key: Option<&PathBuf>, ctx: &Invocation) -> CommandResult {
    let text = place::read_text(file)?;
    let key = key.map(|path| place::read_text(path)).transpose()?;
    let checked = inspection::check(&text, key.as_deref())?;
    ctx.screen.thing(&checked)?;
    if !checked.origin {
        ctx.screen.warn(
            "only integrity was checked, not origin: the report was not changed since it was signed, but anybody may have signed it; pin the key with --key PUBFILE (nexus tenant prove --public-key prints it)",
        );
    }
    checked.verdict()?;
    Ok(Exit::Done)
}

impl Row for Tried {
    const COLUMNS: &'static [Column] = &[
        Column::text("kind"),
        Column::number("tried"),
        Column::number("refused"),
        Column::number("allowed"),
        Column::number("missing"),
        Column::number("unclear"),
    ];

    fn cells(&self) -> Vec<String> {
        let it = &self.kind.outcome;
        let numbers = [it.tried, it.refused, it.allowed, it.missing, it.unclear];
        [self.kind.kind.clone()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    }

    fn id(&self) -> String {
        self.kind.kind.clone()
    }
}

thing! { it: Checked, it.fingerprint;
    "origin": it.origin,
    "fingerprint": it.fingerprint,
    "installation": it.installation,
    "ended_at": it.ended_at,
    "tenants": it.tenants,
    "attempts": it.attempts,
    "breaches": it.breaches,
    "unclear": it.unclear,
}
