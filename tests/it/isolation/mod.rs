//! What a tenant's own credentials open: what is its own, and nothing else.

mod buckets;
mod databases;
mod limits;
mod pinned;
mod statements;

use serde_json::Value;

use crate::support::world::World;

/// A tenant as its app knows it.
pub struct Neighbour {
    /// Its environment.
    env: Value,
}

impl Neighbour {
    /// One of its variables.
    pub fn get(&self, name: &str) -> &str {
        self.env[name].as_str().unwrap()
    }
}

/// Tenants next to each other, with their real credentials.
pub fn neighbours(world: &World, slugs: &[&str]) -> Vec<Neighbour> {
    for slug in slugs {
        world.ok(&["tenant", "create", slug, "--admin-email", &format!("ann@{slug}.example")]);
    }
    slugs.iter().map(|slug| Neighbour { env: world.env(slug) }).collect()
}
