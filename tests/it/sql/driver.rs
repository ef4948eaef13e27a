//! A server that waits for data which nobody sends: every way to it ends, with words.

use std::time::Duration;

use nexus::infra::db::{DbError, History, PgConnection, Script};

use crate::support::world::World;

/// No test waits for it: it is how long one that hangs would.
const FOREVER: Duration = Duration::from_secs(30);

fn script(text: &str, in_transaction: bool) -> Script<'_> {
    Script {
        version: 1,
        description: "copy",
        checksum: &[0; 48],
        text,
        in_transaction,
        search_path: "public, pg_temp",
        lock_timeout: Duration::ZERO,
        statement_timeout: Duration::from_secs(1),
        owner: "nexus",
        at_its_end: "",
        another_follows: false,
    }
}

async fn session(world: &World) -> PgConnection {
    let server = world.stack().superuser(&world.control);
    server.connect_plain("test").await.unwrap()
}

#[test]
fn a_copy_that_reaches_the_server_all_the_same_ends_with_an_error_and_leaves_nothing() {
    let world = World::new();
    let history = History::new("public.copies");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (text, way) in [
        ("create table c (a int); copy c from stdin;", "COPY FROM STDIN"),
        ("copy (select 1) to stdout", "COPY TO STDOUT"),
    ] {
        for in_transaction in [true, false] {
            let ended = runtime.block_on(async {
                let mut session = session(&world).await;
                history.make(&mut session, &[]).await.unwrap();
                sqlx::raw_sql("drop table if exists c; truncate copies").execute(&mut session).await.unwrap();
                let applied = history.apply(&mut session, script(text, in_transaction));
                let applied = tokio::time::timeout(FOREVER, applied).await.expect("it ends");
                tokio::time::timeout(FOREVER, session.close()).await.expect("it ends").unwrap();
                applied
            });
            let error = DbError::from(ended.unwrap_err().error);
            assert_eq!(error.state(), Some("0A000"), "{error}");
            assert!(error.to_string().contains(way), "{error}");
        }
    }
    assert_eq!(world.control_sql("select count(*) from copies where success"), ["0"]);
}
