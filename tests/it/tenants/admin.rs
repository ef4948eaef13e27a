//! A tenant's first administrator.

use std::os::unix::fs::PermissionsExt;

use sha2::{Digest, Sha256};

use crate::support::world::World;

fn in_tenant(world: &World, slug: &str, statement: &str) -> Vec<String> {
    let database =
        world.control_sql(&format!("select database_name from control.tenants where slug = '{slug}'"));
    world.sql(&database[0], statement)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[test]
fn an_invitation_is_told_once_it_is_asked_for_and_only_its_hash_is_kept() {
    let world = World::new();
    let create = ["tenant", "create", "acme", "--admin-email", "Ann@Acme.example"];
    let output = world.run(&[&create[..], &["--invitation-file", "invitation"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = world.machine().path("work/invitation");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&path).unwrap();
    let token = token.trim();
    assert!(!String::from_utf8_lossy(&output.stdout).contains(token));
    assert!(!String::from_utf8_lossy(&output.stderr).contains(token));
    let kept = in_tenant(&world, "acme", "select encode(token_hash, 'hex') from nexus.invitations");
    assert_eq!(kept, [sha256(token)]);
    let state = in_tenant(&world, "acme", "select state, password_hash is null from nexus.users");
    assert_eq!(state, ["invited|t"]);
    let dump = world.control_sql("select t::text from control.sealed_secrets as t");
    assert!(dump.iter().all(|row| !row.contains(token)));

    let revealed = world.json(&[&create[..], &["--reveal"]].concat());
    assert_eq!(revealed["outcome"], "unchanged");
    assert_eq!(revealed["invitation"], token);
    assert!(world.json(&create)["invitation"].is_null());
    let told = "select count(*) from control.audit_log where action = 'tenant.invitation.reveal'";
    assert_eq!(world.control_sql(told), ["2"]);
    // An older invitation is not written over.
    let (code, error) = world.error(&[&create[..], &["--invitation-file", "invitation"]].concat());
    assert!(code != 0 && error["message"].as_str().unwrap().contains("invitation"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), token);
}

#[test]
fn a_given_password_is_hashed_and_the_administrator_is_active() {
    let world = World::new();
    let password = "a plain horse walks 71 miles";
    let args = ["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--admin-password-stdin"];
    let output = world.machine().output(&args, &format!("{password}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let row = in_tenant(&world, "acme", "select state, password_hash from nexus.users");
    assert!(row[0].starts_with("active|$argon2id$v=19$"), "{row:?}");
    assert!(in_tenant(&world, "acme", "select 1 from nexus.invitations").is_empty());
}

#[test]
fn a_weak_password_is_refused_before_anything_is_made() {
    let world = World::new();
    for password in ["", "short\n", "password123456\n"] {
        let args =
            ["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--admin-password-stdin"];
        let output = world.machine().output(&args, password);
        assert_eq!(output.status.code(), Some(2), "{password:?}");
        let seen = String::from_utf8_lossy(&output.stderr);
        assert!(password.is_empty() || !seen.contains(password.trim()), "{seen}");
    }
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["0"]);
}
