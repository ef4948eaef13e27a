//! Measures the reader of SQL text on one large file: cutting it, planning with it, looking at it
//! with the linter, beside what no reader can go below: reading the file and hashing it.
//!
//! `scripts/bench sql [--json] [--statements N] [--runs N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nexus::features::migrations::lint::{self, Subject};
use nexus::features::migrations::{Direction, File};
use nexus::infra::db::statements;
use serde_json::{Value, json};
use sha2::{Digest, Sha384};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Most milliseconds that a plan of 200,000 statements may take.
const GOAL_MS: f64 = 5000.0;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (count, runs) = (number("--statements", 200_000), number("--runs", 5));
    let report = measure(count, runs)?;
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Value) {
    let megabytes = report["bytes"].as_f64().unwrap_or_default() / 1e6;
    println!("{} statements, {megabytes:.1} MB; medians of {} runs\n", report["statements"], report["runs"]);
    println!("{:<44} {:>9} {:>8}", "", "ms", "x floor");
    for row in report["rows"].as_array().into_iter().flatten() {
        let (ms, ratio) = (row["ms"].as_f64().unwrap_or_default(), row["ratio"].as_f64().unwrap_or_default());
        println!("{:<44} {ms:>9.1} {ratio:>8.2}", row["what"].as_str().unwrap_or_default());
    }
    println!("\nplanning, goal <= {GOAL_MS} ms at 200,000 statements");
    println!(
        "time for four times as many statements: x {:.2}",
        report["growth"].as_f64().unwrap_or_default()
    );
}

/// A file of small inserts.
fn text(count: usize) -> String {
    let mut text = "create table t (i int, x text);\n".to_owned();
    let filler = "x".repeat(150);
    for number in 0..count {
        // A String takes whatever it is given.
        let _ = writeln!(text, "insert into t values ({number}, '{filler}');");
    }
    text
}

fn measure(count: usize, runs: usize) -> Result<Value, Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("1_t.sql");
    std::fs::write(&path, text(count))?;
    let quarter = text(count / 4);
    let mut times: Vec<[Duration; 5]> = Vec::new();
    // The linter keeps a tree of it all, which is another's work: a tenth is enough to tell.
    let part = text(count / 10);
    for _ in 0..runs.max(1) {
        times.push([
            time(|| floor(&path))?,
            time(|| plan(&std::fs::read_to_string(&path)?))?,
            time(|| plan(&quarter))?,
            time(|| {
                std::hint::black_box(statements(&std::fs::read_to_string(&path)?).len());
                Ok(())
            })?,
            time(|| look(&part))?,
        ]);
    }
    let ms = |index: usize| median(times.iter().map(|row| row[index]).collect());
    let bytes = std::fs::metadata(&path)?.len();
    let row = |what: &str, at: usize| json!({ "what": what, "ms": ms(at), "ratio": ms(at) / ms(0) });
    Ok(json!({
        "statements": count, "bytes": bytes, "runs": runs, "growth": ms(1) / ms(2), "goal_ms": GOAL_MS,
        "rows": [
            row("the file read and hashed (floor)", 0),
            row("the file cut into statements", 3),
            row("what a plan does with it", 1),
            row("what the linter does with a tenth of it", 4),
        ],
    }))
}

fn floor(path: &Path) -> Result<(), Failure> {
    std::hint::black_box(Sha384::digest(std::fs::read(path)?));
    Ok(())
}

/// What `nexus migrate plan` does with a file that somebody lacks: it is read, and each of its
/// statements is looked at.
fn plan(text: &str) -> Result<(), Failure> {
    let file = File::parse("1_t", text, None)?;
    let found = statements(&file.up);
    let refused = found.iter().any(|it| it.flaw.is_some() || it.controls_transaction());
    if refused || statements(&file.up).is_empty() { Err("it is refused".into()) } else { Ok(()) }
}

fn look(text: &str) -> Result<(), Failure> {
    let subject =
        Subject { set: None, file: "1_t.sql".to_owned(), direction: Direction::Only, text: text.to_owned() };
    std::hint::black_box(lint::check(&subject, false)?.len());
    Ok(())
}

fn time(work: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
