//! A stack that one test may break: it goes with the test.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stack::{self, Stack};

/// A stack of its own, in a folder of its own.
pub struct Private {
    stack: &'static Stack,
    folder: Folder,
}

/// A short name, for the sake of the socket's path; in memory where that is to be had; perhaps a small disk.
struct Folder {
    path: PathBuf,
    mounted: bool,
}

impl Private {
    /// Starts one.
    pub fn start() -> Self {
        Self::started(Folder::new(), None)
    }

    /// Starts one on a disk of so many megabytes.
    pub fn on_small_disk(megabytes: u32) -> Self {
        let mut folder = Folder::new();
        let size = format!("size={megabytes}m,mode=711");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder.path).status();
        folder.mounted = mount.is_ok_and(|status| status.success());
        assert!(folder.mounted, "this test fills a small disk of its own, and only root can mount one");
        Self::started(folder, None)
    }

    /// Starts one whose PostgreSQL has these settings, whatever the local stack gives it.
    pub fn with_settings(settings: &str) -> Self {
        let folder = Folder::new();
        let server = stack::shared();
        let asked = "select setting from pg_config where name = 'BINDIR'";
        let installed = server.sql("nexus", &server.password(), "postgres", asked).unwrap().remove(0);
        let programs = folder.path.join("bin");
        fs::create_dir(&programs).unwrap();
        for program in fs::read_dir(&installed).unwrap() {
            let program = program.unwrap();
            symlink(program.path(), programs.join(program.file_name())).unwrap();
        }
        let postgres = programs.join("postgres");
        fs::remove_file(&postgres).unwrap();
        // Of a setting that is given twice the last one counts.
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in -D) set -- \"$@\" {settings};; esac\nexec {installed}/postgres \"$@\"\n"
        );
        fs::write(&postgres, script).unwrap();
        fs::set_permissions(&postgres, fs::Permissions::from_mode(0o755)).unwrap();
        Self::started(folder, Some(&programs))
    }

    fn started(folder: Folder, programs: Option<&Path>) -> Self {
        // The few bytes live until the test binary ends, as its worlds expect.
        let stack = Box::leak(Box::new(stack::start_with(&folder.path, programs)));
        Self { stack, folder }
    }

    /// Where its parts are.
    pub fn stack(&self) -> &'static Stack {
        self.stack
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Kills PostgreSQL's first process and every other, as a power cut would.
    pub fn kill_postgres(&self) {
        let file = fs::read_to_string(self.path().join("local/pg/postmaster.pid")).unwrap();
        let first = file.lines().next().unwrap();
        // Its children end by themselves, but may yet do what a client asks of them.
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", first]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        for pid in [first].into_iter().chain(children.split_whitespace()) {
            let ended = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
            assert!(matches!(ended, Ok(()) | Err(Errno::ESRCH)), "{ended:?}");
        }
    }
}

impl Folder {
    fn new() -> Self {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory } else { Path::new("/tmp") };
        let path = place.join(format!("nxp-{}", &name[..8]));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).unwrap();
        Self { path, mounted: false }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let mut down = Command::new(env!("CARGO_BIN_EXE_nexus"));
        let _ =
            down.args(["--quiet", "local", "down"]).env("NEXUS_HOME", &self.path).current_dir("/").output();
        if self.mounted {
            let _ = Command::new("umount").arg(&self.path).status();
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}
