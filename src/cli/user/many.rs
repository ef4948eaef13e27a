//! `nexus user create --from FILE`: many users.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::super::hint::realm_flag;
use super::super::output::{Column, ListWriter, Row};
use super::super::{CommandResult, Exit, Invocation, secret_output};
use super::CreateArgs;
use super::input::{self, Line};
use crate::features::iam::model::WriteOutcome;
use crate::features::iam::users::{self, FirstPassword, Prepared};
use crate::features::iam::{Realm, groups, roles, signin};
use crate::infra::crypto::InvitationToken;
use crate::infra::crypto::password::Hasher;
use crate::infra::handover::Handover;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Caller, Event, ExposeSecret, Failure, Progress};

/// Users made in one transaction at most.
const BATCH: usize = 500;
/// For how long users are gathered for one transaction: its cost is then little beside the hashes'.
const GATHER: Duration = Duration::from_secs(1);

/// Some of many failed.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{failed} of {total} users failed")]
#[failure(Partial, "some_failed")]
#[hint("fix those lines and repeat the command: existing users are left as they are")]
#[details(failed, total)]
struct SomeFailed {
    failed: usize,
    total: usize,
}

/// An import that ended before its last line.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{why}{made} of {total} users were created before{}", self.where_invitations_are())]
#[failure(if let Some(cause) = cause, transparent(cause))]
#[failure(Interrupted, "interrupted")]
#[hint(if let Some(file) = file, "{AGAIN}; name another file for the invitations of the rest, and keep {file}")]
#[hint(else, AGAIN)]
#[hints(cause.iter().flat_map(|cause| cause.hints()))]
#[details(made, total, invitation_file = file)]
struct BrokenOff {
    /// What is said of the cause, up to the next part of the sentence.
    why: String,
    /// `None`: it was stopped.
    cause: Option<AnyFailure>,
    made: usize,
    total: usize,
    /// The file with the invitations so far.
    file: Option<String>,
}

const AGAIN: &str = "repeat the command: existing users are left as they are";

impl BrokenOff {
    fn where_invitations_are(&self) -> String {
        self.file.as_ref().map(|file| format!("; their invitations are in {file}")).unwrap_or_default()
    }
}

