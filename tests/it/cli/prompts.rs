//! Questions, and what happens where nobody can be asked.

use nexus::cli::Invocation;
use nexus::cli::prompt::{self, PromptError};
use nexus::cli::{GlobalArgs, output::Screen};
use nexus::kernel::{Failure, Slug};

fn invocation(yes: bool) -> Invocation {
    let global = GlobalArgs { yes, quiet: true, ..GlobalArgs::default() };
    let screen = Screen::new(&global);
    Invocation::begin(global, screen, false).unwrap()
}

// The test runner's standard input may be a terminal; these answers do not depend on it.

#[test]
fn destroying_takes_both_flags_and_the_right_slug() {
    let slug: Slug = "acme".parse().unwrap();
    let other: Slug = "acme-2".parse().unwrap();
    let asked = |on: &Invocation, given| prompt::confirm_slug(on, "deleting acme", &[], &slug, given);
    assert!(asked(&invocation(true), Some(&slug)).is_ok());
    let wrong = asked(&invocation(true), Some(&other)).unwrap_err();
    assert!(matches!(wrong, PromptError::Mismatch { .. }));
    assert_eq!(wrong.code(), "confirmation_mismatch");
}

#[test]
fn yes_answers_a_question() {
    assert!(prompt::confirm(&invocation(true), "go on").is_ok());
}
