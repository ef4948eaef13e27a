//! Looks at migrations for what will lock, rewrite or break, before any tenant has them. Most of
//! it is found by squawk's linter, the rest by `own.rs`; `rules/` says what is asked and why.

mod enforced;
mod own;
mod rules;
mod service;
mod statement;

use serde::Serialize;
use squawk_linter::{Linter, LinterSettings};
use squawk_syntax::SourceFile;

use super::error::MigrationsError;
use super::file::Direction;
use super::header::{Header, Waiver, late_no_transaction};
pub use enforced::{Outside, outside_tenant};
use own::Hit;
pub use rules::{Author, Effect, Level, Rule, all as all_rules};
use rules::{FOREIGN_WAIVER, LATE_NO_TRANSACTION, SYNTAX, UNKNOWN_RULE, UNUSED_WAIVER};
pub use service::{of_file, of_sets};
use statement::{comments, statements};

/// Oldest major version of PostgreSQL that a tenant may live on.
const POSTGRES: &str = "15";
/// Most characters of a statement that are shown.
const EXCERPT: usize = 80;

/// Rules that need not be told where a more exact one finds the same: its way out is the one that
/// works, e.g. no unique constraint can be NOT VALID.
const LESS_EXACT: [(&str, &[&str]); 2] = [
    (
        "constraint-missing-not-valid",
        &["adding-foreign-key-constraint", "adding-serial-primary-key-field", "disallowed-unique-constraint"],
    ),
    ("ban-alter-generated-expression", &["adding-field-with-default"]),
];

/// A text to look at.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Of which set, if of one.
    pub set: Option<String>,
    /// Its file.
    pub file: String,
    /// Which way it leads. A way back is looked at for its syntax, and for what acts outside the
    /// tenant.
    pub direction: Direction,
    /// The text.
    pub text: String,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which set, if of one.
    pub set: Option<String>,
    /// In which file.
    pub file: String,
    /// In which line, from 1.
    pub line: usize,
    /// At which character of it, from 1.
    pub column: usize,
    /// By which rule.
    pub rule: String,
    /// What happens.
    pub effect: Effect,
    /// What that means for the file.
    pub state: State,
    /// What was found.
    pub message: String,
    /// The safer way.
    pub instead: String,
    /// The beginning of the statement, or the part of it that is meant.
    pub excerpt: String,
    /// Why the file was let off.
    pub reason: Option<String>,
}

/// What a finding means for its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not to be run like this.
    Fails,
    /// Its author knows, and says why.
    Waived,
    /// Worth knowing.
    Notice,
}

impl State {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::Waived => "waived",
            Self::Notice => "notice",
        }
    }
}

/// Looks at one text; what was found is in the order of its lines.
///
/// # Errors
/// [`MigrationsError::Header`].
pub fn check(subject: &Subject, strict: bool) -> Result<Vec<Finding>, MigrationsError> {
    let text = &subject.text;
    let header = Header::parse(text).map_err(|(line, flaw)| MigrationsError::Header {
        file: subject.file.clone(),
        line,
        flaw,
    })?;
    let (foreign, bare) = without_squawks_comments(text);
    let back = subject.direction == Direction::Down;
    let mut hits = hits(&bare, header.directives.transaction, back, strict);
    if let Some(line) = late_no_transaction(text) {
        let start = line_start(text, line);
        hits.push(Hit { rule: LATE_NO_TRANSACTION, start, end: start });
    }
    let mut used = vec![false; header.waivers.len()];
    let mut found: Vec<Finding> =
        hits.into_iter().map(|hit| finding(subject, hit, &header.waivers, &mut used)).collect();
    let notices = foreign.into_iter().map(|(start, end)| Hit { rule: FOREIGN_WAIVER, start, end });
    found.extend(notices.map(|hit| Finding { state: State::Notice, ..finding(subject, hit, &[], &mut []) }));
    if !back {
        found
            .extend(header.waivers.iter().zip(used).filter_map(|(it, used)| idle(subject, it, used, strict)));
    }
    found.sort_by(|a, b| (a.line, a.column, &a.rule).cmp(&(b.line, b.column, &b.rule)));
    Ok(found)
}

