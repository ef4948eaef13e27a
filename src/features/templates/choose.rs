//! Which template a message has: the tenant's own in the best language, else the built-in one.

use serde_json::{Map, Value};

use super::builtin;
use super::engine::{self, Rendered};
use super::error::TemplateError;
use super::model::{Channel, Kind, Source, fallback};
use super::store::{self, KeptTemplate};
use crate::infra::db::PgConnection;
use crate::kernel::TenantId;

/// What a message of a kind is written from.
#[derive(Debug)]
pub(in crate::features) struct Chosen {
    /// The tenant's own.
    own: Option<Source>,
    built_in: Option<Source>,
}

/// The templates of a kind for somebody whose language comes first; `languages` are the reader's and the realm's own.
/// The platform's messages have the built-in ones.
pub(in crate::features) async fn choose(
    realm: &mut PgConnection,
    place: TenantId,
    (kind, channel): (&Kind, Channel),
    languages: &[&str],
) -> Result<Chosen, TemplateError> {
    let kept = if place == TenantId::PLATFORM || !store::is_there(realm).await? {
        Vec::new()
    } else {
        store::of_kind(realm, kind).await?
    };
    let chain = fallback(languages.iter().copied());
    // A channel without a template of its own says what mail does.
    let own = [channel, Channel::Email].into_iter().find_map(|channel| best(&kept, channel, &chain));
    Ok(Chosen { own, built_in: builtin::find(kind.as_str()).map(builtin::BuiltIn::source) })
}

fn best(kept: &[KeptTemplate], channel: Channel, chain: &[String]) -> Option<Source> {
    let of = |language: &String| {
        let found = |it: &&KeptTemplate| it.channel == channel && it.language.eq_ignore_ascii_case(language);
        kept.iter().filter(found).find_map(KeptTemplate::source)
    };
    chain.iter().find_map(of)
}

impl Chosen {
    /// What the message says. A tenant's own template that cannot be rendered keeps no built-in message back.
    pub(in crate::features) async fn render(
        &self,
        kind: &Kind,
        values: &Map<String, Value>,
    ) -> Result<Rendered, TemplateError> {
        let nothing = || TemplateError::NotFound { kind: kind.to_string(), nearest: None, at: None };
        match (&self.own, &self.built_in) {
            (Some(own), None) => engine::render_aside(own, values).await,
            (None, Some(built_in)) => engine::render(built_in, values),
            (None, None) => Err(nothing()),
            (Some(own), Some(built_in)) => match engine::render_aside(own, values).await {
                Ok(said) => Ok(said),
                Err(error) => {
                    tracing::warn!(kind = kind.as_str(), %error, "a tenant's template fails: the built-in one is used");
                    engine::render(built_in, values)
                }
            },
        }
    }
}

/// Requires that all templates of an app's kind that a message may have can be rendered with its data.
pub(in crate::features) async fn require_renderable(
    realm: &mut PgConnection,
    (kind, channels): (&Kind, &[Channel]),
    data: &Map<String, Value>,
) -> Result<(), TemplateError> {
    let kept = store::of_kind(realm, kind).await?;
    let values = builtin::sample(kind, data);
    let used = kept.iter().filter(|it| channels.contains(&it.channel) || it.channel == Channel::Email);
    let sources: Vec<Source> = used.filter_map(KeptTemplate::source).collect();
    if sources.is_empty() {
        return Err(TemplateError::NotFound { kind: kind.to_string(), nearest: None, at: None });
    }
    engine::check_aside(sources, values).await?;
    Ok(())
}
