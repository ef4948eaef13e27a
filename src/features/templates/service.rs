//! Looking at templates, trying them, changing them.

use serde_json::{Map, Value, json};

use super::builtin::{self, BuiltIn};
use super::engine;
use super::error::TemplateError;
use super::model::{Channel, Kind, Source, TemplateKey};
use super::store::{self, KeptTemplate};
use super::views::{BuiltInText, Preview, TemplateOrigin, TemplateText, TemplateView};
use crate::features::iam::model::{Changed, WriteOutcome};
use crate::features::iam::{IamError, Realm, RowsTx};
use crate::kernel::{Caller, suggest};

/// Most templates of a realm, each of a kind, a channel and a language.
const MOST: i64 = 1_000;
/// Most bytes of a sample, as JSON.
const LONGEST_SAMPLE: usize = 16 * 1024;
/// The language of the built-in ones.
const BUILT_IN_LANGUAGE: &str = "en";

/// The newest version of each of the realm's own templates, and the built-in ones.
///
/// # Errors
/// Without `settings:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<TemplateView>, TemplateError> {
    let mut work = realm.look(caller).await?;
    work.authorize("settings:read", &Map::new())?;
    let kept = if store::is_there(work.session()).await? {
        store::list(work.session(), MOST).await?
    } else {
        Vec::new()
    };
    work.close().await?;
    let mut all: Vec<TemplateView> = builtin::ALL.iter().map(of_built_in).collect();
    all.extend(kept.iter().filter_map(|it| it.source().map(|source| of_version(it, &source))));
    all.sort_by_key(key);
    Ok(all)
}

/// What templates are sorted by: no two have the same.
#[must_use]
pub fn key(view: &TemplateView) -> (String, Channel, String, bool) {
    (view.kind.clone(), view.channel, view.language.clone(), view.origin == TemplateOrigin::Tenant)
}

fn of_built_in(it: &BuiltIn) -> TemplateView {
    TemplateView {
        kind: it.kind.to_owned(),
        channel: Channel::Email,
        language: BUILT_IN_LANGUAGE.to_owned(),
        origin: TemplateOrigin::BuiltIn,
        version: None,
        subject: it.source().subject,
        about: Some(it.about.to_owned()),
        updated_at: None,
    }
}

fn of_version(it: &KeptTemplate, source: &Source) -> TemplateView {
    TemplateView {
        kind: it.kind.clone(),
        channel: it.channel,
        language: it.language.clone(),
        origin: TemplateOrigin::Tenant,
        version: Some(it.version),
        subject: source.subject.clone(),
        about: builtin::find(&it.kind).map(|it| it.about.to_owned()),
        updated_at: Some(it.created_at),
    }
}

/// A template: the realm's own in that version, or its newest; where it has none, the built-in one.
///
/// # Errors
/// Without `settings:read`; [`TemplateError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn show(
    realm: &mut Realm,
    caller: &Caller,
    key: &TemplateKey,
    version: Option<i32>,
) -> Result<TemplateText, TemplateError> {
    let mut work = realm.look(caller).await?;
    work.authorize("settings:read", &Map::new())?;
    let found = find(&mut work, key, version).await?;
    work.close().await?;
    Ok(found)
}

async fn find(
    work: &mut RowsTx<'_>,
    key: &TemplateKey,
    version: Option<i32>,
) -> Result<TemplateText, TemplateError> {
    let session = work.session();
    let kept =
        if store::is_there(session).await? { store::versions(session, key).await? } else { Vec::new() };
    let versions: Vec<i32> = kept.iter().map(|it| it.version).collect();
    let chosen = match version {
        None => kept.first(),
        Some(wanted) => kept.iter().find(|it| it.version == wanted),
    };
    let found = builtin::find(key.kind.as_str());
    let built_in = found.map(|it| {
        let Source { subject, text, .. } = it.source();
        BuiltInText { subject, text }
    });
    if let Some((own, source)) = chosen.and_then(|it| Some((it, it.source()?))) {
        let sample = builtin::sample(&key.kind, &own.sample);
        let head = of_version(own, &source);
        let (text, html) = (source.text, source.html);
        return Ok(TemplateText { head, text, html, sample, versions, built_in });
    }
    match found {
        Some(found) if version.is_none() => {
            let (source, sample) = (found.source(), builtin::sample(&key.kind, &Map::new()));
            Ok(TemplateText {
                head: of_built_in(found),
                text: source.text,
                html: source.html,
                sample,
                versions,
                built_in,
            })
        }
        _ => {
            let (kind, at) = (key.kind.to_string(), Some(work.place().hinted()));
            Err(TemplateError::NotFound { kind, nearest: nearest(&key.kind), at })
        }
    }
}

/// Nexus's own kind that was meant, perhaps.
fn nearest(kind: &Kind) -> Option<String> {
    suggest::nearest(kind.as_str(), builtin::ALL.iter().map(|it| it.kind)).map(str::to_owned)
}

