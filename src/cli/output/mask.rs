//! Keeps secrets out of what is said: a token that was put in the wrong place must not be repeated.

use std::borrow::Cow;

/// Fewest characters behind a prefix of ours that make it a secret: those of an invitation, the
/// shortest, are 43.
const BODY: usize = 32;
/// Fewest characters of a JWT's header behind `eyJ`, which is how a JSON object begins in base64url
/// (RFC 7519, section 3.1).
const HEADER: usize = 12;

/// The text with `…` for what looks like a secret of Nexus: an access token, a refresh token, an
/// API key, an invitation. Their first characters stay, to know which it was.
#[must_use]
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let (mut safe, mut rest) = (String::new(), text);
    while let Some((shown, end)) = secret(rest) {
        safe.push_str(&rest[..shown]);
        safe.push('…');
        rest = &rest[end..];
    }
    if safe.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(safe + rest) }
}

/// The first secret: where what is hidden begins, and where it ends.
fn secret(text: &str) -> Option<(usize, usize)> {
    text.match_indices(['e', 'n']).find_map(|(at, _)| {
        let (from, len) = opaque(&text[at..]).or_else(|| jwt(&text[at..]))?;
        Some((at + from, at + from + len))
    })
}

/// `nxk_`, `nxr_`, `nxi_` and the like: the length of the prefix and of what follows.
fn opaque(text: &str) -> Option<(usize, usize)> {
    let kind = text.strip_prefix("nx")?;
    let body = kind.strip_prefix(|c: char| c.is_ascii_lowercase())?.strip_prefix('_')?;
    let len = run(body);
    (len >= BODY).then_some((4, len))
}

fn jwt(text: &str) -> Option<(usize, usize)> {
    let header = text.strip_prefix("eyJ")?;
    let first = run(header);
    let payload = header[first..].strip_prefix('.')?;
    let second = run(payload);
    if first < HEADER || second == 0 {
        return None;
    }
    let signature = payload[second..].strip_prefix('.').map_or(0, |signature| 1 + run(signature));
    Some((3, first + 1 + second + signature))
}

/// How many characters of base64url a text begins with.
fn run(text: &str) -> usize {
    text.bytes().take_while(|c| c.is_ascii_alphanumeric() || *c == b'-' || *c == b'_').count()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_secret_is_not_repeated_wherever_it_stands() {
        let body = "Ab-9_".repeat(13);
        for kind in ["nxk_", "nxr_", "nxi_"] {
            let text = format!("cannot read '{kind}{body}': and {kind}{body}\n{kind}{body}");
            assert_eq!(masked(&text), format!("cannot read '{kind}…': and {kind}…\n{kind}…"));
        }
        let jwt = format!("eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.{body}");
        assert_eq!(masked(&format!("\"\\n{jwt}\" of {jwt}.")), "\"\\neyJ…\" of eyJ….");
        assert_eq!(masked("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."), "eyJ…");
    }

    #[test]
    fn anything_else_stays() {
        for text in
            ["", "nxk_ci", "a key begins with nxk_", "eyJ", "heyJude.example", "nexus user list", "né…"]
        {
            assert_eq!(masked(text), text);
        }
    }
}
