//! The tables of a control database, made once on each stack and cloned by every installation:
//! `nexus init` finds them, as after one that was cut short, and goes on.

use std::collections::HashSet;
use std::sync::Mutex;

use nexus::infra::db::{CONTROL, Host, REALM, ServerAddress, Tls};

use super::sql::apart;
use super::stack::Stack;

/// The database that is cloned. It is there when this returns.
fn tables(stack: &Stack) -> String {
    static MADE: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let files = CONTROL.files().chain(REALM.files());
    let checksum = files.fold(0_u64, |sum, (_, checksum)| {
        checksum.iter().fold(sum, |sum, byte| sum.rotate_left(7) ^ u64::from(*byte))
    });
    let name = format!("tables_{checksum:016x}");
    // A panic of one test is no reason for others to fail.
    let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if made.insert(stack.socket_dir.clone()) {
        let there = format!("select count(*) from pg_database where datname = '{name}'");
        if super_sql(stack, &there) == ["0"] {
            make(stack, &name);
        }
    }
    name
}

/// A control database with its tables and nothing in them.
pub fn clone(stack: &Stack, name: &str) {
    let tables = tables(stack);
    super_sql(stack, &format!("create database \"{name}\" template \"{tables}\""));
}

fn make(stack: &Stack, name: &str) {
    // Another test process on this stack may do the same: who is done first has the name.
    let draft = format!("draft_{}", uuid::Uuid::new_v4().simple());
    super_sql(stack, &format!("create database \"{draft}\" template template0"));
    let server = ServerAddress {
        host: Host::Socket(stack.socket_dir.clone().into()),
        port: stack.port.parse().unwrap(),
        user: "nexus".to_owned(),
        password: stack.password().into(),
        database: draft.clone(),
        tls: Tls::Disable,
    };
    apart(async {
        let mut session = server.connect("nexus:test").await.unwrap();
        CONTROL.apply(&mut session).await.unwrap();
        REALM.apply(&mut session).await.unwrap();
        session.close().await.unwrap();
    });
    let finish = format!(
        "alter database \"{draft}\" rename to \"{name}\"; alter database \"{name}\" allow_connections false"
    );
    if stack.sql("nexus", &stack.password(), "postgres", &finish).is_err() {
        super_sql(stack, &format!("drop database \"{draft}\""));
    }
}

fn super_sql(stack: &Stack, statements: &str) -> Vec<String> {
    stack.sql("nexus", &stack.password(), "postgres", statements).unwrap()
}
