//! The users that a file asks for: CSV with a header, or JSON lines. Every line is checked before
//! anything is made.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::arguments::{self, Input};
use super::super::iam::name;
use super::super::text::{self, InputError, Lines, Most};
use crate::features::iam::model::NewUser;
use crate::features::iam::{Name, UserState};
use crate::kernel::brief::brief;
use crate::kernel::{Email, SecretString, suggest};

/// The fields of a line. `id` is in exports, and says nothing here; of `state` only `disabled` does.
const FIELDS: [&str; 8] = ["email", "name", "roles", "groups", "profile", "password", "state", "id"];

/// One user, and the line that asks for it.
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) user: NewUser,
    /// `None`: it is invited.
    pub(super) password: Option<SecretString>,
    /// Whether it is shut out from the beginning.
    pub(super) disabled: bool,
}

/// What a line says.
struct Asked {
    user: NewUser,
    password: Option<SecretString>,
    disabled: bool,
}

type Parsed = Vec<(usize, Result<Asked, String>)>;

/// Reads and checks every line.
pub(super) fn read(input: &Input) -> Result<Vec<Line>, InputError> {
    let (file, text) = text::read(input, Most::LINES)?;
    if text.trim().is_empty() {
        return Err(InputError::Blank { name: file, what: "user" });
    }
    let parsed = if text.trim_start().starts_with('{') { json_lines(&text) } else { csv_lines(&text) };
    let mut lines: Vec<Line> = Vec::with_capacity(parsed.len());
    let mut wrong = Vec::new();
    let mut seen = HashMap::new();
    for (number, result) in parsed {
        match result {
            Ok(Asked { user, password, disabled }) => {
                if let Some(first) = seen.insert(user.email.key(), number) {
                    wrong.push(format!("  line {number}: {} is on line {first} already", user.email));
                }
                lines.push(Line { number, user, password, disabled });
            }
            Err(reason) => wrong.push(format!("  line {number}: {reason}")),
        }
    }
    if !wrong.is_empty() {
        let count = wrong.len();
        wrong.truncate(20);
        return Err(InputError::Lines { name: file, what: "user", count, shown: wrong });
    }
    if lines.is_empty() { Err(InputError::Empty { name: file, what: "user" }) } else { Ok(lines) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    profile: Map<String, Value>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<SecretString>,
    state: Option<String>,
    #[serde(rename = "id")]
    _id: Option<String>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

fn json_lines(text: &str) -> Parsed {
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(index, line)| {
            // The parser's message could quote a password.
            let parsed = serde_json::from_str::<JsonLine>(line).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => {
                    format!("a field is unknown or of the wrong kind at column {}", error.column())
                }
                _ => format!("invalid JSON at column {}", error.column()),
            });
            let user = parsed.and_then(|it| {
                let disabled = disabled(it.state.as_deref())?;
                let user = user(&it.email, &it.name, &it.roles, &it.groups, it.profile)?;
                Ok(Asked { user, password: it.password, disabled })
            });
            (index + 1, user)
        })
        .collect()
}

/// Whether a state shuts a user out. Who could sign in elsewhere is invited here: passwords stay.
fn disabled(state: Option<&str>) -> Result<bool, String> {
    let known = [UserState::Invited, UserState::Active, UserState::Locked, UserState::Disabled];
    match state.map(|text| known.into_iter().find(|it| it.as_str() == text)) {
        None => Ok(false),
        Some(Some(state)) => Ok(state == UserState::Disabled),
        Some(None) => Err("state is one of invited, active, locked, disabled".to_owned()),
    }
}

fn csv_lines(text: &str) -> Parsed {
    if text.trim_start().starts_with('[') {
        let reason = "this is a JSON array, and JSON lines are expected: jq -c '.[]' converts it";
        return vec![(1, Err(reason.to_owned()))];
    }
    let mut lines = Lines::of(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return vec![(1, Err(error.to_string()))],
    };
    if let Some(unknown) = header.iter().find(|field| !FIELDS.contains(field)) {
        let unknown = brief(unknown);
        let near = suggest::nearest(&unknown, FIELDS).map(|near| format!("; did you mean {near}?"));
        return vec![(1, Err(format!("unknown field {unknown:?}{}", near.unwrap_or_default())))];
    }
    if !header.iter().any(|field| field == "email") {
        return vec![(1, Err("the header has no field email".to_owned()))];
    }
    reader
        .records()
        .map(|record| match record {
            Ok(record) => (lines.line(record.position()), csv_user(&header, &record)),
            Err(error) => {
                let number = lines.line(error.position());
                (number, Err("it does not have as many fields as the header".to_owned()))
            }
        })
        .collect()
}

