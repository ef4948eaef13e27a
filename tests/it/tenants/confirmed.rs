//! What shuts out, changes or destroys several tenants waits for their number.

use nexus::cli::grammar;

use crate::support::world::World;

/// Verbs that change existing tenants and take a selection of them, with what else they want; in each
/// two ways to select are tried.
const CONFIRMED: [(&str, &[&str]); 5] = [
    ("tenant suspend", &["--reason", "oops"]),
    ("tenant resume", &[]),
    ("tenant delete", &[]),
    ("tenant update", &["--label", "tier=gold"]),
    ("exec", &["--write"]),
];

/// Verbs that take many and want no number, and why.
const FREE: [(&str, &str); 21] = [
    ("tenant create", "a file names each tenant that is to be made; none of them exists"),
    ("tenant list", "reads"),
    ("tenant repair", "takes nothing away"),
    ("tenant prove", "what it tries changes nothing"),
    ("tenant purge", "each was confirmed when it was deleted"),
    ("migrate plan", "reads"),
    ("migrate tenants", "has plans and waves"),
    ("migrate verify", "reads"),
    ("migrate rehearse", "works on copies"),
    ("migrate status", "reads"),
    ("migrate new", "writes a file"),
    ("job drain", "waits"),
    ("notify provider check", "a sender, not a selection"),
    ("notify provider set", "a sender, not a selection"),
    ("operation resume", "finishes what was confirmed"),
    ("token revoke", "tenants stay open: their users sign in again; asks with --yes"),
    ("user import", "users, not tenants"),
    ("user create", "users, not tenants"),
    ("user purge", "users, not tenants"),
    ("iam apply", "a realm's roles"),
    ("fsck", "asks for a number by itself where it destroys"),
];

/// Rows without anything behind them: nothing is to come of what is tried here.
fn rows(world: &World, count: usize) {
    world.control_sql(&format!(
        "insert into control.tenants (id, slug, name, state, labels, cluster, store, database_name, owner_role,
                                      app_role, bucket, suspended_at, suspended_by, suspension_reason)
         select gen_random_uuid(), 't-' || lpad(n::text, 3, '0'), 'Customer', case when n % 2 = 0 then 'suspended' else 'active' end,
                '{{\"kind\": \"trial\"}}', 'default', 'default', 'd-' || n, 'o-' || n, 'a-' || n, 'b-' || n,
                now(), 'machine:somebody', 'unpaid'
         from generate_series(1, {count}) as n"
    ));
}

fn record(world: &World) -> Vec<String> {
    let tenants = "select slug, state, labels, updated_at from control.tenants order by slug";
    let mut all = world.control_sql(tenants);
    all.extend(world.control_sql("select count(*) from control.operations"));
    all.extend(world.control_sql("select count(*) from control.batches"));
    all
}

/// The words of a command, with what follows a `--` at its end.
fn words<'a>(verb: &'a str, more: &[&'a str], last: &[&'a str]) -> Vec<&'a str> {
    let mut line: Vec<&str> = verb.split(' ').collect();
    line.extend(more);
    line.extend(last);
    if verb == "exec" {
        line.extend(["--", "select 1"]);
    }
    line
}

