//! `nexus user create --from FILE`: many users.

use std::fmt::Write as _;

use serde::Serialize;
use zeroize::Zeroizing;

use super::super::hint::realm_flag;
use super::super::output::progress::ScreenProgress;
use super::super::output::{Column, ListWriter, Row, Screen};
use super::super::{CommandResult, Exit, Invocation, secret_output};
use super::{CreateArgs, MAILED, input};
use crate::features::iam::users::{self, ImportReport, Imported, Invite, RowOutcome};
use crate::infra::handover::Handover;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Event, ExposeSecret, Failure, Progress, SecretString};

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
    let rows = input::read(source)?;
    let total = rows.len();
    let file = secret_output::new_file(ctx, args.invitation_file.as_ref())?;
    let mut realm = args.realm.open(ctx).await?;
    let progress = ctx.screen.progress();
    progress.event(Event::Total(total as u64));
    let invite = match args.mail {
        true => Invite::Message,
        false if args.reveal || file.is_some() => Invite::Token,
        false => Invite::Not,
    };
    let mut import = Import {
        file,
        reveal: args.reveal,
        mail: args.mail,
        list: None,
        screen: &ctx.screen,
        progress,
        total,
        done: 0,
        made: 0,
        failed: 0,
        uninvited: 0,
    };
    let result = users::import(&mut realm, &ctx.caller(), rows, invite, &mut import, &ctx.interrupt).await;
    import.end(result.map_err(AnyFailure::from), &realm_flag(&realm.place().hinted()), ctx)
}

/// Writes what comes of an import, and counts it.
struct Import<'a> {
    file: Option<Handover>,
    reveal: bool,
    mail: bool,
    /// Begun with the first batch: what is refused as a whole has no rows.
    list: Option<ListWriter<'a, LineView>>,
    screen: &'a Screen,
    progress: ScreenProgress,
    total: usize,
    /// Lines that have their result.
    done: usize,
    made: usize,
    failed: usize,
    /// Users who were made and whose invitation nobody has.
    uninvited: usize,
}

impl ImportReport for Import<'_> {
    fn invitations(&mut self, all: &[(&str, &SecretString)]) -> Result<(), AnyFailure> {
        let Some(file) = self.file.as_mut().filter(|_| !all.is_empty()) else { return Ok(()) };
        if !file.has_content() {
            file.append(HEADER)?;
        }
        let mut text = Zeroizing::new(String::new());
        for (email, token) in all {
            // Writing to a text does not fail. Neither an address nor a token holds a quote.
            let _ = writeln!(text, "{email},{}", token.expose_secret());
        }
        Ok(file.append(text.as_bytes())?)
    }

    fn rows(&mut self, some: Vec<Imported>) -> Result<(), AnyFailure> {
        let screen = self.screen;
        let mut list = self.list.take().unwrap_or_else(|| screen.list_writer());
        let written = some.into_iter().try_for_each(|row| list.row(&self.view(row)));
        self.list = Some(list);
        written?;
        // A second Ctrl-C ends the process at once: what is made by then has its row.
        Ok(self.screen.flush()?)
    }
}

impl Import<'_> {
    /// Counts what came of a row.
    fn view(&mut self, Imported { line, email, outcome }: Imported) -> LineView {
        self.done += 1;
        if !matches!(outcome, RowOutcome::Failed(_)) {
            self.progress.event(Event::Done { subject: email.clone(), ok: true });
        }
        let mut view =
            LineView { line, email, outcome: "", id: None, code: None, error: None, invitation: None };
        view.outcome = match outcome {
            RowOutcome::Created { id, invitation, uninvited } => {
                self.made += 1;
                self.uninvited += usize::from(uninvited);
                let shown = invitation.filter(|_| self.reveal);
                view.invitation = shown.map(|token| token.expose_secret().to_owned());
                view.id = Some(id.to_string());
                "created"
            }
            RowOutcome::Unchanged => "unchanged",
            RowOutcome::Planned => "planned",
            RowOutcome::Failed(error) => {
                self.failed += 1;
                (view.code, view.error) = (Some(error.code()), Some(error.to_string()));
                "failed"
            }
        };
        view
    }

    /// Says what came of it, and where the invitations are.
    fn end(mut self, result: Result<(), AnyFailure>, flag: &str, ctx: &Invocation) -> CommandResult {
        drop(self.progress);
        let list = self.list.or_else(|| result.is_ok().then(|| ctx.screen.list_writer()));
        let result = result.and(list.map_or(Ok(()), |list| Ok(list.finish()?)));
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
        if self.mail && self.made > 0 {
            ctx.screen.note(MAILED);
        }
        if self.uninvited > 0 {
            let who = counted(self.uninvited, "user");
            let hint = "nexus user invite E-MAIL --mail";
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
