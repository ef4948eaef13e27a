//! A machine of its own for one test: an empty home, an empty environment, a working directory.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nexus::kernel::Caller;
use tempfile::TempDir;

/// Who runs commands here, as `nexus` names them.
pub fn account() -> Caller {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    Caller::Machine(user.name)
}

/// A machine of its own. `[M]` stands for its folder in what is compared.
pub struct Machine {
    folder: TempDir,
    variables: Vec<(String, OsString)>,
}

impl Machine {
    /// A machine that nobody has used.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "work", "nexus"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, variables: Vec::new() }
    }

    /// A path on it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The same machine with a file on it, 0600.
    pub fn with_file(self, path: &str, content: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    /// The same machine with settings in the working directory.
    pub fn with_settings(self, content: &str) -> Self {
        self.with_file("work/nexus.toml", content)
    }

    /// The same machine with a variable set.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A command of `nexus` on it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nexus"));
        command.args(args);
        self.furnish(&mut command);
        command
    }

    /// Gives a command this machine's environment and nothing else.
    pub fn furnish(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("NEXUS_HOME", self.path("nexus"))
            .env("COLUMNS", "100")
            // Where scripts/coverage has each process write what it ran.
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path("work"));
    }

    /// Runs `nexus` without a terminal; gives all that a caller sees.
    pub fn run(&self, args: &[&str]) -> String {
        self.run_with_input(args, "")
    }

    /// The same, with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> String {
        self.seen(&self.output(args, input))
    }

    /// What it writes and how it ends.
    pub fn output(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input closes it, which is its right.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// A command on a terminal, 100 columns wide.
    fn terminal(&self, args: &[&str]) -> Command {
        let quoted: Vec<_> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let line = format!("stty cols 100 rows 40; '{}' {}", env!("CARGO_BIN_EXE_nexus"), quoted.join(" "));
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        self.furnish(&mut command);
        command.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// What a person sees on a terminal, 100 columns wide, where keys are typed.
    pub fn on_terminal(&self, args: &[&str], typed: &str) -> String {
        self.typed_into(self.terminal(args), typed)
    }

    fn typed_into(&self, mut command: Command, typed: &str) -> String {
        // `script` leaves when its input ends, so it stays open until the command has ended.
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(typed.as_bytes()).unwrap();
        let mut shown = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut shown).unwrap();
        drop(input);
        let code = child.wait().unwrap().code().unwrap();
        format!("{}--- exit {code}", self.redacted(&shown.replace("\r\n", "\n")))
    }

    /// The same, with variables set.
    pub fn on_terminal_with(&self, variables: &[(&str, &str)], args: &[&str], typed: &str) -> String {
        let mut command = self.terminal(args);
        command.envs(variables.iter().copied());
        self.typed_into(command, typed)
    }

    /// The same, where what is typed is known only once a text was shown.
    pub fn on_terminal_after(&self, args: &[&str], shown: &str, then: impl FnOnce() -> String) -> String {
        let mut command = self.terminal(args);
        let mut child = command.spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        let has = |seen: &[u8]| String::from_utf8_lossy(seen).contains(shown);
        while !has(&seen) {
            match std::io::Read::read(&mut output, &mut buffer).unwrap() {
                0 => panic!("{shown:?} was not shown: {}", String::from_utf8_lossy(&seen)),
                count => seen.extend_from_slice(&buffer[..count]),
            }
        }
        input.write_all(then().as_bytes()).unwrap();
        std::io::Read::read_to_end(&mut output, &mut seen).unwrap();
        drop(input);
        let code = child.wait().unwrap().code().unwrap();
        format!("{}--- exit {code}", self.redacted(&String::from_utf8_lossy(&seen).replace("\r\n", "\n")))
    }

    fn seen(&self, output: &Output) -> String {
        let mut text = String::new();
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                text += &["--- ", name, "\n", &String::from_utf8_lossy(bytes)].concat();
                text += if bytes.ends_with(b"\n") { "" } else { "(no newline)\n" };
            }
        }
        let end = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
        self.redacted(&(text + &format!("--- exit {end}")))
    }

    fn redacted(&self, text: &str) -> String {
        let folder = |path: &Path| path.display().to_string();
        let real = fs::canonicalize(self.folder.path()).unwrap();
        text.replace(&folder(&real), "[M]").replace(&folder(self.folder.path()), "[M]")
    }
}
