//! The API, over real sockets.

mod contract;
mod first;
mod limits;
mod sessions;

use crate::support::api::ApiServer;
use crate::support::world::World;

/// The password of those who have one.
pub const PASSWORD: &str = "seven dry cats in a barn";

/// An installation with a tenant `acme`, whose administrator is Ann, and a server.
pub fn acme() -> (World, ApiServer) {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let server = ApiServer::start(&world);
    (world, server)
}
