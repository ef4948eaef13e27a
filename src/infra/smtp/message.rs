//! A message as it goes over the wire, built by lettre (RFC 5322).

use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};

use crate::kernel::{Email, MailAddress};

/// How long a line of a message may be, without its end (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;

/// What a message is built from.
#[derive(Debug, Clone)]
pub struct NewMessage<'a> {
    /// What stands before the '@' of its Message-ID: the same for each try. Letters, digits, '.', '-' and '_'.
    pub id: &'a str,
    pub at: SystemTime,
    pub from: &'a MailAddress,
    pub reply_to: Option<&'a MailAddress>,
    pub to: &'a MailAddress,
    /// One line.
    pub subject: &'a str,
    pub text: &'a str,
    pub html: Option<&'a str>,
    /// Further headers, each a name and a value of one line.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A message that is ready to be sent, and whom the server is told that it is from and for.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub from: Email,
    pub to: Email,
    /// Headers and body, lines ended by CR LF.
    pub content: Vec<u8>,
}

/// Why a message cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MessageError {
    /// A header would be more than one line.
    #[error("the header {0} holds a control character")]
    Control(String),
    /// A header's name is none.
    #[error("{0:?} is not the name of a header")]
    Header(String),
    /// The id is none.
    #[error("{0:?} cannot be part of a Message-ID")]
    Id(String),
    /// lettre takes less than we do.
    #[error("{0} is not an address that mail is sent to")]
    Address(Email),
    /// lettre's word.
    #[error("it is not a message: {0}")]
    Message(String),
}

impl NewMessage<'_> {
    /// The whole message.
    ///
    /// # Errors
    /// Where a header is no line, or an address is none that mail is sent to.
    pub fn build(&self) -> Result<Outgoing, MessageError> {
        let is_id = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.id.is_empty() || !self.id.chars().all(is_id) {
            return Err(MessageError::Id(self.id.to_owned()));
        }
        line("Subject", self.subject)?;
        let mut builder = Message::builder()
            .message_id(Some(format!("<{}@{}>", self.id, self.from.domain())))
            .date(self.at)
            .from(mailbox(self.from)?)
            .to(mailbox(self.to)?)
            .subject(self.subject);
        if let Some(reply_to) = self.reply_to {
            builder = builder.reply_to(mailbox(reply_to)?);
        }
        for (name, value) in self.headers {
            line(name, value)?;
            let header = HeaderName::new_from_ascii((*name).to_owned());
            let header = header.map_err(|_| MessageError::Header((*name).to_owned()))?;
            builder = builder.raw_header(HeaderValue::new(header, (*value).to_owned()));
        }
        let text = part(ContentType::TEXT_PLAIN, self.text);
        let message = match self.html {
            None => builder.header(ContentType::TEXT_PLAIN).body(body(self.text)),
            Some(html) => {
                let both = MultiPart::alternative().singlepart(text);
                builder.multipart(both.singlepart(part(ContentType::TEXT_HTML, html)))
            }
        };
        let message = message.map_err(|error| MessageError::Message(error.to_string()))?;
        Ok(Outgoing {
            from: self.from.address.clone(),
            to: self.to.address.clone(),
            content: message.formatted(),
        })
    }
}

fn line(name: &str, value: &str) -> Result<(), MessageError> {
    if value.contains(char::is_control) { Err(MessageError::Control(name.to_owned())) } else { Ok(()) }
}

/// The domain goes in the form that every server reads.
fn mailbox(address: &MailAddress) -> Result<Mailbox, MessageError> {
    let refused = || MessageError::Address(address.address.clone());
    let (local, _) = address.address.as_str().rsplit_once('@').ok_or_else(refused)?;
    let parsed = format!("{local}@{}", address.domain()).parse().map_err(|_| refused())?;
    Ok(Mailbox::new(address.name.as_ref().map(ToString::to_string), parsed))
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(kind).body(body(text))
}

/// A text as it is, where mail takes it so: whoever reads the raw message sees a link, and not its '=' encoded.
fn body(text: &str) -> Body {
    let text = with_crlf(text);
    let fits = text.is_ascii() && !text.contains('\0') && text.lines().all(|line| line.len() <= LONGEST_LINE);
    if fits {
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built(subject: &str, html: Option<&str>, headers: &[(&str, &str)]) -> Result<String, MessageError> {
        let from = "Acme Ä <no-reply@bücher.example>".parse().unwrap();
        let to = "bob@acme.example".parse().unwrap();
        let text = "Hi\nyou: https://x.example/#a=b\n";
        let at = SystemTime::UNIX_EPOCH;
        let message = NewMessage {
            id: "019-a",
            at,
            from: &from,
            reply_to: None,
            to: &to,
            subject,
            text,
            html,
            headers,
        };
        message.build().map(|it| String::from_utf8(it.content).unwrap())
    }

    #[test]
    fn a_message_has_its_headers_and_its_link_as_it_is() {
        let text = built("Hello", None, &[("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]).unwrap();
        for part in [
            "Message-ID: <019-a@xn--bcher-kva.example>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "<no-reply@xn--bcher-kva.example>\r\n",
            "To: bob@acme.example\r\n",
            "Subject: Hello\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            "\r\n\r\nHi\r\nyou: https://x.example/#a=b\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn a_message_can_have_a_text_and_a_page() {
        let text = built("Hello", Some("<p>Hi ä</p>"), &[]).unwrap();
        assert!(text.contains("multipart/alternative") && text.contains("text/html"), "{text}");
        let plain = text.find("text/plain").unwrap();
        assert!(plain < text.find("text/html").unwrap(), "the plain text comes first");
    }

    proptest! {
        #[test]
        fn no_value_of_a_header_makes_another_header(
            before in "\\PC{0,80}", control in "[\\x00-\\x1f\\x7f]", after in "\\PC{0,80}",
        ) {
            let value = format!("{before}{control}{after}");
            let refused = |result: Result<String, MessageError>| matches!(result, Err(MessageError::Control(_)));
            prop_assert!(refused(built(&value, None, &[])), "{:?}", value);
            prop_assert!(refused(built("Hello", None, &[("X-Test", &value)])), "{:?}", value);
            let name = format!("{value} <a@b.example>").parse::<MailAddress>();
            // White space at the ends of a name goes; what is left is a line.
            prop_assert!(name.is_err() || !name.unwrap().to_string().contains(char::is_control));
        }

        #[test]
        fn a_subject_stays_one_header_whatever_its_letters(subject in "\\PC{0,200}") {
            let text = built(&subject, None, &[]).unwrap();
            let (headers, body) = text.split_once("\r\n\r\n").unwrap();
            // Folded lines begin with a space; all others are headers that were asked for.
            let names = headers.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
            for name in names.map(|line| line.split_once(':').unwrap().0) {
                let known = ["Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type",
                    "Content-Transfer-Encoding"];
                prop_assert!(known.contains(&name), "{}", name);
            }
            prop_assert_eq!(body, "Hi\r\nyou: https://x.example/#a=b\r\n");
        }
    }
}
