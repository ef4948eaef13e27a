//! The one door for text that comes from outside: what is typed, in files, on standard input.
//!
//! A byte-order mark goes. What people name or explain is kept in one form of Unicode (NFC), and holds
//! nothing that cannot be seen: two texts that look alike in that way are one, or are refused
//! (RFC 8264, sections 4.3 and 9.2, says which characters these are). A secret that was pasted is none of
//! them.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization;

use super::secret_shape;

/// A character that has no place in a text of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A control character, an end of line among them.
    #[error("U+{:04X} is a control character", u32::from(*.0))]
    Control(char),
    /// One that shows nothing, or turns the direction of what follows.
    #[error("U+{:04X} is invisible", u32::from(*.0))]
    Invisible(char),
    /// One that stands for nothing, and never will or only by agreement.
    #[error("U+{:04X} is not a character", u32::from(*.0))]
    Unassigned(char),
    /// What was pasted belongs nowhere where it is kept and shown.
    #[error("it looks like a token, a key or a login, and was not used")]
    Secret,
}

/// A count with its noun: `1 tenant`, `2 tenants`.
#[must_use]
pub fn counted(count: impl std::fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The byte-order mark in UTF-8.
pub const MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// The text without the mark that some programs of Windows put before it.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The same for bytes that need not be text.
#[must_use]
pub fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&MARK).unwrap_or(bytes)
}

/// A text of one line as it is kept: in NFC, every kind of space a plain one, none at its ends.
///
/// # Errors
/// [`TextError`] for the first character that has no place in it; [`TextError::Secret`].
pub fn line(text: &str) -> Result<String, TextError> {
    let text: String = without_mark(text).nfc().map(|c| if is_space(c) { ' ' } else { c }).collect();
    let text = text.trim_matches(' ');
    let mut before = None;
    for c in text.chars() {
        // Within a word of some scripts, and between the parts of a picture, a joiner has a meaning.
        let joins =
            matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}') && before.is_some_and(|c: char| !c.is_ascii());
        if !joins {
            seen(c)?;
        }
        before = Some(c);
    }
    if secret_shape::holds_secret(text) { Err(TextError::Secret) } else { Ok(text.to_owned()) }
}

/// The same, where its length has limits; what is wrong with it, in words.
pub fn one_line(what: &str, given: &str, length: RangeInclusive<usize>) -> Result<String, String> {
    let text = line(given).map_err(|error| format!("{what} must be one line of visible text: {error}"))?;
    if length.contains(&text.chars().count()) {
        return Ok(text);
    }
    Err(format!("{what} has {} to {} characters", length.start(), length.end()))
}

/// The same for what is looked up by: no character that cannot be seen, joiners included.
pub fn name(text: &str) -> Result<String, TextError> {
    let text = line(text)?;
    text.chars().try_for_each(seen)?;
    Ok(text)
}

/// A password as it is compared: in NFC, every kind of space a plain one (`OpaqueString`, RFC 8265,
/// section 4.2.2).
#[must_use]
pub fn password(text: &str) -> Cow<'_, str> {
    let text = without_mark(text);
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect::<String>().into()
}

/// The letter in the form in which letters are compared: small, and one form for each (simple case
/// folding), so that the sigma at a word's end is a sigma. Letters whose fold is two stay.
#[must_use]
pub fn fold(c: char) -> char {
    let one =
        |mut letters: Box<dyn Iterator<Item = char>>| letters.next().filter(|_| letters.next().is_none());
    let small = |c: char| one(Box::new(c.to_lowercase())).unwrap_or(c);
    // The Turkish letter without a dot is another one than i.
    match one(Box::new(c.to_uppercase())) {
        Some(capital) if c != '\u{131}' => small(capital),
        _ => small(c),
    }
}

fn is_space(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::SpaceSeparator
}

fn seen(c: char) -> Result<(), TextError> {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let is_invisible = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<BidiControl>().contains(c)
        // The braille pattern without a dot: a symbol to Unicode, a blank to who reads it.
        || c == '\u{2800}';
    match category {
        GeneralCategory::Control | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => {
            Err(TextError::Control(c))
        }
        _ if is_invisible => Err(TextError::Invisible(c)),
        GeneralCategory::Format => Err(TextError::Invisible(c)),
        GeneralCategory::PrivateUse => Err(TextError::Unassigned(c)),
        _ if CodePointSetData::new::<NoncharacterCodePoint>().contains(c) => Err(TextError::Unassigned(c)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_agrees_with_its_noun() {
        assert_eq!(
            [counted(0, "tenant"), counted(1, "tenant"), counted("1,000", "row")],
            ["0 tenants", "1 tenant", "1,000 rows"]
        );
    }

    #[test]
    fn what_looks_the_same_is_the_same() {
        assert_eq!(name("Gro\u{308}ße").unwrap(), "Größe");
        assert_eq!(name("\u{feff}Sales\u{a0}NA ").unwrap(), "Sales NA");
        assert_eq!(line("می\u{200c}خواهم").unwrap(), "می\u{200c}خواهم");
        assert_eq!(line("👩\u{200d}💻 ❤\u{fe0f}").unwrap(), "👩\u{200d}💻 ❤\u{fe0f}");
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for hidden in [
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200c}',
            '\u{200e}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0061}',
            '\u{fe00}',
            '\u{180e}',
            '\u{2800}',
        ] {
            assert_eq!(name(&format!("Admin{hidden}x")), Err(TextError::Invisible(hidden)), "{hidden:?}");
        }
        for control in
            ['\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}']
        {
            assert_eq!(line(&format!("a{control}b")), Err(TextError::Control(control)), "{control:?}");
        }
        for none in ['\u{e000}', '\u{fffe}', '\u{10ffff}', '\u{fdd0}'] {
            assert_eq!(line(&format!("a{none}b")), Err(TextError::Unassigned(none)), "{none:?}");
        }
        assert!(line("a\u{200d}b").is_err(), "a joiner joins nothing in plain letters");
    }

    #[test]
    fn a_secret_is_neither_kept_nor_repeated() {
        let token = format!("nxk_{}", "Ab-9_".repeat(9));
        for secret in [&*token, "postgres://u:hunter2@h/d", "host=h password=hunter2", "h:5432:d:u:hunter2"] {
            assert_eq!(line(secret), Err(TextError::Secret), "{secret}");
        }
        assert_eq!(line("the password is at https://h.example/@ann").unwrap().len(), 41);
    }

    #[test]
    fn letters_are_compared_in_one_form() {
        let folded = |text: &str| text.chars().map(fold).collect::<String>();
        assert_eq!(folded("ΝΙΚΟΣ"), folded("νικος"));
        assert_eq!(folded("STRAẞE"), folded("straße"));
        assert_eq!(folded("ſam Kelvin \u{212a}"), "sam kelvin k");
        assert_ne!(folded("ı"), folded("i"));
        assert_eq!(folded("Ann"), "ann");
    }

    #[test]
    fn a_password_is_the_one_that_is_typed_on_another_keyboard() {
        assert_eq!(password("\u{feff}passwo\u{308}rd\u{3000}x"), "passwörd x");
        assert_eq!(password("Plain $x"), "Plain $x");
    }
}
