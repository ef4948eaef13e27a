//! The steps of making a tenant, closing and opening it, and taking it away. Each looks at the world, acts, and can take
//! its effect back.
//!
//! ```text
//! create  reserve ─┬─ roles ── database ── privileges ─┬─ seed ────────────┬─ activate
//!                  │                                   ├─ prove-isolation ─┤
//!                  │                                   ├─ prove-database ──┤
//!                  └─ bucket ── key ── seal ── prove-store ────────────────┘
//! close   record, close-logins, disable-key
//! open    open-logins ─┬─ record
//!         enable-key ──┘
//! purge   look ── close-logins ─┬─ key ── bucket ──┬─ release
//!                               └─ database ─ roles┘
//!
//! Of a database that was there before Nexus:
//! adopt   reserve ─┬─ isolate ──────────────────────────┬─ activate
//!                  ├─ realm ── privileges ── prove-database ─┤
//!                  └─ bucket ── key ── seal ── prove-store ──┘
//! purge   look ── open-logins ─┬─ isolate ────────────────┬─ release
//!                              └─ realm ── key ── bucket ─┘
//! ```

mod access;
mod adopt;
mod keep;
mod lifecycle;
mod prove;
mod reconcile_grants;
mod remove;
mod server;
mod store;

pub(super) use access::lets_in;

use super::error::ProvisioningError;
use super::plan::Plan;
use crate::infra::saga::Step;

/// A step of an operation on a tenant.
pub(super) type TenantStep = Box<dyn Step<Plan, ProvisioningError>>;

/// What must be done before a new tenant is used.
const BEFORE_USE: &[&str] = &["seed", "prove-isolation", "prove-database", "prove-store"];

/// The steps of making a tenant.
pub(super) fn create() -> Vec<TenantStep> {
    vec![
        Box::new(lifecycle::Reserve),
        Box::new(server::MakeRoles),
        Box::new(store::MakeBucket),
        Box::new(store::MakeKey),
        Box::new(store::Seal),
        Box::new(server::MakeDatabase),
        Box::new(server::Grant),
        Box::new(lifecycle::Seed { after: &["privileges"] }),
        Box::new(prove::Isolation),
        Box::new(prove::DatabaseUse),
        Box::new(prove::StoreUse),
        Box::new(lifecycle::Activate { after: BEFORE_USE }),
    ]
}

/// The steps of making a tenant for the pool: all but what depends on whose it will be.
pub(super) fn pool() -> Vec<TenantStep> {
    let mut steps = create();
    steps.retain(|step| !matches!(step.name(), "seed" | "activate"));
    steps.push(Box::new(lifecycle::Park));
    steps
}

/// The steps of giving a pooled tenant to whom asked for one.
pub(super) fn claim() -> Vec<TenantStep> {
    use keep::PrecreatedTenant;
    vec![
        Box::new(lifecycle::Reserve),
        Box::new(PrecreatedTenant(server::MakeRoles)),
        Box::new(PrecreatedTenant(store::MakeBucket)),
        Box::new(PrecreatedTenant(store::MakeKey)),
        Box::new(PrecreatedTenant(server::MakeDatabase)),
        Box::new(lifecycle::Seed { after: &["reserve"] }),
        Box::new(lifecycle::Activate { after: &["seed"] }),
    ]
}

/// The steps of taking a database that is there under Nexus.
pub(super) fn adopt() -> Vec<TenantStep> {
    vec![
        Box::new(lifecycle::Reserve),
        Box::new(store::MakeBucket),
        Box::new(store::MakeKey),
        Box::new(store::Seal),
        Box::new(adopt::Isolate),
        Box::new(adopt::MakeRealm),
        Box::new(adopt::GrantRealm),
        Box::new(prove::DatabaseUse),
        Box::new(prove::StoreUse),
        Box::new(lifecycle::Activate { after: &["isolate", "prove-database", "prove-store"] }),
    ]
}

