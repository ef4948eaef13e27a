//! Values that arguments are parsed into before any service sees them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output::Screen;
use crate::features::migrations::LONGEST_TIMEOUT;
use crate::kernel::span::{self, SpanError};
pub use crate::kernel::text::one_line;
use crate::kernel::{DisplayName, Page, text};

/// Rows of a page, unless it is said.
const LIMIT: u32 = 100;

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
            format!("one of {}, or with a leading '-'", names.join(", "))
        })?;
        Ok(Self { field, descending })
    }
}

/// A number from 0, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<N>(Option<N>);

impl<N> Limit<N> {
    /// The number; `None`: no limit.
    #[must_use]
    pub fn number(self) -> Option<N> {
        self.0
    }
}

impl<N: FromStr + PartialOrd + Default> FromStr for Limit<N> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = || text.parse().ok().filter(|number| *number >= N::default());
        match text {
            "none" => Ok(Self(None)),
            _ => number().map(|number| Self(Some(number))).ok_or("a number from 0, or 'none'"),
        }
    }
}

/// Which rows of a long list.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Rows")]
pub struct PageArgs {
    /// Show this page, counted from 1 [default: on a terminal the first, elsewhere every row]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,
    /// Show this many rows a page [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
    /// Show every row, also on a terminal
    #[arg(long, alias = "all-pages", conflicts_with_all = ["page", "limit"])]
    all: bool,
}

impl PageArgs {
    /// The page; `None`: every row, as a script that names no page wants it.
    #[must_use]
    pub fn page(self, screen: &Screen) -> Option<Page> {
        let asked = self.page.is_some() || self.limit.is_some();
        let page = Page { page: self.page.unwrap_or(1), limit: self.limit.unwrap_or(LIMIT) };
        (!self.all && (asked || screen.data_on_terminal())).then_some(page)
    }
}

/// Parses one of a few words.
pub fn word<T: Copy + Send + Sync + 'static>(
    all: impl IntoIterator<Item = T> + Clone + Send + Sync + 'static,
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<&'static str> = all.clone().into_iter().map(name).collect();
    PossibleValuesParser::new(names).try_map(move |text| {
        all.clone()
            .into_iter()
            .find(|value| name(*value) == text)
            .ok_or_else(|| format!("no such word: {text}"))
    })
}

/// What is to be done to something that may have no value: `None` keeps it, `Some(None)` removes it.
pub fn set_or_remove<T>(given: Option<T>, remove: bool) -> Option<Option<T>> {
    given.map(Some).or(remove.then_some(None))
}

/// A span of time.
pub fn duration(given: &str) -> Result<Duration, SpanError> {
    span::parse(given, Duration::ZERO..=span::LONGEST)
}

/// How long PostgreSQL is to wait, at most as long as it can.
pub fn timeout(given: &str) -> Result<Duration, SpanError> {
    span::parse(given, Duration::ZERO..=LONGEST_TIMEOUT)
}

/// A name for people, as [`DisplayName`] has it.
///
/// # Errors
/// What is wrong with it.
pub fn display_name(given: &str) -> Result<String, String> {
    given.parse::<DisplayName>().map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// A text to search by, in the form in which names are kept.
///
/// # Errors
/// What is wrong with it.
pub fn search(given: &str) -> Result<String, String> {
    one_line("a text to search by", given, 0..=200)
}

/// The name or address of a host, an IPv6 address with or without brackets, or a socket's folder.
///
/// # Errors
/// What is wrong with it. Nothing of it is repeated, it may hold a password.
pub fn host(text: &str) -> Result<String, String> {
    let wrong = "a host's name, an address, or a socket's folder beginning with '/'; login, password, port \
                 and database have arguments of their own";
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match address.parse::<std::net::Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(wrong.to_owned()),
        };
    }
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    let is_name =
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "/@?#,=:%\\[]".contains(c));
    let is_folder = text.starts_with('/') && !text.contains(',') && text::line(text).is_ok();
    if is_address || is_name || is_folder { Ok(text.to_owned()) } else { Err(wrong.to_owned()) }
}

/// The URL of an endpoint: no login, query or fragment is part of it.
///
/// # Errors
/// What is wrong with it.
pub fn endpoint(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = |rest: &&str| {
        !rest.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "@?#\\".contains(c))
    };
    match rest.filter(fits) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a URL like https://s3.example:9000, with no login and no query in it".to_owned()),
    }
}

/// A file, or the URL of a document: no login is part of it.
///
/// # Errors
/// What is wrong with it.
pub fn place(text: &str) -> Result<String, String> {
    if text.contains("://") { endpoint(text) } else { Ok(text.to_owned()) }
}
