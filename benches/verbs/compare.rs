//! Two builds of the program, the old one and the new one, by turns: each on a local stack of its
//! own, which it starts itself. What counts is the median of the ratios of each pair of runs, since
//! whatever else this machine does at the moment meets both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::stack::{Stack, USER, this_program};
use super::{Arguments, Failure, median, ms, quantile};

/// How much slower a command may be.
const GOAL: f64 = 1.05;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let old = arguments.0.get(1).filter(|it| !it.starts_with('-'));
    let old = PathBuf::from(old.ok_or("name the old program: scripts/bench compare OLD_BINARY")?);
    let (runs, tenants) = (arguments.number("--runs", 31), arguments.number("--tenants", 50));
    let sides = [Side::start(&old, "o", tenants)?, Side::start(&this_program(), "n", tenants)?];
    let report = measure(&sides, runs)?;
    if arguments.is_json() {
        println!("{report:#}");
        return Ok(());
    }
    println!("{tenants} tenants; medians of {runs} pairs of runs, in ms; goal: a ratio <= {GOAL}\n");
    println!("{:<34} {:>9} {:>9} {:>7}   half of them", "", "old", "new", "ratio");
    for row in report["verbs"].as_array().into_iter().flatten() {
        let number = |key: &str| row[key].as_f64().unwrap_or_default();
        println!(
            "{:<34} {:>9.1} {:>9.1} {:>7.3}   {:.2} to {:.2}{}",
            row["what"].as_str().unwrap_or_default(),
            number("old_ms"),
            number("new_ms"),
            number("ratio"),
            number("low"),
            number("high"),
            if number("ratio") > GOAL { "   slower" } else { "" },
        );
    }
    Ok(())
}

fn measure(sides: &[Side; 2], runs: usize) -> Result<Value, Failure> {
    let mut times: BTreeMap<usize, (&str, Vec<[f64; 2]>)> = BTreeMap::new();
    // The first run fills caches and is not counted.
    for run in 0..=runs {
        let slug = format!("new-{run}");
        for (at, (name, args)) in verbs(&slug).into_iter().enumerate() {
            let mut pair = [0.0; 2];
            // Who goes first pays for what the other left behind, so they take turns at that, too.
            let order = if (run + at) % 2 == 0 { [0, 1] } else { [1, 0] };
            for side in order {
                if name.starts_with("migrate of") {
                    sides[side].write_migration(run)?;
                }
                pair[side] = ms(sides[side].stack.time(&args)?);
            }
            if run > 0 {
                times.entry(at).or_insert_with(|| (name, Vec::new())).1.push(pair);
            }
        }
    }
    let rows = times.values().map(|(name, pairs)| {
        let [old, new] = [0, 1].map(|side| median(&pairs.iter().map(|pair| pair[side]).collect::<Vec<_>>()));
        let ratios: Vec<f64> = pairs.iter().map(|[old, new]| new / old).collect();
        json!({
            "what": name, "old_ms": old, "new_ms": new, "ratio": median(&ratios),
            "low": quantile(&ratios, 0.25), "high": quantile(&ratios, 0.75),
        })
    });
    Ok(json!({ "runs": runs, "goal": GOAL, "verbs": rows.collect::<Vec<_>>() }))
}

/// Commands in an order in which each finds what it needs.
fn verbs(slug: &str) -> Vec<(&'static str, Vec<&str>)> {
    vec![
        ("--version", vec!["--version"]),
        ("tenant list", vec!["tenant", "list"]),
        ("tenant create", vec!["tenant", "create", slug]),
        ("tenant suspend", vec!["tenant", "suspend", slug, "--reason", "unpaid"]),
        ("tenant resume", vec!["tenant", "resume", slug]),
        ("tenant delete --purge", vec!["tenant", "delete", slug, "--purge", "--yes", "--confirm", slug]),
        ("token mint", vec!["token", "mint", "--tenant", "acme", "--user", USER]),
        ("migrate of 1 file, all tenants", vec!["migrate", "tenants", "--all"]),
        ("migrate verify --all", vec!["migrate", "verify", "--all"]),
        ("fsck", vec!["fsck"]),
    ]
}

/// One of the two programs, and its stack.
struct Side {
    stack: Stack,
}

impl Side {
    fn start(program: &Path, word: &str, tenants: usize) -> Result<Self, Failure> {
        let side = Self { stack: Stack::start(&program.canonicalize()?, word)? };
        side.stack.create_with_user(&[], "acme")?;
        side.stack.create_many("t", tenants.saturating_sub(1))?;
        let source = side.stack.home.join("app");
        std::fs::create_dir(&source)?;
        side.stack.output(&["migrate", "set", "add", "app", "--source", &source.display().to_string()])?;
        Ok(side)
    }

    fn write_migration(&self, run: usize) -> Result<(), Failure> {
        let text = format!("create table orders_{run} (id bigint primary key, note text not null);\n");
        Ok(std::fs::write(self.stack.home.join(format!("app/{}_orders.sql", run + 1)), text)?)
    }
}
