//! What messages say, and their headers (RFC 5322).

use std::time::SystemTime;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, UtcOffset};

use crate::features::iam::{AccountMessage, Message, SignInSeen};
use crate::features::outbox::Entry;
use crate::features::templates::{Rendered, shown};
use crate::infra::smtp::{MessageError, NewMessage, Outgoing};
use crate::kernel::email::EmailError;
use crate::kernel::{Email, MailAddress, RealmRef};

/// Where the links of messages lead to, and whom messages are from.
#[derive(Debug, Clone)]
pub struct Links {
    /// The address of the app, without a slash at its end; `{tenant}` in it stands for a tenant's slug.
    base: String,
    /// The address of the API, without a slash at its end.
    api: String,
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

/// The page of the app that a message's link opens.
fn page(message: Message) -> Option<&'static str> {
    match message {
        Message::Invitation => Some("invitation"),
        Message::Verification => Some("verify-email"),
        Message::PasswordReset => Some("reset-password"),
        Message::AccountExists
        | Message::PasswordChanged
        | Message::Disabled
        | Message::FactorAdded
        | Message::FactorRemoved
        | Message::NewSignIn => None,
    }
}

/// What every message may say of whom it is for, and of whose app it is.
pub(super) fn values(place: &RealmRef, kind: &str, (name, address): (&str, &str)) -> Map<String, Value> {
    let tenant = place.slug.as_deref().unwrap_or("the platform");
    let all = [("kind", kind), ("tenant", tenant), ("name", shown(name, address)), ("email", address)];
    all.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

impl Links {
    /// Of an app's address, in messages from somebody.
    #[must_use]
    pub fn of((base, api): (&str, &str), from: MailAddress, reply_to: Option<MailAddress>) -> Self {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        Self { base: plain(base), api: plain(api), from, reply_to }
    }

    /// The same in messages from somebody else.
    #[must_use]
    pub fn in_the_name_of(&self, from: MailAddress, reply_to: Option<MailAddress>) -> Self {
        Self { from, reply_to, ..self.clone() }
    }

    /// Where a recipient unsubscribes.
    pub(super) fn unsubscribe(&self, token: &str) -> String {
        format!("{}/notifications/unsubscribe?token={token}", self.api)
    }

    /// What lets in stands behind the '#': no browser sends that to a server, and no log or scanner of mail that
    /// opens the link has it (RFC 3986, section 3.5).
    fn link(&self, place: &RealmRef, page: &str, message: &AccountMessage) -> String {
        let slug = place.slug.as_deref().unwrap_or("platform");
        let base = self.base.replace("{tenant}", slug);
        let tenant = place.slug.as_ref().map(|slug| format!("tenant={slug}&")).unwrap_or_default();
        let token = message.token.as_ref().map_or("", |token| token.expose_secret());
        format!("{base}/{page}#{tenant}token={token}")
    }

    /// What the template of a message may say.
    pub(super) fn values(&self, place: &RealmRef, message: &AccountMessage) -> Map<String, Value> {
        let mut values = values(place, message.message.kind(), (&message.name, &message.to));
        if let Some(page) = page(message.message) {
            values.insert("link".to_owned(), json!(self.link(place, page, message)));
            values.insert("within".to_owned(), json!(within(message.hours)));
        }
        if let Some(SignInSeen { client, at }) = &message.sign_in {
            values.insert("client".to_owned(), json!(shown(client, "a client without a plain name")));
            values.insert("at".to_owned(), json!(minute(*at)));
        }
        values
    }

    /// The whole message, with its headers; `unsubscribe`: where its recipient does that.
    pub(super) fn message(
        &self,
        entry: &Entry,
        (to, unsubscribe): (&str, Option<&str>),
        said: &Rendered,
    ) -> Result<Outgoing, TextError> {
        // RFC 3834, section 5: no answer from a program.
        let mut headers = vec![("Auto-Submitted", "auto-generated")];
        let link = unsubscribe.map(|url| format!("<{url}>"));
        if let Some(link) = &link {
            // RFC 8058, section 3.1.
            headers.push(("List-Unsubscribe", link));
            headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        let message = NewMessage {
            id: &entry.id.to_string(),
            at: SystemTime::from(entry.at),
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to: &MailAddress::from(to.parse::<Email>()?),
            subject: &said.subject,
            text: &said.text,
            html: said.html.as_deref(),
            headers: &headers,
        };
        Ok(message.build()?)
    }
}

/// The same with a link at its end by which its recipient unsubscribes, in each part that does not have it.
pub(super) fn with_link(said: Rendered, url: &str) -> Rendered {
    let Rendered { subject, mut text, mut html } = said;
    if !text.contains(url) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        text = format!("{text}{end}\n-- \nUnsubscribe: {url}\n");
    }
    if let Some(html) = html.as_mut().filter(|html| !html.contains(url)) {
        let link = format!(
            "<p><a href=\"{}\">Unsubscribe</a></p>",
            url.replace('&', "&amp;").replace('"', "&quot;")
        );
        let at = html.rfind("</body>").unwrap_or(html.len());
        html.insert_str(at, &link);
    }
    Rendered { subject, text, html }
}

/// A moment as people read it, in UTC.
fn minute(at: OffsetDateTime) -> String {
    let (at, month) = (at.to_offset(UtcOffset::UTC), u8::from(at.month()));
    format!("{}-{month:02}-{:02} {:02}:{:02} UTC", at.year(), at.day(), at.hour(), at.minute())
}

fn within(hours: u64) -> String {
    match hours {
        1 => "one hour".to_owned(),
        hours if hours > 24 && hours % 24 == 0 => format!("{} days", hours / 24),
        hours => format!("{hours} hours"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::TenantId;

    fn links(base: &str) -> Links {
        Links::of((base, "https://api.example"), "Nexus <nexus@localhost.localdomain>".parse().unwrap(), None)
    }

    fn written(to: &str, said: &Rendered) -> Result<String, TextError> {
        let at = OffsetDateTime::UNIX_EPOCH;
        let entry = Entry { id: Uuid::nil(), kind: "mail.invitation".to_owned(), payload: json!({}), at };
        let mail = links("https://x.example").message(&entry, (to, None), said)?;
        Ok(String::from_utf8(mail.content).unwrap())
    }

    fn said(subject: &str) -> Rendered {
        Rendered { subject: subject.to_owned(), text: "Hello\n".to_owned(), html: None }
    }

    #[test]
    fn a_link_has_its_token_where_no_server_sees_it() {
        let place = RealmRef { id: TenantId::new(), slug: Some("acme".to_owned()) };
        let message = AccountMessage {
            message: Message::Invitation,
            to: "bob@acme.example".to_owned(),
            name: "evil.example".to_owned(),
            languages: Vec::new(),
            token: Some(SecretString::from("nxi_x")),
            hours: 168,
            sign_in: None,
        };
        let values = links("https://{tenant}.app.example/").values(&place, &message);
        assert_eq!(values["link"], "https://acme.app.example/invitation#tenant=acme&token=nxi_x");
        assert_eq!((&values["within"], &values["name"]), (&json!("7 days"), &json!("bob@acme.example")));
    }

    #[test]
    fn a_message_has_its_headers() {
        let text = written("bob@acme.example", &said("You are invited to acme")).unwrap();
        for part in [
            "Message-ID: <00000000-0000-0000-0000-000000000000@localhost.localdomain>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "To: bob@acme.example\r\n",
            "Subject: You are invited to acme\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "\r\n\r\nHello\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn a_link_to_unsubscribe_is_in_each_part_once() {
        let html = Some("<html><body><p>Hi</p></body></html>".to_owned());
        let said = Rendered { subject: "Hi".to_owned(), text: "Hi".to_owned(), html };
        let with = with_link(with_link(said, "https://x.example/?token=a"), "https://x.example/?token=a");
        assert_eq!(with.text, "Hi\n\n-- \nUnsubscribe: https://x.example/?token=a\n");
        let link = "<a href=\"https://x.example/?token=a\">Unsubscribe</a>";
        assert_eq!(with.html.unwrap(), format!("<html><body><p>Hi</p><p>{link}</p></body></html>"));
    }

    proptest! {
        #[test]
        fn no_header_field_can_be_more_than_one(
            before in "[ -~]{0,20}", end in "\r\n|\r|\n", after in "[ -~]{0,20}"
        ) {
            let subject = format!("{before}{end}{after}");
            prop_assert!(written("bob@acme.example", &said(&subject)).is_err());
            let to = format!("bob@acme.example{end}{after}");
            prop_assert!(written(&to, &said("Hello")).is_err() || after.trim().is_empty());
        }
    }
}
