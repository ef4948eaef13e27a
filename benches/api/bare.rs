//! The floor: a handler that runs the statements of a list, and answers what they give. It checks no token,
//! knows no tenant and no right.

use std::env::var;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use nexus::features::iam::User;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::Failure;

/// The first argument of the bench that makes it serve.
pub(crate) const WORD: &str = "bare";
/// Its sessions: as many as the API may have.
const SESSIONS: u32 = 32;

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
    axum::serve(listener, Router::new().route("/", get(answer)).with_state(shared)).await?;
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
