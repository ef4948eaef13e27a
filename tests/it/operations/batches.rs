//! What one command changed is one batch, and can be undone as one.

use serde_json::Value;

use crate::support::world::World;

fn of_three() -> World {
    let world = World::new();
    for slug in ["ash", "birch", "cedar"] {
        world.ok(&["tenant", "create", slug]);
    }
    world
}

fn states(world: &World) -> String {
    world.control_sql("select slug || ' ' || state from control.tenants order by slug").join(", ")
}

/// Rows by slug, as `slug outcome`.
fn outcomes(rows: &Value) -> String {
    let mut seen: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["slug"].as_str().unwrap(), row["outcome"].as_str().unwrap()))
        .collect();
    seen.sort();
    seen.join(", ")
}

fn batch(rows: &Value) -> String {
    let of = |row: &Value| row["batch"].as_str().map(str::to_owned);
    rows.as_array().unwrap().iter().find_map(of).unwrap_or_else(|| panic!("no batch: {rows}"))
}

fn suspend_all(world: &World, count: &str) -> String {
    let args = ["tenant", "suspend", "--all", "--reason", "oops", "--yes", "--confirm", count];
    batch(&world.json(&args))
}

fn roll_back(world: &World, batch: &str, count: &str) -> Value {
    world.json(&["operation", "rollback", "--batch", batch, "--yes", "--confirm", count])
}

#[test]
fn who_was_suspended_for_another_reason_stays_so() {
    let world = of_three();
    world.ok(&["tenant", "suspend", "birch", "--reason", "unpaid"]);
    let id = suspend_all(&world, "3");
    let listed = world.json(&["operation", "list", "--batch", &id]);
    let mut of: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| row["tenant"].as_str().unwrap()).collect();
    of.sort_unstable();
    assert_eq!(of, ["ash", "cedar"], "only those that it changed");
    let (exit, error) = world.error(&["operation", "rollback", "--batch", &id]);
    assert_eq!((exit, &error["code"]), (3, &"confirmation_required".into()), "{error}");
    assert_eq!(world.error(&["operation", "rollback", "--batch", &id, "--yes", "--confirm", "3"]).0, 3);
    let planned = world.json(&["--dry-run", "operation", "rollback", "--batch", &id]);
    assert_eq!(outcomes(&planned), "ash planned, cedar planned");
    assert_eq!(outcomes(&roll_back(&world, &id, "2")), "ash resumed, cedar resumed");
    assert_eq!(states(&world), "ash active, birch suspended, cedar active");
    assert_eq!(
        outcomes(&world.json(&["operation", "rollback", "--batch", &id])),
        "ash unchanged, cedar unchanged"
    );
    assert_eq!(states(&world), "ash active, birch suspended, cedar active");
}

#[test]
fn who_was_changed_again_since_is_skipped_and_named() {
    let world = of_three();
    let id = suspend_all(&world, "3");
    world.ok(&["tenant", "resume", "birch"]);
    world.ok(&["tenant", "suspend", "birch", "--reason", "unpaid"]);
    let done = roll_back(&world, &id, "2");
    assert_eq!(outcomes(&done), "ash resumed, birch skipped, cedar resumed");
    let birch = done.as_array().unwrap().iter().find(|row| row["slug"] == "birch").unwrap();
    assert_eq!(birch["code"], "changed_since", "{done}");
    assert_eq!(states(&world), "ash active, birch suspended, cedar active");
    assert_eq!(world.json(&["tenant", "show", "birch"])["suspension"]["reason"], "unpaid");
}

