//! What differs between two texts, line by line.

/// Most lines of a text that are compared: beyond, all of one stand before all of the other.
const MOST_LINES: usize = 2_000;

/// The lines of both in their order: those of the first alone begin with '-', those of the second with '+'.
pub(super) fn lines(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let common =
        if before.len().max(after.len()) > MOST_LINES { Vec::new() } else { longest_common(&before, &after) };
    let (mut text, mut old, mut new) = (String::new(), before.as_slice(), after.as_slice());
    let mut put = |sign: char, lines: &[&str]| {
        for line in lines {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    };
    for line in common {
        let until = |lines: &[&str]| lines.iter().position(|it| *it == line).unwrap_or(lines.len());
        let (gone, come) = (until(old), until(new));
        put('-', &old[..gone]);
        put('+', &new[..come]);
        put(' ', &[line]);
        (old, new) = (old.get(gone + 1..).unwrap_or_default(), new.get(come + 1..).unwrap_or_default());
    }
    put('-', old);
    put('+', new);
    text
}

/// A longest row of lines that both have in this order.
fn longest_common<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    let width = after.len() + 1;
    let mut length = vec![0_u16; (before.len() + 1) * width];
    for old in (0..before.len()).rev() {
        for new in (0..after.len()).rev() {
            length[old * width + new] = if before[old] == after[new] {
                length[(old + 1) * width + new + 1] + 1
            } else {
                length[(old + 1) * width + new].max(length[old * width + new + 1])
            };
        }
    }
    let (mut common, mut old, mut new) = (Vec::new(), 0, 0);
    while old < before.len() && new < after.len() {
        if before[old] == after[new] {
            common.push(before[old]);
            (old, new) = (old + 1, new + 1);
        } else if length[(old + 1) * width + new] >= length[old * width + new + 1] {
            old += 1;
        } else {
            new += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_of_one_text_alone_have_a_sign() {
        assert_eq!(lines("a\nb\nc\n", "a\nx\nc\nd\n"), " a\n-b\n+x\n c\n+d\n");
        assert_eq!(lines("", "a\n"), "+a\n");
        assert_eq!(lines("a\na\nb\n", "a\nb\n"), " a\n-a\n b\n");
        assert_eq!(lines("a\n", "a\n"), " a\n");
    }
}
