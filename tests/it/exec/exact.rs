//! What comes out is what was there, in every format, and no terminal obeys it.

use serde_json::{Value, json};

use crate::inspection::tenants;
use crate::support::world::World;

/// Characters that would command a terminal, turn its direction, or hide.
const HARMFUL: &str =
    "chr(27) || '[2J' || chr(155) || '31m' || chr(127) || chr(1564) || chr(8294) || chr(8203)
    || chr(917569) || 'x' || chr(65039)";

fn is_harmful(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() && c != '\n' && c != '\t' && c != '\r'
        || [0x61c, 0x2066, 0x200b, 0xe0041, 0xfe0f].contains(&code)
}

#[test]
fn json_keeps_every_column_digit_and_row_in_their_order() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let digits = "12345678901234567890.123456789";
    let many = format!("1{}", "0".repeat(400));
    for (statement, row) in [
        ("select 1 as a, 2 as a, 3 as a_2", r#"{"a":1,"a_3":2,"a_2":3}"#.to_owned()),
        ("select 1 as b, 2 as a", r#"{"b":1,"a":2}"#.to_owned()),
        ("select 12345678901234567890.123456789::numeric as n", format!(r#"{{"n":{digits}}}"#)),
        ("select 1e400::numeric as n, 'kept' as k", format!(r#"{{"n":{many},"k":"kept"}}"#)),
        ("select 'NaN'::float8 as n, 'Infinity'::numeric as i", r#"{"n":"NaN","i":"Infinity"}"#.to_owned()),
        (
            "select '{\"b\": 1.10, \"a\": 1, \"a\": 2}'::json as j, '1e2'::jsonb as b",
            r#"{"j":{"b": 1.10, "a": 1, "a": 2},"b":100}"#.to_owned(),
        ),
        ("with q as (select 1 as a, 2 as a) table q", r#"{"a":1,"a_2":2}"#.to_owned()),
    ] {
        let lines = world.run(&["exec", "t-001", "--", statement]);
        let expected = format!("{{\"tenant\":\"t-001\",\"row\":{row}}}");
        assert_eq!(String::from_utf8(lines.stdout).unwrap().trim_end(), expected, "{statement}");
        let array = world.ok(&["-o", "json", "exec", "t-001", "--", statement]);
        assert_eq!(array, format!("[\n{expected}\n]\n"), "{statement}");
        let yaml = world.ok(&["-o", "yaml", "exec", "t-001", "--", statement]);
        assert_eq!(yaml, format!("- {expected}\n"), "{statement}");
    }
}

#[test]
fn no_format_lets_a_tenants_data_steer_a_terminal_and_each_stays_valid() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let statement = format!("select {HARMFUL} as \"a\u{9b}b\", 'c:\\d' as p");
    let value = "\u{1b}[2J\u{9b}31m\u{7f}\u{61c}\u{2066}\u{200b}\u{e0041}x\u{fe0f}";
    let row = json!({ "a\u{9b}b": value, "p": "c:\\d" });
    let out = |args: &[&str]| {
        let text = world.ok(&[args, &["exec", "t-001", "--", &statement]].concat());
        assert!(!text.chars().any(is_harmful), "{args:?}: {text:?}");
        text
    };
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(read(&out(&[]))["row"], row);
    assert_eq!(read(&out(&["-o", "json"]))[0]["row"], row);
    let yaml: Value = serde_norway::from_str(&out(&["-o", "yaml"])).unwrap();
    assert_eq!(yaml[0]["row"], row);
    let text = out(&["-o", "csv"]);
    let record = csv::Reader::from_reader(text.as_bytes()).records().next().unwrap().unwrap();
    assert_eq!(read(&record[1]), row);
    // On a terminal as well.
    for format in ["json", "csv", "yaml", "table"] {
        let shown = world
            .machine()
            .on_terminal(&["-o", format, "exec", "t-001", "--", "select chr(155) || chr(8238) as a"], "");
        assert!(
            shown.contains(r"\u009b\u202e") || shown.contains(r"\U0000009b\U0000202e"),
            "{format}: {shown}"
        );
        assert!(!shown.contains(['\u{9b}', '\u{202e}']), "{format}: {shown}");
    }
}

#[test]
fn what_a_tenants_error_says_steers_no_terminal() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let statement = format!("do $$ begin raise exception '%', {HARMFUL}; end $$");
    for format in ["table", "json", "yaml", "csv"] {
        let output = world.run(&["-o", format, "exec", "t-001", "--", &statement]);
        assert_eq!(output.status.code(), Some(6));
        for bytes in [output.stdout, output.stderr] {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.chars().any(is_harmful), "{format}: {text:?}");
        }
    }
}
