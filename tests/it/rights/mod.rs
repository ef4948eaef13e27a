//! Who may do what: every function of the services, called as everybody. `docs/rights.md` is what came
//! of it.

pub mod desk;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use nexus::features::access::rights;
use nexus::features::tenants::{self, Tenant};
use nexus::kernel::{AnyFailure, Caller, ErrorKind};

use desk::{CALLERS, Desk, Thing};
use table::{Row, Scope};

use crate::services;
use crate::support::world::World;

async fn acme(desk: &mut Desk) -> Tenant {
    let name = "acme".parse().unwrap();
    tenants::get(&mut desk.app.control, &Caller::System, &name).await.unwrap()
}

/// Whether somebody may, by what the roles are said to hold. `inside`: it is about the realm of `acme`.
fn may(row: &Row, who: usize, inside: bool) -> bool {
    let by_platform = || {
        let right = rights::ALL.iter().find(|right| right.name == row.permission);
        let held = right.and_then(|right| right.roles);
        let identity = rights::IDENTITY.iter().find(|(name, _)| *name == row.permission);
        let held = held.or(identity.map(|(_, roles)| *roles)).unwrap_or_default();
        who == 4 || (who > 4 && held.contains(&CALLERS[who]))
    };
    match row.scope {
        Scope::Machine => false,
        Scope::Realm if inside => who == 2,
        Scope::Business if inside => who == 2 || (who == 1 && row.permission.ends_with(":read")),
        Scope::Tokens if inside => who == 2 || by_platform(),
        // In the platform's realm nobody acts in the name of somebody who holds more.
        Scope::Realm | Scope::Business | Scope::Tokens | Scope::Platform | Scope::Enter => by_platform(),
    }
}

fn is_refused(outcome: &Result<(), AnyFailure>) -> bool {
    let refused = |failure: &AnyFailure| {
        failure.kind() == ErrorKind::Forbidden
            && matches!(failure.code(), "permission_missing" | "permission_not_held")
    };
    outcome.as_ref().is_err_and(refused)
}

/// All rows of the control database and of the tenants' realms.
pub fn everything(world: &World) -> Vec<String> {
    let tables = "select table_schema || '.' || table_name || ' ' || md5(query_to_xml(
            format('select md5(string_agg(t::text, '','' order by t::text)) as h from %I.%I as t',
                   table_schema, table_name), false, false, '')::text)
         from information_schema.tables
         where table_schema in ('control', 'nexus') and table_type = 'BASE TABLE'
           -- Requests are counted whatever becomes of them, a second or two later.
           and table_name <> 'request_counts'
         order by 1";
    let mut all = world.control_sql(tables);
    for database in world.control_sql("select database_name from control.tenants order by slug") {
        all.extend(world.sql(&database, tables));
    }
    all
}

async fn call(row: &Row, desk: &mut Desk, caller: &Caller, thing: &Thing) -> Result<(), AnyFailure> {
    let work = (row.call)(desk, caller, thing);
    tokio::time::timeout(std::time::Duration::from_secs(30), work).await.expect(row.name)
}

/// Everybody who may not is refused, whether or not there is what it is about; what came wrong.
async fn refusals(
    rows: &[&Row],
    desk: &mut Desk,
    callers: &[Caller],
    (there, missing, inside): (&Thing, &Thing, bool),
) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        for (who, caller) in callers.iter().enumerate().filter(|(who, _)| !may(row, *who, inside)) {
            if row.scope == Scope::Enter && (1..3).contains(&who) {
                continue;
            }
            let outcome = call(row, desk, caller, there).await;
            if !is_refused(&outcome) {
                wrong.push(format!("{} as {}: {outcome:?}", row.name, CALLERS[who]));
                continue;
            }
            let other = call(row, desk, caller, missing).await;
            // Who a user is, a realm tells nobody who may not see users.
            let text = |outcome: Result<(), AnyFailure>| outcome.map_err(|failure| failure.to_string());
            let (one, two) = (text(outcome), text(other));
            if one != two {
                wrong.push(format!("{} as {} tells what there is: {one:?}, {two:?}", row.name, CALLERS[who]));
            }
        }
    }
    wrong
}

