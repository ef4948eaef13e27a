//! The floor: a handler that runs the statements of a list, and answers what they give. It checks no token,
//! knows no tenant and no right.

use std::env::var;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use nexus::features::iam::User;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::Failure;

/// The first argument of the bench that makes it serve.
pub(crate) const WORD: &str = "bare";
/// Its sessions: as many as the API may have.
pub(crate) const SESSIONS: u32 = 32;

struct Shared {
    pool: PgPool,
    list: String,
    count: Option<String>,
}

pub(crate) async fn serve() -> Result<(), Failure> {
    let options = PgConnectOptions::new()
        .socket(var("BARE_SOCKET")?)
        .username("nexus")
        .password(std::fs::read_to_string(var("BARE_PASSWORD_FILE")?)?.trim())
        .database(&var("BARE_DATABASE")?);
    let pool = PgPoolOptions::new().max_connections(SESSIONS).connect_with(options).await?;
    let mut statements: Vec<String> = serde_json::from_str(&var("BARE_STATEMENTS")?)?;
    let list = statements.remove(0);
    let shared = Arc::new(Shared { pool, list, count: statements.pop() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    announce(&listener.local_addr()?.to_string());
    let routes = Router::new().route("/", get(answer)).route("/refresh", post(refresh));
    axum::serve(listener, routes.with_state(shared)).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "who started it reads it")]
fn announce(address: &str) {
    println!("http://{address}");
}

async fn answer(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, String> {
    let said = |error: sqlx::Error| error.to_string();
    let mut session = shared.pool.acquire().await.map_err(said)?;
    let users: Vec<User> = sqlx::query_as(AssertSqlSafe(shared.list.clone()))
        .bind(20_i64)
        .bind(0_i64)
        .fetch_all(&mut *session)
        .await
        .map_err(said)?;
    let total: Option<i64> = match &shared.count {
        None => None,
        Some(count) => {
            let counted = sqlx::query_scalar(AssertSqlSafe(count.clone())).bind(1_001_i64);
            Some(counted.fetch_one(&mut *session).await.map_err(said)?)
        }
    };
    Ok(Json(json!({ "data": users, "total": total })))
}

/// The transaction of an exchange of refresh tokens, and nothing else: no token is checked or signed.
async fn refresh(State(shared): State<Arc<Shared>>, Json(body): Json<Value>) -> Result<Json<Value>, String> {
    let said = |error: sqlx::Error| error.to_string();
    let token = body["refresh_token"].as_str().ok_or("no token")?;
    let hash = hash(token);
    let mut tx = shared.pool.acquire().await.map_err(said)?;
    sqlx::query("begin").execute(&mut *tx).await.map_err(said)?;
    let session: uuid::Uuid = sqlx::query_scalar(
        "select id from nexus.sessions
         where id = (select session_id from nexus.refresh_tokens where token_hash = $1 and used_at is null)
         for update",
    )
    .bind(&hash)
    .fetch_one(&mut *tx)
    .await
    .map_err(said)?;
    let successor = uuid::Uuid::new_v4().simple().to_string();
    let next = self::hash(&successor);
    for statement in [
        "update nexus.refresh_tokens set successor_sealed = null
         where session_id = $3 and successor_sealed is not null and $1 <> $2",
        "update nexus.refresh_tokens set used_at = clock_timestamp(), successor_hash = $2, successor_sealed = $2
         where token_hash = $1 and session_id = $3",
        "insert into nexus.refresh_tokens (token_hash, session_id) select $2, $3 where $1 <> $2",
        "update nexus.sessions set last_used_at = clock_timestamp() where id = $3 and $1 <> $2",
    ] {
        let query = sqlx::query(statement).bind(&hash).bind(&next).bind(session);
        query.execute(&mut *tx).await.map_err(said)?;
    }
    sqlx::query("commit").execute(&mut *tx).await.map_err(said)?;
    Ok(Json(json!({ "refresh_token": successor })))
}

fn hash(token: &str) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(token).to_vec()
}
