//! What a file says of itself in the comments before its first statement.
//!
//! `-- no-transaction` is sqlx's own word, and counts where sqlx has it count: as the very first
//! characters of the file. All others begin with `-- nexus:` and stand one a line:
//!
//! ```text
//! -- no-transaction
//! -- nexus: alone
//! -- nexus: lock_timeout=5s
//! -- nexus: statement_timeout=10min
//! -- nexus: allow RULE because REASON
//! ```

use std::fmt;
use std::time::Duration;

use super::model::Directives;
use crate::infra::db::{comments, leading_comments};
use crate::kernel::hint::MigrateAction;
use crate::kernel::{Hint, span, suggest};

/// How sqlx is told to run a file outside a transaction.
pub(super) const NO_TRANSACTION: &str = "-- no-transaction";
/// What our own directives begin with, after the two hyphens.
const MARK: &str = "nexus:";
/// Our own directives.
const WORDS: [&str; 4] = ["alone", "lock_timeout", "statement_timeout", "allow"];
/// Units of a time, each in milliseconds, the largest first; as PostgreSQL spells them (manual,
/// chapter 20.1.1).
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
/// The longest time that PostgreSQL takes (manual, chapter 20.1.1: milliseconds in an integer).
pub const LONGEST_TIMEOUT: Duration = Duration::from_millis(2_147_483_647);

/// A rule of the linter that a file is let off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub rule: String,
    pub reason: String,
    /// Where it stands, from 1.
    pub line: usize,
}

/// All that a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    pub directives: Directives,
    /// What the linter lets it off.
    pub waivers: Vec<Waiver>,
}

/// What is wrong with a directive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFlaw {
    /// No such directive.
    #[error("{0:?} is not a directive")]
    Unknown(String),
    /// The directive takes nothing, and something follows.
    #[error("'{0}' takes nothing after it, found {1:?}; write one directive a line")]
    Trailing(&'static str, String),
    /// The directive takes a time, and there is none or a wrong one.
    #[error("'{0}' takes a time of 1ms to 24d, e.g. {0}=5s, found {1:?}")]
    Time(&'static str, String),
    /// The directive stands there twice.
    #[error("'{0}' is given twice")]
    Twice(&'static str),
    /// A waiver without a rule, without `because`, or without a reason.
    #[error("a rule is waived with a reason: -- nexus: allow RULE because REASON")]
    NoReason,
    /// Below the first statement, where no directive is looked for.
    #[error("a directive counts only above the first statement")]
    TooLate,
}

impl HeaderFlaw {
    /// What to write instead.
    pub(super) fn hint(&self) -> Hint {
        let text = match self {
            Self::Unknown(word) => match suggest::nearest(word, WORDS) {
                Some("allow") => "write: -- nexus: allow RULE because REASON".to_owned(),
                Some("alone") => "write: -- nexus: alone".to_owned(),
                Some(near) => format!("write: -- nexus: {near}=5s"),
                None => {
                    "there are: alone, lock_timeout=TIME, statement_timeout=TIME, allow RULE because REASON"
                        .to_owned()
                }
            },
            Self::Trailing(..) => "write one directive a line".to_owned(),
            Self::Time(word, _) => format!("write: -- nexus: {word}=5s   (units: ms, s, m, h, d, w)"),
            Self::Twice(word) => format!("keep one '{word}'"),
            Self::NoReason => return Hint::new("see the rules", MigrateAction::ShowRules),
            Self::TooLate => "move it to the top of the file".to_owned(),
        };
        text.into()
    }
}

impl Header {
    /// Reads the header of a text.
    ///
    /// # Errors
    /// The first flaw, and the line that it is in, from 1.
    pub fn parse(text: &str) -> Result<Self, (usize, HeaderFlaw)> {
        let mut header = Self::default();
        header.directives.transaction = !text.starts_with(NO_TRANSACTION);
        let (comments, end) = leading_comments(text);
        for (line, comment) in comments {
            if let Some(directive) = directive(comment) {
                header.take(directive, line).map_err(|flaw| (line, flaw))?;
            }
        }
        match late_directive(text, end) {
            Some(line) => Err((line, HeaderFlaw::TooLate)),
            None => Ok(header),
        }
    }

    fn take(&mut self, text: &str, line: usize) -> Result<(), HeaderFlaw> {
        let end = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let rest = rest.trim();
        let directives = &mut self.directives;
        match word {
            "alone" if !rest.is_empty() => Err(HeaderFlaw::Trailing("alone", rest.to_owned())),
            "alone" if directives.alone => Err(HeaderFlaw::Twice("alone")),
            "alone" => {
                directives.alone = true;
                Ok(())
            }
            "lock_timeout" => set_time("lock_timeout", rest, &mut directives.lock_timeout),
            "statement_timeout" => set_time("statement_timeout", rest, &mut directives.statement_timeout),
            "allow" => {
                self.waivers.push(waiver(rest, line).ok_or(HeaderFlaw::NoReason)?);
                Ok(())
            }
            other => Err(HeaderFlaw::Unknown(other.to_owned())),
        }
    }
}

/// A header as it is written, each directive on a line of its own.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Directives { transaction, alone, lock_timeout, statement_timeout } = self.directives;
        if !transaction {
            writeln!(f, "{NO_TRANSACTION}")?;
        }
        if alone {
            writeln!(f, "-- {MARK} alone")?;
        }
        for (word, time) in [("lock_timeout", lock_timeout), ("statement_timeout", statement_timeout)] {
            if let Some(time) = time {
                writeln!(f, "-- {MARK} {word}={}", time_text(time))?;
            }
        }
        for waiver in &self.waivers {
            writeln!(f, "-- {MARK} allow {} because {}", waiver.rule, waiver.reason)?;
        }
        Ok(())
    }
}

