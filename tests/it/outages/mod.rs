//! Something that Nexus needs goes away and comes back.

mod database;
mod disk;
mod frozen;
mod store;
mod told;
mod trips;
pub mod verbs;

use serde_json::Value;

use crate::support::world::World;

/// The error of a command that stopped because something is down says so, and how to go on; the
/// operation to resume.
pub fn stopped_operation(code: Option<i32>, stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    assert_eq!(code, Some(8), "{text}");
    let object: Value = serde_json::from_slice(stderr).unwrap_or_else(|_| panic!("no error object: {text}"));
    let error = &object["error"];
    let operation = error["operation"].as_str().unwrap_or_else(|| panic!("no operation: {text}"));
    assert!(!error["code"].as_str().unwrap().is_empty() && !error["message"].as_str().unwrap().is_empty());
    let hint = error["hint"].as_str().unwrap_or_else(|| panic!("no hint: {text}"));
    assert!(hint.contains(&format!("nexus operation resume {operation}")), "{text}");
    operation.to_owned()
}

/// The tenant works, and what is there is what the control database says.
pub fn all_is_well(world: &World, slugs: &[&str]) {
    for slug in slugs {
        let env = world.env(slug);
        let text = |name: &str| env[name].as_str().unwrap().to_owned();
        let rows = world.sql_as(&text("PGUSER"), &text("PGPASSWORD"), &text("PGDATABASE"), "select 1");
        assert_eq!(rows.unwrap(), ["1"], "{slug}");
    }
    assert_eq!(world.there(), world.believed());
    assert_eq!(world.there().databases.len(), slugs.len());
}
