//! E-mail addresses, as far as a program can judge them without sending mail.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

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
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
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
        if !domain.split('.').all(label) {
            return Err(EmailError::Domain);
        }
        Ok(Self(text.to_owned()))
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
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
    }
}
