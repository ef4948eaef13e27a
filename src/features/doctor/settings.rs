//! The settings: file, keys, context, secrets, variables.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::input::DoctorInput;
use super::model::Group;
use crate::kernel::hint::PlatformAction;
use crate::kernel::{ErrorKind, Failure, Finding, Hint, Severity, shell};
use crate::settings::{Origin, SettingsError, Target, environment};

const GROUP: Group = Group::Settings;

/// Looks at what is set.
pub(super) fn examine(input: &DoctorInput) -> Vec<Finding> {
    let mut findings = file(input);
    findings.push(permissions(input.file.as_deref()));
    findings.push(context(input));
    findings.extend(secrets(input));
    findings.extend(variables(input));
    findings
}

/// Where the file is, and one finding for each thing that is wrong in it.
fn file(input: &DoctorInput) -> Vec<Finding> {
    let subject = input.file.as_ref().map_or_else(|| "nexus.toml".to_owned(), |it| it.display().to_string());
    let pasted = shell::word(&subject);
    let faults: Vec<Finding> = input
        .faults
        .iter()
        .filter(|fault| !of_environment(fault))
        .map(|fault| {
            let finding = Finding::failure((GROUP, "file"), &subject, fault).kind(ErrorKind::Invalid);
            let edit = match line(fault) {
                Some(line) => format!("${{EDITOR:-vi}} +{line} {pasted}"),
                None => format!("${{EDITOR:-vi}} {pasted}"),
            };
            match (fault, finding.fix.first().cloned()) {
                // The hint of a file that is not trusted is a command already.
                (SettingsError::Untrusted { .. }, Some(hint)) => finding.fix(hint),
                (SettingsError::NoFile { .. }, Some(hint)) => {
                    finding.fix(format!("ls {pasted}  # {}", hint.text))
                }
                (_, Some(hint)) => finding.fix(format!("{edit}  # {}", hint.text)),
                (_, None) => finding.fix(edit),
            }
        })
        .collect();
    if !faults.is_empty() {
        return faults;
    }
    let found = match &input.file {
        Some(_) => "found, and every key in it is known",
        None => "none, and none is needed: the context is local",
    };
    let named = input.loaded.as_ref().is_none_or(|loaded| loaded.context.is_local());
    let found = if input.file.is_none() && !named { "there is none" } else { found };
    vec![Finding::ok(GROUP, "file", subject, found)]
}

fn line(fault: &SettingsError) -> Option<usize> {
    match fault {
        SettingsError::UnknownKey { origin: Origin::File(_, line), .. }
        | SettingsError::Value { origin: Origin::File(_, line), .. }
        | SettingsError::ContextIsATable { origin: Origin::File(_, line) }
        | SettingsError::Syntax { line, .. } => Some(*line),
        _ => None,
    }
}

fn of_environment(fault: &SettingsError) -> bool {
    matches!(
        fault,
        SettingsError::UnknownVariable { .. } | SettingsError::Value { origin: Origin::Environment(_), .. }
    )
}

/// A file that says where to connect, and may name commands to run (`cmd:`).
fn permissions(file: Option<&Path>) -> Finding {
    let Some(file) = file else {
        return Finding::skipped(GROUP, "permissions", "nexus.toml", "there is no settings file");
    };
    let subject = file.display().to_string();
    let facts = match fs::metadata(file) {
        Ok(facts) => facts,
        Err(error) => return Finding::skipped(GROUP, "permissions", subject, error.to_string()),
    };
    let me = nix::unistd::geteuid().as_raw();
    if facts.uid() != me && facts.uid() != 0 {
        let found = format!("belongs to user {}, who can name commands that run as you", facts.uid());
        return Finding::warning(GROUP, "permissions", &subject, found)
            .fix(format!("chown $(id -u) {}", shell::word(&subject)));
    }
    if facts.mode() & 0o022 != 0 {
        let found = format!(
            "others can change it (mode {:04o}), and name commands that run as you",
            facts.mode() & 0o777
        );
        return Finding::problem((GROUP, "permissions"), ErrorKind::Invalid, &subject, found)
            .fix(format!("chmod go-w {}", shell::word(&subject)));
    }
    Finding::ok(GROUP, "permissions", subject, "only its owner can change it")
}

