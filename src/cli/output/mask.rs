//! Keeps secrets out of what is said: a token, or an address with a password in it, that was put in the
//! wrong place must not be repeated.

use std::borrow::Cow;

/// Fewest characters behind a prefix of ours that make it a secret: those of an invitation, the
/// shortest, are 43.
const BODY: usize = 32;
/// Fewest characters of a JWT's header behind `eyJ`, which is how a JSON object begins in base64url
/// (RFC 7519, section 3.1).
const HEADER: usize = 12;

/// The text with `…` for what looks like a secret of Nexus (an access token, a refresh token, an API
/// key, an invitation; their first characters stay, to know which it was), for the login in a URL, and
/// for the password in libpq's `password=…`.
#[must_use]
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    match tokens(text) {
        Cow::Borrowed(text) => without(without(text.into(), login), password),
        Cow::Owned(text) => Cow::Owned(without(without(text.into(), login), password).into_owned()),
    }
}

fn without(text: Cow<'_, str>, find: fn(&str) -> Option<(usize, usize)>) -> Cow<'_, str> {
    let (mut safe, mut rest) = (String::new(), &*text);
    while let Some((from, to)) = find(rest) {
        safe.push_str(&rest[..from]);
        safe.push('…');
        rest = &rest[to..];
    }
    if safe.is_empty() { text } else { Cow::Owned(safe + rest) }
}

/// What stands between `://` and the last `@` of the word: a password that should have been escaped may
/// hold any sign.
fn login(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(at, scheme)| {
        let from = at + scheme.len();
        let rest = &text[from..];
        // Where a string of JSON ends, so does the word.
        let ends = ["\",", "\":", "\"}", "\"]"].iter().filter_map(|end| rest.find(end));
        let word = &rest[..ends.chain(rest.find(char::is_whitespace)).min().unwrap_or(rest.len())];
        let length = word.rfind('@')?;
        (&word[..length] != "…").then_some((from, from + length))
    })
}

/// The value of a `password=` (manual, chapter 34.1.2), where it is no reference to a secret.
fn password(text: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("password=").find_map(|(at, key)| {
        let from = at + key.len();
        let rest = &text[from..];
        let end = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map_or(rest.len(), |end| end + 2),
            None => rest.find(|c: char| c.is_whitespace() || c == '&').unwrap_or(rest.len()),
        };
        let value = &rest[..end];
        let is_reference =
            ["env:", "file:", "cmd:", "…", "\"", "'…"].iter().any(|form| value.starts_with(form));
        (!value.is_empty() && !is_reference).then_some((from, from + end))
    })
}

fn tokens(text: &str) -> Cow<'_, str> {
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
    fn the_login_of_a_url_is_not_repeated_whatever_signs_its_password_has() {
        for url in [
            "postgres://app:pa/ss@db.example/shop",
            "https://u:p#a?s@s@db.example/shop",
            "http://key@db.example/shop",
        ] {
            let scheme = url.split_once(':').unwrap().0;
            assert_eq!(
                masked(&format!("invalid value '{url}' for '--host'; {url}")),
                format!(
                    "invalid value '{scheme}://…@db.example/shop' for '--host'; {scheme}://…@db.example/shop"
                )
            );
        }
        let json = r#"{"message":"at https://s3.example","email":"ann@acme.example"}"#;
        assert_eq!(masked(json), json);
        assert_eq!(masked("host=x password=hunter2 user=y"), "host=x password=… user=y");
        assert_eq!(masked("host=x password='hun ter2' user=y"), "host=x password=… user=y");
        assert_eq!(masked("x?user=y&PASSWORD=hunter2"), "x?user=y&PASSWORD=…");
    }

    #[test]
    fn anything_else_stays() {
        for text in [
            "",
            "nxk_ci",
            "a key begins with nxk_",
            "eyJ",
            "heyJude.example",
            "nexus user list",
            "né…",
            "https://s3.example:9000/x",
            "mail ann@acme.example",
            "password=env:PW",
            "password = \"file:x\"",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
