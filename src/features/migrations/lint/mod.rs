//! Looks at migrations for what will lock, rewrite or break, before any tenant has them. Most of
//! it is found by squawk's linter, the rest by `own.rs` and `outside.rs`. `rules/` says what is asked, and
//! why.

mod enforced;
mod lines;
mod outside;
mod own;
mod rules;
mod service;
mod statement;

use std::collections::BTreeSet;

use serde::Serialize;
use squawk_linter::{Linter, LinterSettings};
use squawk_syntax::SourceFile;

use super::error::MigrationsError;
use super::file::Direction;
use super::header::{Header, Waiver, late_no_transaction};
use super::misnamed::Misnamed;
use crate::infra::db::{self, FlawKind};
pub use enforced::{Outside, outside_tenant};
use lines::Lines;
use own::Hit;
pub use rules::{Author, Effect, Level, Rule, all as all_rules};
use rules::{
    FOREIGN_WAIVER, LATE_NO_TRANSACTION, MISNAMED_FILE, SYNTAX, UNKNOWN_RULE, UNSENDABLE, UNUSED_WAIVER,
};
pub use service::{of_file, of_sets};
use statement::{Statement, for_squawk, statements};

/// Oldest major version of PostgreSQL that a tenant may live on.
const POSTGRES: &str = "15";
/// Most places of a file that no server can be sent which are told.
const MOST_FLAWS: usize = 100;
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

/// What squawk says of statements that transaction-control finds.
const OF_TRANSACTIONS: [&str; 2] = ["transaction-nesting", "ban-uncommitted-transaction"];

/// A text to look at.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Of which set, if of one.
    pub set: Option<String>,
    pub file: String,
    /// Which way it leads. A way back is looked at for its syntax, and for what no run does.
    pub direction: Direction,
    pub text: String,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which set, if of one.
    pub set: Option<String>,
    pub file: String,
    /// In which line, from 1.
    pub line: usize,
    /// At which character of it, from 1.
    pub column: usize,
    /// By which rule.
    pub rule: String,
    pub effect: Effect,
    /// What that means for the file.
    pub state: State,
    pub message: String,
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

impl Finding {
    /// Of a file that is none of its set's, and may have been meant to be.
    fn of_name(set: &str, misnamed: &Misnamed) -> Self {
        let rule = rules::named(MISNAMED_FILE);
        let meant = misnamed.flaw.looks_meant();
        Self {
            set: Some(set.to_owned()),
            file: misnamed.file.display().to_string(),
            line: 1,
            column: 1,
            rule: MISNAMED_FILE.to_owned(),
            effect: rule.map_or(Effect::Fails, |rule| rule.effect),
            state: if meant { State::Fails } else { State::Notice },
            message: format!("the file is not run: {}", misnamed.flaw),
            instead: rule.map_or("", |rule| rule.instead).to_owned(),
            excerpt: String::new(),
            reason: None,
        }
    }
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
    let foreign = squawks_comments(text);
    let back = subject.direction == Direction::Down;
    let lines = Lines::of(text);
    let view = View { subject, lines: &lines };
    let flaws = flaws(text, &lines);
    let mut hits =
        hits((text, &for_squawk(text, &foreign), &lines), header.directives.transaction, back, strict);
    if let Some((first, _)) = flaws.first() {
        // What is no SQL is no syntax error, too, and what follows it is noise.
        hits.retain(|hit| hit.rule != SYNTAX || hit.end <= first.start);
    }
    if let Some(line) = late_no_transaction(text) {
        let start = lines.start(line);
        hits.push(Hit { rule: LATE_NO_TRANSACTION, start, end: start });
    }
    let mut used = vec![false; header.waivers.len()];
    let mut found: Vec<Finding> =
        hits.into_iter().map(|hit| view.finding(hit, &header.waivers, &mut used)).collect();
    found.extend(flaws.into_iter().map(|(hit, kind)| Finding {
        message: kind.to_string(),
        instead: kind.instead().to_owned(),
        ..view.finding(hit, &[], &mut [])
    }));
    let notices = foreign.into_iter().map(|(start, end)| Hit { rule: FOREIGN_WAIVER, start, end });
    found.extend(notices.map(|hit| Finding { state: State::Notice, ..view.finding(hit, &[], &mut []) }));
    if !back {
        found.extend(header.waivers.iter().zip(used).filter_map(|(it, used)| view.idle(it, used, strict)));
    }
    found.sort_by(|a, b| (a.line, a.column, &a.rule).cmp(&(b.line, b.column, &b.rule)));
    Ok(found)
}

