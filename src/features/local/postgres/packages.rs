//! How this system's package manager installs a PostgreSQL server.

use std::fs;

use nix::unistd::geteuid;

use super::version::OLDEST_MAJOR;

/// The command that installs a server: of that major version, or of any that is new enough.
pub(crate) fn install(major: Option<u32>) -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let (command, needs_root) = command(&release, cfg!(target_os = "macos"), major);
    if needs_root && !geteuid().is_root() { format!("sudo {command}") } else { command }
}

/// Reads os-release(5). The second answer: whether the command is for root.
fn command(release: &str, is_macos: bool, major: Option<u32>) -> (String, bool) {
    if is_macos {
        return (format!("brew install postgresql@{}", major.unwrap_or(17)), false);
    }
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_lowercase()
    };
    let (id, like, version) = (field("ID"), field("ID_LIKE"), field("VERSION_ID"));
    let families = std::iter::once(id.as_str()).chain(like.split_whitespace());
    for family in families {
        let command = match family {
            "debian" | "ubuntu" => apt(&id, &version, major),
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" => dnf(&id, &version, major),
            "amzn" => format!("dnf install -y postgresql{}-server", major.unwrap_or(16)),
            "arch" => "pacman -S postgresql".to_owned(),
            "alpine" => format!("apk add postgresql{}", numbered(major)),
            "suse" | "opensuse" | "sles" => format!("zypper install postgresql{}-server", numbered(major)),
            _ => continue,
        };
        return (command, true);
    }
    let wanted = major.map_or_else(|| format!("{OLDEST_MAJOR} or newer"), |major| major.to_string());
    (format!("install the server of PostgreSQL {wanted} with this system's package manager"), false)
}

fn numbered(major: Option<u32>) -> String {
    major.map(|major| major.to_string()).unwrap_or_default()
}

/// The major version that each release carries; a release that is not listed gets the package
/// that follows its default.
fn apt(id: &str, version: &str, major: Option<u32>) -> String {
    let own = match (id, version) {
        ("debian", "12") => Some(15),
        ("debian", "13") => Some(17),
        ("ubuntu", "24.04") => Some(16),
        _ => None,
    };
    match major.or(own) {
        Some(major) => format!("apt-get install -y postgresql-{major}"),
        None => "apt-get install -y postgresql".to_owned(),
    }
}

/// Releases 8 and 9 of the RHEL family carry newer servers as modules; Fedora and RHEL from 10 on
/// as plain packages.
fn dnf(id: &str, version: &str, major: Option<u32>) -> String {
    if id != "fedora" && (version.starts_with('8') || version.starts_with('9')) {
        return format!("dnf module install -y postgresql:{}/server", major.unwrap_or(16));
    }
    "dnf install -y postgresql-server".to_owned()
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn each_system_is_told_its_own_command() {
        let told = |release: &str| command(release, false, None).0;
        assert_eq!(told("ID=debian\nVERSION_ID=\"12\"\n"), "apt-get install -y postgresql-15");
        assert_eq!(
            told("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\""),
            "apt-get install -y postgresql-16"
        );
        assert_eq!(told("ID=linuxmint\nID_LIKE=\"ubuntu debian\""), "apt-get install -y postgresql");
        assert_eq!(told("ID=fedora\nVERSION_ID=43"), "dnf install -y postgresql-server");
        assert_eq!(
            told("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\""),
            "dnf module install -y postgresql:16/server"
        );
        assert_eq!(told("ID=arch"), "pacman -S postgresql");
        assert_eq!(told("ID=alpine\nVERSION_ID=3.22.0"), "apk add postgresql");
        assert_eq!(
            told("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\""),
            "zypper install postgresql-server"
        );
        assert_eq!(command("", true, None), ("brew install postgresql@17".to_owned(), false));
        assert!(told("ID=plan9").contains("15 or newer"));
    }

    #[test]
    fn data_of_an_older_version_asks_for_that_version() {
        let told = |release: &str| command(release, false, Some(16)).0;
        assert_eq!(told("ID=debian\nVERSION_ID=\"13\""), "apt-get install -y postgresql-16");
        assert_eq!(told("ID=alpine"), "apk add postgresql16");
    }
}