fn csv_user(header: &csv::StringRecord, record: &csv::StringRecord) -> Result<Asked, String> {
    let field = |wanted: &str| {
        let index = header.iter().position(|name| name == wanted);
        index.and_then(|index| record.get(index)).filter(|text| !text.is_empty())
    };
    let names = |wanted: &str| -> Vec<String> {
        let all = field(wanted).unwrap_or_default().split(';').map(str::trim);
        all.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    };
    let profile = match field("profile") {
        None => Map::new(),
        Some(text) => serde_json::from_str(text).map_err(|_| "profile is not a JSON object".to_owned())?,
    };
    let email = field("email").unwrap_or_default().trim();
    let user = user(email, field("name").unwrap_or_default(), &names("roles"), &names("groups"), profile)?;
    let password = field("password").map(SecretString::from);
    Ok(Asked { user, password, disabled: disabled(field("state"))? })
}

fn user(
    email: &str,
    display: &str,
    roles: &[String],
    groups: &[String],
    profile: Map<String, Value>,
) -> Result<NewUser, String> {
    let email: Email = email.parse().map_err(|error: crate::kernel::email::EmailError| error.to_string())?;
    let display = if display.trim().is_empty() { String::new() } else { arguments::display_name(display)? };
    let names = |all: &[String]| all.iter().map(|text| name(text)).collect::<Result<Vec<Name>, _>>();
    Ok(NewUser { email, name: display, profile, roles: names(roles)?, groups: names(groups)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = csv_lines(
            "email,name,roles,groups,profile\nann@a.example,Ann,User;Viewer,Sales,\"{\"\"team\"\":\"\"eu\"\"}\"\n",
        );
        let json = json_lines(
            r#"{"email":"ann@a.example","name":"Ann","roles":["User","Viewer"],"groups":["Sales"],"profile":{"team":"eu"}}"#,
        );
        let text = |parsed: &Parsed| format!("{:?}", parsed[0].1.as_ref().map(|it| &it.user));
        assert_eq!(text(&csv), text(&json));
        assert!(text(&csv).contains("Viewer"));
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong_and_repeats_no_password() {
        for (lines, expected) in [
            (csv_lines("email,nmae\na@b,x\n"), "did you mean name?"),
            (csv_lines("email,password\nnobody,hunter2\n"), "name@domain"),
            (csv_lines("email,password\na@b,hunter2,x\n"), "as many fields"),
            (json_lines(r#"{"email":"a@b","password":["hunter2"]}"#), "wrong kind"),
            (json_lines(r#"{"email":"a@b","hunter2":1}"#), "unknown"),
        ] {
            let error = lines[0].1.as_ref().err().cloned().unwrap_or_default();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_wrong_line_of_a_file_from_windows_has_its_number() {
        let lines = csv_lines("email,name\r\na@b,x\r\nc@d,y\r\nnobody,z\r\ne@f\r\n");
        let wrong: Vec<_> = lines.iter().filter(|it| it.1.is_err()).map(|it| it.0).collect();
        assert_eq!(wrong, [4, 5]);
    }

    #[test]
    fn a_long_word_is_not_repeated_whole() {
        let lines = csv_lines(&format!("email,{}\na@b,x\n", "a".repeat(200_000)));
        let error = lines[0].1.as_ref().err().cloned().unwrap_or_default();
        assert!(error.starts_with("unknown field") && error.len() < 200, "{error}");
    }

    #[test]
    fn of_the_states_only_disabled_is_taken_over_and_an_unknown_one_is_refused() {
        let parsed = csv_lines("email,state\na@b,disabled\nc@d,active\ne@f,\ng@h,asleep\n");
        let seen: Vec<_> = parsed.iter().map(|it| it.1.as_ref().ok().map(|it| it.disabled)).collect();
        assert_eq!(seen, [Some(true), Some(false), Some(false), None]);
        let parsed = json_lines(r#"{"email":"a@b","state":"disabled"}"#);
        assert!(parsed[0].1.as_ref().is_ok_and(|it| it.disabled));
    }
}
