//! E-mail addresses, as far as a program can judge them without sending mail.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::text::{self, TextError};

/// An address: `local@domain`, at most 254 octets (RFC 5321 section 4.5.3.1, erratum 1690), the
/// local part at most 64, no white space or control characters, no quoted local parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Not one `@` with something on both sides.
    #[error("an e-mail address is written name@domain")]
    Shape,
    /// Longer than mail allows.
    #[error("an e-mail address has at most 254 characters, 64 of them before the @")]
    Length,
    /// White space, a control character, or one that separates addresses.
    #[error("{0:?} has no place in an e-mail address")]
    Character(char),
    /// It was pasted.
    #[error(transparent)]
    Secret(TextError),
    /// The domain is not one.
    #[error("what follows the @ is not a domain")]
    Domain,
}

impl Email {
    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What addresses are compared by: lower case, in the composed form NFC (UAX #15), the domain
    /// in Unicode (UTS #46), so that `xn--` and its letters are one. The local part is compared
    /// without case although RFC 5321 lets a host tell cases apart: none that people use does.
    #[must_use]
    pub fn key(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        format!("{}@{}", local_key(local), domain_key(domain))
    }

    /// Whether a text, e.g. one that was recorded, is this address.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        self.0 == other || other.parse::<Self>().is_ok_and(|other| other.key() == self.key())
    }

    /// What a part of an address, of which nobody knows which part it is, may be in keys.
    #[must_use]
    pub fn keys_of_part(part: &str) -> Vec<String> {
        match part.split_once('@') {
            Some((local, domain)) => vec![format!("{}@{}", local_key(local), domain_key(domain))],
            None => vec![local_key(part), domain_key(part)],
        }
    }
}

fn local_key(text: &str) -> String {
    text.nfc().map(text::fold).nfc().collect()
}

fn domain_key(text: &str) -> String {
    idna::domain_to_unicode(text).0.nfc().flat_map(char::to_lowercase).nfc().collect()
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let text = text::name(given).map_err(|error| match error {
            TextError::Control(c) | TextError::Invisible(c) | TextError::Unassigned(c) => {
                EmailError::Character(c)
            }
            TextError::Secret => EmailError::Secret(error),
        })?;
        // Spaces around it are a slip, not a part of the line.
        if let Some(c) = text::without_mark(given).chars().find(|c| c.is_whitespace()) {
            return Err(EmailError::Character(c));
        }
        let refused = |c: &char| c.is_whitespace() || c.is_control() || "()<>[],;:\\\"".contains(*c);
        if let Some(c) = text.chars().find(refused) {
            return Err(EmailError::Character(c));
        }
        let (local, domain) = text.split_once('@').ok_or(EmailError::Shape)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(EmailError::Shape);
        }
        if text.len() > 254 || local.len() > 64 {
            return Err(EmailError::Length);
        }
        let label = |label: &str| {
            !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
        };
        // IDNA says what letters a domain may have, and how long it is once it is encoded.
        let encoded = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::URL);
        let fits = encoded.is_ok_and(|ascii| !ascii.is_empty() && ascii.split('.').all(label));
        if !domain.split('.').all(label) || !fits {
            return Err(EmailError::Domain);
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_are_accepted() {
        for text in ["ann@acme.example", "a.b+c@x", "müller@straße.example"] {
            assert_eq!(text.parse::<Email>().map(|e| e.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn the_same_address_has_the_same_key_however_it_is_written() {
        let key = |text: &str| text.parse::<Email>().unwrap().key();
        assert_eq!(key("Ann@ACME.Example"), "ann@acme.example");
        assert_eq!(key("mu\u{308}ller@x.example"), key("MÜLLER@x.example"));
        assert_eq!(key("a@xn--strae-oqa.example"), key("a@STRASSE.example".replace("SS", "ß").as_str()));
        assert_eq!(key("a@bücher.example"), key("A@XN--BCHER-KVA.example"));
        assert_ne!(key("a@strasse.example"), key("a@straße.example"));
        assert_eq!(key("用户@例子.测试"), "用户@例子.测试");
        assert_eq!(key("ΝΙΚΟΣ@x.example"), key("νικος@x.example"));
    }

    #[test]
    fn every_letter_has_one_key_in_all_its_cases() {
        for c in '\0'..=char::MAX {
            let (small, capital): (String, String) = (c.to_lowercase().collect(), c.to_uppercase().collect());
            if small == capital && text::fold(c) == c {
                continue;
            }
            let Ok(address) = format!("a{c}b@x.example").parse::<Email>() else { continue };
            let key = address.key();
            assert_eq!(key.parse::<Email>().unwrap().key(), key, "{c:?}");
            assert!(address.is(&key), "{c:?}");
            for other in [small, capital] {
                // A letter with a dot, or one whose other case is two letters, is another letter there.
                let is_one = other.chars().count() == 1 && !"ıİ".contains(c);
                assert!(!is_one || address.is(&format!("a{other}b@x.example")), "{c:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_part_of_an_address_is_looked_for_in_the_form_of_its_key() {
        let found = |part: &str, address: &str| {
            let key = address.parse::<Email>().unwrap().key();
            Email::keys_of_part(part).iter().any(|part| key.contains(part.as_str()))
        };
        for address in ["ΝΙΚΟΣ@Σας.example", "Müller@BÜCHER.example", "ſam@straße.example"] {
            let begin: String = address.chars().take(3).collect();
            for part in [address, &begin, &address[address.find('@').unwrap() + 1..]] {
                assert!(found(part, address), "{part} {address}");
            }
        }
        assert!(found("νικος", "ΝΙΚΟΣ@x.example") && found("bücher", "a@XN--BCHER-KVA.example"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ann",
            "@acme",
            "ann@",
            "a@b@c",
            "ann@acme..example",
            "ann@-x",
            "a nn@acme",
            "a\n@acme",
            "<a@b>",
            "a@xn--\u{fc}",
            "a@xn--a.example",
            "a@b_c d",
            "a\u{200b}nn@acme.example",
            "ann@ac\u{ad}me.example",
            "\u{202e}ann@acme.example",
            " ann@acme.example",
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
    }
}
