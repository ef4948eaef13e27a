//! Every hint of what makes, changes and places tenants leads on: its command is one that there is,
//! and where the same would happen again what a person must do comes first.

use nexus::cli::{grammar, hint};
use nexus::features::placement::{PlacementError, StoreNeed};
use nexus::features::provisioning::ProvisioningError;
use nexus::features::tenants::TenantError;
use nexus::infra::cluster::ClusterError;
use nexus::infra::objects::ObjectError;
use nexus::kernel::hint::PlaceKind;
use nexus::kernel::{Failure, OperationId};

fn text(text: &str) -> String {
    text.to_owned()
}

/// Errors of tenants' rows, places, servers and stores: all that name something to do.
fn errors() -> Vec<Box<dyn Failure>> {
    let now = time::OffsetDateTime::UNIX_EPOCH;
    let slug = || text("acme");
    let mut all: Vec<Box<dyn Failure>> = vec![
        Box::new(TenantError::NotFound { name: slug(), nearest: None }),
        Box::new(TenantError::NotFound { name: slug(), nearest: Some(text("acne")) }),
        Box::new(TenantError::Renamed { name: slug(), slug: text("acme-new"), since: now }),
        Box::new(TenantError::SlugTaken { slug: slug() }),
        Box::new(TenantError::Gone { slug: slug() }),
        Box::new(TenantError::Suspended { slug: slug(), reason: text("unpaid"), since: now }),
        Box::new(TenantError::Trashed { slug: slug(), purge_after: now }),
        Box::new(TenantError::NotActive { slug: slug(), state: "provisioning" }),
        Box::new(PlacementError::NotFound { what: PlaceKind::Cluster, name: text("eu1") }),
        Box::new(PlacementError::NotFound { what: PlaceKind::Store, name: text("s1") }),
        Box::new(PlacementError::NoRoom { what: PlaceKind::Cluster, name: None }),
        Box::new(PlacementError::Taken { what: PlaceKind::Store, name: text("s1") }),
        Box::new(PlacementError::SameServer { name: text("eu1") }),
        Box::new(PlacementError::Preparing { name: text("eu1") }),
        Box::new(PlacementError::NoneAnswers { what: PlaceKind::Store, passed: vec![text("s1: gone")] }),
        Box::new(PlacementError::Down { what: PlaceKind::Cluster, name: text("eu1") }),
        Box::new(PlacementError::InUse { what: PlaceKind::Cluster, name: text("eu1"), tenants: 3 }),
        Box::new(PlacementError::OfSettings { what: PlaceKind::Cluster }),
        Box::new(PlacementError::CannotScope { name: text("s1") }),
        Box::new(PlacementError::Incomplete { driver: "garage", needs: StoreNeed::AdminEndpoint }),
        Box::new(PlacementError::NoSessions { name: text("eu1"), limit: 5 }),
        Box::new(PlacementError::Busy),
        Box::new(PlacementError::NotSuperuser { user: text("nexus"), server: text("eu1") }),
        Box::new(PlacementError::ServerTooOld { version: 14, server: text("eu1") }),
    ];
    all.extend(provisioning().into_iter().map(|error| Box::new(error) as Box<dyn Failure>));
    all
}

/// What stops an operation, and whether a person must act before it can go on.
fn causes() -> Vec<(ProvisioningError, bool)> {
    let held = |database: Option<&str>| ClusterError::HeldBy {
        what: text("role nx1"),
        by: text("it owns table bills"),
        database: database.map(text),
        command: text("reassign owned by nx1 to NEW_OWNER"),
    };
    let endpoint = || text("https://store.example.com");
    vec![
        (held(Some("shop")).into(), true),
        (held(None).into(), true),
        (
            ClusterError::HeldUp {
                what: text("role nx1"),
                by: text("prepared transaction two"),
                command: text("rollback prepared 'two'"),
            }
            .into(),
            true,
        ),
        (ProvisioningError::OpenInTrash { slug: text("acme"), cluster: text("eu1") }, true),
        (ClusterError::Foreign { what: text("role nx1") }.into(), true),
        (ClusterError::InUse { what: text("schema nexus"), by: text("a view") }.into(), true),
        (ClusterError::Collation { database: text("shop") }.into(), true),
        (ClusterError::Missing { what: text("role nx1") }.into(), true),
        (ClusterError::StillOpen { database: text("nx1"), count: 2 }.into(), false),
        (ObjectError::Foreign { what: text("bucket nx1") }.into(), true),
        (ObjectError::Missing { what: text("key NX1") }.into(), true),
        (ObjectError::Unavailable { endpoint: endpoint(), reason: text("gone") }.into(), false),
        (ObjectError::Down { endpoint: endpoint() }.into(), false),
        (ObjectError::Busy { endpoint: endpoint(), status: 503 }.into(), false),
        (ObjectError::Ill { endpoint: endpoint(), status: 500 }.into(), false),
        (ObjectError::Full { endpoint: endpoint() }.into(), false),
        (ObjectError::Fenced.into(), false),
        (ProvisioningError::Lost { slug: text("acme"), what: text("database nx1") }, true),
        (ProvisioningError::NotIsolated(text("role nx1 was let in")), true),
        (ProvisioningError::NotUsable(text("a row was not read")), true),
        (ProvisioningError::PasswordChanged { slug: text("acme") }, true),
    ]
}

