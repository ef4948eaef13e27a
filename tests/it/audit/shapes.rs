//! What scripts read: these texts change only with a new major version.

use insta::assert_snapshot;

use super::{tamper, world_with_rows};
use crate::support::world::World;

/// Puts words in the place of what differs from run to run, and a sign in that of tabs.
const REDACTIONS: [(&str, &str); 5] = [
    (r"[0-9a-f]{64}", "[hash]"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"machine:\w+", "machine:[user]"),
    (r"\t", "⇥"),
];

/// Compares with words in the place of what differs.
macro_rules! shape {
    ($text:expr, @$expected:literal) => {
        let text = $text;
        insta::with_settings!({ filters => REDACTIONS }, { assert_snapshot!(text, @$expected) })
    };
}

#[test]
fn a_list() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    shape!(world.ok(&["audit", "list"]), @r#"
    2⇥[time]⇥machine:[user]⇥tenant.create⇥acme⇥[id]⇥{"admin_email":null,"labels":{},"name":"acme","slug":"acme"}
    1⇥[time]⇥machine:[user]⇥platform.init⇥⇥⇥{"operator":null}
    "#);
    shape!(world.ok(&["-o", "csv", "audit", "list"]), @r#"
    sequence,at,caller,action,tenant,operation_id,detail
    2,[time],machine:[user],tenant.create,acme,[id],"{""admin_email"":null,""labels"":{},""name"":""acme"",""slug"":""acme""}"
    1,[time],machine:[user],platform.init,,,"{""operator"":null}"
    "#);
    shape!(world.ok(&["-o", "json", "audit", "list"]), @r#"
    [
    {"sequence":2,"at":"[time]","caller":"machine:[user]","action":"tenant.create","tenant":"acme","tenant_id":"[id]","operation_id":"[id]","detail":{"admin_email":null,"labels":{},"name":"acme","slug":"acme"},"hash":"[hash]"},
    {"sequence":1,"at":"[time]","caller":"machine:[user]","action":"platform.init","tenant":null,"tenant_id":null,"operation_id":null,"detail":{"operator":null},"hash":"[hash]"}
    ]
    "#);
    shape!(world.machine().run(&["audit", "list", "--limit", "1"]), @r#"
    --- stdout
    2⇥[time]⇥machine:[user]⇥tenant.create⇥acme⇥[id]⇥{"admin_email":null,"labels":{},"name":"acme","slug":"acme"}
    --- stderr
    --page 2 shows older rows
    --- exit 0
    "#);
}

#[test]
fn a_verification() {
    let world = world_with_rows(5);
    shape!(world.ok(&["audit", "verify"]), @r"
    outcome⇥intact
    rows⇥5
    first⇥1
    position⇥5
    hash⇥[hash]
    anchors⇥0
    ");
    shape!(world.ok(&["-o", "json", "audit", "verify"]), @r#"
    {
      "outcome": "intact",
      "rows": 5,
      "first": 1,
      "position": 5,
      "hash": "[hash]",
      "anchors": 0
    }
    "#);
    tamper(&world, "delete from control.audit_log where sequence = 3");
    shape!(world.machine().run(&["audit", "verify"]), @r"
    --- stderr
    error: the audit log is not intact: row 3 is missing
    hint: compare with an export from before, once it is verified: nexus audit verify --file EXPORT
    --- exit 9
    ");
    shape!(world.machine().run(&["-o", "json", "audit", "verify"]), @r#"
    --- stderr
    {"error":{"code":"audit_rows_missing","message":"the audit log is not intact: row 3 is missing","hint":"compare with an export from before, once it is verified: nexus audit verify --file EXPORT","details":{"position":3,"until":3},"operation":null}}
    --- exit 9
    "#);
}

#[test]
fn an_anchor_and_an_export() {
    let world = world_with_rows(1);
    shape!(world.ok(&["audit", "anchor"]), @r#"
    {"installation":"[id]","position":1,"hash":"[hash]","at":"[time]"}
    "#);
    shape!(world.machine().run(&["audit", "export"]), @r#"
    --- stdout
    {"sequence":1,"id":1,"at":"[time]","caller":"machine:[user]","action":"platform.init","tenant_id":null,"operation_id":null,"detail":"{\"operator\":null}","previous_hash":"[hash]","hash":"[hash]"}
    --- stderr
    rows: 1; the last: position 1, hash [hash]
    --- exit 0
    "#);
    shape!(world.ok(&["audit", "export", "--format", "csv"]), @r#"
    sequence,id,at,caller,action,tenant_id,operation_id,detail,previous_hash,hash
    1,1,[time],machine:[user],platform.init,,,"{""operator"":null}",[hash],[hash]
    "#);
    shape!(world.ok(&["-o", "json", "audit", "export", "--file", "all"]), @r#"
    {
      "file": "all",
      "rows": 1,
      "first": 1,
      "position": 1,
      "hash": "[hash]"
    }
    "#);
}
