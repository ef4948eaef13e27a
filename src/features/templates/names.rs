//! Names in messages: whoever chooses one must not put a link into a message that another person trusts.

/// Longest name, in characters.
const LONGEST: usize = 60;

/// What a person is called in a message: their name, or their address where the name is none, is long, or could be
/// read as a link.
#[must_use]
pub fn shown<'a>(name: &'a str, address: &'a str) -> &'a str {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST || looks_like_a_link(name) { address } else { name }
}

/// Mail programs make links of what only looks like an address of a page, e.g. `evil.example`.
fn looks_like_a_link(name: &str) -> bool {
    let lower = name.to_lowercase();
    let mut dotted = lower.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}', '\u{2024}']).skip(1);
    let is_link = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric());
    lower.contains("://") || lower.contains("www.") || lower.contains(char::is_control) || dotted.any(is_link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_a_link_is_replaced_by_the_address() {
        for good in ["Ann Example", "Dr. Ann", "Jean-Luc O'Neil", "J. R. R. Tolkien", "Größe"] {
            assert_eq!(shown(good, "a@b.example"), good);
        }
        let long = "x".repeat(61);
        for bad in [
            "",
            "  ",
            "https://evil.example/x",
            "Click evil.example",
            "www.x",
            "WWW.evil",
            "evil\u{3002}example",
            "ftp://x",
            "x\r\nBcc: y",
            "1.2.3.4",
            &long,
        ] {
            assert_eq!(shown(bad, "a@b.example"), "a@b.example", "{bad:?}");
        }
    }
}