fn provisioning() -> Vec<ProvisioningError> {
    let (id, slug) = (OperationId::new(), || text("acme"));
    let progress = |operation, kind: &str, running| ProvisioningError::InProgress {
        slug: slug(),
        operation,
        kind: text(kind),
        running,
    };
    let mut all = vec![
        ProvisioningError::SlugTaken {
            slug: slug(),
            differences: vec![nexus::features::provisioning::Difference {
                what: "name",
                is: text("Acme"),
                given: text("acme"),
            }],
        },
        progress(Some(id), "create", true),
        progress(Some(id), "create", false),
        progress(Some(id), "purge", false),
        progress(None, "", true),
        progress(None, "", false),
        ProvisioningError::NoOperation { id },
        ProvisioningError::UnknownKind { id, kind: text("move") },
        ProvisioningError::Over { id, state: text("done"), verb: "resume" },
        ProvisioningError::OnlyForward { id, kind: text("purge"), slug: slug() },
        ProvisioningError::OnlyForward { id, kind: text("repair"), slug: slug() },
    ];
    for kind in
        ["create", "claim", "pool", "adopt", "suspend", "resume", "delete", "undelete", "purge", "repair"]
    {
        all.extend(causes().into_iter().map(|(source, _)| stopped(id, kind, source)));
    }
    all.extend(causes().into_iter().map(|(source, _)| source));
    all
}

fn stopped(operation: OperationId, kind: &str, source: ProvisioningError) -> ProvisioningError {
    let (kind, slug, source) = (text(kind), text("acme"), Box::new(source));
    ProvisioningError::Stopped { operation, kind, slug, rolled_back: false, passing: false, source }
}

/// The command in a hint, as words.
fn command(hint: &str) -> Option<Vec<String>> {
    let start = hint.find("nexus ")?;
    // Words of the sentence come after a comma.
    let line = hint[start..].split(", ").next().unwrap();
    let stands_for = |word: &str| match word {
        "SLUG" | "NAME" => text("acme"),
        "N" => text("5"),
        other => text(other),
    };
    Some(line.split_whitespace().map(stands_for).collect())
}

#[test]
fn every_command_in_a_hint_is_one_that_there_is() {
    for error in errors() {
        for hint in error.hints().iter().map(hint::sentence) {
            let Some(words) = command(&hint) else { continue };
            let parsed = grammar().try_get_matches_from(&words);
            let refused = parsed.err().map(|error| error.kind());
            // What a sentence leaves open ("with the same settings") is not wrong.
            let open = [None, Some(clap::error::ErrorKind::MissingRequiredArgument)];
            let file = hint.contains("FILE") || hint.contains("PATH");
            assert!(open.contains(&refused) || file, "{}: {hint}: {refused:?}", error.code());
        }
    }
}

#[test]
fn every_error_names_a_way_on() {
    for error in errors() {
        assert!(!error.hints().is_empty(), "{}: {error}", error.code());
    }
}

#[test]
fn what_would_stop_again_is_not_the_first_thing_to_be_tried() {
    let id = OperationId::new();
    for kind in ["create", "adopt", "suspend", "resume", "delete", "undelete", "purge", "repair"] {
        for (source, by_hand) in causes() {
            let what = source.to_string();
            let gone = matches!(
                source,
                ProvisioningError::Cluster(ClusterError::Missing { .. })
                    | ProvisioningError::Objects(ObjectError::Missing { .. })
            );
            let hints: Vec<String> = stopped(id, kind, source).hints().iter().map(hint::sentence).collect();
            let first = hints.first().unwrap();
            if by_hand && !(gone && matches!(kind, "purge" | "repair")) {
                assert!(!first.contains("operation resume"), "{kind}: {what}: {hints:?}");
            }
        }
    }
}
