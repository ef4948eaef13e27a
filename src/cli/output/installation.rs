//! Commands that are told to be typed next work on the same installation as the one that was typed.

use std::borrow::Cow;

use super::super::{GlobalArgs, grammar};
use crate::kernel::shell;

/// The flags that said which installation, each with a space before it.
pub(super) fn flags(given: &GlobalArgs) -> String {
    let config = given.config.as_ref().map(|file| format!(" --config {}", shell::path(file)));
    let context = given.context.as_ref().map(|name| format!(" --context {}", shell::word(name)));
    config.into_iter().chain(context).collect()
}

/// The text with these flags in every command of Nexus in it. Only `nexus context` goes without:
/// it is where one looks when the context was the slip.
pub(super) fn kept<'a>(text: &'a str, flags: &str) -> Cow<'a, str> {
    if flags.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut whole, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("nexus ") {
        let (before, after) = rest.split_at(at + "nexus".len());
        let noun = after[1..].split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default();
        whole.push_str(before);
        if noun != "context" && grammar().find_subcommand(noun).is_some() {
            whole.push_str(flags);
        }
        rest = after;
    }
    Cow::Owned(whole + rest)
}

#[cfg(test)]
mod tests {
    use super::super::super::GlobalArgs;
    use super::{flags, kept};

    #[test]
    fn a_command_that_is_hinted_works_on_the_same_installation() {
        let given = GlobalArgs {
            config: Some("my nexus.toml".into()),
            context: Some("prod".to_owned()),
            ..GlobalArgs::default()
        };
        let flags = flags(&given);
        assert_eq!(
            kept("see it: nexus tenant show acme; or: nexus context list, in schema nexus of it", &flags),
            "see it: nexus --config 'my nexus.toml' --context prod tenant show acme; or: nexus context list, in schema nexus of it"
        );
        assert_eq!(kept("nexus init", &flags), "nexus --config 'my nexus.toml' --context prod init");
        assert_eq!(kept("nexus user list", ""), "nexus user list");
    }
}
