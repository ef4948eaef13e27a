//! What a server answers (RFC 5321, section 4.2), without what must not be kept of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Login;
use crate::kernel::{ExposeSecret, secret_shape};

/// Most characters that are kept of an answer's words.
const MOST_WORDS: usize = 1_000;
/// Stands for what must not be shown.
const HIDDEN: &str = "[hidden]";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The enhanced status code, where the server gives one (RFC 3463).
    pub enhanced: Option<Enhanced>,
    /// The server's words, one text a line, without codes, and with no credential of ours in them.
    pub words: Vec<String>,
}

/// An enhanced status code: class, subject and detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced(pub u16, pub u16, pub u16);

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Reply {
    /// Of the lines that a server sent, without their ends; `None` where they are no answer.
    pub(super) fn of(lines: &[String], redactor: &Redactor) -> Option<Self> {
        let mut code = None;
        let mut words = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let digits = line.get(..3).filter(|text| text.bytes().all(|c| c.is_ascii_digit()))?;
            let number: u16 = digits.parse().ok().filter(|code| (200..600).contains(code))?;
            let is_last = index + 1 == lines.len();
            let fits = match line.as_bytes().get(3) {
                Some(b'-') => !is_last,
                Some(b' ') | None => is_last,
                _ => false,
            };
            if !fits || code.is_some_and(|code| code != number) {
                return None;
            }
            code = Some(number);
            words.push(line.get(4..).unwrap_or_default());
        }
        let code = code?;
        let enhanced =
            words.first().and_then(|line| Enhanced::before(line, code)).map(|(enhanced, _)| enhanced);
        let words = words.iter().map(|line| match Enhanced::before(line, code) {
            Some((found, rest)) if Some(found) == enhanced => rest,
            _ => line,
        });
        Some(Self { code, enhanced, words: redactor.clean(words) })
    }

    /// Whether the server did what it was asked, or waits for more.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code < 400
    }

    /// Whether it may do it another time.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = &self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for words in self.words.iter().filter(|words| !words.is_empty()) {
            write!(f, " {words}")?;
        }
        Ok(())
    }
}

impl Enhanced {
    /// The code before a line's words, where it agrees with the answer's own (RFC 2034, section 4), and the rest.
    fn before(line: &str, code: u16) -> Option<(Self, &str)> {
        let (text, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = |part: &str| {
            let fits = (1..=3).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
            fits.then(|| part.parse().ok()).flatten()
        };
        let mut parts = text.split('.').map(number);
        let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
        let agrees = parts.next().is_none() && class == code / 100 && [2, 4, 5].contains(&class);
        agrees.then_some((Self(class, subject, detail), rest))
    }
}

/// Takes out of a server's words what it repeats of our login, and what else is a secret by its shape.
#[derive(Clone, Default)]
pub(super) struct Redactor(Vec<Zeroizing<String>>);

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    pub(super) fn new(login: Option<&Login>) -> Self {
        let Some(login) = login else { return Self::default() };
        let password = login.password.expose_secret();
        let plain = Zeroizing::new(format!("\0{}\0{password}", login.user));
        let mut hidden = vec![
            Zeroizing::new(STANDARD.encode(plain.as_bytes())),
            Zeroizing::new(STANDARD.encode(password)),
            Zeroizing::new(password.to_owned()),
        ];
        hidden.retain(|text| !text.is_empty());
        // The longest first: one may hold another.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(hidden)
    }

    /// The lines as they may be shown and kept: on one line each, bounded, without secrets.
    pub(super) fn clean<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut left = MOST_WORDS;
        let mut kept = Vec::new();
        for line in lines {
            let line: String = self.hide(&visible(line)).chars().take(left).collect();
            left -= line.chars().count();
            kept.push(line);
            if left == 0 {
                break;
            }
        }
        kept
    }

    fn hide(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for secret in &self.0 {
            line = line.replace(secret.as_str(), HIDDEN);
        }
        while let Some((from, to)) = secret_shape::token(&line) {
            line.replace_range(from..to, HIDDEN);
        }
        line
    }
}

/// A line without what cannot be shown.
fn visible(line: &str) -> String {
    let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::SecretString;

    fn reply(lines: &[&str]) -> Option<Reply> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Reply::of(&lines, &Redactor::default())
    }

    #[test]
    fn an_answer_is_a_code_an_enhanced_code_and_words() {
        let found = reply(&["550-5.7.1 Relaying", "550 5.7.1 denied"]).unwrap();
        assert_eq!((found.code, found.enhanced), (550, Some(Enhanced(5, 7, 1))));
        assert_eq!(found.words, ["Relaying", "denied"]);
        assert_eq!(found.to_string(), "550 5.7.1 Relaying denied");
        assert_eq!(reply(&["354"]).unwrap().to_string(), "354");
        assert_eq!(reply(&["250 4.7.1 ok"]).unwrap().enhanced, None, "of another class");
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for lines in [&["HTTP/1.1 400 Bad Request"][..], &["220-a", "250 b"], &["220-a"], &["220 a", "220 b"]]
        {
            assert_eq!(reply(lines), None, "{lines:?}");
        }
        for line in ["", "22", "999 x", "100 x", "220x", "2é0 x"] {
            assert_eq!(reply(&[line]), None, "{line}");
        }
    }

    #[test]
    fn a_login_that_a_server_repeats_is_hidden() {
        let login = Login { user: "jo".to_owned(), password: SecretString::from("hunter2-and-more") };
        let redactor = Redactor::new(Some(&login));
        let plain = STANDARD.encode("\0jo\0hunter2-and-more");
        let encoded = STANDARD.encode("hunter2-and-more");
        for echoed in ["hunter2-and-more", &plain, &encoded] {
            let lines = [format!("535 5.7.8 bad login {echoed}, try again")];
            let shown = Reply::of(&lines, &redactor).unwrap().to_string();
            assert_eq!(shown, "535 5.7.8 bad login [hidden], try again");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_a_line_or_is_longer_than_its_bound(text in "\\PC{0,3000}|[\\x00-\\x7f]{0,50}") {
            let lines = [format!("250 {}", text.replace('\n', "\u{b}"))];
            if let Some(reply) = Reply::of(&lines, &Redactor::default()) {
                let shown = reply.to_string();
                prop_assert!(!shown.contains(char::is_control), "{shown:?}");
                prop_assert!(shown.chars().count() <= MOST_WORDS + 20);
            }
        }
    }
}