/// A template that somebody tries: the parts are those of the one that holds, where none are given.
#[derive(Debug)]
pub struct Trial {
    pub key: TemplateKey,
    pub source: Option<Source>,
    /// An app's own values, in place of its sample.
    pub data: Option<Map<String, Value>>,
}

/// What a message would say, with the values of the sample.
///
/// # Errors
/// Without `settings:read`; [`TemplateError::NotFound`]; where the template cannot be used.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn preview(realm: &mut Realm, caller: &Caller, trial: &Trial) -> Result<Preview, TemplateError> {
    let Trial { key, source, data } = trial;
    let mut work = realm.look(caller).await?;
    work.authorize("settings:read", &Map::new())?;
    require_known(&key.kind)?;
    if let Some(data) = data {
        require_short(data)?;
    }
    let kept = find(&mut work, key, None).await;
    work.close().await?;
    let (source, sample) = match (source, kept) {
        (Some(source), Ok(kept)) => (source.clone(), kept.sample),
        (Some(source), Err(TemplateError::NotFound { .. })) => {
            (source.clone(), builtin::sample(&key.kind, &Map::new()))
        }
        (None, Ok(it)) => (Source { subject: it.head.subject, text: it.text, html: it.html }, it.sample),
        (_, Err(error)) => return Err(error),
    };
    let values = match data {
        Some(data) => builtin::sample(&key.kind, data),
        None => sample,
    };
    let said = engine::check_aside(vec![source], values).await?.pop();
    said.map(Preview::from).ok_or(TemplateError::Slow)
}

fn require_short(sample: &Map<String, Value>) -> Result<(), TemplateError> {
    if serde_json::to_vec(sample).map_or(usize::MAX, |bytes| bytes.len()) > LONGEST_SAMPLE {
        return Err(TemplateError::LongSample { most: LONGEST_SAMPLE });
    }
    Ok(())
}

fn require_known(kind: &Kind) -> Result<(), TemplateError> {
    if builtin::is_known(kind) {
        return Ok(());
    }
    Err(TemplateError::UnknownKind { kind: kind.to_string(), nearest: nearest(kind) })
}

/// Has the realm's messages of a kind say this from now on, in a channel and a language. `sample` are values of an
/// app's own, such as its messages have.
///
/// # Errors
/// Without `settings:update`; where the template cannot be used, or names what is not in the sample;
/// [`TemplateError::TooMany`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set(
    realm: &mut Realm,
    caller: &Caller,
    key: &TemplateKey,
    (source, sample): (&Source, &Map<String, Value>),
) -> Result<TemplateText, TemplateError> {
    let mut work = realm.change(caller).await?;
    work.authorize("settings:update", &Map::new())?;
    require_own(&work)?;
    require_known(&key.kind)?;
    require_short(sample)?;
    engine::check_aside(vec![source.clone()], builtin::sample(&key.kind, sample)).await?;
    let known = store::versions(work.session(), key).await.map_err(IamError::of_rows)?;
    if known.is_empty() && store::count(work.session()).await? >= MOST {
        return Err(TemplateError::TooMany { most: MOST });
    }
    let by = caller.to_string();
    store::add(work.session(), key, (Some(source), sample), &by).await?;
    work.note("notification_template.set", detail(key));
    let set = find(&mut work, key, None).await?;
    work.commit().await?;
    Ok(set)
}

/// Has the built-in template hold again, or none; the versions before are kept.
///
/// # Errors
/// Without `settings:update`; [`TemplateError::NotFound`], where the realm has none of its own.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn reset(realm: &mut Realm, caller: &Caller, key: &TemplateKey) -> Result<Changed, TemplateError> {
    let is_dry_run = realm.is_dry_run();
    let mut work = realm.change(caller).await?;
    work.authorize("settings:update", &Map::new())?;
    require_own(&work)?;
    let known = store::versions(work.session(), key).await.map_err(IamError::of_rows)?;
    if known.first().and_then(KeptTemplate::source).is_none() {
        let (kind, at) = (key.kind.to_string(), Some(work.place().hinted()));
        return Err(TemplateError::NotFound { kind, nearest: None, at });
    }
    let by = caller.to_string();
    store::add(work.session(), key, (None, &Map::new()), &by).await?;
    work.note("notification_template.reset", detail(key));
    work.commit().await?;
    let (subject, object) = (key.kind.to_string(), format!("{}/{}", key.channel.as_str(), key.language));
    let outcome = if is_dry_run { WriteOutcome::Planned } else { WriteOutcome::Done };
    Ok(Changed { action: "notification_template.reset", subject, object, outcome })
}

/// Messages of the platform's realm let operators in: nobody changes what they say.
fn require_own(work: &RowsTx<'_>) -> Result<(), TemplateError> {
    if work.is_platform() { Err(TemplateError::Platform) } else { Ok(()) }
}

fn detail(key: &TemplateKey) -> Value {
    json!({ "kind": key.kind.as_str(), "channel": key.channel, "language": key.language.to_string() })
}
