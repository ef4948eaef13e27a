//! Whether a statement would act outside the tenant, by its words. A setting or a function may be written
//! in quotes and with escapes, too (manual, chapter 4.1.1). Bodies in quotes are not read: what they do is
//! stopped by the login's lack of power.

use super::statement::Statement;

/// The settings that say as whom a session acts. Their names have no case, even in quotes.
const WHO: [&str; 2] = ["role", "session_authorization"];
/// What belongs to the server, or to all databases of it.
const SHARED: [&str; 6] = ["database", "role", "user", "group", "tablespace", "subscription"];

/// Whether a statement would act outside the tenant.
pub(super) fn acts_outside(statement: &Statement) -> bool {
    names_what_is_outside(statement)
        || sets_who(statement)
        || calls_set_config(statement)
        || changes_pg_settings(statement)
}

/// Whether what a statement is about can only be known from more than its first words.
pub(super) fn is_long(first: &[String]) -> bool {
    let word = |index: usize| first.get(index).map_or("", String::as_str);
    match word(0) {
        "grant" | "revoke" | "security" | "copy" => true,
        "create" | "alter" => word(1) == "schema" || makes_routine(&word),
        _ => false,
    }
}

fn makes_routine<'a>(word: &impl Fn(usize) -> &'a str) -> bool {
    let at = if (word(1), word(2)) == ("or", "replace") { 3 } else { 1 };
    matches!(word(at), "function" | "procedure" | "routine")
}

fn names_what_is_outside(statement: &Statement) -> bool {
    let word = |index| statement.word(index);
    match (word(0), word(1), word(2)) {
        // A user mapping belongs to the database that it is made in.
        ("create" | "alter" | "drop", "user", "mapping") => false,
        ("create" | "alter" | "drop", kind, _) if SHARED.contains(&kind) => true,
        ("alter", "system", _)
        | ("drop" | "reassign", "owned", _)
        | ("discard" | "reset", "all", _)
        | ("load", ..) => true,
        ("comment", "on", kind) => SHARED.contains(&kind),
        ("security", "label", _) => {
            let on = statement.words.iter().position(|word| word == "on");
            on.is_some_and(|on| SHARED.contains(&word(on + 1)))
        }
        // Membership in a role: rights to an object have ON.
        ("grant" | "revoke", ..) if !statement.has("on") => true,
        ("grant" | "revoke", ..) => grants_on_shared(statement),
        // Its elements may be grants.
        ("create", "schema", _) => statement.has("grant") && grants_on_shared(statement),
        ("copy", ..) => copies_by_the_server(statement),
        _ => false,
    }
}

/// `ON DATABASE`, unless a table is called so.
fn grants_on_shared(statement: &Statement) -> bool {
    statement.words.windows(3).any(|words| {
        words[0] == "on"
            && matches!(&*words[1], "database" | "tablespace" | "parameter")
            && !matches!(&*words[2], "to" | "from" | "," | ".")
    })
}

/// `COPY … FROM|TO 'file'` and `PROGRAM`: the server's own files and programs.
fn copies_by_the_server(statement: &Statement) -> bool {
    statement.words.windows(2).any(|pair| {
        matches!(pair[0].as_str(), "from" | "to") && (pair[1] == "program" || is_constant(&pair[1]))
    })
}

/// `SET ROLE` and its like, of the session or of a routine while it runs.
fn sets_who(statement: &Statement) -> bool {
    let word = |index| statement.word(index);
    match word(0) {
        "reset" => names_who(statement, 1),
        "set" => names_who(statement, 1) || matches!(word(1), "local" | "session") && names_who(statement, 2),
        "create" | "alter" if makes_routine(&word) => routine_sets_who(statement),
        _ => false,
    }
}

fn names_who(statement: &Statement, at: usize) -> bool {
    // A setting of two parts is a program's own.
    (statement.word(at), statement.word(at + 1)) == ("session", "authorization")
        || WHO.iter().any(|who| statement.may_be(at, who)) && statement.word(at + 1) != "."
}

/// A routine's own settings stand outside parentheses, before a body in standard SQL.
fn routine_sets_who(statement: &Statement) -> bool {
    let mut depth = 0_usize;
    for (at, word) in statement.words.iter().enumerate() {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "begin" if depth == 0 && statement.word(at + 1) == "atomic" => return false,
            "set" if depth == 0 && names_who(statement, at + 1) => return true,
            _ => {}
        }
    }
    false
}

/// Where a name of PostgreSQL's own begins, with its schema, and what follows it. The same name in
/// another schema is somebody else's.
fn own_names<'a>(statement: &'a Statement, name: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    let is_it = move |at: &usize| statement.may_be(*at, name);
    (0..statement.words.len()).filter(is_it).filter_map(|at| {
        let mut after = at + 1;
        if statement.word(after) == "uescape" {
            after += 1;
            while is_constant(statement.word(after)) {
                after += 1;
            }
        }
        if at < 2 || statement.word(at - 1) != "." {
            return Some((at, after));
        }
        // Behind UESCAPE stands a sign instead of a name: it may be any.
        let own = statement.may_be(at - 2, "pg_catalog") || is_constant(statement.word(at - 2));
        own.then_some((at - 2, after))
    })
}

