//! Completion in a real bash on a terminal: what it inserts, bash reads back as the name itself.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::machine::Machine;
use crate::support::world::World;

/// An interactive bash whose `nexus` notes its words, and completes as the real one does.
struct Bash {
    child: Child,
    input: ChildStdin,
    noted: PathBuf,
    count: usize,
}

impl Bash {
    fn start(machine: &Machine) -> Self {
        let (rc, noted) = (machine.path("work/rc"), machine.path("work/noted"));
        fs::write(&noted, "").unwrap();
        let program = env!("CARGO_BIN_EXE_nexus");
        let script = format!(
            "PS1='$ '; unset HISTFILE\n\
             nexus() {{ if [ \"$1\" = -- ]; then '{program}' \"$@\"; else\n\
             printf '%s\\0' \"$@\" end-of-line >> '{}'; fi; }}\n\
             source <('{program}' completions bash)\n",
            noted.display()
        );
        fs::write(&rc, script).unwrap();
        let mut command = Command::new("script");
        let line = format!("bash --noprofile --rcfile '{}' -i", rc.display());
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        machine.furnish(&mut command);
        command.env("TERM", "dumb").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        // What nobody reads would fill the terminal and stop it.
        std::thread::spawn(move || while output.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
        Self { child, input, noted, count: 0 }
    }

    /// The words of a line whose end is completed.
    fn completed(&mut self, typed: &str) -> Vec<String> {
        self.input.write_all(format!("{typed}\t\n").as_bytes()).unwrap();
        self.count += 1;
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            let text = fs::read_to_string(&self.noted).unwrap();
            let lines: Vec<&str> = text.split("end-of-line\0").collect();
            if lines.len() > self.count {
                return lines[self.count - 1].split_terminator('\0').map(str::to_owned).collect();
            }
            assert!(Instant::now() < until, "{typed}: nothing came of it");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Completion waits for a server for less than half a second: on a busy machine it is tried again.
    fn assert_completes(&mut self, typed: &str, expected: &str) {
        let mut last = Vec::new();
        for _ in 0..10 {
            last = self.completed(typed);
            if last.last().map(String::as_str) == Some(expected) {
                return;
            }
        }
        panic!("{typed}<TAB> is {last:?}, not {expected:?}");
    }
}

impl Drop for Bash {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"exit\n");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_name_that_somebody_chose_is_inserted_as_one_word_that_runs_nothing() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let roles = [
        ("a", "a$(touch pwned)"),
        ("b", "b`touch pwned`"),
        ("c", "c'd\"e"),
        ("two", "two words"),
        ("f", "f&touch pwned|x"),
        ("h", "h!!$HOME\\n"),
        ("~", "~root"),
        ("*", "*"),
    ];
    for (_, name) in roles {
        world.ok(&["role", "create", "--tenant", "acme", "--", name]);
    }
    let email = "pay`touch${IFS}pwned`@acme.example";
    let file = world.machine().path("work/users");
    fs::write(&file, format!("{}\n", serde_json::json!({ "email": email }))).unwrap();
    world.ok(&["user", "create", "--tenant", "acme", "--reveal", "--from", file.to_str().unwrap()]);
    let mut bash = Bash::start(world.machine());
    let before = files(&world.machine().path("work"));
    for (begin, name) in roles {
        let quoted = if begin == "*" || begin == "~" { format!("'{begin}") } else { begin.to_owned() };
        bash.assert_completes(&format!("nexus role show --tenant acme {quoted}"), name);
        bash.assert_completes(&format!("nexus role show --tenant=acme '{begin}"), name);
        if begin != "*" {
            bash.assert_completes(&format!("nexus role show -t acme \"{begin}"), name);
        }
    }
    bash.assert_completes("nexus user show --tenant acme pay", email);
    bash.assert_completes("nexus user show --tenant acme 'pay", email);
    bash.assert_completes("nexus role allow --tenant acme User operator:g", "operator:grant");
    bash.assert_completes("nexus tenant list --where clus", "cluster=");
    bash.assert_completes("nexus role list --tenant=ac", "--tenant=acme");
    bash.assert_completes("nexus tenant show ac", "acme");
    assert_eq!(files(&world.machine().path("work")), before, "something ran");
}
