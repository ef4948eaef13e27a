//! Tickets: what opens one stream for whoever has a token and cannot send it, good once and for half a minute. They
//! are kept in the control database, where no tenant's owner could write one.

mod store;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::claims::Claims;
use super::error::TokenError;
use crate::infra::crypto::random;
use crate::infra::db::PgConnection;

/// How every ticket begins, so that a leaked one is recognised.
const PREFIX: &str = "nxe_";
/// How many seconds one is good.
const TICKET_SECONDS: i32 = 30;

/// Makes a ticket for whoever the claims of a good token are of; and until when it is good.
pub(crate) async fn issue_ticket(
    control: &mut PgConnection,
    claims: &Claims,
) -> Result<(SecretString, OffsetDateTime), TokenError> {
    let body = random::token()?;
    let text = Zeroizing::new(format!("{PREFIX}{}", body.expose_secret()));
    let ticket = SecretString::from(text.as_str());
    let claims = serde_json::to_value(claims).unwrap_or_default();
    let ends = store::put(control, &hash(&ticket), &claims, TICKET_SECONDS).await?;
    store::forget_old(control).await?;
    Ok((ticket, ends))
}

/// The claims of the token that a ticket was made for; it is good no more. Whether the token is good still is for the
/// caller to ask.
///
/// # Errors
/// [`TokenError::TicketInvalid`], the same for whatever is wrong with it.
pub(crate) async fn redeem_ticket(
    control: &mut PgConnection,
    ticket: &SecretString,
) -> Result<Arc<Claims>, TokenError> {
    if !ticket.expose_secret().starts_with(PREFIX) {
        return Err(TokenError::TicketInvalid);
    }
    let kept: Option<Value> = store::take(control, &hash(ticket)).await?;
    let kept: Map<String, Value> = match kept {
        Some(Value::Object(claims)) => claims,
        _ => return Err(TokenError::TicketInvalid),
    };
    Claims::parse(kept).map(Arc::new).map_err(|_| TokenError::TicketInvalid)
}

/// What is kept of a ticket.
fn hash(ticket: &SecretString) -> [u8; 32] {
    Sha256::digest(ticket.expose_secret()).into()
}
