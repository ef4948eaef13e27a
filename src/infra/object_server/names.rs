//! What may be called what. A name that becomes a file name passes one of these first.

use sha2::{Digest, Sha256};

/// Longest key in bytes ("Naming Amazon S3 objects", Amazon S3 User Guide).
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// Whether a bucket may have this name: S3's own naming rules, which leave no `/`, `_` or leading dot.
pub(crate) fn is_bucket(name: &str) -> bool {
    s3s::path::check_bucket_name(name)
}

/// Whether this can be an access key id: 16 to 32 of A-Z and 0-9.
pub(crate) fn is_access_key_id(id: &str) -> bool {
    (16..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Whether this can be an owner mark: 1 to 200 of letters, digits and `:._-`.
pub(crate) fn is_owner(mark: &str) -> bool {
    (1..=200).contains(&mark.len())
        && mark.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'_' | b'-'))
}

/// Whether this can be an upload id that this server gave out: 32 lower-case hex digits.
pub(crate) fn is_upload_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether an object may have this key. Keys are never paths here; refused are only those that no
/// listing could carry, because XML 1.0 (section 2.2) has no way to write them.
pub(crate) fn is_object_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= MAX_KEY_BYTES
        && !key.chars().any(|c| c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// The SHA-256 of a name in hex: the file name of anything that is named by a user.
pub(crate) fn file_name_of(name: &str) -> String {
    hex::encode(Sha256::digest(name.as_bytes()))
}

/// Percent-decodes a part of a URL; `None` when it is malformed or not UTF-8.
pub(crate) fn percent_decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes all but RFC 3986's unreserved characters and `/`, as S3 does for
/// `encoding-type=url`.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_access_key_ids_become_file_names() {
        assert!(is_access_key_id("NXAAAAAAAAAAAAAAAAAA"));
        for bad in ["", "SHORT", "nxaaaaaaaaaaaaaaaaaa", "../../../../../../etc", "NXAAAAAAAAAAAAAAAA/A"] {
            assert!(!is_access_key_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_is_refused_only_when_no_listing_could_carry_it() {
        for good in ["a", "..", "../x", "/", "//", "ü/日本", &"k".repeat(1024)] {
            assert!(is_object_key(good), "{good}");
        }
        for bad in ["", "a\0b", "a\u{1}b", &"k".repeat(1025)] {
            assert!(!is_object_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn percent_coding_goes_both_ways() {
        for text in ["a b+c", "ü%", "nexus:1:2", "/x//y"] {
            assert_eq!(percent_decode(&percent_encode(text), false).as_deref(), Some(text));
        }
        assert_eq!(percent_decode("a+b", true).as_deref(), Some("a b"));
        assert_eq!(percent_decode("%zz", true), None);
        assert_eq!(percent_decode("%f", true), None);
    }
}
