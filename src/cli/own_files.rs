//! Which files that a person names were written by Nexus, and may be written again.

use std::path::Path;

use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::features::fleet::PlanFile;
use crate::infra::own_file::OwnFile;
use crate::infra::private_file::PrivateFileError;

/// How the first line of an environment begins that Nexus wrote into a file.
const MARK: &str = "# Written by nexus tenant env; what is changed by hand is not overwritten. sha256 ";

/// Whether what is there is overwritten, whoever wrote it.
#[derive(Debug, Clone, Copy, Args)]
pub struct ForceArgs {
    /// Overwrite a file that Nexus did not write
    #[arg(long)]
    pub force: bool,
}

/// Refuses a file that is a person's, before the work whose result it is to hold.
///
/// # Errors
/// [`PrivateFileError::NotOurs`].
pub(super) fn check(
    path: &Path,
    force: ForceArgs,
    ours: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Result<(), PrivateFileError> {
    OwnFile { path, private: true, force: force.force, ours }.check()
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// [`PrivateFileError::NotOurs`], or the system's word.
pub(super) fn write_private(
    path: &Path,
    content: &[u8],
    force: ForceArgs,
    ours: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Result<(), PrivateFileError> {
    OwnFile { path, private: true, force: force.force, ours }.write(content)
}

/// Writes a file without secrets.
///
/// # Errors
/// [`PrivateFileError::NotOurs`], or the system's word.
pub(super) fn write_public(
    path: &Path,
    content: &[u8],
    force: ForceArgs,
    ours: &(dyn Fn(&[u8]) -> bool + Sync),
) -> Result<(), PrivateFileError> {
    OwnFile { path, private: false, force: force.force, ours }.write(content)
}

/// An environment with the line before it by which it is known again.
pub(super) fn marked(text: &str) -> String {
    format!("{MARK}{}\n{text}", digest(text.as_bytes()))
}

/// Whether an environment is as Nexus wrote it: marked, and nothing was changed since. As JSON it has
/// no room for a mark and is known by its names; a URL, by the login in it.
pub(super) fn is_environment(there: &[u8], new: &str) -> bool {
    let Ok(text) = std::str::from_utf8(there) else { return false };
    if let Some(marked) = text.strip_prefix(MARK) {
        let rest = marked.split_once('\n');
        return rest.is_some_and(|(sum, rest)| sum.trim_end() == digest(rest.as_bytes()));
    }
    let names = |text: &str| match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => Some(object.keys().cloned().collect::<Vec<_>>()),
        _ => None,
    };
    if let Some(new) = names(new) {
        return names(text) == Some(new);
    }
    let login = |text: &str| {
        let line = text.trim_end();
        let user = line.strip_prefix("postgres").and_then(|rest| rest.split_once("://"))?.1;
        let user = user.split([':', '@', '/']).next()?.to_owned();
        (!line.contains('\n')).then_some(user)
    };
    login(new).is_some_and(|user| login(text) == Some(user))
}

/// Whether it is an access token of Nexus's form, and nothing else.
pub(super) fn is_token(there: &[u8]) -> bool {
    std::str::from_utf8(there).is_ok_and(|text| crate::infra::crypto::jwt::is_access_token(text.trim_end()))
}

/// Whether it is a signed proof.
pub(super) fn is_proof(there: &[u8]) -> bool {
    let known = ["format", "proof", "public_key", "fingerprint", "signature"];
    matches!(serde_json::from_slice(there), Ok(Value::Object(object))
        if object.len() == known.len() && known.iter().all(|name| object.contains_key(*name)))
}

/// Whether it is a saved plan of migrations.
pub(super) fn is_plan(there: &[u8]) -> bool {
    serde_json::from_slice::<PlanFile>(there).is_ok()
}

/// Whether it is a set of public keys that names its issuer, as Nexus writes it, or the keys as PEM.
pub(super) fn is_key_set(there: &[u8]) -> bool {
    let as_json = || {
        matches!(serde_json::from_slice(there), Ok(Value::Object(object))
            if object.len() == 2 && object.contains_key("issuer") && object.contains_key("keys"))
    };
    let as_pem = || {
        let Ok(text) = std::str::from_utf8(there) else { return false };
        let mut outside = true;
        text.starts_with("# ")
            && text.lines().all(|line| match line {
                "-----BEGIN PUBLIC KEY-----" => std::mem::replace(&mut outside, false),
                "-----END PUBLIC KEY-----" => !std::mem::replace(&mut outside, true),
                line => !outside || (line.starts_with("# ") && line.split(' ').count() == 4),
            })
    };
    as_json() || as_pem()
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_ours_until_somebody_changes_it() {
        let new = "PGHOST=b\n";
        let written = marked("PGHOST=a\n");
        assert!(is_environment(written.as_bytes(), new));
        assert!(!is_environment(format!("{written}MY_OWN_SECRET=1\n").as_bytes(), new));
        assert!(!is_environment(written.replace("=a", "=b").as_bytes(), new));
        for person in ["MY_OWN_SECRET=1\n", "", "# Written by nexus tenant env\nA=1\n", "\u{feff}A=1\n"] {
            assert!(!is_environment(person.as_bytes(), new), "{person:?}");
        }
        assert!(!is_environment(b"\xff\xfe", new));
    }

    #[test]
    fn json_is_known_by_its_names_and_a_url_by_its_login() {
        assert!(is_environment(br#"{"PGHOST": "a", "PGUSER": "u"}"#, r#"{"PGHOST":"b","PGUSER":"v"}"#));
        assert!(!is_environment(br#"{"PGHOST":"a","MINE":1}"#, r#"{"PGHOST":"b"}"#));
        let new = "postgres://nxa:new@h/d\n";
        assert!(is_environment(b"postgres://nxa:old@h/d\n", new));
        assert!(!is_environment(b"postgres://me:old@h/d\n", new));
        assert!(!is_environment(b"postgres://nxa:old@h/d\nMINE=1\n", new));
    }

    #[test]
    fn other_files_are_known_by_their_form() {
        assert!(is_proof(br#"{"format":"","proof":{},"public_key":"","fingerprint":"","signature":""}"#));
        assert!(!is_proof(br#"{"format":""}"#));
        assert!(is_key_set(br#"{"issuer":"nexus","keys":[]}"#));
        assert!(!is_key_set(br#"{"keys":[]}"#), "anybody's");
        assert!(is_key_set(
            b"# k1 EdDSA active\n-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"
        ));
        assert!(!is_key_set(b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"));
        assert!(!is_key_set(b"# my notes on the keys\nmore\n"));
        assert!(!is_plan(b"{}") && !is_token(b"my notes") && !is_token(b"a.b.c"));
    }
}