/// What no server can be sent, each with the rest of its line.
fn flaws<'a>(text: &'a str, lines: &Lines<'_>) -> Vec<(Hit, FlawKind<'a>)> {
    let flaws = db::statements(text).into_iter().filter_map(|it| it.flaw).take(MOST_FLAWS);
    let hit = |start| Hit { rule: UNSENDABLE, start, end: lines.end(start) };
    flaws.map(|flaw| (hit(flaw.start), flaw.kind)).collect()
}

/// What breaks a rule that is asked. `bare` is the text for squawk.
fn hits(
    (text, bare, lines): (&str, &str, &Lines<'_>),
    transaction: bool,
    back: bool,
    strict: bool,
) -> Vec<Hit> {
    let parse = SourceFile::parse(bare);
    let statements = statements(text);
    let mut with_error = BTreeSet::new();
    let mut hits = Vec::new();
    for error in parse.errors() {
        let (start, end) = (usize::from(error.range().start()), usize::from(error.range().end()));
        // What follows from the first error of a line is noise.
        if with_error.insert(lines.line(start)) {
            hits.push(Hit { rule: SYNTAX, start, end });
        }
    }
    if back {
        hits.extend(own::never(&statements, transaction));
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
    for violation in linter.lint(&parse, bare) {
        let range = violation.text_range;
        let (start, end) = (usize::from(range.start()), usize::from(range.end()));
        let rule = rules::named(&violation.code.to_string());
        let Some(rule) = rule.filter(|rule| is_asked(rule, strict)) else { continue };
        if transaction && OF_TRANSACTIONS.contains(&rule.name) {
            continue;
        }
        let of_others = !matches!(rule.effect, Effect::Fails | Effect::Style);
        if of_others && is_within(&ours, start, end) {
            continue;
        }
        hits.push(Hit { rule: rule.name, start, end });
    }
    without_less_exact(hits)
}

/// Whether a place is in one of these statements, which are in order.
fn is_within(statements: &[&Statement], start: usize, end: usize) -> bool {
    let before = statements.partition_point(|it| it.start <= start);
    before.checked_sub(1).is_some_and(|it| end <= statements[it].end)
}

/// Leaves out what another hit says of the same place, and better.
fn without_less_exact(mut hits: Vec<Hit>) -> Vec<Hit> {
    let is_exact = |hit: &&Hit| LESS_EXACT.iter().any(|(_, better)| better.contains(&hit.rule));
    let mut exact: Vec<Hit> = hits.iter().filter(is_exact).copied().collect();
    exact.sort_by_key(|hit| hit.start);
    hits.retain(|hit| {
        let from = exact.partition_point(|other| other.start < hit.start);
        let inside = exact[from..].iter().take_while(|other| other.start <= hit.end);
        !LESS_EXACT.iter().any(|(rule, _)| *rule == hit.rule)
            || !inside.into_iter().any(|other| is_less_exact(hit, other))
    });
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

/// A text whose findings are put into words.
struct View<'a> {
    subject: &'a Subject,
    lines: &'a Lines<'a>,
}

impl View<'_> {
    /// Puts a hit into words, and notes the waiver that it uses up.
    fn finding(&self, hit: Hit, waivers: &[Waiver], used: &mut [bool]) -> Finding {
        let subject = self.subject;
        let rule = rules::named(hit.rule);
        let mut reason = None;
        if rule.is_some_and(Rule::can_be_waived) {
            for (waiver, used) in waivers.iter().zip(used).filter(|(waiver, _)| waiver.rule == hit.rule) {
                *used = true;
                reason.get_or_insert_with(|| waiver.reason.clone());
            }
        }
        let (line, column) = self.lines.place(hit.start);
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
    fn idle(&self, waiver: &Waiver, used: bool, strict: bool) -> Option<Finding> {
        let start = self.lines.start(waiver.line);
        let of = |rule| self.finding(Hit { rule, start, end: start }, &[], &mut []);
        match rules::named(&waiver.rule) {
            None => {
                let near = rules::nearest(&waiver.rule);
                let instead = near.map(|name| format!("did you mean {name}?"));
                let message = format!("unknown rule {:?}", waiver.rule);
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
}

/// Where squawk's own comments are: they would waive without a reason.
fn squawks_comments(text: &str) -> Vec<(usize, usize)> {
    const WORDS: [&str; 2] = ["squawk-ignore", "squawk-disable"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Vec::new();
    }
    let is_squawks =
        |(start, end): &(usize, usize)| WORDS.iter().any(|word| text[*start..*end].contains(word));
    db::comments(text).filter(is_squawks).collect()
}

/// The beginning of a piece of the text, on one line.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    let piece = text.get(start..end).unwrap_or_default().trim_end_matches(';');
    let mut words = String::new();
    for word in piece.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().take(EXCERPT + 1));
        if words.chars().count() > EXCERPT {
            break;
        }
    }
    match words.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

#[cfg(test)]
mod tests;