/// A line on its way: prepared, or refused.
struct Ready {
    number: usize,
    email: String,
    prepared: Result<Prepared, (&'static str, String)>,
    token: Option<InvitationToken>,
}

/// What came of one line.
#[derive(Debug, Serialize)]
struct LineView {
    line: usize,
    email: String,
    /// `created`, `unchanged`, `planned`, `failed`.
    outcome: &'static str,
    id: Option<String>,
    code: Option<&'static str>,
    error: Option<String>,
    /// Where it is to be shown.
    invitation: Option<String>,
}

pub(super) async fn run(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let Some(source) = &args.from else { return Ok(Exit::Usage) };
    let lines = input::read(source)?;
    let total = lines.len();
    let caller = ctx.caller();
    let file = secret_output::new_file(ctx, args.invitation_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    check_names(&mut realm, &caller, &lines).await?;
    let tell = args.reveal || args.invitation_file.is_some();
    let incoming = prepare(lines, realm.rules().hasher.clone(), tell, ctx.global.dry_run);
    let mut import = Import { file, reveal: args.reveal, total, done: 0, made: 0, failed: 0, untold: 0 };
    let result = import.run(incoming, &mut realm, &caller, ctx).await;
    import.end(result, &realm_flag(&realm.place().hinted()), ctx)
}

/// Names that are not there stop everything before anything is made.
async fn check_names(realm: &mut Realm, caller: &Caller, lines: &[Line]) -> Result<(), AnyFailure> {
    let wanted: BTreeSet<_> = lines.iter().flat_map(|line| &line.user.roles).collect();
    for role in wanted {
        roles::get(realm, caller, role).await?;
    }
    let wanted: BTreeSet<_> = lines.iter().flat_map(|line| &line.user.groups).collect();
    for group in wanted {
        groups::get(realm, caller, group).await?;
    }
    Ok(())
}

/// Hashes passwords on every core, a little ahead of the database.
fn prepare(lines: Vec<Line>, hasher: Hasher, tell: bool, dry_run: bool) -> mpsc::Receiver<Ready> {
    let (sender, receiver) = mpsc::channel(2 * BATCH);
    tokio::spawn(async move {
        let ahead = 2 * hasher.at_once();
        let mut ready = futures_util::stream::iter(lines)
            .map(|line| prepare_one(line, &hasher, tell, dry_run))
            .buffered(ahead);
        while let Some(one) = ready.next().await {
            if sender.send(one).await.is_err() {
                return;
            }
        }
    });
    receiver
}

async fn prepare_one(line: Line, hasher: &Hasher, tell: bool, dry_run: bool) -> Ready {
    let email = line.user.email.to_string();
    let refused = |error: &dyn Failure| Err((error.code(), error.to_string()));
    let (mut token, mut refusal) = (None, None);
    let password = match &line.password {
        Some(given) if !dry_run => match signin::hash_for(hasher, Some(&line.user.email), given).await {
            Ok(hash) => FirstPassword::Hash(hash),
            Err(error) => {
                refusal = Some(refused(&error));
                FirstPassword::None
            }
        },
        None if line.disabled => FirstPassword::None,
        None if tell && !dry_run => match InvitationToken::generate() {
            Ok(made) => FirstPassword::Invitation(token.insert(made).hash()),
            Err(error) => {
                refusal = Some(refused(&error));
                FirstPassword::None
            }
        },
        _ => FirstPassword::None,
    };
    let password = match password {
        FirstPassword::Hash(hash) if line.disabled => FirstPassword::Disabled(Some(hash)),
        _ if line.disabled => FirstPassword::Disabled(None),
        other => other,
    };
    let prepared = refusal.unwrap_or(Ok(Prepared { user: line.user, password }));
    Ready { number: line.number, email, prepared, token }
}

/// Waits for a user, and then for more; whether there was one.
async fn gather(incoming: &mut mpsc::Receiver<Ready>, batch: &mut Vec<Ready>) -> bool {
    let until = tokio::time::Instant::now() + GATHER;
    while batch.len() < BATCH {
        let first = batch.is_empty();
        let more = incoming.recv_many(batch, BATCH - batch.len());
        let come =
            if first { more.await } else { tokio::time::timeout_at(until, more).await.unwrap_or_default() };
        if come == 0 {
            break;
        }
    }
    !batch.is_empty()
}

/// Making users batch by batch, and what came of it so far.
struct Import {
    file: Option<Handover>,
    reveal: bool,
    total: usize,
    /// Lines that have their result.
    done: usize,
    made: usize,
    failed: usize,
    /// Users who were made and whose invitation nobody has.
    untold: usize,
}

type List<'a> = ListWriter<'a, LineView>;

impl Import {
    /// Makes users, with a row for each, until all are done or somebody stops it.
    async fn run(
        &mut self,
        mut incoming: mpsc::Receiver<Ready>,
        realm: &mut Realm,
        caller: &Caller,
        ctx: &Invocation,
    ) -> Result<(), AnyFailure> {
        let progress = ctx.screen.progress();
        progress.event(Event::Total(self.total as u64));
        let mut list = ctx.screen.list_writer();
        let mut batch = Vec::with_capacity(BATCH);
        let mut result = Ok(());
        while result.is_ok() && !ctx.interrupt.is_cancelled() && gather(&mut incoming, &mut batch).await {
            result = self.batch(&mut batch, (&mut *realm, caller), &mut list, &progress).await;
            // A second Ctrl-C ends the process at once: what is made by then has its row.
            ctx.screen.flush()?;
        }
        drop(progress);
        list.finish()?;
        result
    }

    async fn batch(
        &mut self,
        batch: &mut Vec<Ready>,
        (realm, caller): (&mut Realm, &Caller),
        list: &mut List<'_>,
        progress: &dyn Progress,
    ) -> Result<(), AnyFailure> {
        let mut fine = Vec::with_capacity(batch.len());
        let mut told = Vec::with_capacity(batch.len());
        for ready in batch.drain(..) {
            match ready.prepared {
                Ok(prepared) => {
                    fine.push(prepared);
                    told.push((ready.number, ready.email, ready.token));
                }
                Err((code, error)) => {
                    (self.failed, self.done) = (self.failed + 1, self.done + 1);
                    let (code, error) = (Some(code), Some(error));
                    let (line, email, outcome) = (ready.number, ready.email, "failed");
                    list.row(&LineView { line, email, outcome, id: None, code, error, invitation: None })?;
                }
            }
        }
        let (file, tokens) = (&mut self.file, &told);
        let hand_over = |made: &[bool]| match file {
            Some(file) => append(file, made, tokens),
            None => Ok(()),
        };
        let made = users::create_many(realm, caller, &fine, hand_over).await?;
        for (((line, email, token), (outcome, id)), prepared) in told.into_iter().zip(made).zip(&fine) {
            self.done += 1;
            if outcome == WriteOutcome::Done {
                self.made += 1;
                self.untold += usize::from(matches!(prepared.password, FirstPassword::None));
            }
            progress.event(Event::Done { subject: email.clone(), ok: true });
            let token = token.filter(|_| self.reveal && outcome == WriteOutcome::Done);
            let invitation = token.map(|token| token.text().expose_secret().to_owned());
            tell(list, (line, email), outcome, id.map(|id| id.to_string()), invitation)?;
        }
        Ok(())
    }

    /// Says what came of it, and where the invitations are.
    fn end(mut self, result: Result<(), AnyFailure>, flag: &str, ctx: &Invocation) -> CommandResult {
        let stopped = ctx.interrupt.is_cancelled() && self.done < self.total;
        if result.is_err() || stopped {
            // One without any invitation goes, so that the same command can be repeated.
            let file = self.file.take().filter(Handover::has_content);
            let path = file.as_ref().map(|file| file.path().display().to_string());
            let kept = file.map_or(Ok(()), Handover::finish);
            let (made, total) = (self.made, self.total);
            return Err(match result {
                Err(cause) if made == 0 && path.is_none() => cause,
                Err(cause) => {
                    let why = format!("{cause}; ");
                    BrokenOff { why, cause: Some(cause), made, total, file: path }.into()
                }
                Ok(()) => {
                    kept?;
                    BrokenOff { why: "stopped; ".to_owned(), cause: None, made, total, file: path }.into()
                }
            });
        }
        if let Some(mut file) = self.file.take() {
            let path = file.path().display().to_string();
            if file.has_content() {
                ctx.screen.note(&format!("the invitations are in {path}"));
            } else {
                ctx.screen.note(&format!("no invitation was created: {path} holds none"));
                file.append(HEADER)?;
            }
            file.finish()?;
        }
        if self.untold > 0 {
            let who = counted(self.untold, "user");
            let hint = "nexus user invite E-MAIL --invitation-file PATH";
            ctx.screen.note(&format!("{who} without an invitation; create each one: {hint}{flag}"));
        }
        match self.failed {
            0 => Ok(Exit::Done),
            failed => Err(SomeFailed { failed, total: self.total }.into()),
        }
    }
}

/// The first line of a file with invitations.
const HEADER: &[u8] = b"email,invitation\n";

/// Writes the invitations of those who are about to be made. It happens before the commit: should
/// the process die in between, the file has some that are of no use, and none is lost.
fn append(
    file: &mut Handover,
    made: &[bool],
    told: &[(usize, String, Option<InvitationToken>)],
) -> Result<(), PrivateFileError> {
    let mut text = Zeroizing::new(String::new());
    for ((_, email, token), _) in told.iter().zip(made).filter(|(_, made)| **made) {
        if let Some(token) = token {
            // Writing to a text does not fail. Neither an address nor a token holds a quote.
            let _ = writeln!(text, "{email},{}", token.text().expose_secret());
        }
    }
    if text.is_empty() {
        return Ok(());
    }
    if !file.has_content() {
        file.append(HEADER)?;
    }
    file.append(text.as_bytes())
}

fn tell(
    list: &mut List<'_>,
    (line, email): (usize, String),
    outcome: WriteOutcome,
    id: Option<String>,
    invitation: Option<String>,
) -> Result<(), AnyFailure> {
    let outcome = match outcome {
        WriteOutcome::Done => "created",
        WriteOutcome::Unchanged => "unchanged",
        WriteOutcome::Planned => "planned",
    };
    let id = id.filter(|_| outcome == "created");
    Ok(list.row(&LineView { line, email, outcome, id, code: None, error: None, invitation })?)
}

impl Row for LineView {
    const COLUMNS: &'static [Column] = &[
        Column::number("line"),
        Column::text("email"),
        Column::text("outcome"),
        Column::text("id"),
        Column::text("error"),
        Column::text("invitation"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.line.to_string(),
            self.email.clone(),
            self.outcome.to_owned(),
            self.id.clone().unwrap_or_default(),
            self.error.clone().unwrap_or_default(),
            self.invitation.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.email.clone()
    }
}
