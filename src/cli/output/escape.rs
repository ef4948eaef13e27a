//! Makes text from a database or a server safe to show: no command to the terminal, nothing that
//! cannot be seen, nothing that turns the direction of what follows. The one place for all formats.

use std::borrow::Cow;
use std::fmt::Write as _;

/// For a cell of a table or a line: what is harmful becomes a backslash and a name. A backslash is
/// doubled, so that nothing can pass for an escape that is none.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    rewritten(text, |c, harmful, safe| match c {
        '\\' => safe.push_str("\\\\"),
        '\t' => safe.push_str("\\t"),
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        c if harmful => safe.extend(c.escape_unicode()),
        c => safe.push(c),
    })
}

/// For a sentence on standard error, whose own backslashes and line ends stay.
#[must_use]
pub fn sentence(text: &str) -> Cow<'_, str> {
    rewritten(text, |c, harmful, safe| match c {
        c if harmful && c != '\n' => safe.extend(c.escape_unicode()),
        c => safe.push(c),
    })
}

/// For JSON: the same document, with escapes of its own (RFC 8259, section 7) within its strings. What
/// stands between them is ASCII.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    // Most documents, at the speed of the machine: no string of JSON holds another control character.
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Cow::Borrowed(text);
    }
    rewritten(text, |c, harmful, safe| match c {
        '\t' | '\n' | '\r' => safe.push(c),
        c if harmful => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // A String takes whatever it is given.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
        c => safe.push(c),
    })
}

/// For JSON that is to be read as YAML (YAML 1.2, section 1.3), which knows no pairs of surrogates.
#[must_use]
pub fn json_as_yaml(text: &str) -> Cow<'_, str> {
    rewritten(text, |c, harmful, safe| match c {
        '\t' | '\n' | '\r' => safe.push(c),
        c if harmful => {
            let _ = write!(safe, "\\U{:08x}", u32::from(c));
        }
        c => safe.push(c),
    })
}

/// For an event of the log, whose colours stay: what would be an escape sequence in its texts, the
/// log's own writer has made harmless.
#[must_use]
pub fn event(text: &str) -> Cow<'_, str> {
    rewritten(text, |c, harmful, safe| match c {
        '\t' | '\n' | '\r' | '\u{1b}' => safe.push(c),
        c if harmful => safe.extend(c.escape_unicode()),
        c => safe.push(c),
    })
}

/// Whether something of a text is harmful, its line ends and tabs apart.
#[must_use]
pub fn is_harmful(text: &str) -> bool {
    matches!(json(text), Cow::Owned(_))
}

/// Writes each character with `write`, which is told whether it is harmful where it stands.
fn rewritten(text: &str, write: impl Fn(char, bool, &mut String)) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'[' | b']'..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut before = None;
    for c in text.chars() {
        let harmful = if is_selector(c) { !selects(before) } else { is_steering(c) };
        write(c, harmful, &mut safe);
        before = Some(c);
    }
    if safe == text { Cow::Borrowed(text) } else { Cow::Owned(safe) }
}

/// A variation selector changes how the character before it looks, e.g. an emoji; behind letters of
/// ASCII, and behind another one, nobody sees it (Unicode Standard, chapter 23.4).
fn selects(before: Option<char>) -> bool {
    before.is_some_and(|it| !it.is_ascii() && !is_selector(it) && !is_steering(it) && !it.is_whitespace())
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// Controls (C0, DEL, C1), line and paragraph separators, and whatever is not drawn: the format
/// characters (general category Cf, but for those that are drawn around digits), marks of direction
/// (Unicode Standard Annex 9) among them, and the rest of `Default_Ignorable_Code_Point`
/// (`DerivedCoreProperties.txt`).
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_cannot_command_the_terminal_or_break_a_row() {
        assert_eq!(cell("a\tb\nc"), "a\\tb\\nc");
        assert_eq!(cell("\u{1b}[2J\u{9b}1m\u{202e}\u{7f}"), "\\u{1b}[2J\\u{9b}1m\\u{202e}\\u{7f}");
        assert_eq!(cell("\\t"), "\\\\t");
        assert_eq!(sentence("a\nb\u{1b}c"), "a\nb\\u{1b}c");
    }

    #[test]
    fn what_is_drawn_stays() {
        for text in ["Åcme 株式会社", "❤\u{fe0f}", "葛\u{e0100}", "\u{600}12", "café", "שלום", "✓"]
        {
            assert_eq!(cell(text), text);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        for c in
            "\u{61c}\u{200b}\u{200e}\u{200f}\u{2060}\u{2066}\u{2069}\u{e0041}\u{e007f}\u{ad}\u{feff}\u{85}"
                .chars()
        {
            assert_eq!(cell(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
        assert_eq!(cell("a\u{fe0f}"), "a\\u{fe0f}");
        assert_eq!(cell("❤\u{fe0f}\u{fe01}"), "❤\u{fe0f}\\u{fe01}");
    }

    #[test]
    fn json_stays_the_same_document() {
        assert_eq!(
            json("{\n\t\"a\u{9b}\": \"\\u001b\u{e0041}\"\n}"),
            "{\n\t\"a\\u009b\": \"\\u001b\\udb40\\udc41\"\n}"
        );
        assert_eq!(json_as_yaml("\"\u{e0041}\u{7f}\""), "\"\\U000e0041\\U0000007f\"");
    }

    /// Characters of all kinds, the harmful ones often.
    fn texts() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            any::<char>(),
            proptest::char::range('\0', '\u{a0}'),
            proptest::char::range('\u{200b}', '\u{206f}'),
            proptest::char::range('\u{e0000}', '\u{e01ff}'),
            proptest::char::range('\u{fe00}', '\u{feff}'),
        ];
        proptest::collection::vec(c, 0..40).prop_map(String::from_iter)
    }

    /// The text that a cell was made of.
    fn unescaped(cell: &str) -> String {
        let (mut text, mut rest) = (String::new(), cell);
        while let Some((before, after)) = rest.split_once('\\') {
            text.push_str(before);
            let code = after.strip_prefix("u{").and_then(|it| it.split_once('}'));
            let (c, length) = match (after.chars().next().unwrap(), code) {
                ('u', Some((digits, _))) => {
                    (char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap(), digits.len() + 3)
                }
                ('t', _) => ('\t', 1),
                ('n', _) => ('\n', 1),
                ('r', _) => ('\r', 1),
                (c, _) => (c, 1),
            };
            text.push(c);
            rest = &after[length..];
        }
        text + rest
    }

    proptest! {
        #[test]
        fn whatever_is_written_steers_nothing_and_is_read_back(text in texts()) {
            let unharmed = |shown: &str, but: &[char]| {
                shown.chars().all(|c| but.contains(&c) || is_selector(c) || !is_steering(c))
            };
            prop_assert!(unharmed(&cell(&text), &[]));
            prop_assert_eq!(unescaped(&cell(&text)), text.as_str());
            prop_assert!(unharmed(&sentence(&text), &['\n']));
            let kept = ['\n', '\r', '\t', '\u{1b}'];
            prop_assert!(unharmed(&event(&text), &kept));
            let document = serde_json::to_string(&[&text]).unwrap();
            let shown = json(&document);
            prop_assert!(unharmed(&shown, &[]));
            prop_assert_eq!(&serde_json::from_str::<Vec<String>>(&shown).unwrap()[0], &text);
            let shown = json_as_yaml(&document);
            prop_assert!(unharmed(&shown, &[]));
            prop_assert_eq!(&serde_norway::from_str::<Vec<String>>(&shown).unwrap()[0], &text);
        }
    }
}
