//! What messages say (RFC 5322).

use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox as Address, Message as Mail};
use secrecy::ExposeSecret;

use crate::features::iam::{Letter, Message};
use crate::features::outbox::Entry;
use crate::kernel::RealmRef;

/// Whom messages are from, in a mailbox for development.
const SENDER: (&str, &str) = ("Nexus", "nexus@localhost.localdomain");

/// How long a line of a message may be, without its end (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;

/// Where the links of messages lead to.
#[derive(Debug, Clone)]
pub struct Links {
    /// The address of the app, without a slash at its end; `{tenant}` in it stands for a tenant's slug.
    base: String,
}

/// A message that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TextError {
    #[error("its address is none that mail is sent to: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("it is not a message: {0}")]
    Message(#[from] lettre::error::Error),
}

impl Links {
    /// Of an app's address.
    #[must_use]
    pub fn of(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    /// What lets in stands behind the '#': no browser sends that to a server, and no log or scanner of mail that
    /// opens the link has it (RFC 3986, section 3.5).
    fn link(&self, place: &RealmRef, page: &str, letter: &Letter) -> String {
        let slug = place.slug.as_deref().unwrap_or("platform");
        let base = self.base.replace("{tenant}", slug);
        let tenant = place.slug.as_ref().map(|slug| format!("tenant={slug}&")).unwrap_or_default();
        let token = letter.token.as_ref().map_or("", |token| token.expose_secret());
        format!("{base}/{page}#{tenant}token={token}")
    }

    /// The whole message, with its headers.
    pub(super) fn message(
        &self,
        place: &RealmRef,
        entry: &Entry,
        letter: &Letter,
    ) -> Result<Vec<u8>, TextError> {
        let (subject, body) = self.words(place, letter);
        let mail = Mail::builder()
            .message_id(Some(format!("<{}@localhost.localdomain>", entry.id)))
            .date(SystemTime::from(entry.at))
            .from(Address::new(Some(SENDER.0.to_owned()), SENDER.1.parse()?))
            .to(Address::new(None, letter.to.parse()?))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(plain(body))?;
        Ok(mail.formatted())
    }

    fn words(&self, place: &RealmRef, letter: &Letter) -> (String, String) {
        let at = place.slug.as_deref().unwrap_or("the platform");
        let link = |page: &str| self.link(place, page, letter);
        let hours = |hours: u64| if hours == 1 { "one hour".to_owned() } else { format!("{hours} hours") };
        let within = hours(letter.hours);
        match letter.message {
            Message::Invitation => (
                format!("You are invited to {at}"),
                format!(
                    "You are invited to {at}. Set your password within {within}:\r\n\r\n{}\r\n",
                    link("invitation")
                ),
            ),
            Message::Verification => (
                format!("Confirm your address for {at}"),
                format!(
                    "Somebody registered this address at {at}. If it was you, confirm it within {within}:\r\n\r\n{}\
                     \r\n\r\nIf it was not you, there is nothing to do: nobody can sign in with it.\r\n",
                    link("verify-email")
                ),
            ),
            Message::AccountExists => (
                format!("You already have an account at {at}"),
                format!(
                    "Somebody, perhaps you, wanted to register this address at {at}. It already has an account: \
                     sign in,\r\nor ask for a new password if you do not know it any more. Nothing was changed.\r\n"
                ),
            ),
            Message::PasswordReset => (
                format!("A new password for {at}"),
                format!(
                    "Somebody, perhaps you, asked for a new password at {at}. Set it within {within}:\r\n\r\n{}\
                     \r\n\r\nIf it was not you, there is nothing to do: your password is as it was.\r\n",
                    link("reset-password")
                ),
            ),
        }
    }
}

/// A text as it is, where mail takes it so: whoever reads the file sees the link, and not its '=' encoded.
fn plain(text: String) -> Body {
    let fits = text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE);
    if fits {
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::TenantId;

    fn written(links: &Links, to: &str) -> Result<String, TextError> {
        let place = RealmRef { id: TenantId::new(), slug: Some("acme".to_owned()) };
        let entry = Entry {
            id: Uuid::nil(),
            kind: "mail.invitation".to_owned(),
            payload: json!({}),
            at: OffsetDateTime::UNIX_EPOCH,
        };
        let token = Some(SecretString::from("nxi_x"));
        let letter = Letter { message: Message::Invitation, to: to.to_owned(), token, hours: 168 };
        links.message(&place, &entry, &letter).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_message_has_its_headers_and_a_link_whose_token_no_server_sees() {
        let text = written(&Links::of("https://{tenant}.app.example/"), "bob@acme.example").unwrap();
        for part in [
            "Message-ID: <00000000-0000-0000-0000-000000000000@localhost.localdomain>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "To: bob@acme.example\r\n",
            "Subject: You are invited to acme\r\n",
            "\r\n\r\nYou are invited to acme. Set your password within 168 hours:\r\n\r\n\
             https://acme.app.example/invitation#tenant=acme&token=nxi_x\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn an_address_that_would_be_more_than_one_header_is_none() {
        assert!(written(&Links::of("https://x.example"), "bob@acme.example\r\nBcc: eve@x.example").is_err());
    }
}
