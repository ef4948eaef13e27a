//! What was done to the log by hand shows.

use super::{chain_anew, finding, tamper, verified, world_with_rows, write_rows};
use crate::support::world::World;

#[test]
fn a_log_that_nobody_touched_is_intact() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--label", "plan=gold"]);
    world.ok(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    let view = verified(&world, &[]);
    assert_eq!(view["rows"], 3);
    assert_eq!(view["position"], 3);
    let head = world.control_sql("select encode(hash, 'hex') from control.audit_head");
    assert_eq!(view["hash"], head[0].as_str());
}

#[test]
fn an_edit_of_any_field_shows() {
    let world = world_with_rows(6);
    for change in [
        "caller = 'machine:eve'",
        "caller = caller || ' '",
        "action = 'test.read'",
        "at = at + interval '1 microsecond'",
        "at = 'infinity'",
        "at = at - interval '4000 years'",
        "tenant_id = null",
        "operation_id = gen_random_uuid()",
        "detail = '{}'",
        "detail = (detail::text || ' ')::json",
        "hash = sha256('x')",
        "hash = ''",
    ] {
        world.control_sql("create table control.before as select * from control.audit_log");
        tamper(&world, &format!("update control.audit_log set {change} where sequence = 4"));
        assert_eq!(finding(&world, &[]), ("audit_row_edited".to_owned(), 4), "{change}");
        tamper(
            &world,
            "update control.audit_log as log set caller = b.caller, action = b.action, at = b.at,
                 tenant_id = b.tenant_id, operation_id = b.operation_id, detail = b.detail, hash = b.hash
             from control.before as b where b.id = log.id; drop table control.before",
        );
    }
    verified(&world, &[]);
    tamper(&world, "update control.audit_log set id = default where sequence = 4");
    assert_eq!(finding(&world, &[]), ("audit_row_edited".to_owned(), 4));
}

#[test]
fn an_edit_with_a_new_hash_shows_in_the_row_after_it() {
    let world = world_with_rows(6);
    tamper(
        &world,
        "update control.audit_log as log set caller = 'machine:eve', hash = control.audit_hash(
             (select hash from control.audit_log where sequence = 3), sequence, id, at, 'machine:eve', action,
             tenant_id, operation_id, detail) where sequence = 4",
    );
    assert_eq!(finding(&world, &[]), ("audit_row_edited".to_owned(), 5));
}

#[test]
fn rows_that_are_gone_from_the_middle_show() {
    let world = world_with_rows(9);
    tamper(&world, "delete from control.audit_log where sequence = 7");
    assert_eq!(finding(&world, &[]), ("audit_rows_missing".to_owned(), 7));
    tamper(&world, "delete from control.audit_log where sequence in (3, 4)");
    assert_eq!(finding(&world, &[]), ("audit_rows_missing".to_owned(), 3));
    tamper(&world, "delete from control.audit_log where sequence = 1");
    assert_eq!(finding(&world, &[]), ("audit_rows_missing".to_owned(), 1));
}

#[test]
fn a_gap_that_is_closed_by_numbering_anew_shows() {
    let world = world_with_rows(6);
    tamper(
        &world,
        "delete from control.audit_log where sequence = 4;
         update control.audit_log set sequence = -sequence where sequence > 4;
         update control.audit_log set sequence = -sequence - 1 where sequence < 0;
         update control.audit_head set sequence = 5",
    );
    assert_eq!(finding(&world, &[]), ("audit_row_edited".to_owned(), 4));
}

#[test]
fn rows_that_changed_places_show() {
    let world = world_with_rows(8);
    let swap = "update control.audit_log set sequence = -sequence where sequence in (3, 6);
                update control.audit_log set sequence = 9 + sequence where sequence < 0";
    tamper(&world, swap);
    assert_eq!(finding(&world, &[]), ("audit_row_reordered".to_owned(), 3));
    tamper(&world, swap);
    verified(&world, &[]);
    tamper(&world, "update control.audit_log set sequence = 99 where sequence = 5");
    assert_eq!(finding(&world, &[]), ("audit_row_reordered".to_owned(), 5));
}

