//! Names and values as a program's environment, in the forms that tools read.

use clap::ValueEnum;

use crate::kernel::shell;

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
#[must_use]
pub fn render(format: EnvFormat, pairs: &[(&str, &str)], url_name: &str) -> String {
    match format {
        EnvFormat::Dotenv => lines(pairs, "", dotenv),
        EnvFormat::Shell => lines(pairs, "export ", |value| shell::word(value).into_owned()),
        EnvFormat::Json => {
            let object: serde_json::Map<_, _> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            format!("{:#}\n", serde_json::Value::Object(object))
        }
        EnvFormat::Url => {
            let url = pairs.iter().find(|(name, _)| *name == url_name);
            url.map_or_else(String::new, |(_, value)| format!("{value}\n"))
        }
    }
}

fn lines(pairs: &[(&str, &str)], before: &str, quoted: fn(&str) -> String) -> String {
    let line = |(name, value): &(&str, &str)| [before, name, "=", &quoted(value), "\n"].concat();
    pairs.iter().map(line).collect()
}

/// Bare where every reader agrees on what it means, else in double quotes.
fn dotenv(value: &str) -> String {
    if shell::is_plain(value) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_break_out_of_its_quotes() {
        let pairs = [("A", "plain-1"), ("B", "it's $HOME `id` \"x\"\nC=1")];
        assert_eq!(
            render(EnvFormat::Dotenv, &pairs, "A"),
            "A=plain-1\nB=\"it's \\$HOME `id` \\\"x\\\"\\nC=1\"\n"
        );
        assert_eq!(
            render(EnvFormat::Shell, &pairs, "A"),
            "export A=plain-1\nexport B='it'\\''s $HOME `id` \"x\"\nC=1'\n"
        );
        assert_eq!(render(EnvFormat::Url, &pairs, "A"), "plain-1\n");
    }

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let value = "a'b\"c$d\\e `f` \n g";
        let script = render(EnvFormat::Shell, &[("NEXUS_T", value)], "") + "printf %s \"$NEXUS_T\"";
        let out = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), value);
    }
}