fn is_constant(word: &str) -> bool {
    word.ends_with('\'') || word.starts_with('$')
}

/// `set_config` of a setting that says as whom a session acts, or whose name is not in sight.
fn calls_set_config(statement: &Statement) -> bool {
    let word = |index| statement.word(index);
    own_names(statement, "set_config").any(|(start, after)| {
        let before = start.checked_sub(1).map_or("", word);
        match word(after) {
            "(" => !names_the_function(word(0), before) && !sets_something_else(statement, after + 1),
            // The function of an aggregate.
            _ => word(0) == "create" && before == "=",
        }
    })
}

/// Whether the function is named, and not called, e.g. by `GRANT EXECUTE ON FUNCTION`.
fn names_the_function(first: &str, before: &str) -> bool {
    matches!(first, "create" | "alter" | "drop" | "comment" | "grant" | "revoke")
        && matches!(before, "function" | "routine" | "exists")
}

/// Whether an argument is one plain string that names another setting.
fn sets_something_else(statement: &Statement, at: usize) -> bool {
    let cast = (statement.word(at + 1), statement.word(at + 2)) == ("::", "text");
    let after = if cast { at + 3 } else { at + 1 };
    let setting = plain_string(statement.word(at));
    statement.word(after) == ","
        && setting.is_some_and(|setting| !WHO.iter().any(|who| setting.eq_ignore_ascii_case(who)))
}

/// What is in a string without a prefix, or between dollars. With a backslash it depends on a setting.
fn plain_string(word: &str) -> Option<&str> {
    if let Some(rest) = word.strip_prefix('\'') {
        return rest.strip_suffix('\'').filter(|it| !it.contains('\\'));
    }
    let tag = &word[..=word.strip_prefix('$')?.find('$')? + 1];
    word[tag.len()..].strip_suffix(tag)
}

