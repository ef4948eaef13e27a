//! `nexus user create --from FILE`, and `nexus user export`: many users.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::super::output::{Column, ListWriter, Row};
use super::super::{CommandResult, Exit, Invocation};
use super::input::{self, Line};
use super::{CreateArgs, ExportArgs, ExportFormat};
use crate::features::iam::model::{Outcome, UserFilter, UserSort};
use crate::features::iam::users::{self, FirstPassword, Prepared};
use crate::features::iam::{Realm, User, groups, roles, signin};
use crate::infra::crypto::InvitationToken;
use crate::infra::crypto::password::Hasher;
use crate::infra::private_file;
use crate::kernel::{AnyFailure, Caller, ErrorKind, Event, ExposeSecret, Failure, Page, Progress};

/// Users made in one transaction at most.
const BATCH: usize = 500;
/// For how long users are gathered for one transaction: its cost is then little beside the hashes'.
const GATHER: Duration = Duration::from_secs(1);

/// Some of many failed.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {total} users failed")]
struct SomeFailed {
    failed: usize,
    total: usize,
}

impl Failure for SomeFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Partial
    }

    fn code(&self) -> &'static str {
        "some_failed"
    }

    fn hints(&self) -> Vec<String> {
        vec!["mend those lines and repeat the command: users who are there are left as they are".to_owned()]
    }

    fn details(&self) -> serde_json::Value {
        serde_json::json!({ "failed": self.failed, "total": self.total })
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

pub(super) async fn run(args: CreateArgs, on: &Invocation) -> CommandResult {
    let Some(source) = &args.from else { return Ok(Exit::Usage) };
    let lines = input::read(source)?;
    let total = lines.len();
    let caller = on.caller();
    let mut realm = args.realm.open(on).await?;
    check_names(&mut realm, &caller, &lines).await?;
    let tell = args.reveal || args.invitation_file.is_some();
    let incoming = prepare(lines, realm.rules().hasher.clone(), tell, on.global.dry_run);
    let (failed, tokens) = make(incoming, &mut realm, &caller, (args.reveal, total), on).await?;
    if let Some(path) = args.invitation_file.as_ref().filter(|_| !on.global.dry_run) {
        private_file::create(path, tokens.as_bytes())?;
        on.screen.note(&format!("the invitations are in {}", path.display()));
    }
    match failed {
        0 => Ok(Exit::Done),
        failed => Err(SomeFailed { failed, total }.into()),
    }
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
        Some(given) if !dry_run => match signin::hash_for(hasher, &line.user.email, given).await {
            Ok(hash) => FirstPassword::Hash(hash),
            Err(error) => {
                refusal = Some(refused(&error));
                FirstPassword::None
            }
        },
        None if tell && !dry_run => match InvitationToken::generate() {
            Ok(made) => FirstPassword::Invitation(token.insert(made).hash()),
            Err(error) => {
                refusal = Some(refused(&error));
                FirstPassword::None
            }
        },
        _ => FirstPassword::None,
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

/// Makes users batch by batch, with a row for each; how many failed, and the invitations as CSV.
async fn make(
    mut incoming: mpsc::Receiver<Ready>,
    realm: &mut Realm,
    caller: &Caller,
    (reveal, total): (bool, usize),
    on: &Invocation,
) -> Result<(usize, Zeroizing<String>), AnyFailure> {
    let progress = on.screen.progress();
    progress.event(Event::Total(total as u64));
    let mut list = on.screen.list_writer();
    let (mut failed, mut tokens) = (0, Zeroizing::new(String::from("email,invitation\n")));
    let mut batch = Vec::with_capacity(BATCH);
    while gather(&mut incoming, &mut batch).await {
        let mut fine = Vec::with_capacity(batch.len());
        let mut told = Vec::with_capacity(batch.len());
        for ready in batch.drain(..) {
            match ready.prepared {
                Ok(prepared) => {
                    fine.push(prepared);
                    told.push((ready.number, ready.email, ready.token));
                }
                Err((code, error)) => {
                    failed += 1;
                    let (line, email) = (ready.number, ready.email);
                    let (code, error) = (Some(code), Some(error));
                    list.row(&LineView {
                        line,
                        email,
                        outcome: "failed",
                        id: None,
                        code,
                        error,
                        invitation: None,
                    })?;
                }
            }
        }
        let made = users::create_many(realm, caller, &fine).await?;
        for ((line, email, token), (outcome, id)) in told.into_iter().zip(made) {
            let token = token.filter(|_| outcome == Outcome::Done);
            if let Some(token) = &token {
                // Writing to a text does not fail. Neither an address nor a token holds a quote.
                let _ = writeln!(tokens, "{email},{}", token.text().expose_secret());
            }
            progress.event(Event::Done { subject: email.clone(), ok: true });
            let invitation = token.filter(|_| reveal).map(|token| token.text().expose_secret().to_owned());
            tell(&mut list, (line, email), outcome, id.map(|id| id.to_string()), invitation)?;
        }
        if on.interrupt.is_cancelled() {
            break;
        }
    }
    drop(progress);
    list.finish()?;
    Ok((failed, tokens))
}

fn tell(
    list: &mut ListWriter<'_, LineView>,
    (line, email): (usize, String),
    outcome: Outcome,
    id: Option<String>,
    invitation: Option<String>,
) -> Result<(), AnyFailure> {
    let outcome = match outcome {
        Outcome::Done => "created",
        Outcome::Unchanged => "unchanged",
        Outcome::Planned => "planned",
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

pub(super) async fn export(args: &ExportArgs, on: &Invocation) -> CommandResult {
    let caller = on.caller();
    let mut realm = args.realm.open(on).await?;
    let filter = UserFilter::default();
    let mut page = Page { page: 1, limit: 2000 };
    if args.format == ExportFormat::Csv {
        on.screen.raw(b"id,email,name,state,roles,groups,profile\n")?;
    }
    loop {
        let sort = (UserSort::CreatedAt, false);
        let (found, place) = users::list(&mut realm, &caller, &filter, sort, page).await?;
        let mut text = Vec::new();
        for user in &found {
            match args.format {
                ExportFormat::Csv => csv_row(&mut text, user)?,
                ExportFormat::Jsonl => json_row(&mut text, user)?,
            }
        }
        on.screen.raw(&text)?;
        if u64::from(page.page) >= place.pages {
            return Ok(Exit::Done);
        }
        page.page += 1;
    }
}

fn csv_row(text: &mut Vec<u8>, user: &User) -> Result<(), AnyFailure> {
    let profile = serde_json::to_string(&user.profile.0).map_err(|_| NotExported)?;
    let mut writer = csv::Writer::from_writer(text);
    let (roles, groups) = (user.roles.join(";"), user.groups.join(";"));
    let id = user.id.to_string();
    let cells = [&id, &user.email, &user.name, user.state.as_str(), &roles, &groups, &profile];
    writer.write_record(cells).map_err(|_| NotExported)?;
    writer.flush().map_err(|_| NotExported)?;
    Ok(())
}

fn json_row(text: &mut Vec<u8>, user: &User) -> Result<(), AnyFailure> {
    let row = serde_json::json!({
        "id": user.id, "email": user.email, "name": user.name, "state": user.state, "roles": user.roles,
        "groups": user.groups, "profile": user.profile,
    });
    serde_json::to_writer(&mut *text, &row).map_err(|_| NotExported)?;
    text.push(b'\n');
    Ok(())
}

/// A row that its format cannot carry: a bug.
#[derive(Debug, thiserror::Error)]
#[error("a user could not be written")]
struct NotExported;

impl Failure for NotExported {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    fn code(&self) -> &'static str {
        "export_failed"
    }
}
