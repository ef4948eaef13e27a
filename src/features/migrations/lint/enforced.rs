//! What cannot be waived is refused by whoever is about to run a file, too. It reads statements as a run
//! does, in time that grows with the file.

use super::outside::{acts_outside, is_long};
use super::statement::Statement;
use crate::infra::db::statements;

/// How many words tell what most statements are about.
const FIRST: usize = 4;

/// A statement that no file may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its line, from 1.
    pub line: usize,
    pub words: String,
}

/// The first statement of a text that would act outside the tenant.
#[must_use]
pub fn outside_tenant(text: &str) -> Option<Outside> {
    let lower = text.to_ascii_lowercase();
    // What may stand anywhere in a statement, or be spelled with escapes.
    let anywhere = ["set_config", "pg_settings", "u&\""].iter().any(|it| lower.contains(it));
    let found = statements(text).into_iter().find(|statement| {
        let first = statement.words(FIRST);
        let whole = anywhere || is_long(&first);
        acts_outside(&Statement::of(statement, if whole { usize::MAX } else { FIRST }))
    })?;
    let before: String = text.chars().take(found.offset).collect();
    Some(Outside { line: before.matches('\n').count() + 1, words: found.words(4).join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_acts_outside_is_found_with_its_line() {
        let found = outside_tenant("create table t (a int);\n\n-- c\nRESET ROLE;").unwrap();
        assert_eq!((found.line, found.words.as_str()), (4, "reset role"));
        for text in [
            "set session authorization default",
            "set local role x",
            "set role = 'x'",
            "grant admin to x",
            "grant connect on database x to nexus_app",
            "copy t to program 'sh'",
            "copy t from E'/x'",
            "select set_config('role', 'x', false)",
            "drop owned by x",
        ] {
            assert!(outside_tenant(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_stays_inside_is_not() {
        for text in [
            "grant select on t to nexus_app",
            "alter default privileges revoke execute on functions from public",
            "alter table t owner to pg_database_owner",
            "copy t from stdin",
            "set search_path = shop",
            "reset work_mem",
            "comment on table t is 'reset role'",
            "do $$ begin perform 1; end $$",
            "select set_config('app.tenant', 'x', true)",
        ] {
            assert_eq!(outside_tenant(text), None, "{text}");
        }
    }
}
