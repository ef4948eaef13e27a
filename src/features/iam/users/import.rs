//! Many users from rows: passwords are hashed ahead on every core, users made batch by batch.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Map;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::custom_fields::{AppliesTo, Definitions, WrongField};
use super::super::error::IamError;
use super::super::first::FirstPassword;
use super::super::model::{NewUser, UserState};
use super::super::realm::Realm;
use super::super::rules::Rules;
use super::super::{groups, roles};
use super::create::{self, Made, Prepared};
use crate::infra::failpoint;
use crate::kernel::{AnyFailure, Caller, Failure, UserId};

/// Users made in one transaction at most.
const BATCH: usize = 500;
/// Most wrong values of custom fields that are named.
const MOST_SAID: usize = 100;
/// For how long users are gathered for one transaction: its cost is then little beside the hashes'.
const GATHER: Duration = Duration::from_secs(1);

/// A user that a row asks for.
#[derive(Debug)]
pub struct ImportRow {
    /// Where the row is, for the report.
    pub line: usize,
    pub user: NewUser,
    /// `None`: they are invited.
    pub password: Option<SecretString>,
    pub state: RowState,
}

/// The state that a user had elsewhere. Only who was disabled there is so here: who could sign in is
/// invited, unless a password comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowState(UserState);

impl RowState {
    /// Of a row that says nothing of it.
    pub const UNSAID: Self = Self(UserState::Invited);
}

/// A text that is no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("state is one of invited, active, locked, disabled")]
pub struct NotARowState;

impl FromStr for RowState {
    type Err = NotARowState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |state: &UserState| *state != UserState::Deleted && state.as_str() == text;
        UserState::ALL.into_iter().find(known).map(Self).ok_or(NotARowState)
    }
}

/// How users without a password are invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Invite {
    /// Not at all.
    #[default]
    Not,
    /// By a token that is reported.
    Token,
    /// By a message to them.
    Message,
}

/// A row of which no user can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// Where the row is.
    pub line: usize,
    /// The code of the failure.
    pub code: &'static str,
    pub message: String,
}

impl RefusedRow {
    fn new(line: usize, failure: &impl Failure) -> Self {
        Self { line, code: failure.code(), message: failure.to_string() }
    }
}

/// What came of a row.
#[derive(Debug)]
pub struct Imported {
    pub line: usize,
    pub email: String,
    pub outcome: RowOutcome,
}

/// What came of a row.
#[derive(Debug)]
pub enum RowOutcome {
    Created {
        id: UserId,
        /// The token with which they set their password.
        invitation: Option<SecretString>,
        /// They are invited, and there is no invitation that anybody could hand them.
        uninvited: bool,
    },
    /// The address is taken.
    Unchanged,
    /// They would be made.
    Planned,
    Failed(IamError),
}

/// Where an import reports to.
pub trait ImportReport {
    /// The invitations of users who are about to be made, by their addresses. It comes right before the
    /// commit: what is kept of them then is never less than what is made, wherever the process dies.
    ///
    /// # Errors
    /// Nobody of the batch is made, and the import ends.
    fn invitations(&mut self, all: &[(&str, &SecretString)]) -> Result<(), AnyFailure>;

    /// What came of some rows, for good.
    ///
    /// # Errors
    /// The import ends.
    fn rows(&mut self, some: Vec<Imported>) -> Result<(), AnyFailure>;
}

