//! Calling a service.

use std::time::{Duration, Instant};

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use super::error::ServiceError;
use super::model::{CALL, CallTimeout, MOST_ANSWERED, MOST_SENT, ServiceCall};
use super::read::{of_version, realms};
use super::store;
use super::views::{Row, seen};
use crate::features::access::{self, Permission, rights};
use crate::features::iam::{Realm, RowsTx};
use crate::features::tokens::{ServiceToken, Tokens};
use crate::infra::circuit::{Circuits, Pass, Refusal, Transition};
use crate::infra::db::PgConnection;
use crate::infra::outbound::{Outbound, OutboundError, OutboundUrl, PostRequest, Reading};
use crate::infra::telemetry;
use crate::kernel::Caller;

/// How a service's name is written as the audience of its tokens: no other program's tokens have it.
const AUDIENCE: &str = "service:";
/// When a caller may try again who found all instances silent.
const SILENT_PAUSE: Duration = Duration::from_secs(10);
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// Most calls of an instance at once from one process.
pub const MOST_AT_ONCE: u32 = 64;

/// A call that may be made: what is sent where.
#[derive(Debug)]
pub struct PreparedCall {
    name: String,
    version: i32,
    url: String,
    body: Bytes,
    timeout: Duration,
    token: SecretString,
    pass: Pass,
    instance: Uuid,
    /// Whether some server of ours has found that it fails.
    is_failing: bool,
}

/// An instance fails from here on, or does no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HealthChange {
    instance: Uuid,
    is_failing: bool,
}

/// Looks whether the caller may call a service in this realm, chooses one of its addresses, and signs what says who calls.
/// Nothing is sent, and nothing is written.
///
/// # Errors
/// Without the service's permission, [`ServiceError::Forbidden`]; [`ServiceError::NotFound`],
/// [`ServiceError::VersionNotFound`], [`ServiceError::PayloadTooLarge`], [`ServiceError::Unavailable`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn prepare(
    realm: &mut Realm,
    caller: &Caller,
    (tokens, circuits): (&Tokens, &Circuits),
    call: &ServiceCall,
) -> Result<PreparedCall, ServiceError> {
    let body = Bytes::from(call.payload.to_string());
    if body.len() > MOST_SENT {
        return Err(ServiceError::PayloadTooLarge);
    }
    let mut work = realm.look(caller).await?;
    let at = work.place();
    let named = seen(store::named(work.control().await?, &realms(at), call.name.as_str()).await?);
    let rows = match of_version(named, (&call.name, call.version), at) {
        Ok(rows) => rows,
        Err(absent) => {
            require_any(&mut work, caller, call)?;
            return Err(absent);
        }
    };
    authorize(&mut work, caller, &rows[0])?;
    let (row, pass) = choose(&rows, circuits)?;
    let registered = Duration::from_millis(u64::try_from(row.timeout_ms).unwrap_or_default());
    let asked = call.timeout.map_or(registered, CallTimeout::duration);
    let proof = work.proof();
    let said = ServiceToken {
        audience: format!("{AUDIENCE}{}", call.name),
        permission: row.permission.clone(),
        version: row.version,
    };
    let token = tokens.sign_for_service(work.control().await?, &proof, (at, said)).await?;
    work.close().await?;
    Ok(PreparedCall {
        name: row.name.clone(),
        version: row.version,
        url: row.url.clone(),
        body,
        timeout: asked.min(registered),
        token,
        pass,
        instance: row.instance_id,
        is_failing: row.failing_since.is_some(),
    })
}

/// Requires the service's own permission, in the caller's realm.
fn authorize(work: &mut RowsTx<'_>, caller: &Caller, row: &Row) -> Result<(), ServiceError> {
    let permission: Option<Permission> = row.permission.parse().ok();
    if permission.is_some_and(|permission| work.may_named(&permission)) {
        return Ok(());
    }
    Err(ServiceError::Forbidden {
        caller: caller.to_string(),
        permission: row.permission.clone(),
        name: row.name.clone(),
    })
}

/// Who may call services is told that there is none of a name. Others are told no more than that they may not.
fn require_any(work: &mut RowsTx<'_>, caller: &Caller, call: &ServiceCall) -> Result<(), ServiceError> {
    if work.may(CALL) {
        return Ok(());
    }
    let (permission, name) = (CALL.to_owned(), call.name.to_string());
    Err(ServiceError::Forbidden { caller: caller.to_string(), permission, name })
}

