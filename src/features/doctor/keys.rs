//! The master key: whether it is there, private, and the one that secrets are sealed with.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::input::DoctorInput;
use super::model::Group;
use crate::infra::crypto::{LocalMasterKey, MasterKey, MasterKeyError, MasterKeyId};
use crate::kernel::hint::PlatformAction;
use crate::kernel::{ErrorKind, Failure, Finding, Hint, shell};
use crate::settings::SecretRef;

const GROUP: Group = Group::Key;

/// The key at hand, and what there is to say of it.
pub(super) fn examine(input: &DoctorInput) -> (Option<Arc<dyn MasterKey>>, Finding) {
    let Ok(settings) = &input.settings else {
        return (None, Finding::skipped(GROUP, "file", "master key", "the settings are not valid"));
    };
    let reference = &settings.keys.master.reference;
    if let SecretRef::File(path) = reference {
        let new = input.stack.as_ref().is_some_and(|stack| !stack.has_data());
        return of_file(path, new);
    }
    let subject = reference.to_string();
    match &input.key {
        Some(Ok(key)) => {
            (Some(Arc::clone(key)), Finding::ok(GROUP, "file", subject, format!("{} can be used", key.id())))
        }
        Some(Err(failure)) => {
            let finding = Finding::failure((GROUP, "file"), subject, failure.get());
            (None, finding.kind(ErrorKind::Integrity).or_fix(PlatformAction::ShowSettings))
        }
        None => (None, Finding::skipped(GROUP, "file", subject, "it was not checked")),
    }
}

fn of_file(path: &Path, new: bool) -> (Option<Arc<dyn MasterKey>>, Finding) {
    let subject = path.display().to_string();
    let pasted = shell::word(&subject);
    let problem = |found: String| Finding::problem((GROUP, "file"), ErrorKind::Integrity, &subject, found);
    // Looked at before it is opened: opening a pipe would wait for its writer.
    match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_symlink() => {
            let fix =
                format!("cp --remove-destination \"$(readlink -f {pasted})\" {pasted} && chmod 600 {pasted}");
            return (None, problem("is a link: somebody else may decide where it leads".to_owned()).fix(fix));
        }
        Ok(facts) if !facts.is_file() => {
            return (None, problem("is not an ordinary file".to_owned()).fix(format!("ls -ld {pasted}")));
        }
        Ok(facts) if facts.uid() != nix::unistd::geteuid().as_raw() => {
            let finding = problem(format!("belongs to user {}", facts.uid()));
            return (None, finding.fix(format!("chown $(id -u) {pasted}")));
        }
        _ => {}
    }
    match LocalMasterKey::from_file(path) {
        Ok(key) => {
            let key: Arc<dyn MasterKey> = Arc::new(key);
            let finding = Finding::ok(GROUP, "file", &subject, format!("{}, private", key.id()));
            (Some(key), finding)
        }
        Err(MasterKeyError::Missing(_)) if new => {
            (None, Finding::skipped(GROUP, "file", &subject, "not created yet; the next command creates it"))
        }
        Err(error) => {
            let finding = problem(error.to_string());
            let fix = match &error {
                MasterKeyError::Missing(_) => Hint::from(format!(
                    "cp /from/where/you/keep/it {pasted} && chmod 600 {pasted}  # or set a new installation up"
                )),
                MasterKeyError::Text { .. } => {
                    format!("cp /from/where/you/keep/it {pasted} && chmod 600 {pasted}").into()
                }
                other => other.hints().into_iter().next().unwrap_or_else(|| format!("ls -l {pasted}").into()),
            };
            (None, finding.fix(fix))
        }
    }
}

/// That there is no key, where there is nothing yet that it could have sealed.
pub(super) fn not_made(input: &DoctorInput) -> Option<Finding> {
    let SecretRef::File(path) = &input.settings.as_ref().ok()?.keys.master.reference else { return None };
    let gone = fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let found = "not created yet, and nothing is sealed";
    gone.then(|| {
        Finding::warning(GROUP, "file", path.display().to_string(), found).fix(PlatformAction::SetUp)
    })
}

/// Whether the key at hand is the one that the control database names; `None`: it names none.
pub(super) fn same(at_hand: Option<&MasterKeyId>, recorded: Option<&MasterKeyId>) -> Finding {
    let (Some(at_hand), Some(recorded)) = (at_hand, recorded) else {
        let why = if recorded.is_none() { "no key is recorded yet" } else { "there is no key to compare" };
        return Finding::skipped(GROUP, "recorded", "master key", why);
    };
    if at_hand == recorded {
        return Finding::ok(GROUP, "recorded", recorded.to_string(), "matches this installation");
    }
    let found =
        format!("secrets are sealed with {recorded}, but the key in use is {at_hand}: none can be opened");
    Finding::problem((GROUP, "recorded"), ErrorKind::Integrity, recorded.to_string(), found).fix(Hint::new(
        format!("name the file of key {recorded}, or put it back"),
        PlatformAction::ShowSettings,
    ))
}
