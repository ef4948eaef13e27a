//! Names and values as a program's environment, in the forms that tools read.

use clap::ValueEnum;

use crate::kernel::{Failure, shell};

/// The form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EnvFormat {
    /// NAME=value lines, quoted where they must be, as dotenv libraries read them
    #[default]
    Dotenv,
    /// export lines, for eval in a shell
    Shell,
    /// One JSON object
    Json,
    /// The database's URL alone
    Url,
}

/// Names and values in one of the forms; [`EnvFormat::Url`] gives the value of `url_name` alone.
///
/// # Errors
/// [`NotDotenv`] names the value that readers of `.env` files would read differently.
pub fn render(format: EnvFormat, pairs: &[(&str, &str)], url_name: &str) -> Result<String, NotDotenv> {
    Ok(match format {
        EnvFormat::Dotenv => {
            let line = |(name, value): &(&str, &str)| {
                let value = dotenv(value).ok_or_else(|| NotDotenv { name: (*name).to_owned() })?;
                Ok([name, "=", &value, "\n"].concat())
            };
            pairs.iter().map(line).collect::<Result<_, NotDotenv>>()?
        }
        EnvFormat::Shell => {
            let line = |(name, value): &(&str, &str)| format!("export {name}={}\n", shell::word(value));
            pairs.iter().map(line).collect()
        }
        EnvFormat::Json => {
            let object: serde_json::Map<_, _> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            format!("{:#}\n", serde_json::Value::Object(object))
        }
        EnvFormat::Url => {
            let url = pairs.iter().find(|(name, _)| *name == url_name);
            url.map_or_else(String::new, |(_, value)| format!("{value}\n"))
        }
    })
}

/// A value that no form of writing gives to every reader.
#[derive(Debug, thiserror::Error, Failure)]
#[error(
    "the readers of .env files would read {name} differently: its characters mean something to some of them"
)]
#[failure(Conflict, "value_not_dotenv")]
#[hint("write it for a shell or as JSON: --format shell, --format json")]
#[hint("or give the login a password without quotes, backslashes and '${{'")]
pub struct NotDotenv {
    name: String,
}

/// The value as python-dotenv, node's dotenv, node itself and a shell that sources the file read it:
/// bare where it is plain, in single quotes, which keep all but two signs, or in double ones where none
/// is in it that means something there. `None` where they would not agree.
fn dotenv(value: &str) -> Option<String> {
    let has = |signs: &[&str]| signs.iter().any(|sign| value.contains(sign));
    // A question mark is a pattern in a command's words, and nothing in an assignment.
    if value.is_empty() || shell::is_plain(&value.replace('?', "_")) {
        return Some(value.to_owned());
    }
    // python-dotenv takes ${…} for a variable, and a backslash before a quote or another for an escape.
    if has(&["${", "\n", "\r"]) {
        return None;
    }
    if !has(&["'", "\\\\"]) && !value.ends_with('\\') {
        return Some(format!("'{value}'"));
    }
    (!has(&["$", "`", "\"", "\\"])).then(|| format!("\"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_break_out_of_its_quotes() {
        let pairs = [("A", "plain-1"), ("B", "it's $HOME `id` \"x\"\nC=1")];
        assert!(render(EnvFormat::Dotenv, &pairs, "A").is_err());
        assert_eq!(
            render(EnvFormat::Dotenv, &[("A", "p-1"), ("B", "$x `id` \"#"), ("C", "it's #1")], "A").unwrap(),
            "A=p-1\nB='$x `id` \"#'\nC=\"it's #1\"\n"
        );
        assert_eq!(
            render(EnvFormat::Shell, &pairs, "A").unwrap(),
            "export A=plain-1\nexport B='it'\\''s $HOME `id` \"x\"\nC=1'\n"
        );
        assert_eq!(render(EnvFormat::Url, &pairs, "A").unwrap(), "plain-1\n");
    }

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let value = "a'b\"c$d\\e `f` \n g";
        let script = render(EnvFormat::Shell, &[("NEXUS_T", value)], "").unwrap() + "printf %s \"$NEXUS_T\"";
        let out = crate::kernel::child::command("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), value);
    }
}