#[test]
fn every_verb_that_takes_many_is_known_here() {
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for inner in command.get_subcommands() {
            let path = if path.is_empty() {
                inner.get_name().to_owned()
            } else {
                format!("{path} {}", inner.get_name())
            };
            leaves(inner, &path, found);
        }
        let takes_many = |argument: &clap::Arg| {
            matches!(argument.get_long(), Some("all" | "where" | "from" | "due"))
                && argument.get_help().is_none_or(|help| !help.to_string().starts_with("Show every row"))
        };
        if command.get_arguments().any(takes_many) {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    leaves(&grammar(), "", &mut found);
    let known = |verb: &str| {
        CONFIRMED.iter().any(|(known, _)| *known == verb) || FREE.iter().any(|(known, _)| *known == verb)
    };
    let unknown: Vec<_> = found.iter().filter(|verb| !known(verb)).collect();
    assert!(unknown.is_empty(), "say whether these are confirmed by number: {unknown:?}");
    for (verb, _) in CONFIRMED {
        assert!(found.iter().any(|found| found == verb), "{verb} takes no selection");
    }
}

#[test]
fn without_the_number_nothing_is_changed_in_a_script() {
    let world = World::new();
    rows(&world, 7);
    let before = record(&world);
    for (verb, more) in CONFIRMED {
        // A statement is written in none but active tenants.
        let count = if verb == "exec" { "4" } else { "7" };
        for selection in [&["--all"][..], &["--where", "kind=trial"]] {
            let more = [more, selection].concat();
            for (answer, code) in [
                (&[][..], "confirmation_required"),
                (&["--yes"], "confirmation_required"),
                (&["--confirm", count], "confirmation_required"),
                (&["--yes", "--confirm", "6"], "confirmation_mismatch"),
                (&["--yes", "--confirm", "0"], "confirmation_mismatch"),
            ] {
                let args = words(verb, &more, answer);
                let (exit, error) = world.error(&args);
                assert_eq!((exit, &error["code"]), (3, &code.into()), "{args:?}: {error}");
                let hint = error["hint"].as_str().unwrap();
                assert!(hint.contains(&format!("--confirm {count}")), "{args:?}: {hint}");
                let again = hint.split_once(": ").unwrap().1;
                assert!(again.starts_with("nexus ") && again.contains(verb), "{args:?}: {hint}");
                assert_eq!(record(&world), before, "{args:?}");
            }
        }
    }
}

#[test]
fn on_a_terminal_the_number_is_typed_and_anything_else_changes_nothing() {
    let world = World::new();
    rows(&world, 7);
    let before = record(&world);
    for (verb, more) in CONFIRMED {
        for (answer, typed) in [(&[][..], "\n"), (&["--yes"], "y\n"), (&[], "6\n")] {
            let more = [more, &["--all"]].concat();
            let seen = world.machine().on_terminal(&words(verb, &more, answer), typed);
            let count = if verb == "exec" { 4 } else { 7 };
            assert!(seen.contains(&format!("{count} tenants")), "{verb}: {seen}");
            assert!(seen.contains(&format!("type {count} to confirm")), "{verb}: {seen}");
            assert!(seen.contains("context t: t-001, "), "{verb}: {seen}");
            assert!(verb == "exec" || seen.contains("t-005 and 2 more"), "{verb}: {seen}");
            assert!(seen.ends_with("--- exit 3"), "{verb}: {seen}");
            assert_eq!(record(&world), before, "{verb}");
        }
    }
}

#[test]
fn several_that_are_named_are_counted_where_something_is_destroyed() {
    let world = World::new();
    rows(&world, 4);
    let before = record(&world);
    for args in [
        &["tenant", "delete", "t-001", "t-003"][..],
        &["tenant", "delete", "t-001", "t-003", "--purge", "--yes"],
        &["tenant", "delete", "t-001", "t-003", "--yes", "--confirm", "t-001"],
        &["exec", "t-001", "t-003", "--write", "--yes", "--", "select 1"],
    ] {
        let (exit, error) = world.error(args);
        assert_eq!(exit, 3, "{args:?}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("--confirm 2"), "{args:?}: {error}");
        assert_eq!(record(&world), before, "{args:?}");
    }
    let (exit, _) = world.error(&["tenant", "suspend", "t-001", "--reason", "x", "--confirm", "2"]);
    assert_eq!((exit, record(&world)), (3, before));
}

#[test]
fn the_right_number_goes_on_and_one_tenant_needs_none() {
    let world = World::new();
    for slug in ["ash", "birch", "cedar"] {
        world.ok(&["tenant", "create", slug]);
    }
    let suspend = ["tenant", "suspend", "--all", "--reason", "oops"];
    let planned = world.json(&[&["--dry-run"], &suspend[..]].concat());
    assert_eq!(planned.as_array().unwrap().len(), 3);
    let done = world.json(&[&suspend[..], &["--yes", "--confirm", "3"]].concat());
    assert!(done.as_array().unwrap().iter().all(|row| row["outcome"] == "suspended"), "{done}");
    assert_eq!(world.json(&["tenant", "resume", "--where", "slug=ash"])[0]["outcome"], "resumed");
    let seen = world.machine().on_terminal(&["tenant", "resume", "--all"], "3\n");
    assert!(seen.ends_with("--- exit 0") && seen.contains("resuming 3 tenants"), "{seen}");
    let gone = world.json(&["tenant", "delete", "ash", "birch", "--yes", "--confirm", "2"]);
    assert_eq!(gone.as_array().unwrap().len(), 2, "{gone}");
    let last = ["tenant", "delete", "--where", "slug=cedar", "--yes"];
    assert_eq!(world.error(&last).0, 3, "one is confirmed as one");
    assert_eq!(world.json(&[&last[..], &["--confirm", "cedar"]].concat())[0]["outcome"], "deleted");
    assert_eq!(world.json(&["tenant", "list"]), serde_json::json!([]));
}

#[test]
fn who_joins_between_the_question_and_the_answer_is_not_touched() {
    let world = World::new();
    for slug in ["ash", "birch"] {
        world.ok(&["tenant", "create", slug]);
    }
    let args = ["tenant", "suspend", "--all", "--reason", "oops"];
    let seen = world.machine().on_terminal_after(&args, "type 2 to confirm", || {
        world.ok(&["tenant", "create", "late"]);
        world.ok(&["tenant", "rename", "birch", "larch"]);
        "2\n".to_owned()
    });
    assert!(seen.ends_with("--- exit 0"), "{seen}");
    let states = "select slug, state from control.tenants order by slug";
    assert_eq!(world.control_sql(states), ["ash|suspended", "larch|suspended", "late|active"]);
}

#[test]
fn who_matches_nothing_is_told_so_with_the_labels_that_there_are() {
    let world = World::new();
    rows(&world, 2);
    let said = |args: &[&str]| {
        let output = world.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let suspend = |condition| said(&["tenant", "suspend", "--reason", "x", "--where", condition]);
    let near = "teir was taken for a label; did you mean tier?\n";
    assert_eq!(suspend("teir=gold"), format!("no tenants match; known label keys: kind\n{near}"));
    assert_eq!(suspend("kind=gold"), "no tenants match\n");
    assert_eq!(
        said(&["tenant", "list", "--where", "label.teir"]),
        "no tenants match; known label keys: kind\n"
    );
    assert_eq!(said(&["-o", "json", "tenant", "list", "--search", "zzz"]), "no tenants match\n");
    assert_eq!(said(&["-q", "tenant", "list", "--search", "zzz"]), "");
}
