//! Rate limits: so many requests a minute, in separate buckets; by user where one is known, else by address.

use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use super::Api;
use super::client::{self, Peer};
use super::context::Verified;
use super::error::RequestError;
use super::problem::Problem;
use crate::app::{App, SharedRateLimit};
use crate::kernel::TenantId;
use crate::settings::ServeSettings;

/// Most clients that a bucket remembers; more share one.
const MOST: usize = 100_000;
/// Fewest requests a minute to sign out, whatever is set for sessions.
const LEAST_LOGOUTS: u32 = 60;
/// How often those are forgotten whose requests count no more.
const SWEEP: Duration = Duration::from_mins(1);

/// Headers of draft-ietf-httpapi-ratelimit-headers-11.
pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Client {
    Address(IpAddr),
    User(TenantId, Uuid),
    /// All for whom there is no room.
    Crowd,
}

type Limiter = RateLimiter<Client, HashMapStateStore<Client>, DefaultClock, StateInformationMiddleware>;

/// One limit.
struct Bucket {
    name: &'static str,
    a_minute: NonZeroU32,
    /// By the user of a good token; else by address alone: whoever guesses passwords may have tokens of their
    /// own.
    by_user: bool,
    /// Counted by all servers of the installation together.
    is_shared: bool,
    limiter: Limiter,
    swept: Mutex<Instant>,
}

/// All limits of a process.
pub(super) struct Limits {
    /// Signing in and setting passwords: each costs a hash.
    passwords: Arc<Bucket>,
    /// Registering, and asking for messages.
    messages: Arc<Bucket>,
    /// Exchanging refresh tokens.
    sessions: Arc<Bucket>,
    /// Signing out.
    logout: Arc<Bucket>,
    /// Everything else.
    requests: Arc<Bucket>,
}

/// Where a client stands in a bucket.
struct Standing {
    name: &'static str,
    a_minute: u32,
    left: u32,
    /// Until there is more, where nothing is left.
    wait: Option<Duration>,
}

impl Bucket {
    fn new(name: &'static str, a_minute: u32, by_user: bool) -> Self {
        let a_minute = NonZeroU32::new(a_minute).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::hashmap(Quota::per_minute(a_minute));
        let limiter = limiter.with_middleware::<StateInformationMiddleware>();
        Self { name, a_minute, by_user, is_shared: false, limiter, swept: Mutex::new(Instant::now()) }
    }

    fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// Counts a request in this process, and where all servers count together and it may be made, there.
    async fn count_with_others(&self, app: &App, client: Client) -> Standing {
        let own = self.count(client.clone());
        let (None, true, Client::Address(address)) = (own.wait, self.is_shared, client) else { return own };
        let client = address.to_string();
        let limit = SharedRateLimit { bucket: self.name, client: &client, a_minute: self.a_minute.get() };
        match app.count_with_others(limit).await {
            // A process that has begun again knows of none of them.
            Some(all) => Standing { left: own.left.min(all.left), wait: all.wait, ..own },
            None => own,
        }
    }

    fn count(&self, client: Client) -> Standing {
        self.sweep();
        let client = if self.limiter.len() >= MOST { Client::Crowd } else { client };
        let (name, a_minute) = (self.name, self.a_minute.get());
        match self.limiter.check_key(&client) {
            Ok(state) => Standing { name, a_minute, left: state.remaining_burst_capacity(), wait: None },
            Err(until) => {
                let wait = Some(until.wait_time_from(DefaultClock::default().now()));
                Standing { name, a_minute, left: 0, wait }
            }
        }
    }

    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = self.limiter.len() >= MOST && swept.elapsed() > Duration::from_secs(1);
        if is_full || swept.elapsed() > SWEEP {
            *swept = Instant::now();
            self.limiter.retain_recent();
        }
    }
}

impl Limits {
    pub(super) fn new(settings: &ServeSettings) -> Self {
        Self {
            passwords: Arc::new(Bucket::new("passwords", settings.passwords_a_minute, false).shared()),
            messages: Arc::new(Bucket::new("messages", settings.messages_a_minute, false).shared()),
            sessions: Arc::new(Bucket::new("sessions", settings.sessions_a_minute, false)),
            // Whoever wants out is not kept in.
            logout: Arc::new(Bucket::new("logout", settings.sessions_a_minute.max(LEAST_LOGOUTS), false)),
            requests: Arc::new(Bucket::new("requests", settings.requests_a_minute, true)),
        }
    }

    /// By other settings; a bucket whose limit stays remembers whom it has counted.
    pub(super) fn with(&self, settings: &ServeSettings) -> Self {
        let kept = |old: &Arc<Bucket>, new: Arc<Bucket>| {
            if old.a_minute == new.a_minute { Arc::clone(old) } else { new }
        };
        let new = Self::new(settings);
        Self {
            passwords: kept(&self.passwords, new.passwords),
            messages: kept(&self.messages, new.messages),
            sessions: kept(&self.sessions, new.sessions),
            logout: kept(&self.logout, new.logout),
            requests: kept(&self.requests, new.requests),
        }
    }

