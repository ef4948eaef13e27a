//! Tenants that are suspended, kept ready, half-made or deleted, and those that are born later.

use super::{FIRST, Fleet};

#[test]
fn a_suspended_tenant_is_migrated_and_stays_shut() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.world.ok(&["tenant", "suspend", "ash", "--reason", "late"]);
    fleet.file(FIRST.0, FIRST.1);
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!((&report["outcome"], &report["run"]["done"]), (&"done".into(), &2.into()), "{report}");
    let shut = format!("select datallowconn from pg_database where datname = '{}'", fleet.database("ash"));
    assert_eq!(fleet.world.sql("postgres", &shut), ["f"]);
    fleet.world.ok(&["tenant", "resume", "ash"]);
    assert_eq!(fleet.history("ash"), ["1"]);
    fleet.is_tidy();
}

#[test]
fn a_process_killed_while_a_suspended_tenant_is_open_leaves_it_shut_after_the_next() {
    let fleet = Fleet::of(&["ash"]);
    fleet.world.ok(&["tenant", "suspend", "ash", "--reason", "late"]);
    let database = fleet.database("ash");
    let open = format!("select datallowconn from pg_database where datname = '{database}'");
    for (index, point) in ["fleet.open.before", "fleet.open.after", "fleet.apply.N.after"].iter().enumerate()
    {
        let version = (index + 1).to_string();
        fleet.file(&format!("{version}_more"), &format!("create table t{version} (id int);"));
        fleet.world.killed_at(&point.replace('N', &version), &["migrate", "tenants", "--all"]);
        let app =
            fleet.world.control_sql("select app_role from control.tenants where slug = 'ash'").remove(0);
        let can = format!("select rolcanlogin from pg_roles where rolname = '{app}'");
        assert_eq!(fleet.world.sql("postgres", &can), ["f"], "{point}");
        assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done", "{point}");
        assert_eq!(fleet.world.sql("postgres", &open), ["f"], "{point}");
        fleet.is_tidy();
    }
    fleet.world.ok(&["tenant", "resume", "ash"]);
    assert_eq!(fleet.history("ash"), ["1", "2", "3"]);
}

#[test]
fn those_that_are_half_made_or_deleted_are_left_out_and_named() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.world.ok(&["tenant", "delete", "birch", "--yes", "--confirm", "birch"]);
    fleet.world.killed_at("create.database.before", &["tenant", "create", "cedar"]);
    fleet.file(FIRST.0, FIRST.1);
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!(
        (&report["outcome"], &report["run"]["done"], &report["run"]["skipped"]),
        (&"done".into(), &1.into(), &2.into())
    );
    let mut named: Vec<_> = report["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["slug"], it["message"]))
        .collect();
    named.sort();
    assert_eq!(named, [r#""birch" "it is trashed""#, r#""cedar" "it is provisioning""#]);
    fleet.world.ok(&["tenant", "undelete", "birch"]);
    fleet.world.ok(&["tenant", "repair", "cedar"]);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
    assert_eq!(
        (fleet.history("birch"), fleet.history("cedar")),
        (vec!["1".to_owned()], vec!["1".to_owned()])
    );
}

#[test]
fn after_a_run_new_tenants_are_born_with_what_the_others_have() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    fleet.create(&["birch"]);
    assert_eq!(fleet.history("birch"), ["1"]);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
    let env = fleet.world.env("birch");
    let (user, password) = (env["PGUSER"].as_str().unwrap(), env["PGPASSWORD"].as_str().unwrap());
    let database = fleet.database("birch");
    let as_app = |statement: &str| fleet.world.sql_as(user, password, &database, statement);
    as_app("insert into public.books values (1, 'one')").unwrap();
    assert!(as_app("delete from public._sqlx_migrations").unwrap_err().contains("permission denied"));
    // One born there goes on like the others.
    fleet.file("2_more", "alter table books add column more text;");
    assert_eq!(fleet.migrate(&["tenants", "--all"])["run"]["done"], 2);
    assert_eq!(fleet.history("birch"), ["1", "2"]);
    fleet.create(&["cedar"]);
    assert_eq!(fleet.history("cedar"), ["1", "2"]);
    assert_eq!(
        fleet.world.control_sql("select count(*) from control.templates"),
        ["2"],
        "older ones are dropped"
    );
    fleet.is_tidy();
}

#[test]
fn a_set_without_any_tenant_is_what_the_first_tenant_is_born_with() {
    let fleet = Fleet::of(&[]);
    fleet.file(FIRST.0, FIRST.1);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
    fleet.create(&["ash"]);
    assert_eq!(fleet.history("ash"), ["1"]);
}

#[test]
fn a_tenant_that_is_made_while_a_run_goes_on_is_taken_into_it() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    let paused = fleet.world.paused_at("fleet.finish.before", &["migrate", "tenants", "--all"]);
    fleet.create(&["birch"]);
    assert!(paused.go_on().status.success());
    assert_eq!(fleet.history("birch"), ["1"]);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
}

