//! Measures whole commands: how often they wait for PostgreSQL, what a greedy neighbour does to
//! them, and whether one build of the program is slower than another.
//!
//! `scripts/bench roundtrips [--json] [--runs N]`
//! `scripts/bench limits [--json] [--runs N] [--sessions N]`
//! `scripts/bench compare OLD_BINARY [--json] [--runs N] [--tenants N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod compare;
mod limits;
#[expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "it is the tests', which use all of it")]
#[path = "../../tests/it/support/pg_proxy.rs"]
mod pg_proxy;
mod roundtrips;
mod stack;

use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let arguments = Arguments(words);
    match arguments.0.first().map(String::as_str) {
        Some("roundtrips") => roundtrips::run(&arguments),
        Some("limits") => limits::run(&arguments),
        Some("compare") => compare::run(&arguments),
        _ => Err("usage: scripts/bench roundtrips | limits | compare OLD_BINARY".into()),
    }
}

/// What was typed behind `scripts/bench`.
struct Arguments(Vec<String>);

impl Arguments {
    fn number(&self, flag: &str, usual: usize) -> usize {
        let given = self.0.iter().position(|it| it == flag).and_then(|at| self.0.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    fn is_json(&self) -> bool {
        self.0.iter().any(|it| it == "--json")
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The value that so much of the others is below; nothing of none is 0.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    let at = (part * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}
