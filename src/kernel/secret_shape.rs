//! What a secret looks like, so that one in the wrong place is neither kept nor repeated.

/// Fewest characters behind a prefix of ours that make it a secret: those of an invitation, the
/// shortest, are 43.
const BODY: usize = 32;
/// Fewest characters of a JWT's header behind `eyJ`, which is how a JSON object begins in base64url
/// (RFC 7519, section 3.1).
const HEADER: usize = 12;
/// The ends of the names, in small letters, of settings whose value is a secret: libpq's (manual, chapter
/// 34.1.2) and those of other drivers, and the variables of PostgreSQL and S3 programs.
const SETTINGS: [&str; 5] = ["password", "passwd", "pwd", "secret_access_key", "secretaccesskey"];
/// The beginnings of the names of settings that say which server, or who: beside one of them a password
/// is a login.
const ADDRESS: [&str; 9] = ["host", "server", "source", "dbname", "database", "user", "uid", "port", "addr"];

/// The first secret of ours in a text (an access token, a refresh token, an API key, an invitation), or
/// the first JWT: where what is hidden begins, and where it ends.
#[must_use]
pub fn token(text: &str) -> Option<(usize, usize)> {
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

/// A setting in a text whose value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretSetting {
    name: usize,
    pub from: usize,
    pub to: usize,
}

/// The settings whose value is a secret, with white space around the sign as libpq takes it; the value is
/// not empty.
pub fn settings(text: &str) -> impl Iterator<Item = SecretSetting> {
    let lower = text.to_ascii_lowercase();
    let signs: Vec<usize> = text.match_indices('=').map(|(at, _)| at).collect();
    signs.into_iter().filter_map(move |at| {
        let name = lower[..at].trim_end();
        if !SETTINGS.iter().any(|end| name.ends_with(end)) {
            return None;
        }
        let from = text.len() - text[at + 1..].trim_start().len();
        let rest = &text[from..];
        let length = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map_or(rest.len(), |end| end + 2),
            None => rest.find(|c: char| c.is_whitespace() || c == '&' || c == ';').unwrap_or(rest.len()),
        };
        (length > 0).then_some(SecretSetting { name: name.len(), from, to: from + length })
    })
}

/// Whether a text holds a token, a key, or a login in whichever form a program takes.
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    token(text).is_some() || is_url_with_login(text) || holds_login(text)
}

fn is_url_with_login(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_given = |word: &str| word.split("password=").skip(1).any(|value| !value.is_empty());
    lower.match_indices("://").any(|(at, sign)| {
        let rest = &lower[at + sign.len()..];
        let rest = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let of_database = lower[..at].ends_with("postgres") || lower[..at].ends_with("postgresql");
        // Of a password that was not escaped, any sign may stand before the '@'.
        let authority =
            if of_database { rest } else { &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())] };
        authority.contains('@') || is_given(rest)
    })
}

/// Whether a text holds a login in a form other than a URL's: settings of a connection with a password
/// among them, a variable that holds a password or a secret key, a line of a `.pgpass` file.
fn holds_login(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let with_address = || {
        lower.split('=').any(|before| {
            let name = before.trim_end().rsplit(|c: char| c.is_whitespace() || c == ';' || c == '&').next();
            name.is_some_and(|name| ADDRESS.iter().any(|word| name.starts_with(word)))
        })
    };
    let is_variable = |name: &str| {
        let name = name.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
        name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains(|c: char| c.is_ascii_lowercase())
    };
    let is_secret_key = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.ends_with("secret_access_key") || name.ends_with("secretaccesskey")
    };
    settings(text).any(|it| {
        let name = &text[..it.name];
        is_variable(name) || is_secret_key(name) || with_address()
    }) || is_pgpass(text)
}

/// `host:port:database:user:password` (manual, chapter 34.16).
fn is_pgpass(text: &str) -> bool {
    !text.contains("://")
        && text.lines().any(|line| {
            let fields: Vec<&str> = line.trim().split(':').collect();
            let [host, port, database, user, password, ..] = fields[..] else { return false };
            // Not the minutes of a time.
            let is_port = port == "*" || port.parse::<u16>().is_ok_and(|port| port >= 1024);
            let is_word = |field: &&str| !field.is_empty() && !field.contains(char::is_whitespace);
            // The address of a machine or a network card.
            let is_number = |field: &&str| field.len() <= 4 && field.bytes().all(|c| c.is_ascii_hexdigit());
            is_port
                && [host, database, user].iter().all(is_word)
                && !password.is_empty()
                && !fields.iter().all(is_number)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_in_every_form_that_programs_take() {
        for text in [
            "host=h password=p",
            "host = h password = p",
            "password=p\tdbname=d",
            "user=u sslpassword='p'",
            "Server=h;Database=d;Uid=u;Pwd=p;",
            "Data Source=h;Pwd = p",
            "AWS_SECRET_ACCESS_KEY=p",
            "--set=aws_secret_access_key = p",
            "export PGPASSWORD=p",
            "MYSQL_PWD=p",
            "h:5432:db:user:p",
            "*:*:*:user:p:q",
        ] {
            assert!(holds_login(text), "{text}");
        }
        for text in [
            "",
            "password=x",
            "host=h password=",
            "host=h",
            "control.password=env:PW",
            "Password policy = strict",
            "10:20:30:40:50:60",
            "2001:10:ab:cd:ef:1:2:3",
            "a:b:c:d:e",
            "2026-11-29T10:00:00+00:00",
            "2026-11-29T10:00:00+00:00/2026-11-29T11:00:00+00:00",
            "2026-11-29 10:30:00 disk full: pg1: resize",
            "incident 10:30: db: locked: see ticket",
            "sku:100:red:xl:eu",
        ] {
            assert!(!holds_login(text), "{text}");
        }
    }
}
