//! Object stores: whether they answer, let us in, and tell the right time.

use std::sync::Arc;

use time::OffsetDateTime;

use super::model::Group;
use super::server;
use crate::features::placement::DEFAULT;
use crate::infra::objects::{ObjectError, ObjectStore, clock};
use crate::kernel::hint::{LocalAction, PlaceAction, PlaceKind, PlatformAction};
use crate::kernel::{ErrorKind, Finding, Hint};

const GROUP: Group = Group::Store;
/// HTTP's date counts whole seconds (RFC 9110, section 5.6.7).
const GRAIN: f64 = 1.0;

/// A store that is looked at.
#[derive(Clone)]
pub(super) struct StoreSubject {
    pub(super) name: String,
    pub(super) driver: Arc<dyn ObjectStore>,
    pub(super) shared_key: bool,
    pub(super) embedded: bool,
}

/// Looks at one store.
pub(super) async fn examine(store: StoreSubject, patience: std::time::Duration) -> Vec<Finding> {
    let endpoint = store.driver.endpoint().to_owned();
    let name = store.name.clone();
    let check = tokio::time::timeout(patience, store.driver.check());
    let date = tokio::time::timeout(patience, async {
        let before = OffsetDateTime::now_utc();
        let theirs = clock::server_date(&endpoint).await?;
        Ok::<_, String>((before, theirs, OffsetDateTime::now_utc()))
    });
    let (checked, dated) = tokio::join!(check, date);
    let reachable = match checked {
        Ok(Ok(())) => {
            Finding::ok(GROUP, "reachable", &name, format!("{endpoint} lets us make buckets and keys"))
        }
        Ok(Err(error)) => refused(&store, &error),
        Err(_) => down(&store, format!("no answer from {endpoint} within {} s", patience.as_secs())),
    };
    let clock = match dated {
        Ok(Ok((before, Some(theirs), after))) => server::skew((GROUP, &name), (before, theirs, after), GRAIN),
        Ok(Ok((_, None, _))) => Finding::skipped(GROUP, "clock", &name, "its answers have no date"),
        // Said already.
        _ if reachable.is_fault() => Finding::skipped(GROUP, "clock", &name, "it does not answer"),
        Ok(Err(reason)) => Finding::unchecked((GROUP, "clock"), &name, &reason),
        Err(_) => Finding::unchecked((GROUP, "clock"), &name, "no answer"),
    };
    vec![reachable, tls(&name, &endpoint), clock, keys(&store)]
}

fn down(store: &StoreSubject, found: String) -> Finding {
    let fix = match (store.embedded, store.name.as_str()) {
        (true, _) => Hint::from(LocalAction::Start),
        (_, DEFAULT) => Hint::from(format!(
            "curl -sI {}  # start the store, or correct [context.NAME.store] endpoint",
            store.driver.endpoint()
        )),
        (_, name) => PlaceAction::Check(PlaceKind::Store, Some(name.to_owned())).into(),
    };
    Finding::problem((GROUP, "reachable"), ErrorKind::Unavailable, &store.name, found).fix(fix)
}

fn refused(store: &StoreSubject, error: &ObjectError) -> Finding {
    let finding = down(store, error.to_string());
    match (error, store.name.as_str()) {
        (ObjectError::Refused { .. }, DEFAULT) => {
            let correct = "correct what [context.NAME.store] admin_token refers to";
            finding.fix(Hint::new(correct, PlatformAction::ShowSettings))
        }
        (ObjectError::Refused { .. }, name) => {
            finding.fix(PlaceAction::SetCredentials(PlaceKind::Store, Some(name.to_owned())))
        }
        _ => finding,
    }
}

fn tls(name: &str, endpoint: &str) -> Finding {
    let authority = endpoint.split("//").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    if endpoint.starts_with("https:") {
        return Finding::ok(GROUP, "tls", name, "encrypted");
    }
    if server::is_here(host) {
        return Finding::ok(GROUP, "tls", name, "not encrypted, on this machine");
    }
    let found = format!("keys and objects go to {host} without encryption");
    Finding::warning(GROUP, "tls", name, found)
        .fix(Hint::new("give the endpoint as https://", PlatformAction::ShowSettings))
}

fn keys(store: &StoreSubject) -> Finding {
    if !store.shared_key {
        return Finding::ok(GROUP, "keys", &store.name, "every tenant has a key of its own");
    }
    let found = "every tenant has the same key: they are not isolated here";
    Finding::warning(GROUP, "keys", &store.name, found).fix(Hint::new(
        "add one that makes a key for each tenant, and place no more here",
        PlaceAction::Drain(PlaceKind::Store, store.name.clone()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Severity;

    #[test]
    fn an_endpoint_elsewhere_without_encryption_is_worth_a_word() {
        for fine in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost", "https://s3.example"] {
            assert_eq!(tls("s", fine).severity, Severity::Ok, "{fine}");
        }
        assert_eq!(tls("s", "http://s3.example:9000").severity, Severity::Warning);
    }
}
