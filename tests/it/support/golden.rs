//! What installations are cloned from, made once on each stack: the tables of a control database, and a
//! template for tenants' databases. `nexus init` finds them, as after one that was cut short, and goes on.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use nexus::infra::crypto::random;
use nexus::infra::db::{CONTROL, REALM};
use sha2::{Digest, Sha256};

use super::sql::apart;
use super::stack::Stack;
use super::world::World;

/// What decides how a template is built, beside the files: a stack may be older than the program.
const RECIPE: [&str; 2] = [
    include_str!("../../../src/infra/cluster/template.rs"),
    include_str!("../../../src/features/placement/template/store.rs"),
];

/// What is cloned.
#[derive(Clone)]
struct Golden {
    /// A control database with its tables, and in them no more than the row of the template.
    tables: String,
    /// The template and the role that owns what is in it.
    template: (String, String),
}

/// A template of an installation that has no id yet.
pub struct Template {
    database: String,
    owner: String,
}

/// A control database of this name for a new installation, and its template, which the control
/// database has a row of.
pub fn clone(stack: &'static Stack, control: &str) -> Template {
    let golden = golden(stack);
    let name = random::resource_name().unwrap();
    let template = Template { database: name.database(), owner: name.owner_role() };
    let Template { database, owner } = &template;
    // Copied as files: a server in memory would take four times as long to write them to its log.
    let create = [
        format!("create database \"{control}\" template \"{}\" strategy file_copy", golden.tables),
        format!("create role \"{owner}\" nologin"),
        format!("create database \"{database}\" template \"{}\" strategy file_copy", golden.template.0),
        format!("revoke all on database \"{database}\" from public"),
    ];
    for made in stack.sql_each("postgres", &create) {
        made.unwrap();
    }
    let of_golden = format!("\"{}\"", golden.template.1);
    let rights = format!(
        "reassign owned by {of_golden} to \"{owner}\"; drop owned by {of_golden};
         alter default privileges for role \"{owner}\" grant usage on schemas to nexus_app;
         alter default privileges for role \"{owner}\" grant select, insert, update, delete on tables to nexus_app;
         alter default privileges for role \"{owner}\" grant usage, select, update on sequences to nexus_app"
    );
    super_sql(stack, database, &rights);
    let row = format!("update control.templates set database_name = '{database}', owner_role = '{owner}'");
    super_sql(stack, control, &row);
    template
}

impl Template {
    /// Marks it as an installation's, and closes it.
    pub fn give_to(self, stack: &Stack, installation: &str) {
        let Self { database, owner } = self;
        let statements = format!(
            "comment on role \"{owner}\" is 'nexus:{installation}:template';
             comment on database \"{database}\" is 'nexus:{installation}:template';
             alter database \"{database}\" allow_connections false is_template true"
        );
        super_sql(stack, "postgres", &statements);
    }
}

/// What there is on a stack. It is there when this returns.
fn golden(stack: &'static Stack) -> Golden {
    static MADE: Mutex<Option<HashMap<String, Golden>>> = Mutex::new(None);
    // A panic of one test is no reason for others to fail.
    let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let found = made.get_or_insert_default().entry(stack.socket_dir.clone());
    found.or_insert_with(|| of_this_version(stack)).clone()
}

fn of_this_version(stack: &'static Stack) -> Golden {
    let files = CONTROL.files().chain(REALM.files()).map(|(_, checksum)| checksum);
    let bytes = files.flatten().chain(RECIPE.iter().flat_map(|text| text.as_bytes()));
    let sum = bytes.fold(0_u64, |sum, byte| sum.rotate_left(7) ^ sum.wrapping_mul(31) ^ u64::from(*byte));
    let tables = format!("tables_{sum:016x}");
    let named =
        format!("select shobj_description(oid, 'pg_database') from pg_database where datname = '{tables}'");
    if super_sql(stack, "postgres", &named).is_empty() {
        make(stack, &tables);
    }
    let template = super_sql(stack, "postgres", &named).remove(0);
    let owner = format!("{template}_owner");
    Golden { tables, template: (template, owner) }
}

