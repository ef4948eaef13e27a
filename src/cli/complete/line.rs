//! The line that is being typed, as a shell hands it over: words with their quotes, cut where the
//! shell's line editor cuts them.

use std::borrow::Cow;
use std::ffi::OsString;

/// What bash tells a completion function (manual, section 5.2, `COMP_*`).
#[derive(Debug, Default)]
pub(super) struct BashLine {
    /// `COMP_WORDS`.
    pub(super) words: Vec<String>,
    /// `COMP_CWORD`.
    pub(super) index: usize,
    /// The second argument: the part of the word that the line editor will replace.
    pub(super) replaced: String,
    /// `COMP_LINE` up to the cursor. Empty where a function is called without a line.
    pub(super) line: String,
    /// `COMP_WORDBREAKS`.
    pub(super) breaks: String,
}

/// A line as `nexus` would be given it, and how the rest of its last word has to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words without their quotes; the last one is being typed.
    pub(super) words: Vec<OsString>,
    /// What of the last word stays on the line, without quotes.
    kept: String,
    /// The quote that is open at the cursor.
    open: Option<char>,
}

impl Typed {
    /// Words that need no more reading.
    pub(super) fn plain(words: Vec<OsString>) -> Self {
        Self { words, kept: String::new(), open: None }
    }

    /// Of what bash tells. Its line editor cuts at `:`, `=` and `@` too, which are parts of words.
    pub(super) fn of_bash(line: &BashLine) -> Self {
        let mut raw = if line.line.is_empty() { line.joined() } else { line.split() };
        let last = raw.pop().unwrap_or_default();
        let open = open_quote(&last);
        let typed = unquoted(&last);
        let kept = unquoted(line.kept(&last));
        let mut words: Vec<OsString> = raw.iter().map(|word| unquoted(word).into()).collect();
        words.push(typed.into());
        Self { words, kept, open }
    }

    /// What has to stand in the place of what is replaced, for the whole word to be `value`; `None`
    /// where a shell could not be given it on one line.
    pub(super) fn insert(&self, value: &str) -> Option<String> {
        let rest = value.strip_prefix(self.kept.as_str())?;
        if rest.chars().any(char::is_control) {
            return None;
        }
        Some(match self.open {
            Some('\'') => rest.replace('\'', "'\\''"),
            // '!' asks for the history within double quotes, where no backslash stops it.
            Some(_) => rest.chars().fold(String::new(), |text, c| match c {
                '$' | '`' | '"' | '\\' => text + "\\" + c.encode_utf8(&mut [0; 4]),
                '!' => text + "\"\\!\"",
                _ => text + c.encode_utf8(&mut [0; 4]),
            }),
            None if value.is_empty() => "''".to_owned(),
            None => rest.chars().fold(String::new(), |text, c| {
                let plain = c.is_alphanumeric() || "_-./:@%+=,".contains(c);
                text + if plain { "" } else { "\\" } + c.encode_utf8(&mut [0; 4])
            }),
        })
    }
}

impl BashLine {
    /// The raw words of the last command on the line.
    fn split(&self) -> Vec<String> {
        let (mut words, mut word, mut started) = (Vec::new(), String::new(), false);
        let mut quotes = Quotes::default();
        for c in self.line.chars() {
            if quotes.holds(c) {
                word.push(c);
                started = true;
                continue;
            }
            match c {
                ' ' | '\t' | '<' | '>' if started => words.push(std::mem::take(&mut word)),
                ' ' | '\t' | '<' | '>' => {}
                ';' | '|' | '&' | '(' | ')' | '\n' => {
                    words.clear();
                    word.clear();
                }
                _ => word.push(c),
            }
            started = !word.is_empty();
        }
        words.push(word);
        let command = self.words.first().and_then(|name| words.iter().position(|word| word == name));
        words.split_off(command.unwrap_or(0))
    }

