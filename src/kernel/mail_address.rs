//! An address as headers of mail write it: with a name, where it has one (RFC 5322, section 3.4).

use std::fmt;
use std::str::FromStr;

use super::email::{Email, EmailError};
use super::line::DisplayName;

/// `Acme Support <help@acme.example>`, or the address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAddress {
    pub name: Option<DisplayName>,
    pub address: Email,
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailAddressError {
    #[error(transparent)]
    Address(#[from] EmailError),
    /// What stands before the address.
    #[error("{0}")]
    Name(String),
}

impl MailAddress {
    /// The domain in the form that goes over the wire (RFC 5890, A-labels).
    #[must_use]
    pub fn domain(&self) -> String {
        ascii_domain(self.address.as_str().rsplit_once('@').map_or("", |(_, domain)| domain))
    }
}

/// A domain in A-labels; one that has none stays as it is.
#[must_use]
pub fn ascii_domain(domain: &str) -> String {
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned())
}

impl From<Email> for MailAddress {
    fn from(address: Email) -> Self {
        Self { name: None, address }
    }
}

impl FromStr for MailAddress {
    type Err = MailAddressError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let text = given.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else {
            return Ok(text.parse::<Email>()?.into());
        };
        let name = name.trim();
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let name = quoted.unwrap_or(name);
        let address = address.parse()?;
        if name.is_empty() {
            return Ok(Self { name: None, address });
        }
        let name = name.parse::<DisplayName>().map_err(|error| MailAddressError::Name(error.to_string()))?;
        Ok(Self { name: Some(name), address })
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_or_none() {
        let shown = |text: &str| text.parse::<MailAddress>().map(|it| it.to_string());
        assert_eq!(shown("Acme <no-reply@acme.example>").unwrap(), "Acme <no-reply@acme.example>");
        assert_eq!(shown(" \"Acme, Inc.\" <a@acme.example>").unwrap(), "Acme, Inc. <a@acme.example>");
        assert_eq!(shown("<a@acme.example>").unwrap(), "a@acme.example");
        assert_eq!(shown("a@acme.example").unwrap(), "a@acme.example");
        for wrong in ["", "Acme", "Acme <>", "Acme <a@b", "A\r\nBcc: <a@b>", "a@b <c@d>, e@f", "a@b\r\n.x"] {
            assert!(shown(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_domain_of_other_letters_has_a_form_for_the_wire() {
        assert_eq!("a@bücher.example".parse::<MailAddress>().unwrap().domain(), "xn--bcher-kva.example");
    }
}