#[test]
fn who_has_an_operation_of_somebody_elses_that_is_not_over_is_not_done_and_named() {
    let world = of_three();
    let id = suspend_all(&world, "3");
    world.ok(&["tenant", "resume", "birch"]);
    world.killed_at("suspend.intent.after", &["tenant", "suspend", "birch", "--reason", "unpaid"]);
    let open = world.json(&["operation", "list", "--open"])[0]["id"].as_str().unwrap().to_owned();
    for dry in [true, false] {
        let mut args = vec!["-o", "json", "operation", "rollback", "--batch", &id];
        args.extend(if dry { &["--dry-run"][..] } else { &["--yes", "--confirm", "2"] });
        let output = world.run(&args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{error}");
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        let done = if dry { "planned" } else { "resumed" };
        assert_eq!(outcomes(&rows), format!("ash {done}, birch failed, cedar {done}"));
        let birch = rows.as_array().unwrap().iter().find(|row| row["slug"] == "birch").unwrap();
        assert_eq!(
            (&birch["code"], &birch["operation"]),
            (&"tenant_in_progress".into(), &open.clone().into())
        );
        let next = format!("finish it: nexus operation resume {open}");
        assert_eq!(birch["hint"], next.clone(), "{rows}");
        assert!(error.contains("1 of") && error.contains(&next), "{error}");
    }
    assert_eq!(states(&world), "ash active, birch suspended, cedar active");
    assert_eq!(world.json(&["operation", "list", "--open"])[0]["id"], open);
}

/// Every other verb over many where one has a creation that is not over.
#[test]
fn a_verb_over_many_counts_who_is_being_made_as_not_done() {
    let world = of_three();
    world.killed_at("create.reserve.after", &["tenant", "create", "fir"]);
    for verb in [&["suspend", "--reason", "oops"][..], &["resume"], &["delete"]] {
        let output = world
            .run(&[&["-o", "json", "tenant"], verb, &["ash", "fir", "--yes", "--confirm", "2"]].concat());
        assert_eq!(output.status.code(), Some(6), "{verb:?}");
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        let fir = rows.as_array().unwrap().iter().find(|row| row["slug"] == "fir").unwrap();
        assert_eq!(
            (&fir["outcome"], &fir["code"]),
            (&"failed".into(), &"tenant_in_progress".into()),
            "{rows}"
        );
        assert!(fir["hint"].as_str().unwrap().contains("nexus operation resume"), "{rows}");
    }
}

#[test]
fn a_resume_that_is_rolled_back_leaves_each_its_own_reason() {
    let world = of_three();
    world.ok(&["tenant", "suspend", "ash", "--reason", "unpaid"]);
    world.ok(&["tenant", "suspend", "birch", "--reason", "abuse"]);
    let since = world.json(&["tenant", "show", "ash"])["suspension"]["at"].clone();
    let resumed = world.json(&["tenant", "resume", "--where", "state=suspended", "--yes", "--confirm", "2"]);
    roll_back(&world, &batch(&resumed), "2");
    assert_eq!(states(&world), "ash suspended, birch suspended, cedar active");
    let ash = world.json(&["tenant", "show", "ash"]);
    assert_eq!((&ash["suspension"]["reason"], &ash["suspension"]["at"]), (&"unpaid".into(), &since));
    assert_eq!(world.json(&["tenant", "show", "birch"])["suspension"]["reason"], "abuse");
}

#[test]
fn deleted_ones_come_back_and_purged_ones_do_not() {
    let world = of_three();
    world.ok(&["tenant", "suspend", "cedar", "--reason", "unpaid"]);
    let gone = world.json(&["tenant", "delete", "--all", "--yes", "--confirm", "3"]);
    assert_eq!(states(&world), "ash trashed, birch trashed, cedar trashed");
    let back = roll_back(&world, &batch(&gone), "3");
    assert_eq!(outcomes(&back), "ash undeleted, birch undeleted, cedar undeleted");
    assert_eq!(states(&world), "ash active, birch active, cedar suspended");
    // The way back is a batch, too.
    roll_back(&world, &batch(&back), "3");
    assert_eq!(states(&world), "ash trashed, birch trashed, cedar trashed");
    let purged = world.json(&["tenant", "delete", "ash", "birch", "--purge", "--yes", "--confirm", "2"]);
    let (exit, error) = world.error(&["operation", "rollback", "--batch", &batch(&purged)]);
    assert_eq!((exit, &error["code"]), (5, &"batch_only_forward".into()), "{error}");
}

#[test]
fn labels_go_back_to_what_they_were_where_nobody_changed_them_since() {
    let world = of_three();
    world.ok(&["tenant", "update", "ash", "--label", "tier=free", "--label", "region=eu"]);
    let args = [
        "tenant",
        "update",
        "--all",
        "--label",
        "tier=gold",
        "--unlabel",
        "region",
        "--yes",
        "--confirm",
        "3",
    ];
    world.ok(&args);
    let id = world.control_sql("select id from control.batches").remove(0);
    world.ok(&["tenant", "update", "birch", "--label", "tier=silver"]);
    world.ok(&["tenant", "update", "ash", "--label", "owner=ann"]);
    assert_eq!(world.json(&["operation", "list", "--batch", &id]).as_array().unwrap().len(), 3);
    let done = roll_back(&world, &id, "2");
    assert_eq!(outcomes(&done), "ash updated, birch skipped, cedar updated");
    let labels = "select slug, labels from control.tenants order by slug";
    assert_eq!(
        world.control_sql(labels),
        [
            "ash|{\"tier\": \"free\", \"owner\": \"ann\", \"region\": \"eu\"}",
            "birch|{\"tier\": \"silver\"}",
            "cedar|{}"
        ]
    );
    assert_eq!(
        outcomes(&world.json(&["operation", "rollback", "--batch", &id])),
        "ash unchanged, birch skipped, cedar unchanged"
    );
}

#[test]
fn what_was_killed_in_the_middle_is_rolled_back_too() {
    let world = of_three();
    world.killed_at(
        "suspend.intent.after",
        &["tenant", "suspend", "--all", "--reason", "oops", "--jobs", "1", "--yes", "--confirm", "3"],
    );
    let id = world.control_sql("select id from control.batches").remove(0);
    assert_eq!(states(&world), "ash suspended, birch active, cedar active");
    assert_eq!(outcomes(&world.json(&["operation", "rollback", "--batch", &id])), "ash rolled_back");
    assert_eq!(states(&world), "ash active, birch active, cedar active");
    let (exit, error) =
        world.error(&["operation", "rollback", "--batch", "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d"]);
    assert_eq!((exit, &error["code"]), (4, &"batch_not_found".into()), "{error}");
}

/// Suspends two, and has the rollback of that killed while the first of them is half open; the batch.
fn rollback_killed(world: &World) -> String {
    let id = batch(&world.json(&["tenant", "suspend", "ash", "birch", "--reason", "oops"]));
    world.killed_at(
        "resume.open-logins.after",
        &["operation", "rollback", "--batch", &id, "--yes", "--confirm", "2", "--jobs", "1"],
    );
    assert_eq!(states(world), "ash suspended, birch suspended, cedar active");
    id
}

#[test]
fn a_rollback_that_was_killed_is_finished_by_the_same_command() {
    let world = of_three();
    let id = rollback_killed(&world);
    let planned = world.json(&["--dry-run", "operation", "rollback", "--batch", &id]);
    assert_eq!(outcomes(&planned), "ash planned, birch planned");
    let back = roll_back(&world, &id, "2");
    assert_eq!(outcomes(&back), "ash resumed, birch resumed");
    assert_eq!(states(&world), "ash active, birch active, cedar active");
    assert_eq!(world.json(&["operation", "list", "--open"]), serde_json::json!([]));
    // Both are parts of the rollback that is reported, which can be undone.
    assert_eq!(outcomes(&roll_back(&world, &batch(&back), "2")), "ash suspended, birch suspended");
}

#[test]
fn a_rollback_that_cannot_be_finished_says_so() {
    let world = of_three();
    let id = rollback_killed(&world);
    let name = world.control_sql("select database_name from control.tenants where slug = 'ash'").remove(0);
    world.sql("postgres", &format!("drop database {name} with (force)"));
    let args = ["-o", "json", "operation", "rollback", "--batch", &id, "--yes", "--confirm", "2"];
    let output = world.run(&args);
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcomes(&rows), "ash failed, birch resumed");
}