/// An update of `pg_settings` does what SET does (manual, chapter 54.24).
fn changes_pg_settings(statement: &Statement) -> bool {
    own_names(statement, "pg_settings").any(|(start, _)| {
        let before = statement.words[..start].iter().rev();
        let verb = before.map(String::as_str).find(|word| !matches!(*word, "(" | "only"));
        matches!(verb, Some("update" | "into"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::enforced::outside_tenant;
    use super::super::statement::statements;
    use super::*;

    /// What lint and what a run say of a text: they must be of one mind.
    fn is_outside(text: &str) -> bool {
        let lint = statements(text).iter().any(acts_outside);
        assert_eq!(lint, outside_tenant(text).is_some(), "{text}");
        lint
    }

    #[test]
    fn what_acts_outside_the_tenant_is_found() {
        let outside = [
            "create database x",
            "ALTER DATABASE x SET search_path = y",
            "drop database if exists x",
            "create role x",
            "alter role x superuser",
            "create user x",
            "drop group x",
            "alter system set work_mem = '1GB'",
            "create tablespace x location '/x'",
            "discard all",
            "grant admin to x",
            "revoke admin from x",
            "grant connect on database x to public",
            "grant connect on database \"to\" to public",
            "grant set on parameter work_mem to x",
            "grant alter system on parameter work_mem to x",
            "create schema s grant create on tablespace t to x",
            "drop owned by x",
            "reassign owned by x to y",
            "comment on role x is 'y'",
            "comment on user x is 'y'",
            "comment on database x is 'y'",
            "security label on role x is 'y'",
            "security label for p on tablespace x is 'y'",
            "security label for U&\"p\" uescape '!' on user x is 'y'",
            "security label on database x is 'y'",
            "create subscription s connection '' publication p",
            "alter subscription s disable",
            "drop subscription s",
            "load 'auto_explain'",
            "copy t from '/etc/passwd'",
            "copy t from E'/x'",
            "copy t to program 'sh'",
        ];
        for text in outside {
            assert!(is_outside(text), "{text}");
        }
    }

    #[test]
    fn a_session_that_would_act_as_somebody_else_is_found_however_it_is_spelled() {
        let outside = [
            "set role postgres",
            "set local role x",
            "set session role x",
            "set role = x",
            "set role from current",
            "reset role",
            "reset all",
            "set session authorization x",
            "set local session authorization default",
            "reset session authorization",
            "set \"role\" to none",
            "set \"ROLE\" to none",
            "reset \"role\"",
            "set local \"role\" to x",
            "set session /* c */ \"role\" to x",
            r#"set U&"\0072ole" to x"#,
            r#"set u&"\+000072ole" to x"#,
            r#"set local U&"!0072ole" uescape '!' to x"#,
            "set U&\"rR006Fle\" uescape 'R' to x",
            "set U&\"!0072ole\" uescape $$!$$ to x",
            "set \"session_authorization\" to x",
            "reset \"session_authorization\"",
            "create function f() returns int language sql set role to x as 'select 1'",
            "create or replace procedure f(a int default 1) set \"role\" = x language sql as ''",
            "alter function f(int) set role from current",
            "alter routine f set session authorization x",
            "create function begin() returns int set session_authorization to x return 1",
        ];
        for text in outside {
            assert!(is_outside(text), "{text}");
        }
    }

    #[test]
    fn set_config_of_a_role_or_of_what_is_not_in_sight_is_found() {
        let arguments = [
            "'role', 'postgres', false",
            "'ROLE' , 'x', true",
            "'session_authorization', 'x', true",
            "$$role$$, 'x', false",
            "$a$Role$a$, 'x', false",
            "'role'::text, 'x', false",
            "E'role', 'x', false",
            r"E'\x72ole', 'x', false",
            r"'\x72ole', 'x', false",
            r"U&'\0072ole', 'x', false",
            "('role'), 'x', false",
            "cast('role' as text), 'x', false",
            "'ro'||'le', 'x', false",
            "'ro'\n'le', 'x', false",
            "setting_name => 'role', new_value => 'x', is_local => false",
            "new_value => 'x', setting_name => 'role', is_local => false",
            "name, 'x', false",
            "$1, 'x', false",
            "variadic array['role']",
        ];
        let names = [
            "set_config",
            "pg_catalog.set_config",
            "\"set_config\"",
            "\"pg_catalog\" . \"set_config\"",
            r#"U&"set\005fconfig""#,
            r#"U&"pg!005fcatalog" uescape '!'.U&"set!005fconfig" uescape '!'"#,
            "U&\"setS005fconfig\" uescape 'S'",
            "U&\"set!005fconfig\" uescape E'!'\n''",
        ];
        for (name, argument) in names.iter().flat_map(|it| arguments.iter().map(move |other| (it, other))) {
            assert!(is_outside(&format!("select 1, {name}({argument}) from t")), "{name}({argument})");
        }
        for text in [
            "create table t as select set_config('role', 'x', false)",
            "insert into t values (set_config('role', 'x', false))",
            "create function f() returns text return set_config('role', 'x', true)",
            "comment on table t is 'x'; grant select on t to y; explain analyze select set_config('role', '', true)",
            "create aggregate a (text, boolean) (sfunc = set_config, stype = text, initcond = 'role')",
            "update pg_settings set setting = 'x' where name = 'role'",
            "update only (pg_catalog.\"pg_settings\") set setting = 'x'",
            "with a as (update pg_settings set setting = 'x' returning 1) select from a",
            "merge into pg_settings using t on true when matched then update set setting = 'x'",
        ] {
            assert!(is_outside(text), "{text}");
        }
    }

    #[test]
    fn what_stays_inside_is_not() {
        let inside = [
            "create table database (role int)",
            "create table \"role\" (\"session_authorization\" int, \"set_config\" text)",
            "select role from t",
            "select \"role\", t.\"role\", set_config from \"role\" as t",
            "update t set role = 'x', \"role\" = 'y' where role = 'z'",
            "alter table t add column role text",
            "comment on column t.role is 'x'",
            "comment on table role is 'set role'",
            "comment on table t is 'reset role'",
            "security label on column t.role is 'x'",
            "insert into role values ('set role', 'set_config(''role'', 1)')",
            "insert into t select 'update pg_settings'",
            "set search_path = app",
            "set search_path = role, \"role\"",
            "set local lock_timeout = '1s'",
            "set app.role = 'x'",
            "set \"app\".role to x",
            "set session characteristics as transaction read only",
            "reset work_mem",
            "reset \"work_mem\"",
            "grant select on t to public",
            "grant select on database to nexus_app",
            "grant update (role) on t to nexus_app",
            "grant usage on schema role to nexus_app",
            "alter default privileges for role x grant select on tables to nexus_app",
            "alter default privileges revoke execute on functions from public",
            "alter table t owner to pg_database_owner",
            "copy t from stdin",
            "create user mapping for public server s",
            "create schema role create view v as select from a join b on database.x = y",
            "select set_config('app.tenant', 'x', true)",
            "select pg_catalog.set_config('search_path', '', false)",
            "select set_config($$app.tenant$$, role, true), set_config('app.x'::text, 'role', true)",
            "select app.set_config(name, 'role')",
            "create function app.set_config(name text) returns text language sql as 'select 1'",
            "revoke execute on function set_config(text, text, boolean) from nexus_app",
            "select name from pg_settings where name = 'role'",
            "create view v as select * from pg_settings",
            "insert into app.pg_settings values ('role')",
            "create function f(role text) returns int set search_path = '' return 1",
            "create function f(set role) returns setof role set search_path to a, role as 'select 1'",
            "create function f() returns int begin atomic update t set role = 'x'; return 1; end",
            "create procedure p() set app.role = 'x' begin atomic update t set \"role\" = 'x'; end",
            "alter function role() set schema role",
            "do $$ begin perform 1; end $$",
            "prepare p as select $1",
        ];
        for text in inside {
            assert!(!is_outside(text), "{text}");
        }
    }
}
