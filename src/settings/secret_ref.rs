//! A reference to a secret: where it lies, never what it is.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::private::{self, Refused};
use super::trust::Distrust;
use crate::kernel::{Failure, SecretString, child, shell, text};

/// Most bytes of a secret.
const MAX_BYTES: u64 = 64 * 1024;
/// How long a command may take to tell a secret.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// Where a secret lies. `Debug` and `Display` show no more than that, and of a command only the
/// program.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`: a variable of the environment.
    Env(String),
    /// `file:PATH`: an ordinary file that nobody else may read.
    File(PathBuf),
    /// `cmd:PROGRAM ARGS`: what a program prints. Words are split at spaces; there is no shell
    /// and no quoting.
    Command(Vec<String>),
}

/// Why a text is no reference. Never repeats the text, which may be the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretRefError {
    /// It begins with none of the three words.
    #[error("a secret itself is not accepted here")]
    Literal,
    /// `env:` and something that is no variable's name.
    #[error("what follows env: is not the name of a variable")]
    Name,
    /// `file:` or `cmd:` with nothing after it.
    #[error("nothing follows the colon")]
    Empty,
}

/// The three forms, as hints.
#[must_use]
pub fn forms() -> Vec<String> {
    ["env:NAME", "file:/path/to/a/0600/file", "cmd:PROGRAM ARGS"]
        .map(|form| format!("write \"{form}\""))
        .to_vec()
}

/// Why a secret could not be had. Says where it was looked for, never what was found.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SecretError {
    /// The variable of a secret is not set, or set to nothing.
    #[error("the variable {0} is not set")]
    #[failure(Invalid, "secret_unset")]
    Unset(String),
    /// The file of a secret cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    #[failure(Invalid, "secret_unreadable")]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// Others may read the file of a secret.
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    #[failure(Forbidden, "secret_file_open")]
    #[hint("chmod 600 {}", shell::path(path))]
    Open { path: PathBuf, mode: u32 },
    /// Somebody else can change the file of a secret.
    #[error("{} is not trusted: {reason}", path.display())]
    #[failure(Forbidden, "secret_file_untrusted")]
    #[hints(reason.hints())]
    Untrusted {
        path: PathBuf,
        #[source]
        reason: Distrust,
    },
    /// The file of a secret is not an ordinary one: a symbolic link, a folder, a device.
    #[error("{} is not an ordinary file", .0.display())]
    #[failure(Forbidden, "secret_file_open")]
    #[hint("name the file itself, not a link to it")]
    NotAFile(PathBuf),
    /// The program that tells a secret cannot be started.
    #[error("cannot run {program}: {source}")]
    #[failure(Unavailable, "secret_command_failed")]
    NotStarted { program: String, source: std::io::Error },
    /// The program that tells a secret ended badly. What it said is not repeated.
    #[error("{program} ended with {status}")]
    #[failure(Unavailable, "secret_command_failed")]
    #[hint("run {program} by hand to see what it says")]
    Ended { program: String, status: String },
    /// What was found as a secret is empty, too long, or not text.
    #[error("{source_name} holds no secret: it is empty, longer than 64 KiB, or not UTF-8 text")]
    #[failure(Invalid, "secret_unfit")]
    Content { source_name: String },
}

impl SecretRef {
    /// Fetches the secret. A newline at its end is cut; nothing else is.
    ///
    /// # Errors
    /// When it is not there, or lies where others may read it.
    pub async fn resolve(&self) -> Result<SecretString, SecretError> {
        let bytes = match self {
            Self::Env(name) => {
                let value = env::var_os(name).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| SecretError::Unset(name.clone()))?;
                Zeroizing::new(value.into_encoded_bytes())
            }
            Self::File(path) => read_private(path)?,
            Self::Command(words) => run(words).await?,
        };
        let unfit = || SecretError::Content { source_name: self.to_string() };
        let text = std::str::from_utf8(text::bytes_without_mark(&bytes)).map_err(|_| unfit())?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() || bytes.len() as u64 > MAX_BYTES {
            return Err(unfit());
        }
        Ok(SecretString::from(text))
    }

    /// A relative file counted from a folder.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other,
        }
    }

    /// As it would be written in the settings, a command's arguments included.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Env(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{}", path.display()),
            Self::Command(words) => format!("cmd:{}", words.join(" ")),
        }
    }
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    private::read(path, MAX_BYTES + 1).map_err(|refused| match refused {
        Refused::Io(source) => SecretError::Unreadable { path: path.to_owned(), source },
        Refused::Open(mode) => SecretError::Open { path: path.to_owned(), mode },
        Refused::Untrusted(reason) => SecretError::Untrusted { path: path.to_owned(), reason },
        Refused::NotAFile => SecretError::NotAFile(path.to_owned()),
    })
}

