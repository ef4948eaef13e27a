//! Tokens and their keys, on a real installation.

mod abroad;
mod api_keys;
mod bound;
mod clocks;
mod forged;
mod kept;
mod keys;
mod lost;
mod mint;
mod offline;
mod races;
mod refresh;
mod revoked;
mod shapes;

use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexus::features::iam::Subject;
use nexus::features::secrets::Secrets;
use nexus::features::tokens::{IssueTime, MintRequest, Minted, NewToken, Realm, TokenError, Tokens};
use nexus::infra::crypto::LocalMasterKey;
use nexus::infra::db::{PgConnection, ServerAddress};
use nexus::kernel::{Caller, RealmRef};
use serde_json::Value;

use crate::support::world::World;

/// A tenant `acme` with an administrator ann and a viewer bob, both active.
pub struct Company {
    pub world: World,
}

pub const ANN: &str = "ann@acme.example";
pub const BOB: &str = "bob@acme.example";
/// Where development keys are accepted.
const ACCEPT: (&str, &str) = ("NEXUS_CONTEXT_T_TOKENS_DEVELOPMENT_KEYS", "accept");

impl Company {
    pub fn new() -> Self {
        let world = World::new();
        world.tenant_of("acme", ANN, "seven horses in the rain");
        let company = Self { world };
        company.user(BOB, "Viewer");
        company
    }

    /// Makes an active user with a role.
    pub fn user(&self, email: &str, role: &str) {
        self.realm_sql(&format!(
            "with made as (insert into nexus.users (id, email, email_key, state)
                           values (gen_random_uuid(), '{email}', lower('{email}'), 'active') returning id)
             insert into nexus.user_roles (user_id, role_id)
             select made.id, roles.id from made, nexus.roles where name = '{role}'"
        ));
    }

    pub fn database(&self) -> String {
        self.world.control_sql("select database_name from control.tenants where slug = 'acme'")[0].clone()
    }

    pub fn realm_sql(&self, statement: &str) -> Vec<String> {
        self.world.sql(&self.database(), statement)
    }

    /// Mints a token for ann.
    pub fn mint(&self, more: &[&str]) -> String {
        self.mint_for(ANN, more)
    }

    pub fn mint_for(&self, email: &str, more: &[&str]) -> String {
        let args: Vec<&str> =
            ["token", "mint", "--tenant", "acme", "--user", email].iter().chain(more).copied().collect();
        self.world.ok(&args).trim_end().to_owned()
    }

    /// Runs `nexus token verify` with a token on standard input.
    pub fn verify(&self, token: &str, more: &[&str]) -> Output {
        let args: Vec<&str> = ["token", "verify"].iter().chain(more).copied().collect();
        self.run(&args, token)
    }

    pub fn accepts(&self, token: &str) -> bool {
        self.verify(token, &[]).status.success()
    }

    /// Runs a command with something on standard input, where development keys are accepted.
    pub fn run(&self, args: &[&str], input: &str) -> Output {
        use std::io::Write;
        let mut command = self.world.command(args);
        command.stdin(std::process::Stdio::piped()).env(ACCEPT.0, ACCEPT.1);
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Exports a development key into the working directory.
    pub fn development_key(&self) -> Value {
        let exported = self.run(&["key", "export", "--development", "dev.key", "--tenant", "acme"], "");
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        serde_json::from_slice(&std::fs::read(self.world.machine().path("work/dev.key")).unwrap()).unwrap()
    }

    /// The installation's token service, as a long-lived program would have it.
    pub fn tokens(&self) -> Tokens {
        let key = LocalMasterKey::from_file(&self.world.machine().path("nexus/keys/t.key")).unwrap();
        Tokens {
            secrets: Secrets::new(std::sync::Arc::new(key)),
            signers: nexus::features::tokens::Signers::default(),
            issuer: nexus::settings::ISSUER.to_owned(),
            former_issuer: format!("urn:uuid:{}", self.world.id),
            audience: "nexus".to_owned(),
            ttl: std::time::Duration::from_mins(15),
            development: false,
            lost_answer: nexus::settings::LostAnswer::TenSeconds,
        }
    }

    pub fn server(&self, database: &str) -> ServerAddress {
        self.world.stack().superuser(database)
    }

    pub async fn control(&self) -> PgConnection {
        self.server(&self.world.control).connect("test").await.unwrap()
    }

    pub async fn realm(&self) -> Realm {
        let row =
            self.world.control_sql("select id || ' ' || owner_role from control.tenants where slug = 'acme'");
        let (id, owner) = row[0].split_once(' ').unwrap();
        let name = RealmRef { id: id.parse().unwrap(), slug: Some("acme".to_owned()) };
        let mut session = self.server(&self.database()).connect("test").await.unwrap();
        let role = format!("set role {}", nexus::infra::db::identifier(owner));
        sqlx::raw_sql(sqlx::AssertSqlSafe(role)).execute(&mut session).await.unwrap();
        let as_of = IssueTime::read(&mut self.control().await).await.unwrap();
        Realm::new(name, session.into(), as_of)
    }
}

/// Mints a token for ann in this process.
pub async fn mint_inside(
    company: &Company,
    control: &mut PgConnection,
    realm: &mut Realm,
) -> Result<Minted, TokenError> {
    let (user, token) = (ANN.parse().unwrap(), NewToken::default());
    let request = MintRequest { user: &user, token: &token, algorithm: None, session: None };
    let caller = Caller::Machine("test".to_owned());
    company.tokens().mint(control, &caller, realm, request).await
}

/// A user of a realm as tokens name it.
pub async fn subject(company: &Company, realm: &mut Realm, email: &str) -> Subject {
    let (tokens, mut control) = (company.tokens(), company.control().await);
    tokens.subject(&mut control, &Caller::System, realm, &email.parse().unwrap()).await.unwrap()
}

/// What a token's payload says.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The id of the key that a token names.
pub fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The error object that a command wrote.
pub fn error(output: &Output) -> Value {
    serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone()
}