#[test]
fn the_number_that_a_rollback_was_confirmed_with_is_right_when_it_is_repeated() {
    let world = of_three();
    let id = rollback_killed(&world);
    world.ok(&["operation", "resume", "--all"]);
    let again = |count| ["operation", "rollback", "--batch", &id, "--yes", "--confirm", count];
    assert_eq!(world.error(&again("3")).0, 3, "nobody confirmed that many");
    assert_eq!(outcomes(&world.json(&again("2"))), "ash unchanged, birch resumed");
    assert_eq!(outcomes(&world.json(&again("2"))), "ash unchanged, birch unchanged");
}

#[test]
fn what_a_repeated_command_reports_is_what_its_batch_undoes() {
    let world = of_three();
    let args = ["tenant", "suspend", "ash", "birch", "--reason", "oops", "--jobs", "1"];
    world.killed_at("suspend.intent.after", &args);
    let again = world.json(&args);
    assert_eq!(outcomes(&again), "ash suspended, birch suspended");
    assert_eq!(outcomes(&roll_back(&world, &batch(&again), "2")), "ash resumed, birch resumed");
    assert_eq!(states(&world), "ash active, birch active, cedar active");
}

#[test]
fn an_operation_of_another_kind_that_is_finished_first_is_no_part_of_the_batch() {
    let world = of_three();
    world.ok(&["tenant", "suspend", "ash", "--reason", "unpaid"]);
    world.killed_at("suspend.intent.after", &["tenant", "suspend", "birch", "--reason", "unpaid"]);
    let resumed = world.json(&["tenant", "resume", "ash", "birch"]);
    assert_eq!(outcomes(&resumed), "ash resumed, birch resumed");
    let listed = world.json(&["operation", "list", "--batch", &batch(&resumed)]);
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["resume", "resume"]);
}

