//! Texts in quotes, found in code without a parser.

/// The texts in quotes, each with the line that it begins on, from 1.
pub(super) fn literals(lines: &[String]) -> Vec<(usize, String)> {
    let chars: Vec<char> = lines.join("\n").chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let begin = at;
        match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => at = after(&chars, at, &['\n']) - 1,
            // A character, which may be a quote. A lifetime has no second quote.
            '\'' if chars.get(at + 1) == Some(&'\\') => at = after(&chars, at + 3, &['\'']),
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            '"' => {
                at += 1;
                while chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                found.push((line, chars[begin + 1..at].iter().collect()));
                at += 1;
            }
            'r' if begins_raw(&chars, at) => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                let close: Vec<char> = format!("\"{}", "#".repeat(hashes)).chars().collect();
                at = after(&chars, at + hashes + 2, &close);
                found.push((line, chars[begin + hashes + 2..at - close.len()].iter().collect()));
            }
            _ => at += 1,
        }
        line += chars[begin..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// The place behind the next of these characters; else the end.
fn after(chars: &[char], from: usize, mark: &[char]) -> usize {
    let found = chars[from..].windows(mark.len()).position(|it| it == mark);
    found.map_or(chars.len() + 1, |found| from + found + mark.len())
}

fn begins_raw(chars: &[char], at: usize) -> bool {
    let is_alone =
        at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') || chars[at - 1] == 'b';
    is_alone && chars[at + 1..].iter().find(|c| **c != '#') == Some(&'"')
}

#[test]
fn the_scan_for_texts_knows_what_is_one() {
    let code = r##"let a = "one \" two"; let b = '"'; // "no"
fn f<'a>(x: &'a str) -> char { '\'' } // it's
r#"raw " text"#; "last";"##;
    let lines: Vec<String> = code.lines().map(str::to_owned).collect();
    let texts: Vec<(usize, String)> = literals(&lines);
    let expected = [(1, r#"one \" two"#), (3, "raw \" text"), (3, "last")];
    assert_eq!(texts, expected.map(|(line, text)| (line, text.to_owned())));
}
