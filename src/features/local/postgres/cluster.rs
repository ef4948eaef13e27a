//! Makes PostgreSQL's data folder, whole or not at all: `initdb` works on a folder beside it, and
//! a rename puts it in place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::OFlag;
use uuid::Uuid;

use crate::infra::private_file;
use crate::kernel::{ExposeSecret, SecretString};

use super::super::LocalError;
use super::super::account::ServerAccount;
use super::super::layout::{Layout, SUPERUSER};
use super::binaries::Binaries;

/// What the names of unfinished things begin with; see [`sweep`].
const UNFINISHED: &str = ".new-";

/// Settings that the owner of the machine may change: `initdb`'s defaults, but for these. What
/// Nexus promises is on the server's command line instead (`server.rs`).
const TUNING: &str = "
# Written by Nexus when this folder was made; yours to change.
max_connections = 200
shared_buffers = 128MB
min_wal_size = 80MB
max_wal_size = 1GB
autovacuum = on
jit = off   # it costs short queries more than it saves
shared_preload_libraries = 'plpgsql'   # nearly every session uses it, and would load it by itself
";

/// The major version of the data; `None` where there is no data yet.
///
/// # Errors
/// When the folder is there but holds no readable `PG_VERSION`.
pub(crate) fn data_version(data: &Path) -> Result<Option<u32>, LocalError> {
    let file = data.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let major = text.trim().parse().map_err(io::Error::other);
            major.map(Some).map_err(LocalError::io("understand", &file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !data.exists() => Ok(None),
        Err(error) => Err(LocalError::io("read", &file)(error)),
    }
}

/// Makes the data folder. `lock` is the start lock: the programs get a copy of it, so that nobody
/// starts anew while they still run, even if this process is killed.
///
/// # Errors
/// [`LocalError::InitFailed`] with what `initdb` said, or the system's word.
pub(crate) async fn make(
    layout: &Layout,
    binaries: &Binaries,
    account: &ServerAccount,
    password: &SecretString,
    lock: &File,
) -> Result<(), LocalError> {
    let mut said = Vec::new();
    // C.UTF-8 sorts as C does and knows the letters of all scripts; systems without it get C.
    for locale in ["C.UTF-8", "C"] {
        let folder = unfinished(layout);
        DirBuilder::new().mode(0o700).create(&folder).map_err(LocalError::io("create", &folder))?;
        account.own(&folder)?;
        let output = initdb(layout, binaries, account, password, lock, locale, &folder).await?;
        if output.status.success() {
            return finish(layout, account, &folder);
        }
        let _ = fs::remove_dir_all(&folder);
        said = [output.stdout, output.stderr].concat();
        if !String::from_utf8_lossy(&said).contains("invalid locale") {
            break;
        }
    }
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<String> = said.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    Err(LocalError::InitFailed { output: lines[lines.len().saturating_sub(6)..].to_vec() })
}

async fn initdb(
    layout: &Layout,
    binaries: &Binaries,
    account: &ServerAccount,
    password: &SecretString,
    lock: &File,
    locale: &str,
    folder: &Path,
) -> Result<std::process::Output, LocalError> {
    let handed = PasswordFile::hand_over(layout, account, password)?;
    let program = binaries.initdb();
    let mut command = account.command(&program);
    command.arg("--pgdata").arg(folder).arg("--pwfile").arg(&handed.0);
    command.args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"]);
    command.args(["--no-instructions", "--locale", locale]);
    let lock = lock.try_clone().map_err(LocalError::io("share", &layout.start_lock()))?;
    command.stdin(Stdio::from(lock)).output().await.map_err(LocalError::io("run", &program))
}

fn finish(layout: &Layout, account: &ServerAccount, folder: &Path) -> Result<(), LocalError> {
    append_tuning(&folder.join("postgresql.conf"), account)?;
    let data = layout.data();
    fs::rename(folder, &data).map_err(LocalError::io("create", &data))?;
    Ok(private_file::sync_parent(&data)?)
}

/// The file belongs to the server's account, which need not be ours: it is written only if it is
/// what it seems to be.
fn append_tuning(path: &Path, account: &ServerAccount) -> Result<(), LocalError> {
    let failed = || LocalError::io("write", path);
    let opened = OpenOptions::new().append(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    let mut file = opened.map_err(failed())?;
    let facts = file.metadata().map_err(failed())?;
    if !facts.is_file() || facts.uid() != account.uid || facts.nlink() != 1 {
        return Err(failed()(io::Error::other("it is not the file that initdb made")));
    }
    file.write_all(TUNING.as_bytes()).and_then(|()| file.sync_all()).map_err(failed())
}

/// Removes what killed processes left unfinished. Only for the holder of the start lock.
pub(crate) fn sweep(layout: &Layout) {
    for entry in fs::read_dir(layout.local()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(UNFINISHED) || (name.starts_with('.') && name.ends_with(".tmp"));
        if !is_ours {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "cannot remove what an earlier start left behind");
        }
    }
}

fn unfinished(layout: &Layout) -> PathBuf {
    layout.local().join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()))
}

/// The password in a file that `initdb` can read, for as long as it runs.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn hand_over(
        layout: &Layout,
        account: &ServerAccount,
        password: &SecretString,
    ) -> Result<Self, LocalError> {
        let handed = Self(unfinished(layout));
        private_file::create(&handed.0, password.expose_secret().as_bytes())?;
        account.own(&handed.0)?;
        Ok(handed)
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
