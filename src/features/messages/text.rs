//! What messages say (RFC 5322).

use std::time::SystemTime;

use secrecy::ExposeSecret;

use crate::features::iam::{Letter, Message};
use crate::features::outbox::Entry;
use crate::infra::smtp::{MessageError, NewMessage, Outgoing};
use crate::kernel::email::EmailError;
use crate::kernel::{Email, MailAddress, RealmRef};

/// Where the links of messages lead to, and whom messages are from.
#[derive(Debug, Clone)]
pub struct Links {
    /// The address of the app, without a slash at its end; `{tenant}` in it stands for a tenant's slug.
    base: String,
    from: MailAddress,
    reply_to: Option<MailAddress>,
}

/// A message that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TextError {
    #[error("its address is none that mail is sent to: {0}")]
    Address(#[from] EmailError),
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl Links {
    /// Of an app's address, in messages from somebody.
    #[must_use]
    pub fn of(base: &str, from: MailAddress, reply_to: Option<MailAddress>) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), from, reply_to }
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
    ) -> Result<Outgoing, TextError> {
        let (subject, text) = self.words(place, letter);
        let message = NewMessage {
            id: &entry.id.to_string(),
            at: SystemTime::from(entry.at),
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to: &MailAddress::from(letter.to.parse::<Email>()?),
            subject: &subject,
            text: &text,
            html: None,
            // RFC 3834, section 5: no answer from a program.
            headers: &[("Auto-Submitted", "auto-generated")],
        };
        Ok(message.build()?)
    }

    fn words(&self, place: &RealmRef, letter: &Letter) -> (String, String) {
        let at = place.slug.as_deref().unwrap_or("the platform");
        let link = |page: &str| self.link(place, page, letter);
        let within = match letter.hours {
            1 => "one hour".to_owned(),
            hours if hours > 24 && hours % 24 == 0 => format!("{} days", hours / 24),
            hours => format!("{hours} hours"),
        };
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
                format!("Reset your password for {at}"),
                format!(
                    "Somebody, perhaps you, asked to reset your password at {at}. Set a new one within {within}:\r\n\r\n{}\
                     \r\n\r\nIf it was not you, there is nothing to do: your password was not changed.\r\n",
                    link("reset-password")
                ),
            ),
        }
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

    fn links(base: &str) -> Links {
        Links::of(base, "Nexus <nexus@localhost.localdomain>".parse().unwrap(), None)
    }

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
        links.message(&place, &entry, &letter).map(|mail| String::from_utf8(mail.content).unwrap())
    }

    #[test]
    fn a_message_has_its_headers_and_a_link_whose_token_no_server_sees() {
        let text = written(&links("https://{tenant}.app.example/"), "bob@acme.example").unwrap();
        for part in [
            "Message-ID: <00000000-0000-0000-0000-000000000000@localhost.localdomain>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "To: bob@acme.example\r\n",
            "Subject: You are invited to acme\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "\r\n\r\nYou are invited to acme. Set your password within 7 days:\r\n\r\n\
             https://acme.app.example/invitation#tenant=acme&token=nxi_x\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn an_address_that_would_be_more_than_one_header_is_none() {
        assert!(written(&links("https://x.example"), "bob@acme.example\r\nBcc: eve@x.example").is_err());
    }
}
