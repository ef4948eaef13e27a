//! Lists of tenants.

use std::process::Stdio;

use crate::support::world::World;

/// Rows without anything behind them: a list reads the control database alone.
fn fleet(world: &World, count: u32) {
    world.control_sql(&format!(
        "insert into control.tenants (id, slug, name, state, labels, cluster, store, database_name, owner_role,
                                      app_role, bucket, created_at)
         select gen_random_uuid(), 't' || lpad(n::text, 5, '0'), 'Number ' || ({count} - n),
                case when n % 10 = 0 then 'deleting' else 'active' end,
                jsonb_build_object('plan', case when n % 2 = 0 then 'gold' else 'free' end, 'region', 'eu' || n % 3),
                'default', 'default', 'd' || n, 'o' || n, 'a' || n, 'b' || n, now() + make_interval(secs => n)
         from generate_series(1, {count}) as n"
    ));
}

fn slugs(world: &World, args: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["-o", "id", "tenant", "list"].iter().chain(args).copied().collect();
    world.ok(&args).lines().map(str::to_owned).collect()
}

#[test]
fn a_list_is_filtered_searched_sorted_and_paged() {
    let world = World::new();
    fleet(&world, 40);
    assert_eq!(slugs(&world, &["--state", "deleting"]), ["t00010", "t00020", "t00030", "t00040"]);
    assert_eq!(slugs(&world, &["--where", "plan=gold,region=eu0", "--limit", "2"]), ["t00006", "t00012"]);
    assert_eq!(slugs(&world, &["--where", "plan=gold", "--where", "region=eu1", "--limit", "1"]), ["t00004"]);
    assert!(slugs(&world, &["--where", "plan=silver"]).is_empty());
    assert_eq!(slugs(&world, &["--search", "T0000"]).len(), 9);
    assert_eq!(slugs(&world, &["--search", "number 39"]), ["t00001"]);
    assert!(slugs(&world, &["--search", "%"]).is_empty(), "a search is for text, not for a pattern");
    assert!(slugs(&world, &["--search", "_"]).is_empty(), "a search is for text, not for a pattern");
    assert_eq!(slugs(&world, &["--sort", "-slug", "--limit", "2"]), ["t00040", "t00039"]);
    assert_eq!(slugs(&world, &["--sort", "-created", "--limit", "1"]), ["t00040"]);
    assert_eq!(slugs(&world, &["--sort", "name", "--limit", "1"]), ["t00040"]);
    assert_eq!(slugs(&world, &["--page", "4", "--limit", "12"]), ["t00037", "t00038", "t00039", "t00040"]);
    assert!(slugs(&world, &["--page", "5", "--limit", "12"]).is_empty());
    assert_eq!(slugs(&world, &["--all"]).len(), 40);
    let gold = ["--where", "plan=gold", "--sort", "-name", "--limit", "6", "--page"];
    let page = |number| slugs(&world, &[&gold[..], &[number]].concat());
    assert_eq!(
        (page("1")[0].as_str(), page("4")),
        ("t00032", vec!["t00030".to_owned(), "t00040".to_owned()])
    );
    assert!(page("5").is_empty());
    let output = world.run(&[&["tenant", "list"], &gold[..], &["3"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "page 3 of 4, 20 tenants in all; --page 4 shows the next\n");
}

#[test]
fn pages_one_after_the_other_are_the_whole_list() {
    let world = World::new();
    fleet(&world, 6000);
    // Names that several have, and labels that stand at one end.
    world.control_sql("update control.tenants set name = 'Same' where right(slug, 1) in ('1', '2', '3')");
    world.control_sql(
        "update control.tenants set labels = labels || '{\"wave\": \"new\"}' where slug > 't02500'",
    );
    for (conditions, total) in [
        (&["--sort", "name"][..], 6000),
        (&["--search", "t0"], 6000),
        (&["--search", "T0", "--sort", "-name"], 6000),
        (&["--where", "label.plan!=gold", "--sort", "state"], 3000),
        (&["--where", "label.wave=new", "--sort", "-created"], 3500),
        (&["--where", "label.wave=new"], 3500),
        (&["--where", "slug=*7*,label.plan"], 1626),
    ] {
        let limit = ["--limit", "650", "--page"];
        let page = |number: usize| {
            let number = number.to_string();
            slugs(&world, &[conditions, &limit[..], &[&number]].concat())
        };
        let pages: Vec<_> = (1..=total / 650 + 1).map(page).collect();
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == 650), "{conditions:?}");
        let pages = pages.concat();
        assert_eq!(pages.len(), total, "{conditions:?}");
        assert_eq!(pages, slugs(&world, &[conditions, &["--all"]].concat()), "{conditions:?}");
    }
}

#[test]
fn five_thousand_tenants_are_listed_in_every_format() {
    let world = World::new();
    fleet(&world, 5000);
    for format in ["table", "csv", "id", "json", "yaml"] {
        let text = world.ok(&["-o", format, "tenant", "list", "--all"]);
        let count = match format {
            "json" => serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(),
            "yaml" => text.lines().filter(|line| line.contains("slug: t0")).count(),
            "csv" => text.lines().count() - 1,
            _ => text.lines().count(),
        };
        assert_eq!(count, 5000, "{format}");
        assert_eq!(text.matches("t04321").count(), 1, "{format}");
    }
}

#[test]
fn a_reader_that_has_enough_ends_a_list_quietly() {
    let world = World::new();
    fleet(&world, 5000);
    let program = env!("CARGO_BIN_EXE_nexus");
    let line = format!("'{program}' tenant list --all | head -n 1; exit \"${{PIPESTATUS[0]}}\"");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &line]).stdin(Stdio::null());
    world.machine().furnish(&mut command);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}