#[test]
fn a_forged_row_shows_wherever_it_is_put() {
    let world = world_with_rows(4);
    let forged = "insert into control.audit_log (caller, action, detail, sequence, hash)
                  select 'machine:eve', 'test.write', '{}'::json, ";
    tamper(
        &world,
        &format!(
            "{forged} 5, sha256('x'); update control.audit_log set hash = control.audit_hash(
                 (select hash from control.audit_log where sequence = 4), sequence, id, at, caller, action,
                 tenant_id, operation_id, detail) where sequence = 5"
        ),
    );
    assert_eq!(finding(&world, &[]), ("audit_row_forged".to_owned(), 5), "past the head, with a good hash");
    tamper(&world, "update control.audit_log set hash = sha256('x') where sequence = 5");
    assert_eq!(finding(&world, &[]), ("audit_row_forged".to_owned(), 5), "past the head, with a bad one");
    tamper(&world, "delete from control.audit_log where sequence = 5");
    verified(&world, &[]);
    tamper(
        &world,
        &format!(
            "alter table control.audit_log drop constraint audit_log_sequence;
             {forged} 3, (select hash from control.audit_log where sequence = 3)"
        ),
    );
    assert_eq!(finding(&world, &[]), ("audit_row_forged".to_owned(), 3), "twice at one position");
    tamper(
        &world,
        &format!(
            "delete from control.audit_log where caller = 'machine:eve';
             alter table control.audit_log alter column sequence drop not null; {forged} null, sha256('x')"
        ),
    );
    assert_eq!(finding(&world, &[]), ("audit_row_forged".to_owned(), 0), "at no position");
}

#[test]
fn a_cut_tail_shows_by_the_head() {
    let world = world_with_rows(8);
    tamper(&world, "delete from control.audit_log where sequence > 5");
    assert_eq!(finding(&world, &[]), ("audit_tail_cut".to_owned(), 6));
}

#[test]
fn a_cut_tail_with_the_head_set_back_shows_by_an_anchor_alone() {
    let world = world_with_rows(8);
    let anchors = world.machine().path("anchors").display().to_string();
    world.ok(&["audit", "anchor", "--file", &anchors]);
    let cut = "delete from control.audit_log where sequence > 5;
               update control.audit_head set (sequence, hash) =
                   (select sequence, hash from control.audit_log where sequence = 5)";
    tamper(&world, cut);
    assert_eq!(verified(&world, &[])["rows"], 5, "without an anchor nothing shows");
    assert_eq!(finding(&world, &["--anchor", &anchors]), ("audit_tail_cut".to_owned(), 6));
    // The log goes on, past the anchor's position.
    write_rows(&world, 6);
    assert_eq!(verified(&world, &[])["rows"], 11);
    assert_eq!(finding(&world, &["--anchor", &anchors]), ("audit_rewritten".to_owned(), 8));
}

#[test]
fn a_log_that_was_written_anew_shows_by_an_anchor_alone() {
    let world = world_with_rows(8);
    let anchors = world.machine().path("anchors").display().to_string();
    world.ok(&["audit", "anchor", "--file", &anchors]);
    let rewrite = chain_anew(4);
    tamper(&world, &format!("update control.audit_log set caller = 'eve' where sequence = 4; {rewrite}"));
    assert_eq!(verified(&world, &[])["rows"], 8, "without an anchor nothing shows");
    assert_eq!(finding(&world, &["--anchor", &anchors]), ("audit_rewritten".to_owned(), 8));
}

#[test]
fn a_wiped_log_shows_even_without_an_anchor() {
    let world = world_with_rows(5);
    tamper(
        &world,
        "truncate control.audit_log;
         update control.audit_head set sequence = 0, hash = decode(repeat('00', 32), 'hex')",
    );
    assert_eq!(finding(&world, &[]), ("audit_wiped".to_owned(), 1));
}

#[test]
fn a_wiped_log_that_begins_anew_shows_by_an_anchor() {
    let world = world_with_rows(5);
    let anchors = world.machine().path("anchors").display().to_string();
    world.ok(&["audit", "anchor", "--file", &anchors]);
    tamper(
        &world,
        "truncate control.audit_log;
         update control.audit_head set sequence = 0, hash = decode(repeat('00', 32), 'hex')",
    );
    write_rows(&world, 3);
    assert_eq!(finding(&world, &["--anchor", &anchors]), ("audit_tail_cut".to_owned(), 4));
    write_rows(&world, 3);
    assert_eq!(finding(&world, &["--anchor", &anchors]), ("audit_rewritten".to_owned(), 5));
}

#[test]
fn a_changed_head_shows() {
    let world = world_with_rows(5);
    world.control_sql("update control.audit_head set hash = sha256('x')");
    assert_eq!(finding(&world, &[]), ("audit_head_changed".to_owned(), 5));
}

#[test]
fn without_its_head_the_log_shows_it_and_nothing_is_changed_unrecorded() {
    let world = world_with_rows(5);
    world.control_sql("delete from control.audit_head");
    assert_eq!(finding(&world, &[]).0, "audit_head_missing");
    assert!(!world.run(&["tenant", "create", "acme"]).status.success());
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["0"]);
}