    /// The raw words up to the cursor, those that the line editor cut put together again: without the
    /// line nothing tells whether there was a space.
    fn joined(&self) -> Vec<String> {
        let is_break = |word: &str| !word.is_empty() && word.chars().all(|c| self.is_break(c));
        let mut words: Vec<String> = Vec::new();
        let mut glue = false;
        for (index, word) in self.words.iter().take(self.index + 1).enumerate() {
            let broken = index > 1 && is_break(word);
            // After `--tenant=x` the next word stands alone; after `user :` it does not.
            match words.last_mut() {
                Some(before) if broken || (glue && !self.ends_value(before)) => before.push_str(word),
                _ => words.push(word.clone()),
            }
            glue = broken;
        }
        words
    }

    /// `--flag=value`, the value there.
    fn ends_value(&self, word: &str) -> bool {
        word.starts_with('-')
            && word.split_once('=').is_some_and(|(_, value)| {
                !value.is_empty() && !self.is_break(value.chars().next_back().unwrap_or(' '))
            })
    }

    fn is_break(&self, c: char) -> bool {
        ":=@".contains(c) && self.breaks.contains(c)
    }

    /// What of the raw last word the line editor leaves on the line.
    fn kept<'a>(&self, raw: &'a str) -> &'a str {
        let replaced = if self.replaced.chars().all(|c| self.is_break(c)) { "" } else { &self.replaced };
        raw.strip_suffix(replaced).unwrap_or("")
    }
}

/// Where in quotes a reader of a line is.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    escaped: bool,
}

impl Quotes {
    /// Reads on; whether this character is a quote, or stands in quotes.
    fn holds(&mut self, c: char) -> bool {
        if std::mem::take(&mut self.escaped) {
            return true;
        }
        match (self.open, c) {
            (None | Some('"'), '\\') => self.escaped = true,
            (Some(open), c) if c == open => self.open = None,
            (None, '\'' | '"') => self.open = Some(c),
            (None, _) => return false,
            (Some(_), _) => {}
        }
        true
    }
}

fn open_quote(raw: &str) -> Option<char> {
    let mut quotes = Quotes::default();
    for c in raw.chars() {
        quotes.holds(c);
    }
    quotes.open
}

/// The word without its quotes (POSIX Shell Command Language, 2.2). Nothing is expanded.
pub(super) fn unquoted(raw: &str) -> String {
    let (mut text, mut open, mut chars) = (String::new(), None, raw.chars().peekable());
    while let Some(c) = chars.next() {
        match (open, c) {
            (None, '\\') => text.extend(chars.next()),
            (Some('"'), '\\') => match chars.next_if(|next| "$`\"\\".contains(*next)) {
                Some(next) => text.push(next),
                None => text.push('\\'),
            },
            (Some(quote), c) if quote == c => open = None,
            (None, '\'' | '"') => open = Some(c),
            (_, c) => text.push(c),
        }
    }
    text
}

