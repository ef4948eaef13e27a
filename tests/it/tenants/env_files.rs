//! `tenant env`: every program that reads such a file gets the same values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use nexus::cli::output::{EnvFormat, render_env};
use nexus::infra::db::{Host, ServerAddress, Tls};

use crate::support::dice::Dice;
use crate::support::libpq;
use crate::support::world::World;

const READERS: [&str; 5] = ["python-dotenv", "npm-dotenv", "node", "sh", "bash"];

/// What means something to a reader, and what is only odd.
const PIECES: &[&str] = &[
    "a", "Z9", "$", "`", "'", "\"", "#", " ", "  ", "\\", "\\\\", "\\n", "\\t", "\\$", "${A}", "$A", "$(x)",
    "=", "!", "~", "*", "%", "&", "|", ";", "<", ">", "(", ")", "{", "}", "[", "]", "ü", "東", "\u{a0}",
    "\u{2028}", "\u{85}", "\u{200b}", "\u{feff}", "\t", "\u{b}", "\u{c}", "\u{1}", "\u{7f}", "e\u{301}",
    "🙂", "^", "?", "-", ":", "/", "@", ",", ".", "export ", "\n", "\r", "\r\n",
];

/// 1,500 values of up to 6 pieces, by name.
fn values() -> BTreeMap<String, String> {
    let mut dice = Dice(41);
    (0..1500).map(|number| (format!("V{number}"), dice.text(PIECES, 6))).collect()
}

/// What a program reads from a file.
fn read(reader: &str, file: &Path) -> BTreeMap<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/dotenv");
    let output = Command::new(script).args(["read", reader]).arg(file).output().unwrap();
    assert!(output.status.success(), "{reader}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split('\0').map(str::to_owned);
    let mut read = BTreeMap::new();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        read.insert(name, value);
    }
    read
}

fn assert_read(reader: &str, file: &Path, values: &BTreeMap<String, String>) {
    let read = read(reader, file);
    for (name, value) in values {
        assert_eq!(read.get(name), Some(value), "{reader}: {name}");
    }
}

/// `docker run --env-file`: a line that does not begin with '#' is a name, a sign, and the value as it
/// stands, whatever is in it (docker run, "Set environment variables").
fn as_docker(file: &str) -> BTreeMap<String, String> {
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_reader_of_env_files_reads_the_same_value_or_it_is_not_written() {
    let mut written = BTreeMap::new();
    let mut text = String::new();
    for (name, value) in values() {
        match render_env(EnvFormat::Dotenv, &[(&name, &value)], "") {
            Ok(line) => {
                text += &line;
                written.insert(name, value);
            }
            Err(error) => {
                let reasons = ["\n", "\r", "${", "'", "\\"];
                assert!(reasons.iter().any(|sign| value.contains(sign)), "{value:?} could be written");
                assert!(error.to_string().contains(&name), "{error}");
            }
        }
    }
    assert!(written.len() > 1000, "{}", written.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    fs::write(&file, &text).unwrap();
    for reader in READERS {
        assert_read(reader, &file, &written);
    }
    // Docker keeps quotes, so what needs none is written without.
    let by_docker = as_docker(&text);
    let plain = |value: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+=,?".contains(c));
    let mut count = 0;
    for (name, value) in written.iter().filter(|(_, value)| plain(value)) {
        assert_eq!(by_docker.get(name), Some(value));
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn the_url_of_a_host_is_written_so_that_docker_reads_it_too() {
    let address = ServerAddress {
        host: Host::Tcp("db.example".to_owned()),
        port: 5432,
        user: "app".to_owned(),
        password: "p@ss w\"rd".into(),
        database: "shop".to_owned(),
        tls: Tls::VerifyFull(None),
    };
    let url = address.to_url(None);
    let line = render_env(EnvFormat::Dotenv, &[("DATABASE_URL", &url)], "").unwrap();
    assert_eq!(as_docker(&line)["DATABASE_URL"], *url);
}

#[test]
fn a_shell_that_evaluates_the_other_form_reads_every_value() {
    let values = values();
    let pairs: Vec<(&str, &str)> =
        values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("env");
    fs::write(&file, render_env(EnvFormat::Shell, &pairs, "").unwrap()).unwrap();
    for shell in ["sh", "bash"] {
        assert_read(shell, &file, &values);
    }
}

#[test]
fn what_is_written_for_a_tenant_is_read_by_everybody_and_its_url_by_libpq() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let file = world.machine().path("work/.env");
    world.ok(&["tenant", "env", "acme", "--file", file.to_str().unwrap()]);
    let values: BTreeMap<String, String> = serde_json::from_value(world.env("acme")).unwrap();
    for reader in READERS {
        assert_read(reader, &file, &values);
    }
    let mut docker = as_docker(&fs::read_to_string(&file).unwrap());
    // The address of a socket has an '&', which means something to a shell; that of a host has none.
    let quoted = docker.insert("DATABASE_URL".to_owned(), values["DATABASE_URL"].clone()).unwrap();
    assert!(quoted.starts_with('\'') && quoted.contains('&'));
    assert_eq!(docker, values);
    let url = libpq::parse(&[values["DATABASE_URL"].clone()]).remove(0).unwrap();
    for (option, variable) in [
        ("host", "PGHOST"),
        ("port", "PGPORT"),
        ("user", "PGUSER"),
        ("password", "PGPASSWORD"),
        ("dbname", "PGDATABASE"),
    ] {
        assert_eq!(url[option], values[variable], "{option}");
    }
}
