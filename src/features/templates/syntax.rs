//! The part of the language that templates may use: values, filters, `if` and `for`. What could make a text of a few
//! letters grow without bound is left out: `set`, `with` and macros keep what a step made, '+', '*' and '~' join texts,
//! lists hold what a step made many times, and calls can make lists of their arguments. So every value is a part of
//! what is given, or was written down. Depths are bounded, as minijinja's parser and compiler call themselves for each.

use super::error::TemplateError;
use super::model::Part;

/// Most bytes of a part of a template.
pub(super) const LONGEST: usize = 32 * 1024;

/// Most words and signs between two braces: how deep an expression can be.
const MOST_TOKENS: usize = 100;
/// How many blocks may be open at a place, and how many loops of them. `elif` opens one for minijinja.
const DEEPEST: usize = 8;
const DEEPEST_LOOP: usize = 3;
const MOST_ELIF: usize = 24;

/// The words that a block may begin with.
const BLOCKS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Checks that a part uses no more than that.
pub(super) fn check(part: Part, text: &str) -> Result<(), TemplateError> {
    if text.len() > LONGEST {
        return Err(TemplateError::TooLong { part, most: LONGEST });
    }
    let wrong = |at: usize, reason: String| {
        let line = text[..at].matches('\n').count() + 1;
        TemplateError::Wrong { part, line, reason }
    };
    let mut from = 0;
    let mut open = Open::default();
    while let Some((begin, end)) = next_opening(text, from) {
        if end == "#}" {
            let Some(found) = text[begin..].find(end) else {
                return Err(wrong(begin, "a comment does not end".to_owned()));
            };
            from = begin + found + end.len();
            continue;
        }
        let inside = inside(&text[begin..], end).map_err(|(at, reason)| wrong(begin + at, reason))?;
        if end == "%}" {
            let words = text[begin..begin + inside].trim_start_matches(['-', '+']).trim_start();
            let word =
                words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
            if !BLOCKS.contains(&word) {
                return Err(wrong(begin, format!("{word:?} is not one of {}", BLOCKS.join(", "))));
            }
            open.take(word).map_err(|reason| wrong(begin, reason))?;
        }
        expression(&text[begin..begin + inside]).map_err(|(at, reason)| wrong(begin + at, reason))?;
        from = begin + inside + end.len();
    }
    Ok(())
}

/// The blocks that are open: of each, whether it is a loop, and how many `elif` it has.
#[derive(Default)]
struct Open(Vec<(bool, usize)>);

impl Open {
    fn take(&mut self, word: &str) -> Result<(), String> {
        match word {
            "if" | "for" => self.0.push((word == "for", 0)),
            "elif" => {
                if let Some(last) = self.0.last_mut() {
                    last.1 += 1;
                }
            }
            "endif" | "endfor" => drop(self.0.pop()),
            _ => {}
        }
        if self.0.len() > DEEPEST {
            return Err(format!("more than {DEEPEST} blocks are within each other"));
        }
        if self.0.iter().filter(|block| block.0).count() > DEEPEST_LOOP {
            return Err(format!("more than {DEEPEST_LOOP} loops are within each other"));
        }
        if self.0.iter().map(|block| block.1).sum::<usize>() > MOST_ELIF {
            return Err(format!("more than {MOST_ELIF} elif are open"));
        }
        Ok(())
    }
}

/// A word, a text in quotes, or a sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Quoted,
    Sign(char),
}

/// The words that no value can be called.
const KEYWORDS: [&str; 9] = ["and", "elif", "else", "for", "if", "in", "is", "not", "or"];

/// Checks that an expression makes no list, and calls nothing but filters and tests.
fn expression(text: &str) -> Result<(), (usize, String)> {
    let (mut before, mut count) = ([None; 3], 0);
    // Of each open parenthesis, whether it holds arguments.
    let mut open = Vec::new();
    let mut rest = text;
    while let Some((at, token, after)) = next_token(text, rest) {
        count += 1;
        if count > MOST_TOKENS {
            return Err((at, format!("an expression has more than {MOST_TOKENS} words and signs")));
        }
        let refused = |what: &str| Err((at, format!("{what} cannot be used here")));
        match token {
            Token::Word("recursive") if before[0] != Some(Token::Sign('.')) => {
                return refused("\"recursive\"");
            }
            Token::Sign('[') => {
                if !is_value(&before) {
                    return refused("a list");
                }
                open.push(true);
            }
            Token::Sign('(') => match before[0] {
                Some(Token::Word(_)) if is_filter_or_test(&before) => open.push(true),
                _ if is_value(&before) => return refused("a call"),
                _ => open.push(false),
            },
            Token::Sign(')' | ']') => drop(open.pop()),
            Token::Sign(',') if open.last() == Some(&false) => return refused("a list"),
            _ => {}
        }
        before = [Some(token), before[0], before[1]];
        rest = after;
    }
    Ok(())
}