#[test]
fn everybody_may_do_what_their_roles_say_and_the_refused_change_and_learn_nothing() {
    let world = desk::world();
    let callers = desk::callers(&world);
    let all = table::rows();
    let mut wrong = Vec::new();
    for inside in [true, false] {
        let of_realms = |row: &&Row| matches!(row.scope, Scope::Realm | Scope::Business | Scope::Tokens);
        let rows: Vec<&Row> = all.iter().filter(|row| inside || of_realms(row)).collect();
        crate::iam::inside::run(async {
            let mut desk = desk::desk(&world, inside).await;
            let (there, missing) = (desk::there(&mut desk).await, desk::missing(&mut desk).await);
            let before = tokio::task::block_in_place(|| everything(&world));
            let things = (&there, &missing, inside);
            wrong.extend(refusals(&rows, &mut desk, &callers, things).await);
            let after = tokio::task::block_in_place(|| everything(&world));
            let changed: Vec<_> = before.iter().zip(&after).filter(|(one, two)| one != two).collect();
            if !changed.is_empty() {
                wrong.push(format!("the refused changed {changed:?}"));
            }
            for row in &rows {
                for (who, caller) in callers.iter().enumerate().filter(|(who, _)| may(row, *who, inside)) {
                    let outcome = call(row, &mut desk, caller, &missing).await;
                    if is_refused(&outcome) {
                        wrong.push(format!("{} as {}: {outcome:?}", row.name, CALLERS[who]));
                    }
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A function's name without what tells two rows of it apart.
fn function(row: &Row) -> &str {
    row.name.split(" (").next().unwrap_or_default()
}

#[test]
fn the_table_holds_every_function_that_a_door_can_call() {
    let rows = table::rows();
    let called: BTreeSet<String> = rows.iter().map(|row| function(row).to_owned()).collect();
    // Those that need no permission, and those whose caller has one already: `tests/architecture.rs`.
    let asks = |it: &services::Service| {
        it.public
            && it.head.contains("caller: &Caller")
            && !it.body.is_empty()
            && !it.name.starts_with("secrets::")
            // Everybody may change their own password, and nobody another's.
            && !["iam::signin::change_password", "tokens::Tokens::change_password"].contains(&it.name.as_str())
            // Nor does anybody see another's inbox.
            && !it.name.starts_with("notifications::inbox::")
    };
    let there: BTreeSet<String> = services::found().into_iter().filter(asks).map(|it| it.name).collect();
    let missing: Vec<_> = there.difference(&called).collect();
    let gone: Vec<_> = called.difference(&there).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in the table: {missing:?}; no function: {gone:?}");
}

#[test]
fn the_page_says_who_may_do_what() {
    let mut page = String::from(include_str!("page.md"));
    for (title, inside, scopes) in [
        ("The platform", true, &[Scope::Platform, Scope::Enter, Scope::Machine][..]),
        ("The platform's own realm", false, &[Scope::Realm, Scope::Business, Scope::Tokens]),
        ("A tenant's realm", true, &[Scope::Realm, Scope::Business, Scope::Tokens]),
    ] {
        let _ = write!(page, "\n## {title}\n\n| function | permission | {} |\n", CALLERS.join(" | "));
        let _ = writeln!(page, "|---|---|{}", ":-:|".repeat(CALLERS.len()));
        for row in table::rows().iter().filter(|row| scopes.contains(&row.scope)) {
            let cells = (0..CALLERS.len()).map(|who| if may(row, who, inside) { "yes" } else { "" });
            let cells: Vec<&str> = cells.collect();
            let _ = writeln!(page, "| `{}` | `{}` | {} |", row.name, row.permission, cells.join(" | "));
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rights.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/rights.md is not up to date: run the tests with UPDATE_GENERATED=1");
}