fn make(stack: &'static Stack, name: &str) {
    // Every command of every test logs in as the superuser.
    super_sql(
        stack,
        "postgres",
        &format!("alter role nexus password '{}'", quick_verifier(&stack.password())),
    );
    // Another test process on this stack may do the same: who is done first has the name.
    let draft = format!("draft_{}", uuid::Uuid::new_v4().simple());
    super_sql(stack, "postgres", &format!("create database \"{draft}\" template template0"));
    apart(async || {
        let mut session = stack.superuser(&draft).connect("nexus:test").await.unwrap();
        CONTROL.apply(&mut session).await.unwrap();
        REALM.apply(&mut session).await.unwrap();
        session.close().await.unwrap();
    });
    // An installation is set up for the sake of its template, which outlives it.
    let whole = format!("t_{}", uuid::Uuid::new_v4().simple());
    super_sql(stack, "postgres", &format!("create database \"{whole}\" template \"{draft}\""));
    let world = World::not_set_up(stack, &stack.endpoint, whole);
    world.set_up();
    let template = world.control_sql("select database_name from control.templates").remove(0);
    let row = world.control_sql("select to_json(templates) from control.templates").remove(0);
    let row = format!(
        "insert into control.templates select * from json_populate_record(null::control.templates, '{row}')"
    );
    super_sql(stack, &draft, &row);
    // The first session in a database writes a file that every later one reads instead of the catalogue, and
    // that a copy of its files has, too.
    let closed = |closed: bool| {
        format!("alter database \"{template}\" is_template {closed} allow_connections {}", !closed)
    };
    super_sql(stack, "postgres", &closed(false));
    super_sql(stack, &template, "select");
    super_sql(stack, "postgres", &closed(true));
    let finish = format!(
        "comment on database \"{draft}\" is '{template}';
         alter database \"{draft}\" rename to \"{name}\"; alter database \"{name}\" allow_connections false"
    );
    if stack.sql("nexus", &stack.password(), "postgres", &finish).is_err() {
        super_sql(stack, "postgres", &format!("drop database \"{draft}\""));
    }
}

/// What a server checks a password with (RFC 5802, section 3), after one round of hashing instead of the
/// usual 4096: without optimisation they are half of what a short command takes.
fn quick_verifier(password: &str) -> String {
    let sign = |key: &[u8], text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes()
    };
    let salt = uuid::Uuid::new_v4();
    let salted = sign(password.as_bytes(), &[salt.as_bytes(), &[0, 0, 0, 1][..]].concat());
    let [client, server] = [b"Client Key", b"Server Key"].map(|name| sign(&salted, name));
    let [salt, stored, server] =
        [&salt.as_bytes()[..], &Sha256::digest(client)[..], &server[..]].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$1:{salt}${stored}:{server}")
}

fn super_sql(stack: &Stack, database: &str, statements: &str) -> Vec<String> {
    stack.sql("nexus", &stack.password(), database, statements).unwrap()
}

/// A database as `pg_dump` writes it, in the order of the alphabet, without the names of one installation.
fn dumped(world: &World, database: &str, names: &[(&str, &str)]) -> Vec<String> {
    let stack = world.stack();
    let mut dump = Command::new("pg_dump");
    dump.args(["--schema-only", "--user=nexus", database]).env("PGPASSWORD", stack.password());
    dump.env("PGHOST", &stack.socket_dir).env("PGPORT", &stack.port);
    let output = dump.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let text = names.iter().fold(text, |text, (name, word)| text.replace(name, word));
    // Newer versions write a random word at the beginning and the end.
    let lines = text.lines().filter(|line| !line.contains("restrict "));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_clone_is_as_what_nexus_init_makes_from_nothing() {
    let stack = super::stack::shared();
    let all = [World::new(), World::of(stack, &stack.endpoint)].map(|world| {
        let template = world.control_sql("select database_name from control.templates").remove(0);
        let owner = format!("{template}_owner");
        let names = [(&*owner, "OWNER"), (&*template, "TEMPLATE"), (&*world.id, "ID"), (&*world.control, "CONTROL")];
        let told = format!(
            "select datallowconn, datistemplate, datdba::regrole, datacl, shobj_description(pg_database.oid, 'pg_database'),
                    shobj_description(pg_roles.oid, 'pg_authid'), to_jsonb(pg_roles) - 'oid'
             from pg_database, pg_roles where datname = '{template}' and rolname = '{owner}'"
        );
        let mut facts = world.sql("postgres", &told);
        facts.extend(world.control_sql("select to_jsonb(templates) - 'created_at' from control.templates"));
        let facts = facts.into_iter().map(|fact| {
            names.iter().fold(fact, |fact, (name, word)| fact.replace(name, word))
        });
        let facts: Vec<String> = facts.collect();
        let control = dumped(&world, &world.control, &names);
        super_sql(stack, "postgres", &format!("alter database {template} allow_connections true"));
        (facts, dumped(&world, &template, &names), control)
    });
    assert_eq!(all[0].0, all[1].0);
    assert_eq!(all[0].1, all[1].1, "the template");
    assert_eq!(all[0].2, all[1].2, "the control database");
    assert!(all[0].1.iter().any(|line| line.contains("ALTER DEFAULT PRIVILEGES")), "{:?}", all[0].1);
}
