//! A stock mail server: smtp-server of npm.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A running server.
pub struct StockServer {
    pub port: u16,
    child: Child,
    /// It ends when this does.
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl StockServer {
    /// With these settings: see `tests/clients/mail-server.mjs`.
    pub fn start(settings: &Value) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(root.join("scripts/mail-server"))
            .arg("run")
            .arg(root.join("tests/clients/mail-server.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{settings}").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().expect("it starts").unwrap()).unwrap();
        let port = first["port"].as_u64().unwrap().try_into().unwrap();
        Self { port, child, input: Some(input), lines }
    }

    /// One that takes everything from everybody, unencrypted.
    pub fn plain() -> Self {
        Self::start(&json!({ "hideStarttls": true }))
    }

    /// The next message that it takes.
    pub fn taken(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("a message").unwrap()).unwrap()
    }

    /// Ends it; what it took and nobody has read.
    pub fn end(mut self) -> Vec<Value> {
        drop(self.input.take());
        let rest = self.lines.by_ref().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        self.child.wait().unwrap();
        rest
    }
}

impl Drop for StockServer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
