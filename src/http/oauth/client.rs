//! The program that asks: the id of an API key, and the key (RFC 6749, section 2.3.1).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::Api;
use super::super::context::AnonymousContext;
use super::super::rate_limit::CountedAddress;
use super::super::share::Turn;
use super::refusal::Refusal;
use crate::app::Session;
use crate::features::tokens::{KeyHolder, Presented, Realm, TokenError};
use crate::kernel::AnyFailure;

/// A program that names itself by a secret.
pub(super) struct Client {
    id: String,
    secret: SecretString,
}

impl Client {
    /// The program of a request, by its header or by its form, never by both; `None` where it shows no secret.
    pub(super) fn of(
        headers: &HeaderMap,
        (id, secret): (Option<String>, Option<SecretString>),
    ) -> Result<Option<Self>, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return match (id, secret) {
                (Some(id), Some(secret)) => Ok(Some(Self { id, secret })),
                (None, Some(_)) => Err(Refusal::invalid_request("client_secret goes with client_id")),
                (_, None) => Ok(None),
            };
        };
        if values.next().is_some() || secret.is_some() {
            return Err(Refusal::invalid_request(
                "a client authenticates once: by its header or by its form",
            ));
        }
        let client = value.to_str().ok().and_then(basic);
        let client =
            client.ok_or_else(|| Refusal::invalid_client("the header is not Basic with id and secret"))?;
        if id.is_some_and(|id| id != client.id) {
            return Err(Refusal::invalid_request("client_id is another one than the header's"));
        }
        Ok(Some(client))
    }

    /// The key, where the id has the form of one.
    pub(super) fn key(&self) -> Result<(Uuid, &SecretString), TokenError> {
        let id = self.id.parse().map_err(|_| TokenError::KeyInvalid)?;
        Ok((id, &self.secret))
    }

    /// Opens the realm that the key says it belongs to.
    pub(super) async fn realm(&self, request: &AnonymousContext) -> Result<Turn<Realm>, AnyFailure> {
        request.realm_of(Presented::ApiKey, &self.secret).await
    }

    /// For whom the key stands, with its realm and a session in the control database.
    pub(super) async fn holder(
        &self,
        request: &AnonymousContext,
    ) -> Result<(KeyHolder, Turn<Realm>, Session), AnyFailure> {
        let (id, secret) = self.key()?;
        let mut realm = self.realm(request).await?;
        let app = &request.api.0.app;
        let mut session = app.session().await?;
        let holder = app.tokens().verify_api_key(&mut session.control, &mut realm, secret).await?;
        if holder.id != id {
            return Err(TokenError::KeyInvalid.into());
        }
        Ok((holder, realm, session))
    }

    /// The id and the secret in one, to compare them.
    pub(super) fn credentials(&self) -> (&str, &SecretString) {
        (&self.id, &self.secret)
    }
}

/// The answer to whoever failed as a program; a wrong secret is counted.
pub(super) async fn refuse(api: &Api, from: &CountedAddress, failure: AnyFailure) -> Refusal {
    if failure.code() == "api_key_invalid"
        && let Some(too_many) = api.count_wrong_secret(from).await
    {
        return too_many.into();
    }
    failure.into()
}

fn basic(value: &str) -> Option<Client> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some(Client { id: plain(id)?, secret: plain(secret)?.into() })
}

/// A part of the header, which is encoded like a part of a form.
fn plain(text: &str) -> Option<String> {
    urlencoding::decode(&text.replace('+', " ")).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        basic(value).map(|client| (client.id, client.secret.expose_secret().to_owned()))
    }

    #[test]
    fn a_header_is_read_as_forms_are_written() {
        let of = |text: &str| read(&format!("Basic {}", STANDARD.encode(text)));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(of("a:b"), pair("a", "b"));
        assert_eq!(of("a%2Db:nxk%5Fx+y:z"), pair("a-b", "nxk_x y:z"));
        assert_eq!(of("a"), None);
        assert_eq!(read("Bearer YTpi"), None);
        assert_eq!(read("basic YTpi"), pair("a", "b"));
        assert_eq!(read("Basic ***"), None);
    }
}
