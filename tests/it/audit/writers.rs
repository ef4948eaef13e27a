//! Many writers at once make one chain.

use nexus::infra::db::{PgConnection, ServerAddress, transaction};
use nexus::kernel::{OperationId, TenantId};

use super::verified;
use crate::support::world::World;

const WRITERS: usize = 16;
const ROWS: usize = 40;

#[test]
fn sixteen_writers_at_once_make_one_chain_without_gaps() {
    let world = World::new();
    let address = world.stack().superuser(&world.control);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(write(address.clone(), n))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
    let committed = 1 + WRITERS * (ROWS - ROWS.div_ceil(5));
    assert_eq!(verified(&world, &[])["rows"], committed);
    let [numbers] = &world.control_sql(
        "select count(*) || ' ' || min(sequence) || ' ' || max(sequence) from control.audit_log",
    )[..] else {
        panic!("one row")
    };
    assert_eq!(*numbers, format!("{committed} 1 {committed}"));
    let late = "select count(*) from (select at < lag(at) over (order by sequence) as late
                from control.audit_log) as it where late";
    assert_eq!(world.control_sql(late), ["0"], "time goes as the chain does");
}

/// Each fifth transaction is rolled back, which leaves a gap in the rows' ids.
async fn write(address: ServerAddress, writer: usize) {
    let mut connection = address.connect("test").await.unwrap();
    for n in 0..ROWS {
        let mut tx = transaction(&mut connection).await.unwrap();
        let row = "insert into control.audit_log (caller, action, tenant_id, operation_id, detail)
                   values ($1, 'test.write', $2, $3, $4::text::json)";
        let connection: &mut PgConnection = &mut tx;
        sqlx::query(row)
            .bind(format!("machine:writer-{writer}"))
            .bind(TenantId::new())
            .bind(OperationId::new())
            .bind(serde_json::json!({ "n": n, "text": "é\n\"" }).to_string())
            .execute(connection)
            .await
            .unwrap();
        if n % 5 == 0 { tx.rollback().await.unwrap() } else { tx.commit().await.unwrap() }
    }
}

#[test]
fn commands_at_once_make_one_chain() {
    let world = World::new();
    let children: Vec<_> = (0..8)
        .map(|n| {
            let slug = format!("t{n}");
            world.command(&["tenant", "create", &slug]).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(verified(&world, &[])["rows"], 9);
}
