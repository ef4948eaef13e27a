//! Sets of migrations: how they are kept, what their files say, what the linter finds.

mod completion;
mod files;
mod lint;
mod new;
mod own;
mod page;
mod sets;
mod sources;

use std::fs;
use std::path::PathBuf;

use nexus::infra::db::ServerAddress;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::support::world::World;

/// A folder on the world's machine with files in it.
fn folder(world: &World, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = world.machine().path(name);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
    folder
}

/// A set `shop` with two ordinary migrations; its folder.
fn shop(world: &World) -> PathBuf {
    let files = [
        ("1_orders.sql", "create table orders (id bigint primary key);\n"),
        ("2_notes.up.sql", "alter table orders add column note text;\n"),
        ("2_notes.down.sql", "alter table orders drop column note;\n"),
    ];
    let folder = folder(world, "shop", &files);
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    folder
}

/// A session of the superuser in a database of the world's server.
async fn session(world: &World, database: &str) -> PgConnection {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&world.stack().socket_dir)
        .port(world.stack().port.parse().unwrap())
        .username("nexus")
        .password(&world.stack().password())
        .database(database);
    PgConnection::connect_with(&options).await.unwrap()
}

/// A database of the world's server, as its superuser.
fn address(world: &World, database: &str) -> ServerAddress {
    world.stack().superuser(database)
}

/// Runs what waits for a server.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