/// What breaks a rule that is asked.
fn hits(text: &str, transaction: bool, back: bool, strict: bool) -> Vec<Hit> {
    let parse = SourceFile::parse(text);
    let statements = statements(&parse);
    let mut lines = Vec::new();
    let mut hits = Vec::new();
    for error in parse.errors() {
        let (start, end) = (usize::from(error.range().start()), usize::from(error.range().end()));
        // What follows from the first error of a line is noise.
        let line = text[..start].matches('\n').count();
        if !lines.contains(&line) {
            lines.push(line);
            hits.push(Hit { rule: SYNTAX, start, end });
        }
    }
    if back {
        hits.extend(own::outside_tenant(&statements));
        return hits;
    }
    hits.extend(own::hits(&statements, transaction));
    let ours = if transaction { own::on_tables_of_this_file(&statements) } else { Vec::new() };
    let asked = all_rules().filter(|rule| rule.author == Author::Squawk && is_asked(rule, strict));
    let mut linter = Linter::from(asked.filter_map(|rule| rule.name.parse::<squawk_linter::Rule>().ok()));
    linter.settings = LinterSettings {
        pg_version: POSTGRES.parse().unwrap_or_default(),
        assume_in_transaction: transaction,
    };
    for violation in linter.lint(&parse, text) {
        let range = violation.text_range;
        let (start, end) = (usize::from(range.start()), usize::from(range.end()));
        let rule = rules::named(&violation.code.to_string());
        let Some(rule) = rule.filter(|rule| is_asked(rule, strict)) else { continue };
        let of_others = !matches!(rule.effect, Effect::Fails | Effect::Style);
        if of_others && ours.iter().any(|it| it.start <= start && end <= it.end) {
            continue;
        }
        hits.push(Hit { rule: rule.name, start, end });
    }
    let exact = hits.clone();
    hits.retain(|hit| !exact.iter().any(|other| is_less_exact(hit, other)));
    hits
}

/// Whether another hit says the same of the same place, and better.
fn is_less_exact(hit: &Hit, other: &Hit) -> bool {
    let rules = LESS_EXACT.iter().find(|(rule, _)| *rule == hit.rule);
    let better = rules.is_some_and(|(_, better)| better.contains(&other.rule));
    better && hit.start <= other.start && other.end <= hit.end
}

fn is_asked(rule: &Rule, strict: bool) -> bool {
    match rule.level {
        Level::Usual => true,
        Level::Strict => strict,
        Level::Never => false,
    }
}

/// Puts a hit into words, and notes the waiver that it uses up.
fn finding(subject: &Subject, hit: Hit, waivers: &[Waiver], used: &mut [bool]) -> Finding {
    let rule = rules::named(hit.rule);
    let mut reason = None;
    if rule.is_some_and(Rule::can_be_waived) {
        for (waiver, used) in waivers.iter().zip(used).filter(|(waiver, _)| waiver.rule == hit.rule) {
            *used = true;
            reason.get_or_insert_with(|| waiver.reason.clone());
        }
    }
    let (line, column) = place(&subject.text, hit.start);
    Finding {
        set: subject.set.clone(),
        file: subject.file.clone(),
        line,
        column,
        rule: hit.rule.to_owned(),
        effect: rule.map_or(Effect::Fails, |rule| rule.effect),
        state: if reason.is_some() { State::Waived } else { State::Fails },
        message: rule.map_or("", |rule| rule.what).to_owned(),
        instead: rule.map_or("", |rule| rule.instead).to_owned(),
        excerpt: excerpt(&subject.text, hit.start, hit.end),
        reason,
    }
}

/// What is to be said of a waiver that let nothing off.
fn idle(subject: &Subject, waiver: &Waiver, used: bool, strict: bool) -> Option<Finding> {
    let start = line_start(&subject.text, waiver.line);
    let of = |rule| finding(subject, Hit { rule, start, end: start }, &[], &mut []);
    match rules::named(&waiver.rule) {
        None => {
            let near = rules::nearest(&waiver.rule);
            let instead = near.map(|name| format!("did you mean {name}?"));
            let message = format!("there is no rule {:?}", waiver.rule);
            let found = of(UNKNOWN_RULE);
            let instead = instead.unwrap_or_else(|| found.instead.clone());
            Some(Finding { message, instead, ..found })
        }
        Some(rule) if used || !is_asked(rule, strict) && rule.level == Level::Strict => None,
        Some(rule) if !rule.can_be_waived() => {
            let message = format!("rule {} cannot be waived", rule.name);
            Some(Finding { message, ..of(UNUSED_WAIVER) })
        }
        Some(rule) => {
            let message = format!("rule {} is waived, and nothing here breaks it", rule.name);
            Some(Finding { message, state: State::Notice, ..of(UNUSED_WAIVER) })
        }
    }
}

/// Where squawk's own comments are, and the text with blanks in their place: they would waive
/// without a reason.
fn without_squawks_comments(text: &str) -> (Vec<(usize, usize)>, String) {
    const WORDS: [&str; 2] = ["squawk-ignore", "squawk-disable"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return (Vec::new(), text.to_owned());
    }
    let mut found = comments(&SourceFile::parse(text));
    found.retain(|(start, end)| WORDS.iter().any(|word| text[*start..*end].contains(word)));
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in &found {
        bare.push_str(&text[at..*start]);
        bare.extend(text[*start..*end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        at = *end;
    }
    bare.push_str(&text[at..]);
    (found, bare)
}

/// The line and the character of a byte, from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// The byte that a line, from 1, begins with.
fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line - 1).map(str::len).sum()
}

/// The beginning of a piece of the text, on one line.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    let piece = text.get(start..end).unwrap_or_default().trim_end_matches(';');
    let words = piece.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

#[cfg(test)]
mod tests;
