//! What a person at a terminal is asked, and what they see.

use crate::support::world::World;

#[test]
fn a_person_who_names_no_slug_is_asked_for_what_is_needed() {
    let world = World::new();
    let typed = "Acme!\nacme\nAcme Ltd\nann@acme.example\n";
    let seen = world.machine().on_terminal(&["tenant", "create"], typed);
    assert!(seen.ends_with("--- exit 0"), "{seen}");
    for question in ["Slug", "a slug holds", "Name", "First admin's e-mail (optional)"] {
        assert!(seen.contains(question), "{question}: {seen}");
    }
    let made = world.json(&["tenant", "show", "acme"]);
    assert_eq!((&made["name"], &made["admin_email"]), (&"Acme Ltd".into(), &"ann@acme.example".into()));

    let output = world.machine().output(&["-o", "json", "tenant", "create"], typed);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("input_required"));
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["1"]);
}

#[test]
fn a_terminal_shows_tables_and_a_pipe_gets_rows() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    for args in [&["tenant", "list"][..], &["tenant", "show", "acme"], &["operation", "list"]] {
        let seen = world.machine().on_terminal(args, "");
        assert!(seen.contains("acme") && !seen.contains('\t') && seen.ends_with("--- exit 0"), "{seen}");
        assert!(world.ok(args).contains('\t'));
    }
}

#[test]
fn an_address_that_is_left_empty_makes_no_admin() {
    let world = World::new();
    let seen = world.machine().on_terminal(&["tenant", "create"], "acme\nAcme\n\n");
    assert!(seen.ends_with("--- exit 0"), "{seen}");
    assert!(world.json(&["tenant", "show", "acme"])["admin_email"].is_null());
}
