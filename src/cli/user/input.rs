//! The users that a file asks for. The field `id` is in exports, and says nothing here.

use serde_json::{Map, Value};

use super::super::arguments::Input;
use super::super::rows::{self, Cell, Fields, FromLine};
use super::super::text::InputError;
use crate::features::iam::Name;
use crate::features::iam::model::NewUser;
use crate::features::iam::users::{ImportRow, RowState};
use crate::kernel::line::LineError;
use crate::kernel::{Email, SecretString};

/// Reads and checks every line.
pub(super) fn read(input: &Input) -> Result<Vec<ImportRow>, InputError> {
    rows::read(input)
}

impl FromLine for ImportRow {
    const WHAT: &'static str = "user";
    const FIELDS: &'static [(&'static str, Cell)] = &[
        ("email", Cell::Words),
        ("name", Cell::Words),
        ("roles", Cell::List),
        ("groups", Cell::List),
        ("profile", Cell::Parsed(object)),
        ("fields", Cell::Parsed(object)),
        ("password", Cell::Exact),
        ("state", Cell::Words),
        ("id", Cell::Words),
    ];

    fn of(line: usize, mut fields: Fields) -> Result<Self, String> {
        let state = fields.parse("state")?.unwrap_or(RowState::UNSAID);
        let email = fields.take::<String>("email")?.unwrap_or_default();
        let email: Email =
            email.parse().map_err(|error: crate::kernel::email::EmailError| error.to_string())?;
        let display = fields.take::<String>("name")?.filter(|text| !text.trim().is_empty());
        let display = display.map(|text| text.parse()).transpose();
        let user = NewUser {
            email,
            name: display.map_err(|error: LineError| error.to_string())?,
            profile: fields.take("profile")?.unwrap_or_default(),
            fields: fields.take("fields")?.unwrap_or_default(),
            roles: names(fields.take("roles")?)?,
            groups: names(fields.take("groups")?)?,
        };
        let password = fields.take::<String>("password")?.map(SecretString::from);
        Ok(Self { line, user, password, state })
    }

    fn key(&self) -> (String, String) {
        (self.user.email.key(), self.user.email.to_string())
    }
}

fn names(all: Option<Vec<String>>) -> Result<Vec<Name>, String> {
    let parse = |text: &String| text.parse().map_err(|error: LineError| error.to_string());
    all.unwrap_or_default().iter().map(parse).collect()
}

/// A JSON object.
fn object(cell: &str) -> Result<Value, String> {
    let parsed: Result<Map<String, Value>, _> = serde_json::from_str(cell);
    parsed.map(Value::Object).map_err(|_| "it is not a JSON object".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, Result<ImportRow, String>)> {
        rows::parse(text)
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = lines(
            "email,name,roles,groups,profile\nann@a.example,Ann,User;Viewer,Sales,\"{\"\"team\"\":\"\"eu\"\"}\"\n",
        );
        let json = lines(
            r#"{"email":"ann@a.example","name":"Ann","roles":["User","Viewer"],"groups":["Sales"],"profile":{"team":"eu"}}"#,
        );
        let text = |parsed: &[(usize, Result<ImportRow, String>)]| {
            format!("{:?}", parsed[0].1.as_ref().map(|it| &it.user))
        };
        assert_eq!(text(&csv), text(&json));
        assert!(text(&csv).contains("Viewer"));
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong_and_repeats_no_password() {
        for (text, expected) in [
            ("email,nmae\na@b,x\n", "did you mean name?"),
            ("email,password\nnobody,hunter2\n", "name@domain"),
            ("email,profile\na@b,hunter2\n", "not a JSON object"),
            (r#"{"email":"a@b","password":["hunter2"]}"#, "wrong kind"),
        ] {
            let error = lines(text)[0].1.as_ref().err().cloned().unwrap_or_default();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_keeps_its_spaces_and_is_not_in_the_debug_form() {
        use crate::kernel::ExposeSecret;
        let row = lines("email,password\na@b, hunter2 \n").remove(0).1.unwrap();
        assert!(!format!("{row:?}").contains("hunter2"));
        assert_eq!(row.password.unwrap().expose_secret(), " hunter2 ");
    }

    #[test]
    fn an_unknown_state_is_refused() {
        let parsed = lines("email,state\na@b,disabled\ne@f,\ng@h,asleep\n");
        let known: Vec<_> = parsed.iter().map(|it| it.1.as_ref().ok().map(|it| it.state)).collect();
        assert_eq!(known, ["disabled".parse().ok(), Some(RowState::UNSAID), None]);
    }
}