#[test]
fn the_batch_is_named_before_anything_is_changed() {
    let world = of_three();
    let mut suspend = world.command(&["tenant", "suspend", "ash", "birch", "--reason", "oops"]);
    let output = suspend.env("NEXUS_FAILPOINT", "suspend.intent.after=kill").output().unwrap();
    assert_eq!(output.status.code(), None);
    let id = world.control_sql("select id from control.batches").remove(0);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("batch {id}")), "{said}");
}

#[test]
fn nothing_is_offered_to_undo_where_only_a_half_done_change_was_rolled_back() {
    let world = of_three();
    world.killed_at(
        "suspend.intent.after",
        &["tenant", "suspend", "ash", "birch", "--reason", "oops", "--jobs", "1"],
    );
    let id = world.control_sql("select id from control.batches").remove(0);
    let output = world.run(&["operation", "rollback", "--batch", &id]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("to undo"), "{said}");
}

#[test]
fn a_row_that_fails_says_how_to_go_on() {
    let world = of_three();
    world.ok(&["tenant", "suspend", "ash", "birch", "--reason", "oops"]);
    let name = world.control_sql("select database_name from control.tenants where slug = 'birch'").remove(0);
    world.sql("postgres", &format!("drop database {name} with (force)"));
    let args = ["-o", "json", "tenant", "resume", "--all", "--yes", "--confirm", "3"];
    let output = world.run(&args);
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let birch = rows.as_array().unwrap().iter().find(|row| row["slug"] == "birch").unwrap();
    let operation = birch["operation"].as_str().unwrap();
    assert_eq!(birch["hint"], format!("roll it back first: nexus operation rollback {operation}"), "{rows}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let hint = error["error"]["hint"].as_str().unwrap();
    assert!(
        hint.contains(&format!("birch: roll it back first: nexus operation rollback {operation}")),
        "{hint}"
    );
    assert!(hint.contains("nexus operation rollback --batch"), "{hint}");
}