/// A time in the largest unit that it is a whole number of.
#[must_use]
pub fn time_text(time: Duration) -> String {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let whole = |(_, size): &&(&str, u64)| milliseconds.is_multiple_of(*size);
    match UNITS.iter().find(whole) {
        Some((unit, size)) => format!("{}{unit}", milliseconds / size),
        None => format!("{milliseconds}ms"),
    }
}

/// Whether a header says `no-transaction` where sqlx does not look; the line, from 1.
pub(super) fn late_no_transaction(text: &str) -> Option<usize> {
    if text.starts_with(NO_TRANSACTION) {
        return None;
    }
    let (comments, _) = leading_comments(text);
    comments.into_iter().find(|(_, comment)| comment.trim() == "no-transaction").map(|(line, _)| line)
}

/// The line of the first directive behind a byte, if there is one.
fn late_directive(text: &str, from: usize) -> Option<usize> {
    let is_late = |comment: &str| comment.strip_prefix("--").is_some_and(|it| directive(it).is_some());
    // Few texts have such a line, which may still be part of a string.
    text[from..].split(['\n', '\r']).find(|line| is_late(line.trim_start()))?;
    let (start, _) = comments(text).find(|(start, end)| *start >= from && is_late(&text[*start..*end]))?;
    Some(text[..start].matches('\n').count() + 1)
}

/// The directive in a comment, without its mark.
fn directive(comment: &str) -> Option<&str> {
    let comment = comment.trim();
    let mark = comment.get(..MARK.len())?;
    mark.eq_ignore_ascii_case(MARK).then(|| comment[MARK.len()..].trim())
}

fn set_time(word: &'static str, rest: &str, place: &mut Option<Duration>) -> Result<(), HeaderFlaw> {
    let given = rest.strip_prefix('=').and_then(|time| parse_time(time.trim()));
    let time = given.ok_or_else(|| HeaderFlaw::Time(word, rest.trim_start_matches('=').trim().to_owned()))?;
    if place.replace(time).is_some() {
        return Err(HeaderFlaw::Twice(word));
    }
    Ok(())
}

fn parse_time(text: &str) -> Option<Duration> {
    span::parse(text, Duration::from_millis(1)..=LONGEST_TIMEOUT).ok()
}

