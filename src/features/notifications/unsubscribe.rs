//! Links by which a recipient unsubscribes from a kind (RFC 8058): signed, and good without a session. What a link
//! says is in it; nothing of it is kept.

use serde_json::json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::NotificationsError;
use super::preferences::{self, KindPattern};
use super::store;
use super::suppressions::{self, NewSuppression, SuppressionReason, SuppressionScope};
use crate::features::iam::{IamError, Realm, people};
use crate::features::secrets::Secrets;
use crate::features::templates::{Channel, Kind};
use crate::kernel::{Caller, Email, TenantId, UserId};

/// The first byte: how the rest is to be read.
const VERSION: u8 = 1;
/// Bytes of a signature that a link has: 128 bits, which nobody guesses, and links stay short.
const SIGNATURE: usize = 16;
/// Bytes before what is about the recipient: version, signature, tenant.
const HEAD: usize = 1 + SIGNATURE + 16;
/// Longest link: an address and a kind, and what is around them.
const LONGEST: usize = 700;

/// Whom a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Recipient {
    User(Uuid),
    Address(Email),
}

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    recipient: Recipient,
    kind: Kind,
}

impl Link {
    fn bytes(&self) -> Vec<u8> {
        let (mark, recipient) = match &self.recipient {
            Recipient::User(id) => (b'u', id.to_string()),
            Recipient::Address(address) => (b'a', address.to_string()),
        };
        [&[mark][..], recipient.as_bytes(), b" ", self.kind.as_str().as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (recipient, kind) = text.get(1..)?.rsplit_once(' ')?;
        let recipient = match bytes.first()? {
            b'u' => Recipient::User(recipient.parse().ok()?),
            b'a' => Recipient::Address(recipient.parse().ok()?),
            _ => return None,
        };
        Some(Self { recipient, kind: kind.parse().ok().filter(Kind::is_of_app)? })
    }
}

/// The signature of what a link says in a realm.
fn signature(secrets: &Secrets, tenant: TenantId, said: &[u8]) -> Vec<u8> {
    let said = URL_SAFE_NO_PAD.encode(said);
    let mut whole = secrets.unsubscribe_key().checksum("unsubscribe", &tenant.to_string(), &[&said]);
    whole.truncate(SIGNATURE);
    whole
}

/// What a recipient unsubscribes from a kind with; `user`: one of the realm, else whoever has the address.
pub(in crate::features) fn token(
    secrets: &Secrets,
    tenant: TenantId,
    (user, address): (Option<Uuid>, &str),
    kind: &Kind,
) -> Option<String> {
    let recipient = match user {
        Some(user) => Recipient::User(user),
        None => Recipient::Address(address.parse().ok()?),
    };
    let said = Link { recipient, kind: kind.clone() }.bytes();
    let signature = signature(secrets, tenant, &said);
    let all = [&[VERSION][..], &signature, tenant.uuid().as_bytes(), &said].concat();
    Some(URL_SAFE_NO_PAD.encode(all))
}

fn decoded(token: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|_| token.len() <= LONGEST)?;
    (bytes.first() == Some(&VERSION) && bytes.len() > HEAD).then_some(bytes)
}

/// The realm that a link says it is of; whether it is signed is not looked at yet.
#[must_use]
pub fn tenant_of(token: &str) -> Option<TenantId> {
    let bytes = decoded(token)?;
    Uuid::from_slice(bytes.get(1 + SIGNATURE..HEAD)?).ok().map(TenantId::from)
}

fn opened(secrets: &Secrets, tenant: TenantId, token: &str) -> Option<Link> {
    let bytes = decoded(token).filter(|_| tenant_of(token) == Some(tenant))?;
    let (head, said) = bytes.split_at_checked(HEAD)?;
    let is_signed = bool::from(head.get(1..=SIGNATURE)?.ct_eq(&signature(secrets, tenant, said)));
    if is_signed { Link::read(said) } else { None }
}

/// Has the recipient of a link get no more mail of its kind; whether the link is one of the realm's. A user's
/// preference goes off; an address that is nobody's gets no notification of apps any more. A second time is as good.
///
/// # Errors
/// The realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn unsubscribe(realm: &mut Realm, token: &str) -> Result<bool, NotificationsError> {
    let Some(Link { recipient, kind }) = opened(&realm.secrets(), realm.place().id, token) else {
        return Ok(false);
    };
    match recipient {
        Recipient::User(user) => switch_off(realm, user, &kind).await?,
        Recipient::Address(address) => {
            let (scope, reason) = (Some(SuppressionScope::Bulk), SuppressionReason::Unsubscribe);
            let new = NewSuppression { address, scope, reason, note: None };
            suppressions::add(realm, &Caller::System, &new).await?;
        }
    }
    Ok(true)
}

async fn switch_off(realm: &mut Realm, user: Uuid, kind: &Kind) -> Result<(), NotificationsError> {
    let Ok(pattern) = kind.as_str().parse::<KindPattern>() else { return Ok(()) };
    let mut work = realm.change(&Caller::System).await?;
    let session = work.session();
    let known = store::preferences(session, user).await.map_err(IamError::of_rows)?;
    let is_somebody = !people::by_ids(session, &[user]).await?.is_empty();
    if !is_somebody || !preferences::is_wanted(&known, (kind, Channel::Email)) {
        return Ok(work.close().await?);
    }
    store::put_preferences(session, user, &[(pattern, Channel::Email, false)]).await?;
    let user = UserId::from(user);
    work.note_on(
        user,
        "notification_preferences.set",
        json!({ "set": 1, "reset": 0, "unsubscribed": kind.as_str() }),
    );
    Ok(work.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_it_was_made_of() {
        let kind: Kind = "app.order.shipped".parse().unwrap();
        for recipient in
            [Recipient::User(Uuid::now_v7()), Recipient::Address("jö+x@bücher.example".parse().unwrap())]
        {
            let link = Link { recipient, kind: kind.clone() };
            assert_eq!(Link::read(&link.bytes()), Some(link));
        }
    }

    #[test]
    fn what_is_no_link_is_none() {
        for bad in [&b""[..], b"u", b"ux app.a", b"abob app.a", b"abob@x.example account.invitation", b"\xff"]
        {
            assert_eq!(Link::read(bad), None, "{bad:?}");
        }
        for bad in ["", "AQ", "!", &"A".repeat(2000)] {
            assert_eq!(tenant_of(bad), None, "{bad}");
        }
    }
}