/// The steps of handing such a database back, and taking away what Nexus made. The database, its
/// logins and its data stay. Nothing is destroyed before schema `nexus` is known to go.
pub(super) fn hand_back() -> Vec<TenantStep> {
    use adopt::HandBack;
    use remove::Remove;
    vec![
        Box::new(HandBack::Look),
        Box::new(HandBack::Logins),
        Box::new(HandBack::Public),
        Box::new(HandBack::Realm),
        Box::new(Remove::of(store::MakeKey, &["realm"])),
        Box::new(Remove::of(store::MakeBucket, &["key"])),
        Box::new(Remove::named("release", lifecycle::Reserve, &["isolate", "bucket"])),
    ]
}

/// The steps of putting an adopted tenant right: what Nexus made and what it switches, never the
/// database and its logins themselves.
pub(super) fn repair_adopted() -> Vec<TenantStep> {
    vec![
        Box::new(lifecycle::Reserve),
        Box::new(store::MakeBucket),
        Box::new(store::MakeKey),
        Box::new(store::Seal),
        Box::new(adopt::Found),
        Box::new(adopt::Logins),
        Box::new(adopt::After { step: adopt::MakeRealm, after: &["logins"] }),
        Box::new(adopt::GrantRealm),
        Box::new(access::KeyUse),
    ]
}

/// The steps of taking a tenant away.
pub(super) fn purge() -> Vec<TenantStep> {
    use remove::{Look, Remove};
    vec![
        Box::new(Look),
        Box::new(access::Close::after_a_look()),
        Box::new(Remove::of(store::MakeKey, &["close-logins"])),
        Box::new(Remove::of(store::MakeBucket, &["key"])),
        Box::new(Remove::of(server::MakeDatabase, &["close-logins"])),
        Box::new(Remove::of(server::MakeRoles, &["database"])),
        Box::new(Remove::named("release", lifecycle::Reserve, &["bucket", "roles"])),
    ]
}

/// The steps of letting nobody in: suspending a tenant, and putting it into the trash. The
/// tenant's state changes with the intent.
pub(super) fn close() -> Vec<TenantStep> {
    vec![Box::new(access::Closed), Box::new(access::Close::at_once()), Box::new(access::DisableKey)]
}

/// The steps of letting the tenant in again. Its state changes at the end.
pub(super) fn open() -> Vec<TenantStep> {
    vec![Box::new(access::OpenLogins), Box::new(access::EnableKey), Box::new(access::Opened)]
}

/// The steps of putting a tenant right, open or closed. It has no proof of isolation of its own: that
/// belongs to making a tenant, and to a fleet-wide proof.
pub(super) fn repair() -> Vec<TenantStep> {
    vec![
        Box::new(lifecycle::Reserve),
        Box::new(server::MakeRoles),
        Box::new(store::MakeBucket),
        Box::new(store::MakeKey),
        Box::new(store::Seal),
        Box::new(server::MakeDatabase),
        Box::new(server::Grant),
        Box::new(access::Logins),
        Box::new(access::KeyUse),
        Box::new(reconcile_grants::ReconcileGrants),
    ]
}

/// The names of an operation's steps, and whether each begins with the intent.
pub(super) fn outline(steps: &[TenantStep]) -> Vec<(&'static str, bool)> {
    steps.iter().map(|step| (step.name(), step.after().is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_waits_only_for_steps_that_stand_before_it() {
        let made = [create(), pool(), claim(), close(), open(), purge(), repair()];
        for steps in made.into_iter().chain([adopt(), hand_back(), repair_adopted()]) {
            let mut seen: Vec<&str> = Vec::new();
            for step in &steps {
                assert!(step.after().iter().all(|name| seen.contains(name)), "{}", step.name());
                seen.push(step.name());
            }
        }
    }

    #[test]
    fn a_tenant_is_activated_only_after_every_other_step() {
        for steps in [create(), adopt()] {
            let mut reached = vec!["activate"];
            let mut index = 0;
            while index < reached.len() {
                let step = steps.iter().find(|step| step.name() == reached[index]).unwrap();
                reached.extend(
                    step.after().iter().filter(|name| !reached.contains(name)).copied().collect::<Vec<_>>(),
                );
                index += 1;
            }
            assert_eq!(reached.len(), steps.len());
        }
    }
}
