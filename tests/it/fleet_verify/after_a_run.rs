//! What a run leaves is what a verification expects.

use super::{Seen, of, seen, verify};
use crate::inspection::tenants;
use crate::support::world::World;

#[test]
fn tenants_that_were_migrated_and_those_born_since_are_alike() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let folder = world.machine().path("shop");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("1_shop.sql"),
        "create type shop_state as enum ('open', 'shut');
         create table shop (id bigserial primary key, state shop_state not null default 'open', parent bigint references shop);
         create view open_shops as select id from shop where state = 'open';
         create function shops() returns bigint language sql as 'select count(*) from shop';
         create index on shop (state);
         alter table shop enable row level security;
         create policy everybody on shop using (true);\n",
    )
    .unwrap();
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    let (code, rows) = verify(&world, &[]);
    assert_eq!((code, of(&rows, "error")), (0, Seen::new()), "{rows:?}");
    world.ok(&["migrate", "tenants", "--all", "--yes"]);
    tenants(&world, 3, 4, &[]);
    for args in [&[][..], &["--full"], &["t-001"], &["t-004"]] {
        let (code, rows) = verify(&world, args);
        assert_eq!((code, rows), (0, vec![]), "{args:?}");
    }
    let digests = world.control_sql("select count(distinct digest), count(*) from control.seen_schemas");
    assert_eq!(digests, ["1|4"]);
    world.ok(&["migrate", "status", "--exit-code"]);
    world.sql(&super::database(&world, "t-003"), "drop view public.open_shops");
    let (code, rows) = verify(&world, &[]);
    assert_eq!((code, of(&rows, "error")), (9, seen(&[("schema_drift", "t-003")])));
}
