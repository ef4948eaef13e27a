//! Passwords that are tried first, by everyone.
//!
//! `common.txt` holds the entries of at least eight characters of the list of 30,000 that the crate
//! zxcvbn 3.1.1 carries (MIT licence, Joshua Holmer; collected by Dropbox's zxcvbn from published
//! leaks), in lower case and sorted. Shorter ones are refused for their length.

static LIST: &str = include_str!("common.txt");

/// Whether a password, in lower case, is on the list, or is only such words one after the other:
/// the same twice, or one with a few digits or signs before or after it.
pub(super) fn is_common(lower: &str) -> bool {
    let bare = lower.trim_matches(|c: char| !c.is_alphabetic());
    listed(lower) || (bare.chars().count() >= 8 && listed(bare)) || halves(lower)
}

fn halves(text: &str) -> bool {
    text.char_indices().any(|(at, _)| at > 0 && listed(&text[..at]) && listed(&text[at..]))
}

fn listed(text: &str) -> bool {
    // Lines are sorted by their bytes: halve the text until one line is left.
    let (mut low, mut high) = (0, LIST.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let begin = LIST.as_bytes()[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = LIST[begin..].split('\n').next().unwrap_or_default();
        match line.as_bytes().cmp(text.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = begin + line.len() + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_and_nothing_else_is() {
        assert!(LIST.lines().count() >= 3000);
        assert!(LIST.is_ascii());
        assert!(LIST.lines().is_sorted());
        for line in LIST.lines() {
            assert!(listed(line), "{line}");
            assert!(!listed(&format!("{line}\u{1}")), "{line}");
        }
        for other in ["", "\u{1}", "~~~~~~~~~", "correct horse battery", "!!!"] {
            assert!(!listed(other), "{other}");
        }
    }

    #[test]
    fn dressing_a_common_one_up_does_not_help() {
        for bad in ["password", "trustno1trustno1", "!!baseball2026!!", "iloveyoupassword"] {
            assert!(is_common(bad), "{bad}");
        }
        assert!(!is_common("a plain horse walks"));
    }
}
