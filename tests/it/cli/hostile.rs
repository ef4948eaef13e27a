//! Every argument of every verb, given what nobody should give it.
//!
//! A seeded sample of (argument, value); every argument with every value with `NEXUS_TEST_ALL=1`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Output;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Arg, Command};

use crate::outages::verbs::VERBS;
use crate::support::dice::Dice;
use crate::support::world::World;

/// Verbs beside those of [`VERBS`]; of the local ones, in a context that is not local, none does
/// anything.
const OTHERS: [(&str, &str); 18] = [
    ("local up", ""),
    ("local down", ""),
    ("local status", ""),
    ("local logs", ""),
    ("local reset", ""),
    ("local psql", ""),
    ("tenant psql", "none"),
    ("context list", ""),
    ("context use", "none"),
    ("context show", ""),
    ("config show", ""),
    ("completions", "bash"),
    ("schema", "User"),
    ("man", ""),
    ("version", ""),
    ("token inspect", ""),
    ("migrate new", "x"),
    ("local daemon", ""),
];

/// One argument of one verb, with the words that go before it and after it.
struct Place {
    verb: &'static str,
    argument: String,
    words: Vec<String>,
    /// The word that is given; a flag's value follows its name.
    at: usize,
    flag: Option<String>,
}

impl Place {
    fn line(&self, value: &OsStr) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec!["--dry-run".into()];
        line.extend(self.words.iter().map(OsString::from));
        let mut word = OsString::new();
        if let Some(flag) = &self.flag {
            word.push(flag);
            word.push("=");
        }
        word.push(value);
        line.insert(self.at + 1, word);
        line
    }
}

/// Every argument that takes a value, of every verb, and of all of them.
fn places() -> Vec<Place> {
    let grammar = nexus::cli::grammar();
    let mut places = Vec::new();
    for (verb, words) in VERBS.iter().chain(&OTHERS) {
        let names: Vec<&str> = verb.split(' ').collect();
        let command = names.iter().fold(&grammar, |at, name| at.find_subcommand(name).unwrap());
        let fixed = words.replace("{}", "new-one").replace(['{', '}'], "");
        let rest: Vec<&str> = fixed.split(' ').filter(|word| !word.is_empty()).collect();
        let globals = if *verb == "version" { grammar.get_arguments().collect() } else { Vec::new() };
        for argument in command.get_arguments().chain(globals).filter(|it| it.get_action().takes_values()) {
            places.push(place(command, verb, &names, &rest, argument));
        }
    }
    places
}

fn place(command: &Command, verb: &'static str, names: &[&str], rest: &[&str], argument: &Arg) -> Place {
    let mut kept: Vec<String> = Vec::new();
    let mut positional = 0;
    let mut at = None;
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let flag =
            command.get_arguments().find(|it| it.get_long().is_some_and(|long| *word == format!("--{long}")));
        let own = flag.is_some_and(|it| it.get_id() == argument.get_id());
        match flag {
            Some(flag) if flag.get_action().takes_values() => {
                let value = words.next();
                if !own {
                    kept.push((*word).to_owned());
                    kept.extend(value.map(|value| (*value).to_owned()));
                }
            }
            Some(_) => kept.push((*word).to_owned()),
            None if *word == "--" => kept.push("--".to_owned()),
            None => {
                positional += 1;
                if argument.get_index() == Some(positional) {
                    at = Some(kept.len());
                } else {
                    kept.push((*word).to_owned());
                }
            }
        }
    }
    let flag = (!argument.is_positional()).then(|| match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, short) => format!("-{}", short.unwrap()),
    });
    // Before a `--`, behind which there are no flags.
    let at = at.unwrap_or(if flag.is_some() { 0 } else { kept.len() });
    let words: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(kept).collect();
    Place { verb, argument: argument.get_id().to_string(), words, at: names.len() + at, flag }
}

fn world() -> World {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    world
}

/// Which places are tried with which values.
fn cases<'a, V>(places: &'a [Place], values: &'a [V], sample: usize, seed: u64) -> Vec<(&'a Place, &'a V)> {
    if std::env::var_os("NEXUS_TEST_ALL").is_some() {
        return places.iter().flat_map(|place| values.iter().map(move |value| (place, value))).collect();
    }
    let mut dice = Dice(seed);
    (0..sample).map(|_| (&places[dice.below(places.len())], &values[dice.below(values.len())])).collect()
}

