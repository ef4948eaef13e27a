//! Values that arguments are parsed into before any service sees them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::kernel::slug::SlugError;
use crate::kernel::{Page, Slug, TenantId};

/// A tenant, by either of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRef {
    /// By its id, which never changes.
    Id(TenantId),
    /// By its slug.
    Slug(Slug),
}

impl FromStr for TenantRef {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<TenantId>() {
            // A UUID without hyphens could be a slug, too, if it begins with a letter.
            Ok(id) if text.len() == 36 => Ok(Self::Id(id)),
            _ => text.parse().map(Self::Slug),
        }
    }
}

impl fmt::Display for TenantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Slug(slug) => slug.fmt(f),
        }
    }
}

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`
    Stdin,
    /// A path.
    File(PathBuf),
}

impl FromStr for Input {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) })
    }
}

/// `FIELD`, or `-FIELD` for the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort<F> {
    /// What is sorted by.
    pub field: F,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl<F: clap::ValueEnum> FromStr for Sort<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let field = F::from_str(name, false).map_err(|_| {
            let names: Vec<_> = F::value_variants()
                .iter()
                .filter_map(clap::ValueEnum::to_possible_value)
                .map(|value| value.get_name().to_owned())
                .collect();
            format!("one of {}, or with a '-' before it", names.join(", "))
        })?;
        Ok(Self { field, descending })
    }
}

/// Which rows of a long list.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Rows")]
pub struct PageArgs {
    /// Show this page, from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,
    /// Show this many rows a page
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Show every row
    #[arg(long, alias = "all-pages", conflicts_with_all = ["page", "limit"])]
    all: bool,
}

impl PageArgs {
    /// The page; `None`: every row.
    #[must_use]
    pub fn page(self) -> Option<Page> {
        (!self.all).then_some(Page { page: self.page, limit: self.limit })
    }
}

/// Checks that a text looks like an e-mail address: one `@` with something before it and a domain
/// after it, at most 254 characters (RFC 5321, section 4.5.3.1.3), nothing that breaks a header.
///
/// # Errors
/// What is wrong with it.
pub fn email(text: &str) -> Result<String, String> {
    let unfit = |c: char| c.is_control() || c.is_whitespace() || "<>(),;:\"[]\\".contains(c);
    let right = match text.split_once('@') {
        Some((user, domain)) => {
            !user.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
        }
        None => false,
    };
    if right && text.len() <= 254 && !text.contains(unfit) {
        Ok(text.to_owned())
    } else {
        Err("an address is written like ann@example.com".to_owned())
    }
}

/// Checks a tenant's name for people: 1 to 200 characters, none of them a control character.
///
/// # Errors
/// What is wrong with it.
pub fn display_name(text: &str) -> Result<String, String> {
    if (1..=200).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.contains(char::is_control)
    {
        Ok(text.trim().to_owned())
    } else {
        Err("a name has 1 to 200 characters, none of them a control character".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_named_by_id_or_slug() {
        let id = "0190b6e0-0000-7000-8000-000000000000";
        assert!(matches!(id.parse(), Ok(TenantRef::Id(_))));
        assert!(matches!("acme".parse(), Ok(TenantRef::Slug(_))));
        assert!("Acme".parse::<TenantRef>().is_err());
    }

    #[test]
    fn addresses_that_mail_could_not_carry_are_refused() {
        assert!(email("ann@example.com").is_ok());
        for bad in ["ann", "@x", "a@", "a@b@c", "a b@c", "a@c\r\nBcc: x", "a@.c"] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
