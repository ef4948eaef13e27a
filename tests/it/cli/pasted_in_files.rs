//! A secret that was pasted into a file which names and describes things is neither kept nor repeated.

use crate::support::world::World;

const SECRETS: [&str; 3] = [
    "nxk_hunter2hunter2hunter2hunter2hunter2hunter2",
    "postgres://u:hunter2@db.example/d",
    "host=db.example password=hunter2",
];

/// Nothing of `text`, with each secret for `{}`, is made or repeated.
fn is_refused(world: &World, verb: &[&str], texts: &[&str], made: &str) {
    for secret in SECRETS {
        for text in texts {
            let path = world.machine().path("work/given").display().to_string();
            std::fs::write(&path, text.replace("{}", secret)).unwrap();
            let line: Vec<&str> =
                verb.iter().map(|word| if *word == "FILE" { &*path } else { word }).collect();
            let output = world.run(&line);
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(output.status.code(), Some(2), "{text} {secret}: {said}");
            assert!(!said.contains("hunter2"), "{text}: {said}");
            assert_eq!(world.control_sql(made), ["0"], "{text} {secret}");
        }
    }
}

#[test]
fn a_secret_in_a_file_of_tenants_is_refused() {
    let world = World::new();
    let texts = [
        "slug,name\nacme,{}\n",
        "slug,labels\nacme,plan={}\n",
        "slug,labels\nacme,{}\n",
        "slug,admin_email\nacme,{}\n",
        "{\"slug\":\"acme\",\"labels\":{\"plan\":\"{}\"}}\n",
        "{\"slug\":\"acme\",\"labels\":{\"{}\":\"x\"}}\n",
        "{\"slug\":\"acme\",\"name\":\"{}\"}\n",
    ];
    is_refused(
        &world,
        &["tenant", "create", "--from", "FILE"],
        &texts,
        "select count(*) from control.tenants",
    );
}

#[test]
fn a_secret_in_a_file_of_users_or_of_a_realm_is_refused() {
    let world = World::new();
    let users = [
        "email,name\nann@a.example,{}\n",
        "email,roles\nann@a.example,{}\n",
        "email\n{}\n",
        "{\"email\":\"ann@a.example\",\"profile\":{\"team\":\"{}\"}}\n",
        "{\"email\":\"ann@a.example\",\"groups\":[\"{}\"]}\n",
    ];
    let made = "select count(*) from nexus.users where email = 'ann@a.example'";
    let verb = ["user", "create", "--from", "FILE", "--invitation-file", "FILE.out"];
    is_refused(&world, &verb, &users, made);
    let realm = ["[roles.Clerk]\ndescription = '{}'\n", "[groups.'{}']\n"];
    let made = "select count(*) from nexus.roles where name = 'Clerk'";
    is_refused(&world, &["--yes", "iam", "apply", "FILE"], &realm, made);
}
