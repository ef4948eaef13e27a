//! Without `--write` nothing is written, whatever the statement tries.

use super::{database, exec};
use crate::inspection::tenants;
use crate::support::world::World;

#[test]
fn no_statement_gets_out_of_a_transaction_that_only_reads() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let inside = database(&world, "t-001");
    // Something that writes for whoever calls it.
    world.sql(
        &inside,
        "create function public.evade(way text) returns text language plpgsql as
             $$ begin execute way; insert into nexus.settings values ('evaded', '1'); return 'done'; end $$;
         create procedure public.evade_by_commit() language plpgsql as
             $$ begin commit; insert into nexus.settings values ('evaded', '1'); end $$;
         grant usage, create on schema public to public",
    );
    let refused = [
        "insert into nexus.settings values ('a', '1')",
        "insert into nexus.settings values ('a', '1') returning *",
        "with x as (insert into nexus.settings values ('a', '1') returning *) select * from x",
        "update nexus.settings set value = '1'",
        "delete from nexus.settings",
        "create table public.mine (id int)",
        "set transaction read write",
        "select set_config('transaction_read_only', 'off', true)",
        "select set_config('transaction_read_only', 'off', false)",
        "select public.evade('set transaction read write')",
        "select public.evade('set local transaction_read_only to off')",
        "select public.evade('select 1')",
        "call public.evade_by_commit()",
        "do $$ begin commit; insert into nexus.settings values ('a', '1'); end $$",
        "do $$ begin set transaction read write; insert into nexus.settings values ('a', '1'); end $$",
        "select 1; delete from nexus.settings",
        "commit; insert into nexus.settings values ('a', '1')",
        "rollback; begin read write; insert into nexus.settings values ('a', '1'); commit",
        "select 1) as q; insert into nexus.settings values ('a', '1'); select (1",
        "select * into public.mine from nexus.settings",
        "vacuum",
        "nonsense",
    ];
    for statement in refused {
        let (code, lines, said) = exec(&world, &["t-001", "--", statement]);
        assert_eq!(code, 6, "{statement}: {lines:?} {said}");
        assert!(lines[0]["error"]["sqlstate"].is_string(), "{statement}: {lines:?}");
    }
    // These do nothing that lasts.
    for statement in [
        "commit",
        "rollback",
        "begin read write",
        "commit and chain",
        "set session characteristics as transaction read write",
        "set default_transaction_read_only to off",
        "savepoint x",
        "select lo_create(4711)",
        "create temp table mine (id int)",
        "discard all",
    ] {
        exec(&world, &["t-001", "--", statement]);
    }
    assert_eq!(world.sql(&inside, "select count(*) from nexus.settings"), ["0"]);
    assert_eq!(world.sql(&inside, "select count(*) from pg_largeobject_metadata"), ["0"]);
    assert_eq!(world.sql(&inside, "select to_regclass('public.mine') is null"), ["t"]);
}

#[test]
fn several_statements_are_refused_as_one() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let (code, lines, _) =
        exec(&world, &["t-001", "--write", "--yes", "--", "select 1; drop table nexus.users"]);
    assert_eq!((code, lines[0]["error"]["sqlstate"].as_str()), (6, Some("42601")), "{lines:?}");
}