/// One of the addresses that may be called. Those that come first change from call to call.
fn choose<'r>(rows: &'r [Row], circuits: &Circuits) -> Result<(&'r Row, Pass), ServiceError> {
    let mut refused: Option<(&'static str, Duration)> = None;
    // The last bytes of a new id are random.
    let first = usize::from(Uuid::now_v7().as_bytes()[15]) % rows.len();
    for row in rows[first..].iter().chain(&rows[..first]) {
        let (reason, pause) = if row.is_silent {
            ("it has not said for 90 seconds that it is there", SILENT_PAUSE)
        } else {
            match circuits.enter(row.instance_id, Instant::now()) {
                Ok(pass) => return Ok((row, pass)),
                Err(Refusal::Open(pause)) => ("calls failed one after the other", pause),
                Err(Refusal::Full) => ("as many calls of it are under way as may be at once", FULL_PAUSE),
            }
        };
        refused = match refused {
            Some(sooner) if sooner.1 <= pause => Some(sooner),
            _ => Some((reason, pause)),
        };
    }
    let (reason, pause) = refused.unwrap_or(("it has no address", SILENT_PAUSE));
    let (name, retry_after) = (rows[0].name.clone(), pause.as_secs().max(1));
    Err(ServiceError::Unavailable { name, reason, retry_after })
}

impl PreparedCall {
    /// Sends it, once; gives the answer, and what it says of the instance where that is news.
    pub(crate) async fn send(
        self,
        outbound: &Outbound,
    ) -> (Result<Value, ServiceError>, Option<HealthChange>) {
        let url = outbound.policy().url(&self.url);
        let answer = match &url {
            Ok(url) => self.post(outbound, url).await,
            Err(error) => Err(self.failed(None, error.to_string())),
        };
        let Self { pass, instance, is_failing, .. } = self;
        let has_failed = answer.as_ref().is_err_and(|(_, is_of_service)| *is_of_service);
        let news = match pass.end(has_failed, Instant::now()) {
            Transition::Opened => Some(true),
            Transition::Closed => Some(false),
            Transition::None => (is_failing && answer.is_ok()).then_some(false),
        };
        let news = news.map(|is_failing| HealthChange { instance, is_failing });
        (answer.map_err(|(error, _)| error), news)
    }

    /// The answer; or what went wrong, and whether that speaks against the instance.
    async fn post(&self, outbound: &Outbound, url: &OutboundUrl) -> Result<Value, (ServiceError, bool)> {
        let mut headers = vec![
            ("authorization", format!("Bearer {}", self.token.expose_secret())),
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
            ("user-agent", "Nexus".to_owned()),
            ("nexus-service", format!("{}; version={}", self.name, self.version)),
            ("nexus-timeout-ms", self.timeout.as_millis().to_string()),
        ];
        headers.extend(telemetry::traceparent().map(|parent| ("traceparent", parent)));
        let request = PostRequest { url, headers: &headers, body: self.body.clone() };
        let reading = Reading { within: self.timeout, most: MOST_ANSWERED };
        let answer = outbound.post_and_read(request, reading).await.map_err(|error| match error {
            OutboundError::Timeout(_) | OutboundError::ConnectTimeout(_) => {
                let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
                (ServiceError::Timeout { name: self.name.clone(), timeout_ms }, true)
            }
            other => self.failed(None, other.to_string()),
        })?;
        let status = answer.status;
        if !(200..300).contains(&status) {
            let (error, _) = self.failed(Some(status), format!("it answered with status {status}"));
            // It works that says that a request is wrong.
            return Err((error, status >= 500));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| self.failed(Some(status), "its answer is no JSON".to_owned()))
    }

    fn failed(&self, status: Option<u16>, reason: String) -> (ServiceError, bool) {
        (ServiceError::Failed { name: self.name.clone(), status, reason }, true)
    }
}

/// Writes that an instance fails, or does no more, for all servers to see.
///
/// # Errors
/// When the control database does not answer.
pub(crate) async fn note_health(
    control: &mut PgConnection,
    caller: &Caller,
    change: HealthChange,
) -> Result<(), ServiceError> {
    access::authorize_machine(caller, &rights::CALL_SERVICES)?;
    Ok(store::note_failing(control, change.instance, change.is_failing).await?)
}