fn context(input: &DoctorInput) -> Finding {
    let subject = input.loaded.as_ref().map_or("context", |loaded| loaded.context.as_str()).to_owned();
    match &input.settings {
        Ok(settings) => {
            let origin = input.loaded.as_ref().map(|it| it.context_origin.to_string()).unwrap_or_default();
            let what = match &settings.target {
                Target::Local(_) => "the embedded stack",
                Target::Servers(_) => "servers of its own",
            };
            Finding::ok(GROUP, "context", subject, format!("{what}; chosen by {origin}"))
        }
        Err(Some(fault)) => {
            let finding = Finding::failure((GROUP, "context"), subject, fault);
            let words = finding.fix.first().map(|hint| hint.text.clone()).unwrap_or_default();
            finding.kind(ErrorKind::Invalid).fix(Hint::new(words, PlatformAction::ListContexts))
        }
        Err(None) => Finding::skipped(GROUP, "context", subject, "the settings are not valid"),
    }
}

fn secrets(input: &DoctorInput) -> Vec<Finding> {
    let tried = input.secrets.iter().map(|secret| {
        let place = format!("{} = {}", secret.key, secret.reference);
        match &secret.result {
            Ok(_) => Finding::ok(GROUP, "secrets", &secret.key, format!("{} can be read", secret.reference)),
            Err(failure) => {
                let finding = Finding::failure((GROUP, "secrets"), &secret.key, failure.get());
                let kind = if failure.kind() == ErrorKind::Unavailable {
                    failure.kind()
                } else {
                    ErrorKind::Invalid
                };
                finding.kind(kind).or_fix(Hint::new(place, PlatformAction::ShowSettings))
            }
        }
    });
    let tried: Vec<Finding> = tried.collect();
    if tried.is_empty() {
        let why = if input.settings.is_ok() {
            "no setting refers to a secret"
        } else {
            "the settings are not valid"
        };
        return vec![Finding::skipped(GROUP, "secrets", "secrets", why)];
    }
    tried
}

/// Variables that begin as ours do: those that are wrong, and those that mean nothing.
fn variables(input: &DoctorInput) -> Vec<Finding> {
    let mut findings: Vec<Finding> = input
        .faults
        .iter()
        .filter(|fault| of_environment(fault))
        .map(|fault| {
            let name = match fault {
                SettingsError::UnknownVariable { name, .. }
                | SettingsError::Value { origin: Origin::Environment(name), .. } => name.as_str(),
                _ => "environment",
            };
            let finding = Finding::failure((GROUP, "variables"), name, fault);
            let hint = fault.hints().into_iter().next().map(|hint| hint.text).unwrap_or_default();
            finding.kind(ErrorKind::Invalid).fix(format!("unset {name}  # {hint}"))
        })
        .collect();
    let reported: Vec<String> = findings.iter().map(|finding| finding.subject.object.clone()).collect();
    for name in input.sources.variables.keys().filter(|name| !reported.contains(name)) {
        if let Some(nearest) = environment::meaningless(name) {
            let hint = nearest.map(|near| format!("  # did you mean {near}?")).unwrap_or_default();
            let finding = Finding::warning(GROUP, "variables", name, "it is set, but nexus does not know it");
            findings.push(finding.fix(format!("unset {name}{hint}")));
        }
    }
    if findings.iter().all(|finding| finding.severity == Severity::Ok) {
        let count = input.sources.variables.len();
        findings.push(Finding::ok(GROUP, "variables", "NEXUS_*", format!("{count} set, all of them known")));
    }
    findings
}
