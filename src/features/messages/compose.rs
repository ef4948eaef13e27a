//! What is to be sent for an event: the message of an identity, or a notification of an app.

use std::time::Duration;

use serde_json::Value;

use super::error::MessageError;
use super::text::{self, Links};
use crate::features::iam::{self, Realm, Rules};
use crate::features::notifications::{self, Due, Says, inbox, suppressions};
use crate::features::outbox::Entry;
use crate::features::secrets::Secrets;
use crate::features::templates::{self, Channel, Kind, Rendered, TemplateError};
use crate::infra::db::{DbError, PgConnection};
use crate::infra::failpoint;
use crate::infra::smtp::Outgoing;
use crate::kernel::RealmRef;

/// What is to be done for an event.
pub(super) enum Composed {
    /// It is sent.
    Mail(Box<Outgoing>),
    /// It is where it belongs.
    Delivered,
    /// There is nothing to say any more.
    Nothing { why: &'static str },
    /// Its recipient does not want it, or somebody cancelled it.
    Dropped { why: &'static str },
    /// It waits.
    Later { why: String, pause: Duration },
    /// Its address gets no such mail: nothing is changed for it.
    Suppressed { why: String },
    /// It would never become better.
    Failed { why: String },
}

/// Writes what an event asks for, in one transaction of the realm: a token, or a row of an inbox.
pub(super) async fn compose(
    realm: &mut Realm,
    entry: &Entry,
    links: &Links,
) -> Result<Composed, MessageError> {
    let (rules, place): (_, RealmRef) = (realm.rules().clone(), realm.place().clone());
    let secrets = realm.secrets();
    let mut tx = realm.anonymous_tx().await?;
    let composed = if entry.kind == notifications::EVENT {
        notification(&mut tx, (&place, &secrets), entry, links).await?
    } else {
        of_identity(&mut tx, (&place, &rules), entry, links).await?
    };
    if matches!(composed, Composed::Nothing { .. } | Composed::Suppressed { .. }) {
        tx.rollback().await.map_err(DbError::from)?;
        return Ok(composed);
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(composed)
}

async fn of_identity(
    tx: &mut PgConnection,
    (place, rules): (&RealmRef, &Rules),
    entry: &Entry,
    links: &Links,
) -> Result<Composed, MessageError> {
    let Some(message) = iam::account_message(tx, rules, entry).await? else {
        return Ok(Composed::Nothing { why: "its user changed: there is nothing to say any more" });
    };
    if let Some(why) = suppressions::stopping(tx, &message.to, false).await? {
        return Ok(Composed::Suppressed { why });
    }
    let Ok(kind) = message.message.kind().parse::<Kind>() else {
        return Ok(Composed::Failed { why: "its kind is none".to_owned() });
    };
    let languages: Vec<&str> = message.languages.iter().map(String::as_str).collect();
    let chosen = templates::choose(tx, place.id, (&kind, Channel::Email), &languages).await?;
    let said = said(chosen.render(&kind, &links.values(place, &message)).await)?;
    Ok(mail(entry, links, (&message.to, None), said))
}

async fn notification(
    tx: &mut PgConnection,
    (place, secrets): (&RealmRef, &Secrets),
    entry: &Entry,
    links: &Links,
) -> Result<Composed, MessageError> {
    let due = match notifications::due(tx, entry.id).await? {
        Due::Dropped { why } => return Ok(Composed::Dropped { why }),
        Due::Broken { why } => return Ok(Composed::Failed { why: why.to_owned() }),
        Due::Suppressed { why } => return Ok(Composed::Suppressed { why }),
        Due::Later { why, pause } => return Ok(Composed::Later { why, pause }),
        Due::Now(due) => due,
    };
    let said = match &due.says {
        Says::Text { subject, text } => {
            Ok(Rendered { subject: subject.clone(), text: text.clone(), html: None })
        }
        Says::Template(template) => {
            let mut values = text::values(place, due.kind.as_str(), (&due.name, &due.to));
            values.insert("data".to_owned(), Value::Object(due.data.clone()));
            let languages: Vec<&str> = due.languages.iter().map(String::as_str).collect();
            let chosen = templates::choose(tx, place.id, (template, due.channel), &languages).await?;
            said(chosen.render(template, &values).await)?
        }
    };
    match (due.channel, said) {
        (Channel::Email, said) => {
            let whom = (due.user, due.to.as_str());
            let token = notifications::unsubscribe_token(secrets, place.id, whom, &due.kind);
            let url = token.map(|token| links.unsubscribe(&token));
            let said = said.map(|said| match &url {
                Some(url) => text::with_link(said, url),
                None => said,
            });
            Ok(mail(entry, links, (&due.to, url.as_deref()), said))
        }
        (Channel::Inbox, Ok(said)) => {
            inbox::deliver(tx, entry.id, &due, &said).await?;
            failpoint::pass(|| "notification.inbox.written".to_owned()).await;
            Ok(Composed::Delivered)
        }
        (Channel::Inbox, Err(why)) => Ok(Composed::Failed { why }),
    }
}

/// What a message says, or why nothing; a process that has too much to do now writes it later.
fn said(rendered: Result<Rendered, TemplateError>) -> Result<Result<Rendered, String>, TemplateError> {
    match rendered {
        Err(TemplateError::Slow) => Err(TemplateError::Slow),
        rendered => Ok(rendered.map_err(|error| error.to_string())),
    }
}

fn mail(
    entry: &Entry,
    links: &Links,
    (to, unsubscribe): (&str, Option<&str>),
    said: Result<Rendered, String>,
) -> Composed {
    let written = said
        .and_then(|said| links.message(entry, (to, unsubscribe), &said).map_err(|error| error.to_string()));
    match written {
        Ok(mail) => Composed::Mail(Box::new(mail)),
        Err(why) => Composed::Failed { why: super::without(&why, to) },
    }
}