fn waiver(text: &str, line: usize) -> Option<Waiver> {
    let (rule, rest) = text.split_once(char::is_whitespace)?;
    let (because, reason) = rest.trim_start().split_once(char::is_whitespace)?;
    let reason = reason.trim();
    let whole = because == "because" && !reason.is_empty();
    whole.then(|| Waiver { rule: rule.to_owned(), reason: reason.to_owned(), line })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flaw(text: &str) -> (usize, HeaderFlaw) {
        Header::parse(text).unwrap_err()
    }

    #[test]
    fn a_file_without_a_header_runs_in_a_transaction() {
        assert_eq!(Header::parse("create table a ();").unwrap(), Header::default());
        assert!(Header::default().directives.transaction);
    }

    #[test]
    fn every_directive_is_read() {
        let text = "-- no-transaction\n\n/* licence -- nexus: no */ -- Builds an index.\n--nexus:alone\n\
                    -- NEXUS: lock_timeout = 5s\n-- nexus: statement_timeout=10min\n\
                    -- nexus: allow a-rule because the table is small\ncreate index concurrently i on t (a);";
        let header = Header::parse(text).unwrap();
        assert_eq!(
            header.directives,
            Directives {
                transaction: false,
                alone: true,
                lock_timeout: Some(Duration::from_secs(5)),
                statement_timeout: Some(Duration::from_mins(10)),
            }
        );
        let waiver = Waiver { rule: "a-rule".into(), reason: "the table is small".into(), line: 7 };
        assert_eq!(header.waivers, [waiver]);
    }

    #[test]
    fn no_transaction_counts_where_sqlx_has_it_count() {
        assert!(Header::parse("\n-- no-transaction\nselect 1").unwrap().directives.transaction);
        assert_eq!(late_no_transaction("-- Why.\n-- no-transaction\nselect 1"), Some(2));
        assert_eq!(late_no_transaction("-- no-transaction\nselect 1"), None);
    }

    #[test]
    fn what_is_no_directive_is_named_with_its_line_and_the_nearest_word() {
        let (line, unknown) = flaw("-- Why.\n-- nexus: lok_timeout=5s\nselect 1");
        assert_eq!((line, &unknown), (2, &HeaderFlaw::Unknown("lok_timeout".into())));
        assert_eq!(unknown.hint().text, "write: -- nexus: lock_timeout=5s");
        assert_eq!(flaw("-- nexus: alone lock_timeout=5s").1.hint().text, "write one directive a line");
        assert_eq!(flaw("-- nexus: alone\n-- nexus: alone"), (2, HeaderFlaw::Twice("alone")));
        assert_eq!(flaw("-- nexus: allow a-rule"), (1, HeaderFlaw::NoReason));
        assert_eq!(flaw("-- nexus: allow a-rule because "), (1, HeaderFlaw::NoReason));
        assert_eq!(flaw("select 1;\n-- nexus: alone"), (2, HeaderFlaw::TooLate));
    }

    #[test]
    fn a_time_has_a_unit_and_is_not_nothing() {
        for bad in ["", "=", "=5", "=0s", "=-1s", "=5 weeks", "=1.5s", "=99999999999h", "=s", "5s"] {
            let (_, flaw) = flaw(&format!("-- nexus: lock_timeout{bad}\nselect 1"));
            assert!(matches!(flaw, HeaderFlaw::Time("lock_timeout", _) | HeaderFlaw::Unknown(_)), "{bad}");
        }
    }

    const LONGEST: u64 = 2_147_483_647;

    fn headers() -> impl Strategy<Value = Header> {
        let time = || proptest::option::of((1..=LONGEST).prop_map(Duration::from_millis));
        let waiver = ("[a-z][a-z-]{0,20}", "[^ \\s\\p{C}]{1,8}( [^ \\s\\p{C}]{1,8}){0,3}");
        let waivers = proptest::collection::vec(waiver, 0..4);
        let parts = (any::<bool>(), any::<bool>(), time(), time(), waivers);
        parts.prop_map(|(transaction, alone, lock_timeout, statement_timeout, waivers)| {
            let directives = Directives { transaction, alone, lock_timeout, statement_timeout };
            let before = [!transaction, alone, lock_timeout.is_some(), statement_timeout.is_some()];
            let first = before.into_iter().filter(|there| *there).count() + 1;
            let waivers = waivers.into_iter().enumerate();
            let waivers = waivers.map(|(index, (rule, reason))| Waiver { rule, reason, line: first + index });
            Header { directives, waivers: waivers.collect() }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(header in headers()) {
            let text = format!("{header}create table a ();");
            prop_assert_eq!(Header::parse(&text), Ok(header));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            let _ = Header::parse(&text);
        }

        #[test]
        fn nothing_that_looks_like_a_header_is_too_strange(
            text in "(--|/\\*|\\*/| |\n|\r|\t|nexus:|Nexus:|allow|alone|because|lock_timeout|=|5s|9{25}h|é|;|select)*",
        ) {
            let _ = Header::parse(&text);
            let _ = late_no_transaction(&text);
        }

        #[test]
        fn a_time_is_read_as_it_is_written(milliseconds in 1..=LONGEST) {
            let time = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_time(&time_text(time)), Some(time));
        }
    }
}
