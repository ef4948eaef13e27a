//! What each shell is given to ask with, and how it is answered: in words that it takes as they are.
//! A name that somebody chose must stay one word on the line, and run nothing.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

use clap_complete::engine::complete;
use clap_complete::env::{self, EnvCompleter, Shells};

use super::line::{BashLine, Typed, for_powershell, unquoted};

/// The shells that are answered.
pub(super) const SHELLS: Shells<'static> =
    Shells(&[&Bash, &Quoting(env::Zsh), &Quoting(env::Fish), &Powershell]);

static TYPED: OnceLock<Typed> = OnceLock::new();

/// The words of the command that is being typed.
pub(super) fn words() -> &'static [OsString] {
    &typed().words
}

/// The line that is being typed: it decides what names are looked up, too.
fn typed() -> &'static Typed {
    TYPED.get_or_init(|| Typed::plain(given()))
}

/// Reads the line that a shell hands over.
pub(super) fn read_line(shell: &str) {
    let mut words = given();
    let bare = |word: &OsString| OsString::from(unquoted(&word.to_string_lossy()));
    let line = match shell {
        "bash" => Typed::of_bash(&BashLine {
            words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            index: std::env::var(INDEX).ok().and_then(|index| index.parse().ok()).unwrap_or(0),
            replaced: std::env::var(REPLACED).unwrap_or_default(),
            line: std::env::var(LINE).unwrap_or_default(),
            breaks: std::env::var(BREAKS).unwrap_or_default(),
        }),
        "zsh" => Typed::plain(words.iter().map(bare).collect()),
        // It hands over the others without their quotes.
        "fish" => {
            if let Some(last) = words.last_mut() {
                *last = bare(last);
            }
            Typed::plain(words)
        }
        _ => Typed::plain(words),
    };
    // Read once: nobody asks before.
    let _ = TYPED.set(line);
}

fn given() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

const INDEX: &str = "_NEXUS_INDEX";
const REPLACED: &str = "_NEXUS_REPLACED";
const LINE: &str = "_NEXUS_LINE";
const BREAKS: &str = "_NEXUS_BREAKS";

/// GNU Bash. Its line editor inserts what it is given as it is, and cuts words where a shell does not.
pub(in crate::cli) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(
            out,
            r#"_clap_complete_{name}() {{
    local answer word line=${{COMP_LINE-}}
    COMPREPLY=()
    answer=$(
        {INDEX}="${{COMP_CWORD}}" \
        {REPLACED}="${{2-}}" \
        {LINE}="${{line:0:${{COMP_POINT:-0}}}}" \
        {BREAKS}="${{COMP_WORDBREAKS-}}" \
        {variable}="bash" \
        "{completer}" -- "${{COMP_WORDS[@]}}"
    ) || return
    while IFS= read -r word; do
        [[ -z $word ]] || COMPREPLY+=("$word")
    done <<< "$answer"
    if compopt +o nospace 2> /dev/null && [[ "${{COMPREPLY-}}" =~ [=/:]$ ]]; then
        compopt -o nospace
    fi
}}
if [[ "${{BASH_VERSINFO[0]}}" -eq 4 && "${{BASH_VERSINFO[1]}}" -ge 4 || "${{BASH_VERSINFO[0]}}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_{name} {program}
else
    complete -o nospace -o bashdefault -F _clap_complete_{name} {program}
fi"#
        )
    }

    fn write_complete(
        &self,
        grammar: &mut clap::Command,
        _: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let typed = typed();
        let last = typed.words.len().saturating_sub(1);
        for candidate in complete(grammar, typed.words.clone(), last, folder)? {
            if let Some(word) = candidate.get_value().to_str().and_then(|value| typed.insert(value)) {
                writeln!(out, "{word}")?;
            }
        }
        Ok(())
    }
}

/// A shell that quotes what it inserts by itself: Z shell, fish.
pub(in crate::cli) struct Quoting<S>(pub(in crate::cli) S);

impl<S: EnvCompleter> EnvCompleter for Quoting<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn is(&self, name: &str) -> bool {
        self.0.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.0.write_registration(variable, name, program, completer, out)
    }

    fn write_complete(
        &self,
        grammar: &mut clap::Command,
        _: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.0.write_complete(grammar, words().to_vec(), folder, out)
    }
}

/// PowerShell. It inserts what it is given as it is.
pub(in crate::cli) struct Powershell;

impl EnvCompleter for Powershell {
    fn name(&self) -> &'static str {
        "powershell"
    }

    fn is(&self, name: &str) -> bool {
        env::Powershell.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        env::Powershell.write_registration(variable, name, program, completer, out)
    }

    fn write_complete(
        &self,
        grammar: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let last = words.len().saturating_sub(1);
        for candidate in complete(grammar, words, last, folder)? {
            let value = candidate.get_value().to_string_lossy();
            if value.chars().any(char::is_control) {
                continue;
            }
            let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
            let help = help.lines().next().unwrap_or_default();
            let tab = if help.is_empty() { "" } else { "\t" };
            writeln!(out, "{}{tab}{help}", for_powershell(&value))?;
        }
        Ok(())
    }
}
