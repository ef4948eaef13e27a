//! Hints as commands to paste: the only place that puts an action into the command line's grammar.

mod fleet;
mod line;
mod messages;
mod people;
mod places;
mod platform;
mod repeat;
mod tenants;
#[cfg(test)]
mod tests;

use crate::kernel::Hint;
use crate::kernel::hint::{Action, InRealm};
use crate::kernel::shell;
use line::Line;

/// A hint as a sentence: its words, then the command.
#[must_use]
pub fn sentence(hint: &Hint) -> String {
    match &hint.action {
        None => hint.text.to_string(),
        Some(action) if hint.text.is_empty() => command(action),
        Some(action) => format!("{}: {}", hint.text, command(action)),
    }
}

/// The flag that names a realm, with a space before it; empty for the platform's.
#[must_use]
pub fn realm_flag(realm: &InRealm) -> String {
    realm.0.as_ref().map(|slug| format!(" --tenant {}", shell::word(slug))).unwrap_or_default()
}

/// What to type for an action.
fn command(action: &Action) -> String {
    let line: Line = match action {
        Action::Platform(action) => platform::platform(action),
        Action::Local(action) => platform::local(action),
        Action::Fsck(action) => platform::fsck(action),
        Action::Audit(action) => platform::audit(action),
        Action::Place(action) => places::place(action),
        Action::Tenant(action) => tenants::tenant(action),
        Action::Operation(action) => tenants::operation(action),
        Action::Set(action) => fleet::set(action),
        Action::Run(action) => fleet::run(action),
        Action::Migrate(action) => fleet::migrate(action),
        Action::User(action) => people::user(action),
        Action::Rights(action) => people::rights(action),
        Action::Token(action) => people::token(action),
        Action::Webhook(action) => messages::webhook(action),
        Action::Service(action) => messages::service(action),
        Action::Notify(action) => messages::notify(action),
        Action::With(with) => repeat::with(with),
    };
    line.into()
}