/// Makes the users that rows ask for, batch by batch, until all are done or somebody stops it. Those whose
/// address is taken are left alone.
///
/// # Errors
/// As for one user; a role or a group that does not exist stops everything before anybody is made. What
/// was reported before stays.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn import(
    realm: &mut Realm,
    caller: &Caller,
    rows: Vec<ImportRow>,
    invite: Invite,
    report: &mut impl ImportReport,
    stop: &CancellationToken,
) -> Result<(), IamError> {
    let result: Result<(), IamError> = async {
        check_import(realm, caller, &rows).await?;
        let mut incoming = prepare(rows, realm.rules.clone(), invite, realm.is_dry_run());
        let mut batch = Vec::with_capacity(BATCH);
        while !stop.is_cancelled() && gather(&mut incoming, &mut batch).await {
            make(realm, caller, &mut batch, false, report).await?;
        }
        Ok(())
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Rows whose passwords are hashed: what takes long is done.
#[derive(Debug)]
pub struct PreparedRows(Vec<Ready>);

/// Hashes the passwords of rows, of which [`check_import`] has seen that the users may be made. No session of
/// the realm is needed meanwhile.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn prepare_import(rules: Rules, rows: Vec<ImportRow>, invite: Invite) -> PreparedRows {
    let mut incoming = prepare(rows, rules, invite, false);
    let mut all = Vec::new();
    while incoming.recv_many(&mut all, BATCH).await > 0 {}
    PreparedRows(all)
}

/// As [`import`], of rows that are prepared: batch by batch, or all of them in one transaction, or none.
///
/// # Errors
/// As [`import`]; [`IamError::NoneMade`] where it is all or none, with the rows that are why.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn import_prepared(
    realm: &mut Realm,
    caller: &Caller,
    PreparedRows(mut rows): PreparedRows,
    atomic: bool,
    report: &mut impl ImportReport,
) -> Result<(), IamError> {
    let result: Result<(), IamError> = async {
        if atomic {
            return make(realm, caller, &mut rows, true, report).await;
        }
        while !rows.is_empty() {
            let mut batch = rows.drain(..rows.len().min(BATCH)).collect();
            make(realm, caller, &mut batch, false, report).await?;
        }
        Ok(())
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Requires all that can be known before anybody is made, and before passwords are hashed.
///
/// # Errors
/// As [`import`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn check_import(realm: &mut Realm, caller: &Caller, rows: &[ImportRow]) -> Result<(), IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "user:create", &Map::new())?;
    for role in rows.iter().flat_map(|row| &row.user.roles).collect::<BTreeSet<_>>() {
        roles::find_to_grant(&mut work, role).await?;
    }
    for group in rows.iter().flat_map(|row| &row.user.groups).collect::<BTreeSet<_>>() {
        groups::find_to_join(&mut work, group).await?;
    }
    let definitions = Definitions::of(&mut work, AppliesTo::Users).await?;
    let wrong = |row: &ImportRow| {
        let found = definitions.wrong(&Map::new(), &row.user.fields, true);
        found.into_iter().map(|wrong| WrongField { row: Some(row.line), ..wrong }).collect::<Vec<_>>()
    };
    let fields: Vec<WrongField> = rows.iter().flat_map(wrong).take(MOST_SAID).collect();
    if !fields.is_empty() {
        return Err(IamError::Fields { fields });
    }
    work.close().await
}

/// A row on its way: prepared, or refused.
#[derive(Debug)]
struct Ready {
    line: usize,
    email: String,
    prepared: Result<Prepared, IamError>,
}

/// Hashes passwords on every core, a little ahead of the database.
fn prepare(rows: Vec<ImportRow>, rules: Rules, invite: Invite, dry_run: bool) -> mpsc::Receiver<Ready> {
    let (sender, receiver) = mpsc::channel(2 * BATCH);
    tokio::spawn(async move {
        let ahead = 2 * rules.hasher.at_once();
        let mut ready = futures_util::stream::iter(rows)
            .map(|row| prepare_one(row, &rules, invite, dry_run))
            .buffered(ahead);
        while let Some(one) = ready.next().await {
            if sender.send(one).await.is_err() {
                return;
            }
        }
    });
    receiver
}

async fn prepare_one(row: ImportRow, rules: &Rules, invite: Invite, dry_run: bool) -> Ready {
    let disabled = row.state.0 == UserState::Disabled;
    let first = match row.password {
        // Whether each is accepted is found out when it is hashed.
        _ if dry_run => FirstPassword::None,
        Some(password) => FirstPassword::Given(password),
        // Nobody hands an invitation to who is shut out.
        None if disabled => FirstPassword::None,
        None => match invite {
            Invite::Not => FirstPassword::None,
            Invite::Token => FirstPassword::Invitation,
            Invite::Message => FirstPassword::Message,
        },
    };
    let sign_in = rules.first_sign_in(&row.user.email, &first, dry_run).await;
    let email = row.user.email.to_string();
    let prepared = sign_in.map(|sign_in| Prepared::new(row.user, (&first, sign_in), disabled));
    Ready { line: row.line, email, prepared }
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

/// Makes the users of a batch in one transaction.
async fn make(
    realm: &mut Realm,
    caller: &Caller,
    batch: &mut Vec<Ready>,
    atomic: bool,
    report: &mut impl ImportReport,
) -> Result<(), IamError> {
    let (mut places, mut new, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for Ready { line, email, prepared } in batch.drain(..) {
        match prepared {
            Ok(prepared) => {
                places.push((line, email));
                new.push(prepared);
            }
            Err(error) => refused.push(Imported { line, email, outcome: RowOutcome::Failed(error) }),
        }
    }
    if !atomic {
        report.rows(std::mem::take(&mut refused)).map_err(IamError::Report)?;
    }
    let dry_run = realm.is_dry_run();
    let mut work = realm.write(caller).await?;
    let Made { made, full } = create::insert(&mut work, &new).await?;
    if atomic {
        let at = work.place.hinted();
        let taken =
            places.iter().enumerate().filter(|(index, _)| !made.contains_key(index) && !full.contains(index));
        let taken = taken.map(|(_, (line, email))| {
            let name = email.clone();
            RefusedRow::new(*line, &IamError::Exists { what: "user", name, at: at.clone() })
        });
        let full_rows =
            full.iter().filter_map(|at| Some(RefusedRow::new(places.get(*at)?.0, &IamError::UserLimit)));
        let unmade = refused.iter().filter_map(|row| match &row.outcome {
            RowOutcome::Failed(error) => Some(RefusedRow::new(row.line, error)),
            _ => None,
        });
        let mut rows: Vec<_> = unmade.chain(taken).chain(full_rows).collect();
        rows.sort_by_key(|row| row.line);
        if !rows.is_empty() {
            return Err(IamError::NoneMade { rows });
        }
    }
    let tokens = made.keys().filter_map(|at| Some((&*places[*at].1, new[*at].invitation()?.text())));
    report.invitations(&tokens.collect::<Vec<_>>()).map_err(IamError::Report)?;
    failpoint::pass(|| "user.create.told".to_owned()).await;
    work.commit().await?;
    failpoint::pass(|| "user.create.batch".to_owned()).await;
    let outcome = |at: usize, new: &Prepared| match made.get(&at) {
        None if full.contains(&at) => RowOutcome::Failed(IamError::UserLimit),
        None => RowOutcome::Unchanged,
        Some(_) if dry_run => RowOutcome::Planned,
        Some(id) => RowOutcome::Created {
            id: *id,
            invitation: new.invitation().map(|token| token.text().clone()),
            uninvited: new.state == UserState::Invited && new.sign_in.is_none() && !new.by_message,
        },
    };
    let done = places.into_iter().zip(&new).enumerate();
    let done = done.map(|(at, ((line, email), new))| Imported { line, email, outcome: outcome(at, new) });
    report.rows(done.collect()).map_err(IamError::Report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_one_of_the_states_that_a_user_has_who_is_not_deleted() {
        for known in ["invited", "active", "locked", "disabled"] {
            assert_eq!(known.parse::<RowState>().unwrap().0.as_str(), known);
        }
        for unknown in ["asleep", "deleted", ""] {
            assert_eq!(unknown.parse::<RowState>(), Err(NotARowState));
        }
    }
}
