//! A server is asked what its page allows, and what it does not, by a stranger with the tokens of two tenants'
//! administrators (schemathesis): no answer of 500, none that the page does not say, nothing without a token.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{contract, file, operations, page};
use crate::support::api::ApiServer;
use crate::support::world::World;

const PASSWORD: &str = "seven dry cats in a barn";

/// What is compared with the page. Not asked: whether a request that the page allows is carried out, for it may
/// name what there is not; whether a thing can be seen that another request deleted, for a deleted user can be;
/// whether one user sees another's things, for both are administrators.
const NOT_ASKED: &str =
    "positive_data_acceptance,use_after_free,ensure_resource_availability,object_level_authorization";

/// What is answered with 502, 503 or 504 where the service that is called does not answer.
const CALLED_ELSEWHERE: &str = "POST /services/{service}/call";

/// A tenant whose names tell it from others, with what can be read, changed and deleted.
fn tenant(world: &World, slug: &str) {
    let admin = format!("root@{slug}.example");
    world.tenant_of(slug, &admin, PASSWORD);
    for name in ["one", "two", "six"] {
        let (email, name) = (format!("{name}@{slug}.example"), format!("canary-of-{slug} {name}"));
        world.ok(&[
            "user", "create", "--email", &email, "--name", &name, "--role", "User", "--invite", "--tenant",
            slug,
        ]);
    }
    for group in ["Sales", "Office"] {
        let note = format!("canary-of-{slug}");
        world.ok(&["group", "create", group, "--description", &note, "--tenant", slug]);
    }
}

/// Statuses of each operation, as often as they were seen.
type Statuses = BTreeMap<String, BTreeMap<u64, u32>>;

/// Operations that are not asked: a stream ends when what it tells of does.
fn streams(page: &Value) -> Vec<String> {
    let streams =
        |operation: &Value| operation["responses"]["200"]["content"].get("text/event-stream").is_some();
    let all = operations(page).into_iter().filter(|(_, _, operation)| streams(operation));
    all.map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

struct Run {
    seed: u64,
    examples: u32,
}

impl Run {
    fn schemathesis(
        &self,
        world: &World,
        server: &ApiServer,
        (slug, other): (&str, &str),
    ) -> (Command, String) {
        let url = format!("http://{}", server.address);
        let id = |name: &str| {
            let shown = world.json(&["user", "show", &format!("{name}@{slug}.example"), "--tenant", slug]);
            shown["id"].as_str().unwrap().to_owned()
        };
        let settings = world.machine().path("work/nexus.toml").display().to_string();
        let admin = format!("root@{slug}.example");
        let nexus = env!("CARGO_BIN_EXE_nexus");
        let mint = json!([nexus, "--config", settings, "token", "mint", "--tenant", slug, "--user", admin]);
        let events = world.machine().path(&format!("{slug}.ndjson")).display().to_string();
        let (seed, examples) = (self.seed.to_string(), self.examples.to_string());
        let (config, from) = (file("schemathesis.toml"), format!("{url}/openapi.json"));
        let config = config.display().to_string();
        let mut command = contract(&["schemathesis", "--config-file", &config, "run", &from, "--url", &url]);
        command
            .args(["--exclude-checks", NOT_ASKED, "--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", &examples, "--seed", &seed, "--continue-on-failure", "--no-color"])
            // Two threads of Python 3.11 cannot both parse Python (its issue 106905).
            .args(["--workers", "1", "--warnings", "off", "--request-timeout", "60"])
            .args(["--report", "ndjson", "--report-ndjson-path", &events])
            .env("SCHEMATHESIS_HOOKS", file("hooks.py"))
            .env("NEXUS_HOME", world.machine().path("nexus"))
            .env("CONTRACT_MINT", mint.to_string())
            .env("CONTRACT_OWN_ID", id("root"))
            .env("CONTRACT_OTHER_ID", id("six"))
            .env("CONTRACT_CANARY", format!("canary-of-{other}"))
            .current_dir(world.machine().path("work"));
        for id in streams(&page()) {
            command.args(["--exclude-operation-id", &id]);
        }
        (command, events)
    }
}

/// What was answered, of the report that schemathesis writes while it asks.
fn answered(events: &str) -> Statuses {
    let mut all = Statuses::new();
    for line in fs::read_to_string(events).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let Some(label) = recorder["label"].as_str() else { continue };
        for interaction in recorder["interactions"].as_object().into_iter().flat_map(|it| it.values()) {
            if let Some(status) = interaction["response"]["status_code"].as_u64() {
                *all.entry(label.to_owned()).or_default().entry(status).or_default() += 1;
            }
        }
    }
    all
}

