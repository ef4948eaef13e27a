//! Git may give a file other ends of lines on another machine (`core.autocrlf`): another text by its
//! checksum, and the same to a person.

use sha2::{Digest, Sha384};

/// What to do about it.
pub const LINE_ENDS_HINT: &str = "only its line endings differ (CRLF, LF): stop git from converting them with '*.sql text eol=lf' in .gitattributes, or give it its old ones: sed -i 's/\\r$//' FILE, or unix2dos FILE";

/// Whether a text is one of this checksum (SHA-384) but for the ends of its lines, or a mark of the order
/// of bytes at its beginning.
#[must_use]
pub fn differs_in_line_ends(text: &str, checksum: &[u8]) -> bool {
    let bare = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let windows = bare.replace('\n', "\r\n");
    [bare.clone(), windows.clone(), format!("\u{feff}{bare}"), format!("\u{feff}{windows}")]
        .iter()
        .any(|other| other != text && Sha384::digest(other)[..] == *checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_other_ends_of_lines_is_recognised_and_another_text_is_not() {
        let sum = |text: &str| Sha384::digest(text).to_vec();
        assert!(differs_in_line_ends("a\r\nb\r\n", &sum("a\nb\n")));
        assert!(differs_in_line_ends("a\nb\n", &sum("a\r\nb\r\n")));
        assert!(differs_in_line_ends("\u{feff}a\n", &sum("a\n")));
        assert!(!differs_in_line_ends("a\nb", &sum("a\nb\n")));
        assert!(!differs_in_line_ends("a\n", &sum("a\n")));
    }
}
