//! Two commands on one tenant: one is held at a message to PostgreSQL while the other runs whole.
//! A seeded sample runs always; `NEXUS_TEST_ALL=1` runs every pair at every message.

mod counts;
mod model;
mod pairs;
mod proxy;
