//! A text that somebody gave us, short enough to be repeated in an error.

use std::borrow::Cow;

/// Most characters of a word.
const WORD: usize = 60;
/// Most characters of the whole.
const TEXT: usize = 400;

/// The text; where it or a word of it is too long to be read, its beginning and `…`.
#[must_use]
pub fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= WORD {
        return Cow::Borrowed(text);
    }
    let mut short = String::with_capacity(4 * TEXT);
    let mut word = 0;
    let mut whole = 0;
    for letter in text.chars() {
        word = if letter.is_whitespace() { 0 } else { word + 1 };
        if word > WORD + 1 {
            continue;
        }
        if whole == TEXT {
            short.push('…');
            break;
        }
        short.push(if word > WORD { '…' } else { letter });
        whole += 1;
    }
    Cow::Owned(short)
}

/// Most characters of a word that is repeated whole: more than any path that is in use.
const LONGEST: usize = 2000;

/// The text, with a word that nobody can have meant cut after its beginning.
#[must_use]
pub fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let cut = |word: &str| match word.char_indices().nth(LONGEST) {
        Some(_) => word.chars().take(WORD).chain(['…']).collect(),
        None => word.to_owned(),
    };
    Cow::Owned(text.split_inclusive(char::is_whitespace).map(cut).collect())
}

#[cfg(test)]
mod tests {
    use super::{bounded, brief};

    #[test]
    fn a_word_of_a_length_that_nobody_means_is_cut_and_a_long_text_is_not() {
        let path = format!("/{}", "a/".repeat(900));
        let text = format!("cannot read {path}: {} is not there", "é".repeat(5000));
        assert_eq!(bounded(&text), format!("cannot read {path}: {}…is not there", "é".repeat(60)));
        let many = "word ".repeat(2000);
        assert_eq!(bounded(&many), many);
    }

    #[test]
    fn a_short_text_stays_and_a_long_one_is_cut() {
        let sentence = "there is no field \"nmae\"; did you mean name? there are email, name, roles, groups";
        assert_eq!(brief(sentence), sentence);
        assert_eq!(brief(&format!("no {} here", "ü".repeat(1000))), format!("no {}… here", "ü".repeat(60)));
        assert_eq!(brief(&"é".repeat(60)), "é".repeat(60));
        assert!(brief(&"a ".repeat(1000)).chars().count() <= 401);
    }
}
