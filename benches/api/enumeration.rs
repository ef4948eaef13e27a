//! Whether the time of an answer says who there is: the routes that take an address, for one that is new, known,
//! not confirmed and shut out, by turns.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

use super::load::{self, Client, Line, Target};
use super::stack::{Stack, USER};
use super::{Failure, round, tenant};

const TENANT: &str = "X-Tenant-ID: acme";
const ROUTES: [&str; 4] = ["register", "login", "forgot", "resend"];
/// What an address may be; the first is one that nobody has.
const KINDS: [&str; 4] = ["new", "active", "unverified", "disabled"];

/// One request about an address.
struct About {
    address: String,
    route: &'static str,
    email: String,
}

impl Client for About {
    fn request(&mut self) -> Result<Request<Full<Bytes>>, Failure> {
        let (email, password) = (&self.email, "eight wet dogs on a hill");
        let body = match self.route {
            "register" | "login" => json!({ "email": email, "password": password }),
            _ => json!({ "email": email }),
        };
        load::json(&self.address, &format!("/auth/{}", self.route), &[TENANT], &body)
    }

    fn answered(&mut self, status: StatusCode, _: &Bytes) -> bool {
        let expected = if self.route == "login" { StatusCode::UNAUTHORIZED } else { StatusCode::ACCEPTED };
        status == expected
    }
}

/// Users of each kind, one for each sample.
async fn prepare(stack: &Stack, samples: usize) -> Result<(), Failure> {
    stack.output(&["iam", "set", "--registration", "open", "--tenant", "acme"])?;
    let mut inside = tenant(stack).await?.connect("bench").await?;
    let fill = format!(
        "insert into nexus.users (id, email, email_key, name, state, password_hash)
         select gen_random_uuid(), kind || n || '@acme.example', kind || n || '@acme.example', kind,
                case kind when 'active' then 'active' when 'disabled' then 'disabled' else 'invited' end,
                case when kind <> 'unverified' then (select password_hash from nexus.users where email = '{USER}') end
         from generate_series(1, {samples}) as n, unnest(array['active', 'unverified', 'disabled']) as kind;
         insert into nexus.invitations (user_id, token_hash, expires_at, purpose, registration, password_hash)
         select id, sha256(convert_to(email, 'UTF8')), now() + interval '1 day', 'verify', gen_random_uuid(),
                (select password_hash from nexus.users where email = '{USER}')
         from nexus.users where name = 'unverified'; analyze nexus.users; analyze nexus.invitations"
    );
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut inside).await?;
    Ok(())
}

/// The median time of each route for each kind of address, and how far apart they are.
pub(crate) async fn measure(stack: &Stack, nexus: &Target, samples: usize) -> Result<Value, Failure> {
    prepare(stack, samples).await?;
    let mut inside = tenant(stack).await?.connect("bench").await?;
    let (mut report, mut line) = (Map::new(), Line::to(nexus).await?);
    for route in ROUTES {
        sqlx::raw_sql("delete from nexus.message_limits").execute(&mut inside).await?;
        let mut times: [Vec<f64>; 4] = Default::default();
        for sample in 1..=samples {
            for turn in 0..KINDS.len() {
                // Each kind comes after each other one.
                let at = if sample % 2 == 0 { turn } else { KINDS.len() - 1 - turn };
                let kind = KINDS[at];
                let email = match kind {
                    "new" => format!("{route}{sample}@new.example"),
                    known => format!("{known}{sample}@acme.example"),
                };
                let mut about = About { address: nexus.address.clone(), route, email };
                let (time, is_right) = line.ask(&mut about).await?;
                if !is_right {
                    return Err(format!("{route} for {kind} is answered otherwise").into());
                }
                times[at].push(time.as_secs_f64() * 1e3);
            }
        }
        let mut row = Map::new();
        let medians = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or_default()
        });
        for (kind, median) in KINDS.iter().zip(medians) {
            row.insert(format!("{kind}_median_ms"), json!((median * 1e3).round() / 1e3));
        }
        let (least, most) = medians.iter().fold((f64::MAX, 0.0_f64), |(a, b), it| (a.min(*it), b.max(*it)));
        row.insert("apart".to_owned(), json!(round(most / least)));
        report.insert(route.to_owned(), Value::Object(row));
    }
    Ok(Value::Object(report))
}