/// The word as PowerShell reads it back: in single quotes where it would not stay one plain word. It
/// takes typographic quotes for single ones (about_Quoting_Rules).
pub(super) fn for_powershell(word: &str) -> Cow<'_, str> {
    if crate::kernel::shell::is_plain(word) && !word.starts_with('@') && !word.contains(',') {
        return Cow::Borrowed(word);
    }
    let doubled = word.chars().fold(String::new(), |text, c| {
        let twice = matches!(c, '\'' | '\u{2018}'..='\u{201b}');
        let c = c.encode_utf8(&mut [0; 4]).to_owned();
        text + &c + if twice { &c } else { "" }
    });
    format!("'{doubled}'").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'@><=;|&(:";

    fn typed(words: &[&str], replaced: &str, line: &str) -> Typed {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let index = words.len() - 1;
        Typed::of_bash(&BashLine {
            words,
            index,
            replaced: replaced.to_owned(),
            line: line.to_owned(),
            breaks: BREAKS.to_owned(),
        })
    }

    fn last(typed: &Typed) -> &str {
        typed.words.last().unwrap().to_str().unwrap()
    }

    #[test]
    fn words_that_bash_cuts_are_put_together_again_with_or_without_the_line() {
        let line = "nexus allow User user:c";
        for line in [line, ""] {
            let it = typed(&["nexus", "allow", "User", "user", ":", "c"], "c", line);
            assert_eq!((it.words.len(), last(&it)), (4, "user:c"));
            assert_eq!(it.insert("user:create").unwrap(), "create");
        }
        let it = typed(&["nexus", "allow", "User", "user", ":"], "", "");
        assert_eq!((last(&it), it.insert("user:create").unwrap().as_str()), ("user:", "create"));
        let it = typed(&["nexus", "show", "--tenant", "=", "ac"], "ac", "");
        assert_eq!((last(&it), it.insert("--tenant=acme").unwrap().as_str()), ("--tenant=ac", "acme"));
        let it = typed(&["nexus", "show", "--tenant", "=", "acme", "ann", "@", "a"], "a", "");
        assert_eq!(it.words, ["nexus", "show", "--tenant=acme", "ann@a"]);
        assert_eq!(it.insert("ann@acme.example").unwrap(), "acme.example");
        let it = typed(&["nexus", "show", "--tenant", "=", "acme", "ann"], "ann", "");
        assert_eq!(it.words, ["nexus", "show", "--tenant=acme", "ann"]);
    }

    #[test]
    fn the_command_on_a_longer_line_is_the_last_one() {
        let it = typed(&["nexus", "show", "a"], "a", "echo x; X=1 nexus show a");
        assert_eq!(it.words, ["nexus", "show", "a"]);
        let it = typed(&["nexus", "show", ""], "", "cat <x | nexus show ");
        assert_eq!(it.words, ["nexus", "show", ""]);
        let it = typed(&["nexus", "show", "\"Sales N"], "Sales N", "nexus show \"Sales N");
        assert_eq!(it.words, ["nexus", "show", "Sales N"]);
    }

    /// What bash makes of a line whose last word was completed; and whether it ran anything.
    fn read_back(word: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("set +H; f() {{ printf '%s' \"$#:$1\"; }}; f {word}");
        let out = crate::kernel::child::command("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{word}");
        String::from_utf8(out.stdout).unwrap()
    }

    #[test]
    fn a_name_that_somebody_chose_stays_one_word_and_runs_nothing_however_it_is_begun() {
        for name in [
            "Sales NA",
            "x$(touch pwned)",
            "x`touch pwned`",
            "x'; touch pwned; '",
            "x\"; touch pwned; \"",
            "x\\$HOME",
            "x*",
            "x{a,b}",
            "x!!",
            "x~root",
            "x#y",
            "xGröße 東京",
            "x&y|z<a>b",
        ] {
            let first: String = name.chars().take(1).collect();
            for (quote, end) in [("", ""), ("'", "'"), ("\"", "\"")] {
                let raw = format!("{quote}{first}");
                let line = format!("nexus show {raw}");
                let it = typed(&["nexus", "show", &raw], &first, &line);
                assert_eq!(last(&it), first);
                let whole = format!("{quote}{}{end}", it.insert(name).unwrap());
                assert_eq!(read_back(&whole), format!("1:{name}"), "{whole}");
            }
        }
        for name in ["~root", "#x", "-x", ""] {
            let whole = typed(&["nexus", "show", ""], "", "nexus show ").insert(name).unwrap();
            assert_eq!(read_back(&whole), format!("1:{name}"), "{whole}");
        }
        assert_eq!(typed(&["nexus", ""], "", "").insert("a\nb"), None);
    }

    #[test]
    fn powershell_is_given_one_word() {
        assert_eq!(for_powershell("user:create"), "user:create");
        assert_eq!(for_powershell("a $(x) 'b' \u{2019}c"), "'a $(x) ''b'' \u{2019}\u{2019}c'");
        assert_eq!(for_powershell("a,b"), "'a,b'");
    }
}