#[test]
fn whatever_is_asked_the_answer_is_one_of_the_page() {
    let whole = std::env::var_os("NEXUS_TEST_ALL").is_some();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let run = if whole { Run { seed: now, examples: 40 } } else { Run { seed: 1, examples: 5 } };
    let world = World::new();
    tenant(&world, "acme");
    tenant(&world, "beta");
    let limits =
        ["requests_a_minute", "passwords_a_minute", "sessions_a_minute"].map(|name| (name, "1000000"));
    let server = ApiServer::start_with(&world, &limits);
    let tenants = [("acme", "beta"), ("beta", "acme")];
    let started = tenants.map(|names| {
        let (mut command, events) = run.schemathesis(&world, &server, names);
        (std::thread::spawn(move || command.output().unwrap()), events)
    });
    for (work, events) in started {
        let output = work.join().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "seed {}: {said}{}",
            run.seed,
            String::from_utf8_lossy(&output.stderr)
        );
        let seen = answered(&events);
        let page = page();
        let streams = streams(&page);
        let expected: BTreeSet<String> = operations(&page)
            .into_iter()
            .filter(|(_, _, operation)| !streams.iter().any(|id| operation["operationId"] == **id))
            .map(|(path, method, _)| format!("{} {path}", method.to_uppercase()))
            .collect();
        let asked: BTreeSet<String> = seen.keys().cloned().collect();
        assert!(expected.is_subset(&asked), "not asked: {:?}", expected.difference(&asked));
        let of = |range: std::ops::Range<u64>| {
            seen.iter().filter(move |(_, it)| it.range(range.clone()).next().is_some())
        };
        // A service of an app that cannot be reached is no failure of ours.
        let failed: Vec<_> = of(500..600).filter(|(name, _)| *name != CALLED_ELSEWHERE).collect();
        assert!(failed.is_empty(), "{failed:?}");
        // What is refused all the time shows little: most must have been carried out, too.
        // Operators' are refused to a tenant's token, and messages' tokens are not guessed.
        assert!(of(200..300).count() * 10 >= expected.len() * 5, "{seen:#?}");
    }
}

#[test]
fn whatever_needs_a_token_is_refused_without_one() {
    let world = World::new();
    world.tenant_of("acme", "root@acme.example", PASSWORD);
    let server = ApiServer::start(&world);
    let page = page();
    let mut refused = 0;
    for (path, method, operation) in operations(&page) {
        let ways = operation["security"].as_array().unwrap();
        if ways.contains(&json!({})) {
            continue;
        }
        let mut filled = path.to_owned();
        while let Some((before, rest)) = filled.split_once('{') {
            let after = rest.split_once('}').unwrap().1;
            filled = format!("{before}01a22d6e-ff72-7090-ad1a-0bc7999741ad{after}");
        }
        let is_form = operation["requestBody"]["content"].get("application/x-www-form-urlencoded").is_some();
        let answer = if is_form {
            server.send_form(&filled, &["X-Tenant-ID: acme"], &[("token", "x")])
        } else {
            server.send_json(&method.to_uppercase(), &filled, &["X-Tenant-ID: acme"], &json!({}))
        };
        assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        refused += 1;
    }
    assert!(refused > 40, "{refused}");
}
