//! Words of a command line that is to be pasted into a shell.

use std::borrow::Cow;
use std::path::Path;

/// The word as a POSIX shell reads it back: bare where no shell changes it, else in single quotes,
/// within which a shell changes nothing (POSIX Shell Command Language, 2.2.2).
///
/// Whatever somebody chose and a hint repeats passes here: pasted, it must stay one word, and run
/// nothing.
#[must_use]
pub fn word(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { format!("'{}'", text.replace('\'', "'\\''")).into() }
}

/// [`word`] of a path.
#[must_use]
pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy()).into_owned()
}

/// Whether every shell, and every reader of dotenv files, takes the word as it stands.
#[must_use]
pub fn is_plain(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    !word.is_empty() && word.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_plain_word_stays_as_it_is() {
        for plain in ["Admin", "ann.birch+x@acme.example", "invoice:read", "a=b,c", "/var/lib/x-1_2", "50%"] {
            assert_eq!(word(plain), plain);
        }
    }

    #[test]
    fn what_is_pasted_into_bash_stays_one_word_and_runs_nothing() {
        for nasty in [
            "Sales NA",
            "x' $(touch pwned) '",
            "a`touch${IFS}pwned`@x.example",
            "a;b|c&d>e<f",
            "*:read",
            "~root",
            "$HOME \"x\" \\ !! #",
            "Größe",
            "{a,b}",
            "",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let script = format!("nexus() {{ printf '%s\\n' \"$#\" \"$2\"; }}\nnexus show {}", word(nasty));
            let out = crate::kernel::child::command("bash")
                .args(["-c", &script])
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("2\n{nasty}\n"));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{nasty}");
        }
    }
}
