//! Keeps secrets out of what is said: a token, or an address with a password in it, that was put in the
//! wrong place must not be repeated.

use std::borrow::Cow;

use crate::kernel::secret_shape;

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

/// The value of a setting that holds a secret, where it is no reference to one.
fn password(text: &str) -> Option<(usize, usize)> {
    secret_shape::settings(text).find_map(|setting| {
        let value = &text[setting.from..setting.to];
        let is_reference =
            ["env:", "file:", "cmd:", "…", "\"", "'…"].iter().any(|form| value.starts_with(form));
        (!is_reference).then_some((setting.from, setting.to))
    })
}

fn tokens(text: &str) -> Cow<'_, str> {
    let (mut safe, mut rest) = (String::new(), text);
    while let Some((shown, end)) = secret_shape::token(rest) {
        safe.push_str(&rest[..shown]);
        safe.push('…');
        rest = &rest[end..];
    }
    if safe.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(safe + rest) }
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
        assert_eq!(masked("host = x password = hunter2 user = y"), "host = x password = … user = y");
        assert_eq!(masked("Server=x;Uid=y;Pwd=hunter2;Port=1"), "Server=x;Uid=y;Pwd=…;Port=1");
        assert_eq!(masked("AWS_SECRET_ACCESS_KEY=hunter2"), "AWS_SECRET_ACCESS_KEY=…");
        assert_eq!(masked("PGPASSWORD=hunter2 psql"), "PGPASSWORD=… psql");
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