/// Whether what was before was the end of a value, of which '[' takes a part.
fn is_value(before: &[Option<Token<'_>>; 3]) -> bool {
    match before[0] {
        Some(Token::Word(word)) => {
            let is_part = before[1] == Some(Token::Sign('.'));
            (is_part || !KEYWORDS.contains(&word)) && !is_filter_or_test(before)
        }
        Some(Token::Quoted | Token::Sign(')' | ']')) => true,
        _ => false,
    }
}

/// Whether what was before was the name of a filter or a test.
fn is_filter_or_test(before: &[Option<Token<'_>>; 3]) -> bool {
    let is = Some(Token::Word("is"));
    let name = matches!(before[0], Some(Token::Word(word)) if !KEYWORDS.contains(&word));
    let is_test = before[1] == is || (before[1] == Some(Token::Word("not")) && before[2] == is);
    name && (before[1] == Some(Token::Sign('|')) || is_test)
}

/// The first token of the rest of a text, where it stands, and what comes after it.
fn next_token<'a>(text: &'a str, rest: &'a str) -> Option<(usize, Token<'a>, &'a str)> {
    let rest = rest.trim_start();
    let at = text.len() - rest.len();
    let first = rest.chars().next()?;
    if first == '"' || first == '\'' {
        let mut is_escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let is_end = *c == first && !is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            is_end
        });
        return Some((at, Token::Quoted, &rest[end.map_or(rest.len(), |(at, _)| at + 1)..]));
    }
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    if is_of_word(first) {
        let (word, after) = rest.split_at(rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
        return Some((at, Token::Word(word), after));
    }
    Some((at, Token::Sign(first), &rest[first.len_utf8()..]))
}

/// Where what stands in the next braces begins, and what ends it.
fn next_opening(text: &str, from: usize) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    (from..bytes.len().saturating_sub(1)).filter(|at| bytes[*at] == b'{').find_map(|at| {
        let end = match bytes[at + 1] {
            b'{' => "}}",
            b'%' => "%}",
            b'#' => "#}",
            _ => return None,
        };
        Some((at + 2, end))
    })
}

/// How long what stands in braces is; or where something stands that may not.
fn inside(text: &str, end: &str) -> Result<usize, (usize, String)> {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if let Some(open) = quote {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        if text[at..].starts_with(end) {
            return Ok(at);
        }
        match c {
            '"' | '\'' => quote = Some(c),
            // At the edges of a block they say what becomes of the white space around it.
            '+' if at == 0 || text[at + 1..].starts_with(end) => {}
            '+' | '*' | '~' | '{' | '}' => return Err((at, format!("{c:?} cannot be used here"))),
            _ => {}
        }
    }
    Err((0, format!("{end:?} is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(Part::Text, text).map_err(|error| error.to_string())
    }

    #[test]
    fn values_conditions_and_loops_are_all_that_there_is() {
        for good in [
            "",
            "Hello {{ name }}, {# why #}{{- data.total | round(2) -}} }} %} {",
            "{% if a and not b %}x{% elif c == \"~+*{%\" %}y{%- else +%}z{% endif %}",
            "{{ (a or b)|round(2, 'floor') }}{{ a is not defined }}{{ a|first|default('x', true) }}{{ 'ab'[0] }}",
            "{{ a [0]['b'].in[1:2] }}{% for k, v in a %}{{ not (k) }}{% endfor %}{{ data.recursive }}",
            "{% for item in data.items %}{{ loop.index }} {{ item['na\\'me'] }}\n{% endfor %}",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            ("a\n{% set x = 1 %}", "line 2 of the text: \"set\""),
            ("{% include 'x' %}", "\"include\""),
            ("{% macro x() %}{% endmacro %}", "\"macro\""),
            ("{% raw %}{{{% endraw %}", "\"raw\""),
            ("{%- with a = b %}{% endwith %}", "\"with\""),
            ("{{ a ~ a }}", "'~'"),
            ("{{ a * 9 }}", "'*'"),
            ("{{ a + a }}", "'+'"),
            ("{{ {\"a\": 1} }}", "'{'"),
            ("{{ [a, a] }}", "a list"),
            ("{% for x in [1] %}{% endfor %}", "a list"),
            ("{% for x in data.in %}{% if x in [1] %}{% endif %}{% endfor %}", "a list"),
            ("{{ a is number [1] }}", "a list"),
            ("{{ a|default([1]) }}", "a list"),
            ("{{ (a, a) }}", "a list"),
            ("{{ a|default((a, a)) }}", "a list"),
            ("{{ a[(1, 2)] }}", "a list"),
            ("{% for x in a recursive %}{% endfor %}", "\"recursive\""),
            ("{{ loop(a) }}", "a call"),
            ("{{ loop.cycle(a, a) }}", "a call"),
            ("{{ range(9) }}", "a call"),
            ("{{ a.items() }}", "a call"),
            ("{{ a.is(1) }}", "a call"),
            ("{{ 'a'('b') }}", "a call"),
            ("{{ a", "missing"),
            ("{{ 'a }}", "missing"),
            ("{# a", "does not end"),
        ] {
            let said = checked(bad).unwrap_err();
            assert!(said.contains(reason), "{bad}: {said}");
        }
        let nested = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
        let (a_loop, a_choice) = ("{% for x in a %}", "{% if a %}");
        assert_eq!(checked(&nested(a_loop, "{% endfor %}", 3).repeat(3)), Ok(()));
        assert_eq!(checked(&nested(a_choice, "{% endif %}", 8).repeat(3)), Ok(()));
        assert!(checked(&nested(a_loop, "{% endfor %}", 4)).unwrap_err().contains("3 loops"));
        assert!(checked(&nested(a_choice, "{% endif %}", 9)).unwrap_err().contains("8 blocks"));
        assert!(
            checked(&format!("{a_choice}{}", "{% elif a %}".repeat(25))).unwrap_err().contains("24 elif")
        );
        for deep in ["not ", "-", "a|upper|", "a.b.", "a[", "("] {
            assert!(
                checked(&format!("{{{{ {} }}}}", deep.repeat(101))).unwrap_err().contains("100 words"),
                "{deep}"
            );
        }
        assert!(checked(&"x".repeat(LONGEST + 1)).unwrap_err().contains("32768 bytes"));
    }
}
