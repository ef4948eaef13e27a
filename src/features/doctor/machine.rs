//! This machine: disks, limits, random numbers, the clock, the shell.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use time::OffsetDateTime;

use super::model::Group;
use crate::infra::crypto::random;
use crate::kernel::hint::{PlatformAction, Shell};
use crate::kernel::{ErrorKind, Finding, shell};

const GROUP: Group = Group::Machine;
/// Free bytes below which work stops soon.
const NO_ROOM: u64 = 100 << 20;
/// Free bytes below which a person should look.
const LITTLE_ROOM: u64 = 1 << 30;
/// Files that may be open at a time, below which many connections do not fit.
const FEW_FILES: u64 = 1024;
/// No build of Nexus is older, so no clock that is right shows an earlier year.
const FIRST_YEAR: i32 = 2026;

/// Looks at this machine.
pub(super) fn examine(home: Option<&Path>) -> Vec<Finding> {
    let mut findings = vec![match home {
        Some(home) => disk(Group::Machine, "disk", home, &format!("NEXUS_HOME {}", home.display())),
        None => {
            Finding::problem((GROUP, "disk"), ErrorKind::Invalid, "NEXUS_HOME", "there is no data folder")
                .fix("export NEXUS_HOME=/path/to/a/folder")
        }
    }];
    let temporary = env::temp_dir();
    findings.push(disk(Group::Machine, "disk", &temporary, &format!("TMPDIR {}", temporary.display())));
    findings.extend([files(), random_numbers(), clock(), completion()]);
    findings
}

/// Free space of the file system that a folder is on, or will be.
pub(super) fn disk(group: Group, check: &str, folder: &Path, subject: &str) -> Finding {
    let Some(there) = folder.ancestors().find(|folder| folder.exists()) else {
        return Finding::skipped(group, check, subject, "there is no such folder");
    };
    let facts = match statvfs(there) {
        Ok(facts) => facts,
        Err(error) => return Finding::skipped(group, check, subject, error.to_string()),
    };
    // The types of these fields differ between systems.
    #[expect(clippy::useless_conversion, reason = "u32 on some systems")]
    let (blocks, size) = (u64::from(facts.blocks_available()), u64::from(facts.fragment_size()));
    #[expect(clippy::useless_conversion, reason = "u32 on some systems")]
    let (nodes, free_nodes) = (u64::from(facts.files()), u64::from(facts.files_available()));
    let free = blocks.saturating_mul(size);
    let found = format!("{} free", bytes(free));
    let fix = format!("du -xh --max-depth=2 {} | sort -h | tail", shell::path(there));
    if free < NO_ROOM || (nodes > 0 && free_nodes == 0) {
        let found =
            if free < NO_ROOM { found } else { "no file can be made: the inodes are used up".to_owned() };
        return Finding::problem((group, check), ErrorKind::Unavailable, subject, found).fix(fix);
    }
    if free < LITTLE_ROOM {
        return Finding::warning(group, check, subject, found).fix(fix);
    }
    Finding::ok(group, check, subject, found)
}

/// Bytes for a person.
fn bytes(count: u64) -> String {
    match count {
        _ if count >= 10 << 30 => format!("{} GiB", count >> 30),
        _ => format!("{} MiB", count >> 20),
    }
}

fn files() -> Finding {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((most, _)) if most < FEW_FILES => {
            Finding::warning(GROUP, "files", "open files", format!("at most {most} at a time"))
                .fix(format!("ulimit -n {FEW_FILES}"))
        }
        Ok((most, _)) => Finding::ok(GROUP, "files", "open files", format!("at most {most} at a time")),
        Err(error) => Finding::skipped(GROUP, "files", "open files", error.to_string()),
    }
}

fn random_numbers() -> Finding {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    match random::fill(&mut one).and_then(|()| random::fill(&mut other)) {
        Ok(()) if one != other => Finding::ok(GROUP, "random", "random numbers", "the system gives them"),
        Ok(()) => Finding::problem(
            (GROUP, "random"),
            ErrorKind::Integrity,
            "random numbers",
            "two that should differ are the same",
        )
        .fix("dmesg | grep -i random"),
        Err(error) => {
            Finding::problem((GROUP, "random"), ErrorKind::Integrity, "random numbers", error.to_string())
                .fix("dmesg | grep -i random")
        }
    }
}

fn clock() -> Finding {
    let now = OffsetDateTime::now_utc();
    let found = format!("{} UTC", now.date());
    if (FIRST_YEAR..FIRST_YEAR + 50).contains(&now.year()) {
        return Finding::ok(GROUP, "clock", "clock", found);
    }
    Finding::problem((GROUP, "clock"), ErrorKind::Unavailable, "clock", format!("cannot be right: {found}"))
        .fix("timedatectl set-ntp true")
}

/// Whether the shell completes what is typed. A note: never worse than ok.
fn completion() -> Finding {
    let shell = env::var("SHELL").unwrap_or_default();
    let name = shell.rsplit('/').next().unwrap_or_default().to_owned();
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let (files, teach): (&[&str], Shell) = match name.as_str() {
        "bash" => {
            (&[".bashrc", ".bash_profile", ".local/share/bash-completion/completions/nexus"], Shell::Bash)
        }
        "zsh" => (&[".zshrc", ".zprofile"], Shell::Zsh),
        "fish" => (&[".config/fish/config.fish", ".config/fish/completions/nexus.fish"], Shell::Fish),
        _ => return Finding::skipped(GROUP, "completion", "shell", "not a shell that nexus completes in"),
    };
    let system = ["/usr/share/bash-completion/completions/nexus", "/etc/bash_completion.d/nexus.bash"];
    let taught = files.iter().any(|file| mentions(&home.join(file)))
        || (name == "bash" && system.iter().any(|file| Path::new(file).exists()));
    if taught {
        return Finding::ok(GROUP, "completion", name, "completes commands and names");
    }
    Finding::ok(GROUP, "completion", name, "does not complete nexus yet")
        .fix(PlatformAction::TeachShell(teach))
}

/// Whether a small file speaks of nexus.
fn mentions(file: &Path) -> bool {
    let small = fs::metadata(file).is_ok_and(|facts| facts.is_file() && facts.len() < 1 << 20);
    small && fs::read_to_string(file).is_ok_and(|text| text.contains("nexus"))
}
