//! What a person set: `nexus.toml`, contexts, the environment. Imports only the kernel.

pub mod home;

pub use home::Home;