    /// How many clients each bucket remembers.
    pub(super) fn clients(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let all = [&self.passwords, &self.messages, &self.sessions, &self.logout, &self.requests];
        all.into_iter().map(|bucket| (bucket.name, bucket.limiter.len()))
    }

    /// The limit of a path; `None` where nothing is counted.
    fn of(&self, path: &str) -> Option<&Bucket> {
        match path {
            // Whoever watches the process must not be turned away.
            "/health" | "/ready" => None,
            "/auth/login" | "/auth/login/challenge" | "/auth/password" | "/auth/password/change" => {
                Some(&self.passwords)
            }
            "/auth/register" | "/auth/verify-email" | "/auth/forgot" | "/auth/resend" => Some(&self.messages),
            "/auth/refresh-token" | "/auth/switch" | "/oauth/token" | "/oauth/revoke" => Some(&self.sessions),
            "/auth/logout" => Some(&self.logout),
            _ => Some(&self.requests),
        }
    }
}

/// Counts a request, and turns it away where there were too many. Whose token it shows is known to the handler
/// from here on.
pub(super) async fn apply(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some(bucket) = api.0.limits.of(request.uri().path()) else { return next.run(request).await };
    let address = counted_address(&api, request.extensions(), request.headers());
    api.0.origins.note(address, client::is_forwarded(request.headers()));
    let verified = bucket.by_user.then(|| Verified::of(&api, request.headers())).flatten();
    let client = if let Some(verified) = verified {
        let user = Client::User(verified.0.realm(), verified.0.sub);
        request.extensions_mut().insert(verified);
        user
    } else {
        Client::Address(address)
    };
    let left = bucket.count_with_others(&api.0.app, client).await;
    let mut response = match left.wait {
        None => next.run(request).await,
        Some(wait) => refused(wait),
    };
    left.say(&mut response);
    response
}

/// The address that a client is counted by.
fn counted_address(api: &Api, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    client::network(client::address(peer, headers, &api.0.settings.trusted_proxies))
}

/// Where a request comes from, as it is counted.
pub(super) struct CountedAddress(IpAddr);

impl FromRequestParts<Api> for CountedAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self(counted_address(api, &parts.extensions, &parts.headers)))
    }
}

impl Api {
    /// Counts a wrong secret of a program like a password; the answer, where there were too many.
    pub(super) async fn count_wrong_secret(&self, from: &CountedAddress) -> Option<Response> {
        let counted = self.0.limits.passwords.count_with_others(&self.0.app, Client::Address(from.0));
        counted.await.wait.map(refused)
    }
}

fn refused(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let mut response = Problem::from(RequestError::TooMany { seconds }).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

impl Standing {
    fn say(&self, response: &mut Response) {
        let policy = format!("\"{}\";q={};w=60", self.name, self.a_minute);
        let reset = self.wait.map_or(0, |wait| wait.as_secs() + 1);
        let limit = format!("\"{}\";r={};t={reset}", self.name, self.left);
        for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_at_its_limit_and_others_do_not_suffer() {
        let bucket = Bucket::new("x", 3, false);
        let one = || Client::Address(IpAddr::from([192, 0, 2, 1]));
        for left in [2, 1, 0] {
            assert_eq!(bucket.count(one()).left, left);
        }
        assert!(bucket.count(one()).wait.is_some());
        assert!(bucket.count(Client::Address(IpAddr::from([192, 0, 2, 2]))).wait.is_none());
    }

    #[test]
    fn a_limit_that_stays_remembers_and_one_that_changes_begins_anew() {
        let settings = |passwords_a_minute, sessions_a_minute| {
            let mut settings = ServeSettings::default();
            (settings.passwords_a_minute, settings.sessions_a_minute) =
                (passwords_a_minute, sessions_a_minute);
            settings
        };
        let old = Limits::new(&settings(2, 2));
        let one = || Client::Address(IpAddr::from([192, 0, 2, 1]));
        assert_eq!((old.passwords.count(one()).left, old.sessions.count(one()).left), (1, 1));
        let new = old.with(&settings(2, 5));
        assert_eq!((new.passwords.count(one()).left, new.sessions.count(one()).left), (0, 4));
    }

    #[test]
    fn there_are_no_more_clients_than_fit() {
        let bucket = Bucket::new("x", 1_000, false);
        for n in 0..u32::try_from(MOST + 5_000).unwrap() {
            bucket.count(Client::Address(IpAddr::from(n.to_be_bytes())));
        }
        assert!(bucket.limiter.len() <= MOST + 1, "{}", bucket.limiter.len());
    }
}
