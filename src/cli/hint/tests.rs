//! Every action is rendered, and what comes of it is a command that there is.

use std::collections::HashSet;

use clap::error::ErrorKind;
use clap::{Arg, Command};

use super::super::grammar;
use super::{command, sentence};
use crate::kernel::Hint;
use crate::kernel::hint::{
    Action, AuditAction, FsckAction, LocalAction, MigrateAction, NotifyAction, OperationAction, PlaceAction,
    PlatformAction, RightsAction, RunAction, ServiceAction, SetAction, TenantAction, TokenAction, UserAction,
    WebhookAction, With,
};

/// Every action, with and without what may be missing.
fn all() -> Vec<Action> {
    let samples: [fn(bool) -> Vec<Action>; 17] = [
        PlatformAction::samples,
        LocalAction::samples,
        FsckAction::samples,
        AuditAction::samples,
        PlaceAction::samples,
        TenantAction::samples,
        OperationAction::samples,
        SetAction::samples,
        RunAction::samples,
        MigrateAction::samples,
        UserAction::samples,
        RightsAction::samples,
        TokenAction::samples,
        WebhookAction::samples,
        ServiceAction::samples,
        NotifyAction::samples,
        With::samples,
    ];
    samples.iter().flat_map(|samples| [true, false].into_iter().flat_map(samples)).collect()
}

/// The commands of Nexus in a line, as words; what stands for a value is one.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("nexus ") {
        // The end of the command: the next one, a redirection, a bracket, or words of the sentence.
        let end = |mark: &str| line[at..].find(mark).map(|end| at + end);
        let ends = [" &&", " >", ")'", ", ", " …"].into_iter().filter_map(end);
        let text = &line[at..ends.min().unwrap_or(line.len())];
        let value = |word: &str| match word {
            "N" | "PORT" => "5".to_owned(),
            "TIME" => "5s".to_owned(),
            "E-MAIL" => "ann@acme.example".to_owned(),
            "RESOURCE:ACTION" => "invoice:read".to_owned(),
            "SLUG" | "NAME" | "SET" => "acme".to_owned(),
            "ID" => uuid::Uuid::now_v7().to_string(),
            other => other.trim_matches('\'').to_owned(),
        };
        // A blank within quotes parts no words.
        let mut quoted = false;
        let parts = |c: char| {
            quoted ^= c == '\'';
            c == ' ' && !quoted
        };
        found.push(text.split(parts).map(value).collect());
    }
    found
}

/// Why the grammar refuses a command, whatever value stands where a sample does.
fn refusal(words: &[String]) -> Option<clap::Error> {
    let refused = grammar().try_get_matches_from(words).err()?;
    let is_value = matches!(refused.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    let Some(at) = words.iter().position(|word| word == "acme").filter(|_| is_value) else {
        return Some(refused);
    };
    let values = ["birch", "ann@birch.example", "invoice:read", "EdDSA", "postgres"];
    let fits = |value: &str| {
        let mut words = words.to_vec();
        value.clone_into(&mut words[at]);
        refusal(&words).is_none()
    };
    if values.into_iter().any(fits) { None } else { Some(refused) }
}

#[test]
fn every_action_is_a_command_that_there_is() {
    let mut tried = HashSet::new();
    for action in all() {
        let line = command(&action);
        for words in commands(&line) {
            let refused = refusal(&words);
            let fine = match refused.as_ref().map(clap::Error::kind) {
                None => true,
                // What the words behind the command stand for ("with the same settings").
                Some(ErrorKind::MissingRequiredArgument) => line.contains(", with the same settings"),
                Some(ErrorKind::DisplayHelp) => line.ends_with(" --help"),
                Some(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) => {
                    line.ends_with(" …")
                }
                Some(_) => false,
            };
            assert!(fine, "{action:?}: {line}: {}", refused.map(|it| it.to_string()).unwrap_or_default());
            tried.insert(words);
        }
        let other = matches!(&action, Action::With(_)) || line.starts_with("psql ");
        assert!(other || line.contains("nexus "), "{action:?}: {line}");
    }
    assert!(tried.len() > 100, "{}", tried.len());
}

#[test]
fn every_option_that_is_proposed_is_one_that_some_command_has() {
    fn flags(command: &Command, found: &mut HashSet<String>) {
        found.extend(command.get_arguments().filter_map(Arg::get_long).map(|long| format!("--{long}")));
        command.get_subcommands().for_each(|inner| flags(inner, found));
    }
    let mut known = HashSet::new();
    flags(&grammar(), &mut known);
    for action in [true, false].into_iter().flat_map(With::samples) {
        let line = command(&action);
        let flag = line.split(' ').next().unwrap();
        assert!(known.contains(flag), "{action:?}: {line}");
    }
}

#[test]
fn a_hint_is_a_sentence() {
    let hint = Hint::new("see it", TenantAction::Show(Some("acme".to_owned())));
    assert_eq!(sentence(&hint), "see it: nexus tenant show acme");
    assert_eq!(sentence(&Hint::from(FsckAction::Inspect)), "nexus fsck");
    assert_eq!(sentence(&Hint::from("wait")), "wait");
}

#[test]
fn what_somebody_chose_stays_one_word() {
    let nasty = "x' $(touch pwned) '".to_owned();
    let hint = Hint::from(TenantAction::SetName { slug: "acme".to_owned(), name: nasty.clone() });
    let quoted = crate::kernel::shell::word(&nasty).into_owned();
    assert_eq!(sentence(&hint), format!("nexus tenant update acme --name {quoted}"));
}
