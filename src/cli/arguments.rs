//! Values that arguments are parsed into before any service sees them.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output::Screen;
use crate::kernel::Page;

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
            format!("one of {}, or with a '-' before it", names.join(", "))
        })?;
        Ok(Self { field, descending })
    }
}

/// Which rows of a long list.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Rows")]
pub struct PageArgs {
    /// Show this page, from 1; on a terminal the first, elsewhere every row, unless it is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,
    /// Show this many rows a page [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
    /// Show every row, on a terminal, too
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
