//! Another customer is named beside what only reads, and beside nothing else.

use nexus::cli::grammar;

use crate::outages::verbs::VERBS;
use crate::support::world::World;

/// Verbs that name it: they change nothing.
const READS: [&str; 38] = [
    "tenant show",
    "operation list",
    "job list",
    "notify list",
    "notify show",
    "notify template list",
    "notify template show",
    "notify template preview",
    "notify preference show",
    "notify provider list",
    "notify provider check",
    "notify suppress list",
    "migrate status",
    "user list",
    "user show",
    "user export",
    "user sessions list",
    "user roles",
    "user groups",
    "user can",
    "role list",
    "role show",
    "permission list",
    "group list",
    "group tree",
    "group show",
    "group members",
    "custom-field list",
    "custom-field show",
    "operator list",
    "audit list",
    "token list",
    "api-key list",
    "webhook list",
    "webhook show",
    "webhook deliveries",
    "service list",
    "service show",
];

/// Verbs that read a secret from standard input before they look for the tenant; there is none.
const NOT_ASKED: [&str; 2] = ["user password set", "user factor confirm"];

/// Words of verbs that want more than [`VERBS`] has to get as far as the tenant.
const INSTEAD: [(&str, &str); 10] = [
    ("exec", "--write -- vacuum"),
    ("user create", "--email new@a.example --invite --reveal"),
    ("user invite", "none@a.example --reveal"),
    ("user password reset", "none@a.example --reveal"),
    ("user factor enrol", "none@a.example --reveal"),
    ("role update", "none --name Clerk"),
    ("group update", "none --name Sales"),
    ("key export", "--development {new}"),
    ("api-key create", "--user none@a.example --name till --reveal"),
    ("api-key revoke", "00000000-0000-7000-8000-000000000000"),
];

/// The command with `acme-ome` for every tenant; `None` where it takes none.
fn line(verb: &str, words: &str, world: &World) -> Option<Vec<String>> {
    let grammar = grammar();
    let command = verb.split(' ').fold(&grammar, |at, name| at.find_subcommand(name).unwrap());
    let is_tenant = |arg: &&clap::Arg| {
        arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.as_str() == "SLUG|ID"))
    };
    let tenant = command.get_arguments().find(is_tenant)?;
    let file = |name: &str| world.machine().path(&format!("work/{name}")).display().to_string();
    let words = INSTEAD.iter().find(|(known, _)| *known == verb).map_or(words, |(_, words)| words);
    let words = ["password", "dsn", "plan", "iam", "folder", "new"]
        .iter()
        .fold(words.replace("{spare}", "none"), |text, name| {
            text.replace(&format!("{{{name}}}"), &file(name))
        });
    let words = words.replace("f{}", "field").replace("{}", "new-one").replace("acme.example", "a.example");
    let mut rest: Vec<String> =
        words.split(' ').filter(|word| !word.is_empty() && *word != "--all").map(str::to_owned).collect();
    let flag = tenant.get_long().map(|long| format!("--{long}"));
    match (&flag, flag.as_ref().and_then(|flag| rest.iter().position(|word| word == flag))) {
        (Some(_), Some(at)) => "acme-ome".clone_into(&mut rest[at + 1]),
        (Some(flag), None) => rest.splice(0..0, [flag.clone(), "acme-ome".to_owned()]).for_each(drop),
        (None, _) if rest.first().is_some_and(|word| !word.starts_with("--")) => {
            "acme-ome".clone_into(&mut rest[0]);
        }
        (None, _) => rest.insert(0, "acme-ome".to_owned()),
    }
    let mut all: Vec<String> = ["--yes"].map(str::to_owned).to_vec();
    all.extend(verb.split(' ').map(str::to_owned));
    // A number is wanted where they are chosen by a selection.
    let confirms = |arg: &clap::Arg| {
        arg.get_long() == Some("confirm") && arg.get_value_names().is_some_and(|names| names[0] != "N")
    };
    if command.get_arguments().any(confirms) {
        all.extend(["--confirm", "acme-ome"].map(str::to_owned));
    }
    all.extend(rest);
    Some(all)
}

#[test]
fn another_customer_is_named_beside_what_only_reads_and_nothing_else() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme-one"]);
    for name in ["password", "dsn", "plan", "iam"] {
        let text = if name == "iam" { "" } else { "x\n" };
        let path = world.machine().path(&format!("work/{name}"));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let (mut named, mut unasked) = (Vec::new(), Vec::new());
    for (verb, words) in VERBS.iter().chain(&[("tenant psql", "acme")]) {
        let Some(line) = line(verb, words, &world) else { continue };
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let output = world.run(&[&["-o", "json"][..], &line].concat());
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !said.contains("tenant_not_found") {
            unasked.push((*verb, said.clone()));
        }
        if said.contains("acme-one") {
            named.push(*verb);
        }
    }
    let verbs: Vec<&str> = unasked.iter().map(|(verb, _)| *verb).collect();
    assert_eq!(verbs, NOT_ASKED, "{unasked:#?}");
    assert_eq!(named, READS);
}
