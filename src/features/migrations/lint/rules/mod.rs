//! The rules: what each is about, when it is asked, and the safer way. The page of rules in the
//! documentation is made of this table.

mod breaks;
mod fails;
mod locks;
mod style;

use serde::Serialize;

pub(super) use fails::{
    EMPTY_FILE, FOREIGN_WAIVER, LATE_NO_TRANSACTION, MISNAMED_FILE, NEEDS_NO_TRANSACTION, OUTSIDE_TENANT,
    SINGLE_STATEMENT, SYNTAX, TRANSACTION_CONTROL, UNKNOWN_RULE, UNSENDABLE, UNUSED_WAIVER,
};

use crate::kernel::suggest;

/// A rule of the linter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as a waiver has it.
    pub name: &'static str,
    pub author: Author,
    /// What happens where it is not kept.
    pub effect: Effect,
    pub level: Level,
    pub what: &'static str,
    /// The safer way; of one that is never asked: why not.
    pub instead: &'static str,
}

/// Who finds what breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The linter squawk.
    Squawk,
    /// Nexus.
    Nexus,
}

/// What happens where a rule is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Others wait for a lock.
    Locks,
    /// A table is written anew, and locked for as long.
    Rewrites,
    /// Programs of the version before do not work any more, or data is lost.
    Breaks,
    /// The migration itself fails, or does not do what it seems to.
    Fails,
    /// Something outside the tenant's database changes.
    Escapes,
    /// Nothing of these; a matter of taste.
    Style,
}

/// When a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Always.
    Usual,
    /// With `--strict`.
    Strict,
    /// Never.
    Never,
}

impl Effect {
    /// All of them, the worst for a tenant's users first.
    pub const ALL: [Self; 6] =
        [Self::Escapes, Self::Breaks, Self::Rewrites, Self::Locks, Self::Fails, Self::Style];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Locks => "locks",
            Self::Rewrites => "rewrites",
            Self::Breaks => "breaks",
            Self::Fails => "fails",
            Self::Escapes => "escapes",
            Self::Style => "style",
        }
    }
}

impl Rule {
    const fn squawk(name: &'static str, effect: Effect, what: &'static str, instead: &'static str) -> Self {
        Self { name, author: Author::Squawk, effect, level: Level::Usual, what, instead }
    }

    const fn nexus(name: &'static str, effect: Effect, what: &'static str, instead: &'static str) -> Self {
        Self { name, author: Author::Nexus, effect, level: Level::Usual, what, instead }
    }

    const fn strict(self) -> Self {
        Self { level: Level::Strict, ..self }
    }

    /// Not asked, because of `instead`.
    const fn never(self) -> Self {
        Self { level: Level::Never, ..self }
    }

    /// Whether a file can be let off.
    #[must_use]
    pub fn can_be_waived(&self) -> bool {
        self.effect != Effect::Escapes
            && ![UNSENDABLE, TRANSACTION_CONTROL, MISNAMED_FILE].contains(&self.name)
    }
}

/// Every rule, by effect.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [breaks::RULES, locks::RULES, fails::RULES, style::RULES].into_iter().flatten()
}

/// The rule of a name.
pub(super) fn named(name: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.name == name)
}

/// The rule whose name is the nearest.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    suggest::nearest(name, all().map(|rule| rule.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let names: BTreeSet<_> = all().map(|rule| rule.name).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn squawks_rules_are_those_of_the_squawk_that_is_built_in() {
        // It has no list of them. 2.68 has 77, and unused-ignore, which is about its own comments.
        let squawks: Vec<_> = all().filter(|rule| rule.author == Author::Squawk).collect();
        for rule in &squawks {
            let theirs = rule.name.parse::<squawk_linter::Rule>().expect(rule.name);
            assert_eq!(theirs.to_string(), rule.name);
        }
        assert_eq!(squawks.len(), 77);
    }

    #[test]
    fn no_rule_of_ours_has_the_name_of_one_of_squawks() {
        for rule in all().filter(|rule| rule.author == Author::Nexus) {
            assert!(rule.name.parse::<squawk_linter::Rule>().is_err(), "{}", rule.name);
        }
    }

    #[test]
    fn what_is_not_asked_says_why_and_what_is_asked_says_what_to_do() {
        for rule in all() {
            assert!(!rule.what.is_empty() && !rule.instead.is_empty(), "{}", rule.name);
        }
    }
}
