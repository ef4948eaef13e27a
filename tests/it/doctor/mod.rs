//! What `nexus doctor` finds, and how it says to fix it.

mod faults;
mod healthy;
mod settings;
mod stoppers;

use serde_json::Value;

use crate::support::world::World;

/// What a look at an installation came to.
pub struct Seen {
    pub code: i32,
    pub findings: Vec<Value>,
}

impl Seen {
    /// Of a command that printed JSON.
    pub fn of(output: &std::process::Output) -> Self {
        let findings = serde_json::from_slice(&output.stdout);
        let findings = findings.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        Self { code: output.status.code().unwrap(), findings }
    }

    /// The findings of a check that are no better than this.
    pub fn of_check(&self, check: &str, result: &str) -> Vec<&Value> {
        self.findings.iter().filter(|it| it["code"] == check && it["severity"] == result).collect()
    }

    /// The one finding of a check with this result: what was found, and the fix.
    pub fn one(&self, check: &str, result: &str) -> (String, String) {
        let found = self.of_check(check, result);
        assert_eq!(found.len(), 1, "{check} {result} in {:#?}", self.wrong());
        let text = |name: &str| found[0][name].as_str().unwrap_or_default().to_owned();
        (text("detail"), text("fix"))
    }

    /// All that is not ok, by check and result.
    pub fn wrong(&self) -> Vec<String> {
        let wrong = self
            .findings
            .iter()
            .filter(|it| ["warning", "unchecked", "error"].iter().any(|word| it["severity"] == *word));
        wrong.map(|it| format!("{} {} {}", it["code"], it["severity"], it["detail"])).collect()
    }

    /// The checks that found faults.
    pub fn faults(&self) -> Vec<&str> {
        let faults = self.findings.iter().filter(|it| it["severity"] == "error");
        faults.map(|it| it["code"].as_str().unwrap()).collect()
    }
}

/// Examines a world; nothing of what it knows as a secret may be told.
pub fn examined(world: &World) -> Seen {
    let output = world.run(&["-o", "json", "doctor"]);
    let told = [output.stdout.clone(), output.stderr.clone()].concat();
    let told = String::from_utf8_lossy(&told);
    let key = std::fs::read_to_string(world.machine().path("nexus/keys/t.key")).unwrap_or_default();
    let key = key.trim().rsplit(':').next().unwrap_or_default().to_owned();
    for secret in [world.stack().password(), world.stack().token(), key, "hunter2".to_owned()] {
        assert!(secret.is_empty() || !told.contains(&secret), "a secret was told");
    }
    Seen::of(&output)
}

/// Changes the settings of a world.
pub fn change_settings(world: &World, change: impl FnOnce(String) -> String) {
    let file = world.machine().path("work/nexus.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(text)).unwrap();
}
