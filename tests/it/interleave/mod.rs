//! Two commands on one tenant: one is held at a message to PostgreSQL while the other runs whole.

mod counts;