#[test]
fn those_that_are_kept_ready_are_migrated_and_given_away_at_the_new_version_only() {
    let fleet = Fleet::of(&["ash"]);
    fleet.world.ok(&["pool", "set", "--size", "1"]);
    fleet.world.ok(&["pool", "fill"]);
    let ready = fleet.world.control_sql("select database_name from control.tenants where state = 'pooled'");
    fleet.file(FIRST.0, FIRST.1);
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!(report["run"]["done"], 2, "{report}");
    assert_eq!(fleet.world.json(&["pool", "list"])[0]["ready"], 1);
    fleet.create(&["birch"]);
    assert_eq!(fleet.database("birch"), ready[0]);
    assert_eq!(fleet.history("birch"), ["1"]);
    // One that lacks what is released is never given away.
    fleet.world.ok(&["pool", "fill"]);
    fleet.world.control_sql("delete from control.tenant_versions where tenant_id in (select id from control.tenants where state = 'pooled')");
    assert_eq!(fleet.world.json(&["pool", "list"])[0]["ready"], 0);
    let old = fleet.world.control_sql("select database_name from control.tenants where state = 'pooled'");
    fleet.create(&["cedar"]);
    assert_ne!(fleet.database("cedar"), old[0]);
}

#[test]
fn a_file_that_an_empty_tenant_cannot_take_is_told_and_new_tenants_are_born_without_it() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    fleet.sql("ash", "create table public.by_hand (id int); grant all on public.by_hand to public");
    fleet.sql("ash", "do $$ begin execute format('alter table public.by_hand owner to %I', (select pg_get_userbyid(datdba) from pg_database where datname = current_database())); end $$");
    fleet.file("2_more", "alter table by_hand add column more text;");
    for _ in 0..2 {
        let (code, error) = fleet.world.error(&["--quiet", "migrate", "tenants", "--all"]);
        assert_eq!((code, error["code"].as_str()), (6, Some("template_failed")));
        assert!(error["message"].as_str().unwrap().contains("2_more"), "{error}");
    }
    assert_eq!(fleet.history("ash"), ["1", "2"]);
    assert_eq!(
        fleet.world.control_sql("select state from control.runs order by created_at"),
        ["done", "done"]
    );
    fleet.create(&["birch"]);
    assert_eq!(fleet.history("birch"), ["1"]);
}

#[test]
fn nexuss_own_tables_come_the_same_way_to_tenants_of_an_older_version() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.sql(
        "ash",
        "drop table nexus.refresh_tokens, nexus.api_keys, nexus.rights_version, nexus.idempotency_keys, nexus.outbox, nexus.sign_in_settings,
                    nexus.message_limits, nexus.sign_in_challenges, nexus.files, nexus.file_totals, nexus.custom_fields,
                    nexus.notification_templates, nexus.notifications, nexus.notification_requests,
                    nexus.notification_preferences, nexus.quiet_hours, nexus.inbox, nexus.inbox_counters, nexus.event_counter,
                    nexus.suppressions;
         drop function nexus.publish(text, text, jsonb);
         alter table nexus.users drop column fields; alter table nexus.groups drop column fields;
         drop index nexus.users_not_active;
         alter table nexus.invitations drop column registration, drop column password_hash;
         drop index nexus.invitations_unconfirmed;
         alter table nexus.sessions drop column revoked_because, drop column access;
         drop index nexus.sessions_ended, nexus.audit_log_by, nexus.audit_log_action,
                    nexus.audit_log_detail, nexus.audit_log_at, nexus.users_name, nexus.users_last_sign_in;
         delete from nexus._sqlx_migrations where version >= 20261121000300",
    );
    fleet.world.control_sql("update control.tenants set schema_version = 20261121000200 where slug = 'ash'");
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!((&report["outcome"], &report["run"]["tenants"]), (&"done".into(), &1.into()), "{report}");
    let made = "select pg_get_userbyid(relowner) = pg_get_userbyid(datdba) from pg_class, pg_database
                where pg_class.oid = 'nexus.api_keys'::regclass and datname = current_database()";
    assert_eq!(fleet.sql("ash", made), ["t"]);
    let newest = crate::fleet_verify::newest_of_nexus();
    let versions = format!("select distinct schema_version = {newest} from control.tenants");
    assert_eq!(fleet.world.control_sql(&versions), ["t"]);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
    fleet.is_tidy();
}