async fn run(words: &[String]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let program = words.first().cloned().unwrap_or_default();
    let mut command = tokio::process::Command::from(child::command(&program));
    command.args(&words[1..]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(COMMAND_LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(SecretError::NotStarted { program, source }),
        Err(_) => {
            let status = format!("no answer within {} seconds", COMMAND_LIMIT.as_secs());
            return Err(SecretError::Ended { program, status });
        }
    };
    if !output.status.success() {
        return Err(SecretError::Ended { program, status: output.status.to_string() });
    }
    Ok(Zeroizing::new(output.stdout))
}

impl FromStr for SecretRef {
    type Err = SecretRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (form, rest) = text.split_once(':').ok_or(SecretRefError::Literal)?;
        match form {
            "env" | "file" | "cmd" if rest.trim().is_empty() => Err(SecretRefError::Empty),
            "env" => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let right = rest.chars().all(allowed) && !rest.starts_with(|c: char| c.is_ascii_digit());
                if right { Ok(Self::Env(rest.to_owned())) } else { Err(SecretRefError::Name) }
            }
            "file" => Ok(Self::File(PathBuf::from(rest))),
            "cmd" => Ok(Self::Command(rest.split_whitespace().map(ToOwned::to_owned).collect())),
            _ => Err(SecretRefError::Literal),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) if words.len() > 1 => write!(f, "cmd:{} …", words[0]),
            other => f.write_str(&other.to_text()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::kernel::ExposeSecret;

    async fn resolved(text: &str) -> Result<String, SecretError> {
        let secret = text.parse::<SecretRef>().unwrap().resolve().await?;
        Ok(secret.expose_secret().to_owned())
    }

    #[test]
    fn a_literal_is_refused_without_repeating_it() {
        for text in ["hunter2", "hunter2:x", "", "env:", "env:A B", "postgres://u:hunter2@h"] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_private_file_is_read_and_its_last_newline_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, " pass word \n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let reference = format!("file:{}", path.display());
        assert_eq!(resolved(&reference).await.unwrap(), " pass word ");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(resolved(&reference).await, Err(SecretError::Open { mode: 0o640, .. })));

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let linked = resolved(&format!("file:{}", link.display())).await;
        assert!(matches!(linked, Err(SecretError::NotAFile(_))));
        let folder = resolved(&format!("file:{}", folder.path().display())).await;
        assert!(matches!(folder, Err(SecretError::NotAFile(_))));
    }

    #[tokio::test]
    async fn a_command_gives_its_output_and_its_arguments_stay_unseen() {
        assert_eq!(resolved("cmd:echo one  two").await.unwrap(), "one two");
        let reference: SecretRef = "cmd:/bin/false --token hunter2".parse().unwrap();
        assert_eq!(format!("{reference} {reference:?}"), "cmd:/bin/false … cmd:/bin/false …");
        let error = reference.resolve().await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/false ended with exit status: 1");
        assert!(matches!(resolved("cmd:true").await, Err(SecretError::Content { .. })));
        assert!(matches!(resolved("cmd:/no/such/program").await, Err(SecretError::NotStarted { .. })));
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named() {
        assert_eq!(
            resolved("env:NEXUS_NO_SUCH_VARIABLE").await.unwrap_err().to_string(),
            "the variable NEXUS_NO_SUCH_VARIABLE is not set"
        );
    }
}