/// Runs it to its end, which must come.
fn run(world: &World, line: &[OsString]) -> Output {
    let mut command = world.command(&[]);
    command.args(line);
    let child = command.spawn().unwrap();
    let (tell, hear) = mpsc::channel();
    std::thread::spawn(move || tell.send(child.wait_with_output()));
    hear.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|_| panic!("{line:?} does not end")).unwrap()
}

/// Texts that steer a terminal, cannot be seen, or are no text.
fn nasty() -> Vec<OsString> {
    let mut all: Vec<OsString> = [
        "\u{feff}acme",
        "a\u{1b}[31mb",
        "\u{1b}]0;x\u{7}",
        "a\u{8}\u{7f}b",
        "\u{9b}31m",
        "a\u{85}b",
        "a\u{202e}b",
        "\u{2066}a\u{2069}",
        "a\u{200b}b",
        "a\u{ad}b",
        "a\u{e0041}b",
        "a\u{fe0f}",
        "a\u{2028}b",
        "a\nb",
        "a\rb",
        "a\tb",
        "Gro\u{308}ße",
        "\u{10ffff}\u{e000}",
        "",
        " ",
        "-",
        "--",
        "%s%n{}{0}\\x1b[31m\\",
        "'; drop table x; --",
        "9999999999999999999999999999",
    ]
    .map(OsString::from)
    .to_vec();
    all.push(OsString::from_vec(b"a\xff\xfeb\x9b".to_vec()));
    all.push("x".repeat(100_000).into());
    all.push("\u{202e}\u{1b}".repeat(20_000).into());
    all
}

/// Whether nothing in it steers a terminal or hides.
fn is_seen(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    !text.chars().any(|c| {
        (c.is_control() && !"\n\t".contains(c))
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    })
}

#[test]
fn whatever_an_argument_is_given_is_an_answer_that_can_be_read() {
    let (world, places, values) = (world(), places(), nasty());
    assert!(places.len() > 400, "{}", places.len());
    let mut wrong = Vec::new();
    for (place, value) in cases(&places, &values, 260, 4) {
        let output = run(&world, &place.line(value));
        let code = output.status.code();
        let shown: String = value.to_string_lossy().chars().take(20).collect();
        let where_to = format!("{} {} {shown:?}", place.verb, place.argument);
        let all = [&output.stdout[..], &output.stderr[..]].concat();
        if !matches!(code, Some(0 | 2..=9)) {
            wrong.push(format!("{where_to}: exit {code:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        if !is_seen(&all) {
            wrong.push(format!("{where_to}: {:?}", String::from_utf8_lossy(&all)));
        }
        // A text of 100,000 letters is not repeated.
        if value.as_bytes().len() > 50_000 && all.len() > 30_000 {
            wrong.push(format!("{where_to}: {} bytes", all.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Addresses with a password, as they are pasted in the wrong place. A name below `.invalid` is known
/// nowhere (RFC 6761, section 6.4): who looks it up says that it failed.
const LOGINS: [&str; 10] = [
    "postgres://u:CANARY@h.invalid/db",
    "postgres://u:CA@NARY-CANARY@h.invalid/db",
    "postgresql://u:x/CANARY@h.invalid:5432/db",
    "postgres://u:x#CANARY@h.invalid/db",
    "postgres://u:x?CANARY@h.invalid/db",
    "https://u:CANARY@h.invalid",
    "https://u:CANARY@h.invalid/.well-known/jwks.json",
    "http://CANARY@h.invalid:9000",
    "postgres://h.invalid/db?user=u&password=CANARY",
    "host=h.invalid user=u password=CANARY dbname=db",
];

#[test]
fn a_password_in_the_wrong_place_is_not_repeated_and_nothing_is_looked_up() {
    let (world, places) = (world(), places());
    let mut wrong = Vec::new();
    for (place, value) in cases(&places, &LOGINS, 260, 5) {
        let output = run(&world, &place.line(OsStr::new(value)));
        let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        let lookups = ["lookup", "resolution", "Name or service", "nodename", "No address"];
        if text.contains("CANARY") || lookups.iter().any(|sign| text.contains(sign)) {
            wrong.push(format!("{} {} {value}: {text}", place.verb, place.argument));
        }
        assert!(matches!(output.status.code(), Some(0 | 2..=9)), "{} {}: {text}", place.verb, place.argument);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
