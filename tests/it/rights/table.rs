//! Every function of the services with the permission that it asks for, and how it is called.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use nexus::app;
use nexus::features::events::{self, EventQuery, Patterns, StartPosition};
use nexus::features::fleet::{
    self, ExecPlan, ExecRequest, RehearseRequest, Request, RunFilter, RunView, Selection, Statement,
    VerifyRequest, Wanted, Waves,
};
use nexus::features::iam::custom_fields::{
    self, AppliesTo, CustomFieldType, CustomFieldUpdate, FieldRef, NewCustomField,
};
use nexus::features::iam::users::{ImportReport, ImportRow, Imported, Invite, RowState, UserUpdate};
use nexus::features::iam::{self, FirstPassword, groups, operators, permissions, roles, signin, users};
use nexus::features::inspection::{self, Inspected, Proof};
use nexus::features::installation::Setup;
use nexus::features::notifications::{arrival, provider, suppressions};
use nexus::features::placement::{
    self, AddCluster, AddStore, Cluster, Driver, PlaceChange, PlacementRequest, ServerPlace, StorePlace,
};
use nexus::features::provisioning::{
    AdoptRequest, Batch, BatchOptions, Change, CreateRequest, Direction, Facility, OperationFilter,
    OperationView, PoolView, Provisioning, RepairSelection, plan_create,
};
use nexus::features::templates;
use nexus::features::tenants::{self, NewTenant, Profile, Selector, TenantFilter, TenantSort};
use nexus::features::tokens::{
    ApiKeyFilter, Before, Impersonation, IssuedFilter, MintRequest, NewApiKey, NewToken, Presented,
    Revocation, TokenError, Verifier,
};
use nexus::features::usage::{self, Month};
use nexus::features::{
    audit, business, doctor, files, jobs, messages, migrations, notifications, relay, services, subscribers,
    webhooks,
};
use nexus::infra::circuit::Circuits;
use nexus::infra::crypto::signing::Algorithm;
use nexus::infra::dns::Dns;
use nexus::infra::outbound::{Outbound, Policy};
use nexus::infra::smtp::SmtpServer;
use nexus::kernel::ids::RunId;
use nexus::kernel::progress::Silent;
use nexus::kernel::{
    AnyFailure, Caller, Description, Expected, JobId, Labels, OperationId, Page, Progress, SecretString,
    Total, WebhookId,
};
use nexus::settings::SmtpTls;
use serde_json::Map;
use time::OffsetDateTime;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Thing};

/// Of which realm the permission is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The platform's.
    Platform,
    /// The platform's, for whoever is not of the tenant itself.
    Enter,
    /// That of the users it is about; operators are not at home in a tenant's.
    Realm,
    /// The same for what is the business's own: patterns such as `*:read` give it.
    Business,
    /// The same, where operators may do by the platform's realm what they may do in all.
    Tokens,
    /// None: who holds the platform's credentials.
    Machine,
}

type Call = for<'a> fn(&'a mut Desk, &'a Caller, &'a Thing) -> LocalBoxFuture<'a, Result<(), AnyFailure>>;

pub struct Row {
    /// As `tests/services` names it.
    pub name: &'static str,
    pub permission: &'static str,
    pub scope: Scope,
    pub call: Call,
}

const PAGE: Page = Page { page: 1, limit: 10 };

static SUBSCRIBER: subscribers::Subscriber = subscribers::Subscriber { name: "test.rights", pattern: "*" };
const TO_NOBODY: subscribers::Announcement<'static> = subscribers::Announcement { all: &[], by_job: &[] };

/// Runs a call with what it borrows.
macro_rules! rows {
    ($($scope:ident $name:literal $permission:literal |$d:ident, $c:ident, $t:ident| $call:expr;)*) => {
        vec![$(Row {
            name: $name,
            permission: $permission,
            scope: Scope::$scope,
            call: |$d, $c, $t| Box::pin(async move {
                let _ = &$t;
                let _ = $call.await.map_err(AnyFailure::from)?;
                Ok(())
            }),
        }),*]
    };
}

fn wanted_jobs() -> jobs::ClaimRequest<'static> {
    const KINDS: &[(&str, jobs::KindCapacity)] =
        &[("message.send", jobs::KindCapacity { more: 1, of_tenant: 1 })];
    jobs::ClaimRequest {
        most: 1,
        kinds: KINDS,
        are_all_kinds: true,
        of_tenant: 1,
        looks_deep: true,
        held: &[],
    }
}

fn job(thing: &Thing) -> jobs::ClaimedJob {
    jobs::ClaimedJob {
        id: JobId::new(),
        kind: messages::SEND.name.to_owned(),
        tenant: thing.row.id,
        payload: serde_json::Value::Null,
        attempt: 1,
        fence: 1,
        asked_again: false,
    }
}

fn newest() -> EventQuery {
    EventQuery { from: StartPosition::Now, types: Patterns::default(), limit: 10 }
}

fn this_month() -> Month {
    Month::of(OffsetDateTime::now_utc())
}

fn new_tenant(thing: &Thing) -> NewTenant {
    let slug = format!("x-{}", thing.row.slug).parse().unwrap();
    NewTenant { slug, name: None, admin_email: None, labels: Labels::new(), profile: Profile::default() }
}

fn sources() -> migrations::Sources {
    migrations::Sources::new(Vec::new(), nexus::settings::MigrationSettings::default())
}

fn request(thing: &Thing) -> Request {
    Request {
        selection: Selection::Names(vec![thing.tenant.clone()]),
        sets: Vec::new(),
        sources: sources(),
        to: None,
        only: None,
        waves: Waves::default(),
        settings: fleet::Settings::default(),
        lock_wait: std::time::Duration::ZERO,
        shard: None,
    }
}

fn exec(thing: &Thing) -> ExecRequest {
    ExecRequest {
        wanted: Wanted::Named(vec![thing.tenant.clone()]),
        statement: Statement::parse("select 1").unwrap(),
        write: false,
        jobs: 1,
        max_failures: None,
        statement_timeout: std::time::Duration::from_secs(1),
        lock_timeout: std::time::Duration::from_secs(1),
    }
}

fn create(thing: &Thing) -> CreateRequest {
    let wish = PlacementRequest { cluster: Some("nowhere".to_owned()), ..PlacementRequest::default() };
    CreateRequest { tenant: new_tenant(thing), admin_password: None, detach: false, wait: false, wish }
}

fn adopt(desk: &Desk, thing: &Thing) -> AdoptRequest {
    let login = desk.app.provisioning.control.database("no_such_database");
    let cluster = Some("nowhere".to_owned());
    AdoptRequest { tenant: new_tenant(thing), login, cluster, store: None, isolate: false }
}

/// A port that nobody listens at.
fn cluster() -> AddCluster {
    let place = ServerPlace {
        host: "127.0.0.1".to_owned(),
        port: 9,
        login: "nobody".to_owned(),
        database: "postgres".to_owned(),
        tls: "disable".to_owned(),
        ca_certificate: None,
    };
    let (password, labels) = (SecretString::from("x"), Labels::new());
    AddCluster {
        name: "elsewhere".parse().unwrap(),
        place,
        password,
        labels,
        capacity: None,
        connections: None,
    }
}

fn store() -> AddStore {
    let place = StorePlace {
        driver: Driver::Local,
        endpoint: "http://127.0.0.1:9".to_owned(),
        admin_endpoint: None,
        region: "local".to_owned(),
        access_key_id: None,
        shared_key: false,
    };
    let (secret, labels) = (SecretString::from("x"), Labels::new());
    AddStore { name: "elsewhere".parse().unwrap(), place, secret, labels, capacity: None }
}

fn one_by_one() -> BatchOptions {
    BatchOptions::new(1, None, false)
}

fn watch() -> (Arc<dyn Progress>, CancellationToken) {
    (Arc::new(Silent), CancellationToken::new())
}

fn pool(thing: &Thing) -> PoolView {
    PoolView { cluster: thing.place.clone(), store: thing.place.clone(), size: 0, ready: 0, outdated: 0 }
}

fn proof() -> Proof {
    let now = OffsetDateTime::UNIX_EPOCH;
    let text = || "x".to_owned();
    Proof {
        installation: text(),
        program: text(),
        began_at: now,
        ended_at: now,
        tenants: Vec::new(),
        pairs: 0,
        attempts: Vec::new(),
        breaches: Vec::new(),
        unclear: Vec::new(),
    }
}

fn template() -> templates::TemplateKey {
    let (kind, language) = ("account.invitation".parse().unwrap(), "de".parse().unwrap());
    templates::TemplateKey { kind, channel: templates::Channel::Email, language }
}

fn notification(thing: &Thing) -> notifications::NewNotification {
    let (subject, text) = ("News".parse().unwrap(), "There is news.".to_owned());
    notifications::NewNotification {
        kind: "app.news".parse().unwrap(),
        content: notifications::Content::Text { subject, text },
        to: vec![notifications::To::Address(thing.subject.email.parse().unwrap())],
        channel: None,
        data: Map::new(),
        priority: notifications::NotificationPriority::Normal,
        dedup_key: None,
        not_before: None,
    }
}

fn no_field() -> FieldRef {
    FieldRef::Id(uuid::Uuid::nil())
}

fn new_field() -> NewCustomField {
    NewCustomField {
        applies_to: AppliesTo::Users,
        name: "team".parse().unwrap(),
        kind: CustomFieldType::Text,
        choices: Vec::new(),
        required: false,
        description: Description::default(),
    }
}

fn new_user() -> iam::model::NewUser {
    iam::model::NewUser {
        email: "new@there.example".parse().unwrap(),
        name: None,
        profile: Map::new(),
        fields: Map::new(),
        roles: Vec::new(),
        groups: Vec::new(),
    }
}

fn rows_of_users() -> Vec<ImportRow> {
    vec![ImportRow { line: 1, user: new_user(), password: None, state: RowState::UNSAID }]
}

/// Keeps nothing of what it hears.
struct Unheard;

impl ImportReport for Unheard {
    fn invitations(&mut self, _: &[(&str, &SecretString)]) -> Result<(), AnyFailure> {
        Ok(())
    }

    fn rows(&mut self, _: Vec<Imported>) -> Result<(), AnyFailure> {
        Ok(())
    }
}

fn grant(thing: &Thing) -> operators::NewGrant {
    let until = operators::Until::For(std::time::Duration::from_mins(1));
    operators::NewGrant {
        operator: thing.user.clone(),
        role: thing.role.clone(),
        until,
        reason: "why".parse().unwrap(),
    }
}

/// All of them.
pub fn rows() -> Vec<Row> {
    let mut all = platform();
    all.extend(work());
    all.extend(of_tokens());
    all.extend(of_realms());
    all.extend(of_files());
    all
}

/// The realm that is asked about. Nobody gets as far as its bucket.
struct FilesAt<'d>(Mutex<&'d mut iam::Realm>);

impl files::Reach for FilesAt<'_> {
    type Realm<'a>
        = MappedMutexGuard<'a, iam::Realm>
    where
        Self: 'a;

    async fn realm(&self) -> Result<MappedMutexGuard<'_, iam::Realm>, AnyFailure> {
        Ok(MutexGuard::map(self.0.lock().await, |realm| &mut **realm))
    }

    fn most_bytes(&self) -> Option<i64> {
        None
    }

    async fn expect_sweep(&self) -> Result<(), AnyFailure> {
        Ok(())
    }

    async fn bucket(&self) -> Result<files::Bucket, AnyFailure> {
        Err(files::FilesError::NoBucket.into())
    }
}

/// The same of a tenant. Nobody gets as far as its database.
struct BusinessAt<'d>(FilesAt<'d>, &'d tenants::Tenant);

impl files::Reach for BusinessAt<'_> {
    type Realm<'a>
        = MappedMutexGuard<'a, iam::Realm>
    where
        Self: 'a;

    async fn realm(&self) -> Result<MappedMutexGuard<'_, iam::Realm>, AnyFailure> {
        self.0.realm().await
    }

    fn most_bytes(&self) -> Option<i64> {
        None
    }

    async fn expect_sweep(&self) -> Result<(), AnyFailure> {
        self.0.expect_sweep().await
    }

    async fn bucket(&self) -> Result<files::Bucket, AnyFailure> {
        self.0.bucket().await
    }
}

impl business::Reach for BusinessAt<'_> {
    type Database<'a>
        = Box<business::Database>
    where
        Self: 'a;

    fn tenant(&self) -> &tenants::Tenant {
        self.1
    }

    async fn database(&self) -> Result<Box<business::Database>, AnyFailure> {
        Err(files::FilesError::NoBucket.into())
    }
}

fn new_webhook() -> webhooks::NewWebhook {
    webhooks::NewWebhook {
        url: "https://hooks.acme.example/".to_owned(),
        description: Description::default(),
        events: webhooks::EventPatterns::new(vec!["*".parse().unwrap()]).unwrap(),
        with_key_pair: false,
    }
}

fn new_service() -> services::NewService {
    services::NewService {
        name: service_name(),
        version: services::ServiceVersion::FIRST,
        url: "https://preview.acme.example/".to_owned(),
        permission: None,
        description: Description::default(),
        timeout: services::CallTimeout::default(),
    }
}

fn service_name() -> services::ServiceName {
    "mail.preview".parse().unwrap()
}

fn new_file() -> files::NewFile {
    files::NewFile {
        name: "a".parse().unwrap(),
        content_type: "text/plain".parse().unwrap(),
        size: 1.try_into().unwrap(),
        sha256: None,
        attached_to: None,
    }
}

/// Files of a realm.
fn of_files() -> Vec<Row> {
    rows! {
        Business "files::list" "file:read" |d, c, t| async move {
            files::list(&mut d.realm, c, &files::FileFilter::default(), (PAGE, Total::Exact)).await
        };
        Business "files::usage" "file:read" |d, c, t| files::usage(&mut d.realm, c);
        Realm "webhooks::list" "webhook:read" |d, c, t| webhooks::list(&mut d.realm, c);
        Realm "webhooks::get" "webhook:read" |d, c, t| webhooks::get(&mut d.realm, c, WebhookId::new());
        Realm "webhooks::deliveries" "webhook:read" |d, c, t| async move {
            let filter = webhooks::DeliveryFilter::of(WebhookId::new());
            webhooks::deliveries(&mut d.realm, c, &filter, PAGE).await
        };
        Realm "webhooks::page_of_deliveries" "webhook:read" |d, c, t| async move {
            let filter = webhooks::DeliveryFilter::of(WebhookId::new());
            webhooks::page_of_deliveries(&mut d.realm, c, &filter, (PAGE, Total::Exact)).await
        };
        Realm "webhooks::delivery" "webhook:read" |d, c, t|
            webhooks::delivery(&mut d.realm, c, (WebhookId::new(), t.subject.id));
        Realm "webhooks::create" "webhook:create" |d, c, t| async move {
            webhooks::create(&mut d.realm, c, &Policy::default(), &new_webhook()).await
        };
        Realm "webhooks::update" "webhook:update" |d, c, t| async move {
            let change = (WebhookId::new(), &webhooks::WebhookChange::default());
            webhooks::update(&mut d.realm, c, &Policy::default(), change).await
        };
        Realm "webhooks::rotate" "webhook:update" |d, c, t|
            webhooks::rotate(&mut d.realm, c, WebhookId::new());
        Realm "webhooks::enable" "webhook:update" |d, c, t|
            webhooks::enable(&mut d.realm, c, WebhookId::new());
        Realm "webhooks::disable" "webhook:update" |d, c, t|
            webhooks::disable(&mut d.realm, c, WebhookId::new());
        Realm "webhooks::redeliver" "webhook:update" |d, c, t|
            webhooks::redeliver(&mut d.realm, c, (WebhookId::new(), t.subject.id));
        Realm "webhooks::replay" "webhook:update" |d, c, t|
            webhooks::replay(&mut d.realm, c, (WebhookId::new(), None));
        Realm "webhooks::test" "webhook:update" |d, c, t| async move {
            let outbound = Outbound::new(Policy::default());
            webhooks::test(&mut d.realm, c, &outbound, WebhookId::new()).await
        };
        Realm "webhooks::delete" "webhook:delete" |d, c, t|
            webhooks::delete(&mut d.realm, c, WebhookId::new(), &Expected::Any);
        Realm "services::list" "service:read" |d, c, t| services::list(&mut d.realm, c);
        Realm "services::get" "service:read" |d, c, t| async move {
            services::get(&mut d.realm, c, (&service_name(), None)).await
        };
        Realm "services::register" "service:create" |d, c, t| async move {
            services::register(&mut d.realm, c, &Policy::default(), &new_service()).await
        };
        Realm "services::heartbeat" "service:create" |d, c, t| async move {
            services::heartbeat(&mut d.realm, c, (&service_name(), None), "https://preview.acme.example/").await
        };
        Realm "services::remove" "service:delete" |d, c, t| async move {
            let which = services::Instance { name: service_name(), version: None, url: None };
            services::remove(&mut d.realm, c, &which).await
        };
        Realm "services::prepare" "service:call" |d, c, t| async move {
            let payload = serde_json::Value::Null;
            let call = services::ServiceCall { name: service_name(), version: None, payload, timeout: None };
            let circuits = Circuits::new(1);
            services::prepare(&mut d.realm, c, (&d.tokens, &circuits), &call).await
        };
        Machine "webhooks::plan" "webhook:deliver" |d, c, t| webhooks::plan(&mut d.app.control, c, &job(t));
        Business "business::usage" "usage:read" |d, c, t| async move {
            business::usage(&BusinessAt(FilesAt(Mutex::new(&mut d.realm)), &t.row), c, this_month()).await
        };
        Business "files::get" "file:read" |d, c, t| files::get(&mut d.realm, c, t.subject.id);
        Business "files::create" "file:create" |d, c, t| async move {
            files::create(&FilesAt(Mutex::new(&mut d.realm)), c, &new_file()).await
        };
        Business "files::renew_upload" "file:create" |d, c, t| async move {
            files::renew_upload(&FilesAt(Mutex::new(&mut d.realm)), c, t.subject.id).await
        };
        Business "files::sweep" "file:delete" |d, c, t| async move {
            files::sweep(&FilesAt(Mutex::new(&mut d.realm)), c).await
        };
        Business "files::complete" "file:create" |d, c, t| async move {
            files::complete(&FilesAt(Mutex::new(&mut d.realm)), c, t.subject.id).await
        };
        Business "files::download" "file:read" |d, c, t| async move {
            files::download(&FilesAt(Mutex::new(&mut d.realm)), c, t.subject.id).await
        };
        Business "files::update" "file:update" |d, c, t| async move {
            files::update(&mut d.realm, c, t.subject.id, &files::FileChange::default()).await
        };
        Business "files::delete" "file:delete" |d, c, t| async move {
            files::delete(&FilesAt(Mutex::new(&mut d.realm)), c, t.subject.id, &Expected::Any).await
        };
    }
}

/// Tenants, operations, places, secrets, the audit log.
#[expect(clippy::too_many_lines, reason = "a table")]
fn platform() -> Vec<Row> {
    rows! {
        Platform "audit::outline" "audit:read" |d, c, t|
            audit::outline(&mut d.app.control, c, audit::Period::default());
        Platform "audit::export" "audit:read" |d, c, t| {
            let watch = audit::Watch { progress: &Silent, stop: &d.stop };
            let (period, format) = (audit::Period::default(), audit::ExportFormat::Csv);
            audit::export(&mut d.app.control, c, period, format, watch, |_| Ok(()))
        };
        Platform "audit::verify" "audit:verify" |d, c, t| {
            let id = d.app.provisioning.installation.id;
            let watch = audit::Watch { progress: &Silent, stop: &d.stop };
            audit::verify(&mut d.app.control, c, id, Vec::new(), watch)
        };
        Platform "files::expect_sweep" "tenant:update" |d, c, t|
            files::expect_sweep(&mut d.app.control, c, t.row.id);
        Platform "files::claim_sweeps" "tenant:update" |d, c, t| files::claim_sweeps(&mut d.app.control, c);
        Platform "files::settle_sweep" "tenant:update" |d, c, t|
            files::settle_sweep(&mut d.app.control, c, t.row.id, files::SweepOutcome::NotInUse);
        Platform "audit::verify_part" "audit:verify" |d, c, t| audit::verify_part(&mut d.app.control, c, None);
        Platform "tenants::log" "audit:read" |d, c, t|
            tenants::log(&mut d.app.control, c, None, &audit::AuditFilter::default(), PAGE);
        Platform "audit::anchor" "audit:verify" |d, c, t| {
            let id = d.app.provisioning.installation.id;
            let watch = audit::Watch { progress: &Silent, stop: &d.stop };
            audit::anchor(&mut d.app.control, c, id, Vec::new(), watch)
        };
        Platform "tenants::get" "tenant:read" |d, c, t| tenants::get(&mut d.app.control, c, &t.tenant);
        Platform "tenants::find" "tenant:read" |d, c, t| tenants::find(&mut d.app.control, c, &t.tenant);
        Platform "usage::of" "tenant:read" |d, c, t| usage::of(&mut d.app.control, c, &t.tenant, this_month());
        Platform "usage::add" "tenant:update" |d, c, t| usage::add(&mut d.app.control, c, &[]);
        Enter "tenants::enter" "tenant:read" |d, c, t| tenants::enter(&mut d.app.control, c, &t.tenant);
        Platform "tenants::changed_since" "tenant:read" |d, c, t|
            tenants::changed_since(&mut d.app.control, c, None);
        Platform "tenants::select" "tenant:read" |d, c, t|
            tenants::select(&mut d.app.control, c, &Selector::default());
        Platform "tenants::label_keys" "tenant:read" |d, c, t| tenants::label_keys(&mut d.app.control, c);
        Platform "tenants::former_slugs" "tenant:read" |d, c, t|
            tenants::former_slugs(&mut d.app.control, c, t.row.id);
        Platform "tenants::slugs" "tenant:read" |d, c, t| tenants::slugs(&mut d.app.control, c, "a", 9);
        Platform "tenants::list" "tenant:read" |d, c, t|
            tenants::list(&mut d.app.control, c, &TenantFilter::default(), (TenantSort::Slug, false), PAGE);
        Platform "tenants::page" "tenant:read" |d, c, t| async move {
            let (filter, sort) = (TenantFilter::default(), (TenantSort::Slug, false));
            tenants::page(&mut d.app.control, c, &filter, sort, (PAGE, Total::Exact), None).await
        };
        Platform "tenants::each" "tenant:read" |d, c, t| {
            let filter = TenantFilter::default();
            async move {
                tenants::each(&mut d.app.control, c, &filter, (TenantSort::Slug, false), &mut |_| Ok(())).await
            }
        };
        Platform "tenants::update" "tenant:update" |d, c, t| async move {
            let change = tenants::Change { name: Some("Other".to_owned()), ..tenants::Change::default() };
            tenants::update(&mut d.app.control, c, &t.tenant, &change, false).await
        };
        Platform "provisioning::Provisioning::rename" "tenant:update" |d, c, t| async move {
            let slug = "renamed".parse().unwrap();
            d.app.provisioning.rename(&mut d.app.control, c, (&t.tenant, &slug), (&Expected::Any, false)).await
        };
        Platform "provisioning::Provisioning::allow" "tenant:update" |d, c, t|
            d.app.provisioning.allow(&mut d.app.control, c, &t.row, (Facility::LargeObjects, true), true);
        Platform "provisioning::Provisioning::sizes" "tenant:read" |d, c, t|
            d.app.provisioning.sizes(&mut d.app.control, c, &t.row);
        Platform "provisioning::Provisioning::create" "tenant:create" |d, c, t| async move {
            d.app.provisioning.create(&d.worker, c, &create(t), &Silent, &d.stop).await
        };
        Platform "provisioning::plan_create" "tenant:create" |d, c, t| async move {
            plan_create(Some(&mut d.app.control), c, (&new_tenant(t), None), &PlacementRequest::default()).await
        };
        Platform "provisioning::Provisioning::adopt" "tenant:create" |d, c, t| async move {
            d.app.provisioning.adopt(&d.worker, c, &adopt(d, t), &Silent, &d.stop).await
        };
        Platform "provisioning::Provisioning::look_at_adoption" "tenant:create" |d, c, t| async move {
            d.app.provisioning.look_at_adoption(&d.worker, c, &adopt(d, t)).await
        };
        Platform "provisioning::Provisioning::invitation" "tenant:create" |d, c, t|
            d.app.provisioning.invitation(&d.worker, c, t.row.id);
        Platform "provisioning::Provisioning::change" "tenant:suspend" |d, c, t|
            d.app.provisioning.change(&d.worker, c, &t.tenant, &Change::Resume, &Silent, &d.stop);
        Platform "provisioning::Provisioning::change (delete)" "tenant:delete" |d, c, t|
            d.app.provisioning.change(&d.worker, c, &t.tenant, &Change::Undelete, &Silent, &d.stop);
        Platform "provisioning::Provisioning::change (purge)" "tenant:purge" |d, c, t|
            d.app.provisioning.change(
                &d.worker, c, &t.tenant, &Change::Purge { only_if_due: true }, &Silent, &d.stop);
        Platform "provisioning::Provisioning::change (discard)" "pool:update" |d, c, t|
            d.app.provisioning.change(&d.worker, c, &t.tenant, &Change::Discard, &Silent, &d.stop);
        Platform "provisioning::Provisioning::look_at_change" "tenant:suspend" |d, c, t|
            d.app.provisioning.look_at_change(&d.worker, c, &t.tenant, &Change::Resume);
        Platform "provisioning::Provisioning::due" "tenant:read" |d, c, t| d.app.provisioning.due(&d.worker, c);
        Platform "provisioning::Provisioning::look" "tenant:repair" |d, c, t|
            d.app.provisioning.look(&d.worker, c, &t.tenant);
        Platform "provisioning::Provisioning::repair" "tenant:repair" |d, c, t|
            d.app.provisioning.repair(&d.worker, c, &t.tenant, &Silent, &d.stop);
        Platform "provisioning::Provisioning::repair_many" "tenant:repair" |d, c, t|
            d.app.provisioning.repair_many(
                &d.worker, c, RepairSelection::Named(Vec::new()), one_by_one(), watch(), &mut |_| Ok(()));
        Platform "provisioning::Provisioning::create_many" "tenant:create" |d, c, t|
            d.app.provisioning.create_many(
                &d.worker, c, Vec::new(), one_by_one(), watch(), &mut |_| Ok(()));
        Platform "provisioning::Provisioning::change_many" "tenant:purge" |d, c, t| async move {
            let what = (Vec::new(), Change::Purge { only_if_due: true });
            d.app.provisioning.change_many(&d.worker, c, what, one_by_one(), watch(), &mut |_| Ok(())).await
        };
        Platform "provisioning::Provisioning::update_many" "tenant:update" |d, c, t| async move {
            let what = (Vec::new(), tenants::Change::default());
            d.app.provisioning.update_many(&d.worker, c, what, one_by_one(), watch(), &mut |_| Ok(())).await
        };
        Platform "provisioning::OperationView::list" "operation:read" |d, c, t|
            OperationView::list(&mut d.app.control, c, &OperationFilter::default(), PAGE);
        Platform "provisioning::OperationView::show" "operation:read" |d, c, t|
            OperationView::show(&mut d.app.control, c, OperationId::new());
        Platform "provisioning::OperationView::page" "operation:read" |d, c, t|
            OperationView::page(&mut d.app.control, c, &OperationFilter::default(), (PAGE, Total::Exact));
        Platform "jobs::list" "job:read" |d, c, t|
            jobs::list(&mut d.app.control, c, &jobs::JobFilter::default(), PAGE);
        Platform "jobs::page" "job:read" |d, c, t|
            jobs::page(&mut d.app.control, c, &jobs::JobFilter::default(), (PAGE, Total::Exact));
        Platform "jobs::backlog" "job:read" |d, c, t|
            jobs::backlog(&mut d.app.control, c, &jobs::BacklogFilter::default());
        Platform "jobs::show" "job:read" |d, c, t| jobs::show(&mut d.app.control, c, JobId::new());
        Platform "jobs::retry" "job:retry" |d, c, t| jobs::retry(&mut d.app.control, c, JobId::new());
        Platform "jobs::cancel" "job:cancel" |d, c, t| jobs::cancel(&mut d.app.control, c, JobId::new());
        Platform "messages::failed" "notification:read" |d, c, t| messages::failed(&mut d.app.control, c, PAGE);
        Machine "jobs::wake" "job:run" |d, c, t| jobs::wake(&mut d.app.control, c);
        Machine "jobs::claim" "job:run" |d, c, t|
            jobs::claim(&mut d.app.control, c, t.row.id.uuid(), wanted_jobs());
        Machine "jobs::submit" "job:run" |d, c, t|
            jobs::submit(&mut d.app.control, c, (nexus::kernel::TenantId::PLATFORM, &[]));
        Machine "jobs::register_schedules" "job:run" |d, c, t|
            jobs::schedules::register_schedules(&mut d.app.control, c, &[]);
        Machine "jobs::run_due_schedules" "job:run" |d, c, t|
            jobs::schedules::run_due_schedules(&mut d.app.control, c, &[]);
        Platform "jobs::list_schedules" "job:read" |d, c, t|
            jobs::schedules::list_schedules(&mut d.app.control, c);
        Machine "jobs::renew" "job:run" |d, c, t|
            jobs::renew(&mut d.app.control, c, (t.row.id.uuid(), &[(JobId::new(), 1)]));
        Machine "jobs::settle" "job:run" |d, c, t| jobs::settle(&mut d.app.control, c, &[]);
        Platform "provisioning::Watches::watch" "operation:read" |d, c, t| async move {
            let watches = d.app.app.watches();
            watches.watch(&mut d.app.control, c, OperationId::new()).await
        };
        Platform "provisioning::Provisioning::queued" "operation:resume" |d, c, t|
            Provisioning::queued(&mut d.app.control, c, 1);
        Platform "provisioning::Provisioning::recorded_by" "operation:read" |d, c, t|
            Provisioning::recorded_by(&mut d.app.control, c, t.row.id.uuid());
        Platform "provisioning::Provisioning::carry_out_queued" "operation:resume" |d, c, t|
            d.app.provisioning.carry_out_queued(&d.worker, c, OperationId::new(), &Silent, &d.stop);
        Platform "provisioning::Provisioning::hand_over" "operation:resume" |d, c, t|
            d.app.provisioning.hand_over(&d.worker, c, OperationId::new());
        Platform "provisioning::Provisioning::operation" "operation:read" |d, c, t|
            d.app.provisioning.operation(&d.worker, c, OperationId::new());
        Platform "provisioning::Provisioning::unfinished" "operation:read" |d, c, t|
            d.app.provisioning.unfinished(&d.worker, c);
        Platform "provisioning::Provisioning::take_up" "operation:resume" |d, c, t|
            d.app.provisioning.take_up(
                &d.worker, c, OperationId::new(), Direction::Back, &Silent, &d.stop);
        Platform "provisioning::Batch::begin" "tenant:suspend" |d, c, t|
            Batch::begin(&mut d.app.control, c, ("suspend", 1), None);
        Platform "provisioning::Provisioning::way_back" "operation:read" |d, c, t|
            d.app.provisioning.way_back(&d.worker, c, d.batch);
        Platform "provisioning::Provisioning::reverse_many" "tenant:update" |d, c, t|
            d.app.provisioning.reverse_many(
                &d.worker, c, d.back.clone(), one_by_one(), watch(), &mut |_| Ok(()));
        Platform "provisioning::Provisioning::environment" "tenant:read" |d, c, t|
            d.app.provisioning.environment(&mut d.app.control, c, &t.row);
        Platform "provisioning::Concealed::disclose" "secret:reveal" |d, c, t| async move {
            let acme = super::acme(d).await;
            let opened = d.app.provisioning.environment(&mut d.app.control, &Caller::System, &acme).await?;
            opened.disclose(&mut d.app.control, c, ("tenant.env", "reveal")).await
        };
        Platform "provisioning::Concealed::disclose_login" "secret:reveal" |d, c, t| async move {
            let acme = super::acme(d).await;
            let opened = d.app.provisioning.environment(&mut d.app.control, &Caller::System, &acme).await?;
            opened.disclose_login(&mut d.app.control, c, ("tenant.psql", "session")).await
        };
        Platform "provisioning::Provisioning::secret_status" "secret:read" |d, c, t|
            d.app.provisioning.secret_status(&mut d.app.control, c);
        Platform "provisioning::Provisioning::pools" "pool:read" |d, c, t|
            d.app.provisioning.pools(&d.worker, c);
        Platform "provisioning::Provisioning::list_pools" "pool:read" |d, c, t|
            Provisioning::list_pools(&mut d.app.control, c);
        Platform "provisioning::Provisioning::set_pool" "pool:update" |d, c, t|
            d.app.provisioning.set_pool(&d.worker, c, (&t.place, &t.place), 0);
        Platform "provisioning::Provisioning::fill_pool" "pool:update" |d, c, t| async move {
            d.app.provisioning.fill_pool(&d.worker, c, &pool(t), 1, (&Silent, &d.stop)).await
        };
        Platform "placement::Placement::clusters" "cluster:read" |d, c, t|
            d.app.provisioning.placement.clusters(&mut d.app.control, c);
        Platform "placement::Placement::choices" "cluster:read" |d, c, t| async move {
            placement::Placement::choices(&mut d.app.control, c, &PlacementRequest::default()).await
        };
        Platform "placement::cluster_names" "cluster:read" |d, c, t|
            placement::cluster_names(&mut d.app.control, c);
        Platform "placement::Placement::show_cluster" "cluster:read" |d, c, t|
            d.app.provisioning.placement.show_cluster(&mut d.app.control, c, &t.place);
        Platform "placement::Placement::host" "cluster:read" |d, c, t|
            d.app.provisioning.placement.host(&mut d.app.control, c, &t.place);
        Platform "placement::Placement::add_cluster" "cluster:create" |d, c, t| async move {
            let id = d.app.provisioning.installation.id;
            d.app.provisioning.placement.add_cluster(&mut d.app.control, id, c, &cluster(), &Silent).await
        };
        Platform "placement::Placement::update_cluster" "cluster:update" |d, c, t| async move {
            let change = PlaceChange::default();
            d.app.provisioning.placement.update_cluster(&mut d.app.control, c, &t.place, &change).await
        };
        Platform "placement::Placement::change_password" "cluster:update" |d, c, t| async move {
            let password = SecretString::from("x");
            d.app.provisioning.placement.change_password(&mut d.app.control, c, &t.place, &password).await
        };
        Platform "placement::Placement::check_clusters" "cluster:update" |d, c, t|
            d.app.provisioning.placement.check_clusters(&mut d.app.control, c, &[t.place.parse().unwrap()]);
        Platform "placement::Placement::remove_cluster" "cluster:delete" |d, c, t| async move {
            let id = d.app.provisioning.installation.id;
            d.app.provisioning.placement.remove_cluster(&mut d.app.control, id, c, &t.place, false).await
        };
        Platform "placement::Placement::stores" "store:read" |d, c, t|
            d.app.provisioning.placement.stores(&mut d.app.control, c);
        Platform "placement::store_names" "store:read" |d, c, t| placement::store_names(&mut d.app.control, c);
        Platform "placement::Placement::show_store" "store:read" |d, c, t|
            d.app.provisioning.placement.show_store(&mut d.app.control, c, &t.place);
        Platform "placement::Placement::add_store" "store:create" |d, c, t| async move {
            d.app.provisioning.placement.add_store(&mut d.app.control, c, &store()).await
        };
        Platform "placement::Placement::update_store" "store:update" |d, c, t| async move {
            let change = PlaceChange::default();
            d.app.provisioning.placement.update_store(&mut d.app.control, c, &t.place, &change).await
        };
        Platform "placement::Placement::change_secret" "store:update" |d, c, t| async move {
            let secret = SecretString::from("x");
            d.app.provisioning.placement.change_secret(&mut d.app.control, c, &t.place, &secret).await
        };
        Platform "placement::Placement::check_stores" "store:update" |d, c, t|
            d.app.provisioning.placement.check_stores(&mut d.app.control, c, &[t.place.parse().unwrap()]);
        Platform "placement::Placement::remove_store" "store:delete" |d, c, t|
            d.app.provisioning.placement.remove_store(&mut d.app.control, c, &t.place);
    }
}

/// Migrations, runs, statements, examinations.
#[expect(clippy::too_many_lines, reason = "a table")]
fn work() -> Vec<Row> {
    rows! {
        Platform "migrations::set_names" "migration:read" |d, c, t| migrations::set_names(&mut d.app.control, c);
        Platform "migrations::set" "migration:read" |d, c, t| async move {
            migrations::set(&mut d.app.control, c, &sources(), &t.set).await
        };
        Platform "migrations::list_sets" "migration:read" |d, c, t| async move {
            migrations::list_sets(&mut d.app.control, c, &sources()).await
        };
        Platform "migrations::show_set" "migration:read" |d, c, t| async move {
            migrations::show_set(&mut d.app.control, c, &sources(), &t.set).await
        };
        Platform "migrations::lint::of_sets" "migration:read" |d, c, t| async move {
            let names = [t.set.parse().unwrap()];
            migrations::lint::of_sets(&mut d.app.control, c, (&names, &sources()), false).await
        };
        Platform "migrations::create_file" "migration:create" |d, c, t| async move {
            let set = t.set.parse().unwrap();
            let new =
                migrations::NewFile { set, words: "x".to_owned(), reversible: false, transaction: true };
            let now = OffsetDateTime::now_utc();
            migrations::create_file(&mut d.app.control, c, (&new, &sources()), now, true).await
        };
        Platform "migrations::add_set" "migration:create" |d, c, t| async move {
            let add = migrations::AddSet {
                name: "added".parse().unwrap(),
                source: "/nowhere".into(),
                history: "public.added".parse().unwrap(),
                depends_on: Vec::new(),
            };
            migrations::add_set(&mut d.app.control, c, (&add, &sources()), true).await
        };
        Platform "migrations::update_set" "migration:update" |d, c, t| async move {
            let (name, change) = (t.set.parse().unwrap(), migrations::SetChange::default());
            migrations::update_set(&mut d.app.control, c, &name, (&change, &sources()), true).await
        };
        Platform "migrations::remove_set" "migration:delete" |d, c, t| async move {
            migrations::remove_set(&mut d.app.control, c, &t.set.parse().unwrap(), false).await
        };
        Platform "migrations::check_removable" "migration:delete" |d, c, t|
            migrations::check_removable(&mut d.app.control, c, &t.set, false);
        Platform "fleet::status" "migration:read" |d, c, t| async move {
            let wanted = Wanted::Named(vec![t.tenant.clone()]);
            fleet::status(&mut d.app.control, c, (&wanted, &sources())).await
        };
        Platform "fleet::Fleet::plan" "migration:read" |d, c, t| async move {
            d.app.fleet().plan(&mut d.app.control, c, &request(t)).await
        };
        Platform "fleet::Fleet::migrate" "run:create" |d, c, t| async move {
            let watch = (&Silent as &dyn Progress, &d.stop);
            d.app.fleet().migrate(&mut d.app.control, c, &request(t), None, watch).await
        };
        Platform "fleet::Fleet::resume" "run:resume" |d, c, t| async move {
            let watch = (&Silent as &dyn Progress, &d.stop);
            d.app.fleet().resume(&mut d.app.control, c, run(), watch).await
        };
        Platform "fleet::Fleet::cancel" "run:cancel" |d, c, t| async move {
            d.app.fleet().cancel(&mut d.app.control, c, run()).await
        };
        Platform "fleet::Fleet::way_back" "run:rollback" |d, c, t| async move {
            d.app.fleet().way_back(&mut d.app.control, c, run(), fleet::Settings::default()).await
        };
        Platform "fleet::Fleet::roll_back" "run:rollback" |d, c, t| async move {
            let watch = (&Silent as &dyn Progress, &d.stop);
            d.app.fleet().roll_back(&mut d.app.control, c, run(), fleet::Settings::default(), watch).await
        };
        Platform "fleet::RunView::list" "run:read" |d, c, t|
            RunView::list(&mut d.app.control, c, &RunFilter::default(), PAGE);
        Platform "fleet::RunView::show" "run:read" |d, c, t| RunView::show(&mut d.app.control, c, run());
        Platform "fleet::RunView::tenants_of" "run:read" |d, c, t|
            RunView::tenants_of(&mut d.app.control, c, run());
        Platform "fleet::verify" "migration:verify" |d, c, t| async move {
            let wanted = Wanted::Named(vec![t.tenant.clone()]);
            let asked = VerifyRequest { wanted, sources: sources(), jobs: 1, differences: false, full: false };
            let reach = app::reach(&d.app.provisioning);
            fleet::verify(reach, &mut d.app.control, c, &asked, &Silent, &d.stop).await
        };
        Platform "fleet::rehearse" "migration:rehearse" |d, c, t| async move {
            let sets = vec![t.set.clone()];
            let asked = RehearseRequest { sets, sources: sources(), tenants: 1, jobs: 1, dry_run: true };
            let reach = app::reach(&d.app.provisioning);
            fleet::rehearse(reach, &mut d.app.control, c, &asked, &Silent, &d.stop).await
        };
        Platform "fleet::plan_exec" "exec:create" |d, c, t| async move {
            fleet::plan_exec(&mut d.app.control, c, &exec(t)).await
        };
        Platform "fleet::exec" "exec:create" |d, c, t| async move {
            let (asked, plan) = (exec(t), ExecPlan { tenants: Vec::new(), skipped: Vec::new() });
            let reach = app::reach(&d.app.provisioning);
            let with = (&Silent as &dyn Progress, &d.stop);
            fleet::exec(reach, &mut d.app.control, c, (&asked, &plan), with, &mut |_| Ok(())).await
        };
        Platform "inspection::inspect" "doctor:read" |d, c, t| async move {
            let cluster = Some("nowhere".to_owned());
            let asked = inspection::Request { cluster, jobs: 1, ..inspection::Request::default() };
            inspection::inspect(&d.app.provisioning, &mut d.app.control, c, &asked, &Silent, &d.stop).await
        };
        Platform "inspection::examine_record" "doctor:read" |d, c, t|
            inspection::examine_record(&d.app.provisioning, &mut d.app.control, c);
        Platform "inspection::fix" "doctor:update" |d, c, t|
            inspection::fix(&d.app.provisioning, &mut d.app.control, c, &[], &Silent, &d.stop);
        Platform "inspection::accept" "doctor:update" |d, c, t| async move {
            inspection::accept(&d.app.provisioning, &mut d.app.control, c, &Inspected::default(), true).await
        };
        Platform "inspection::prove" "doctor:prove" |d, c, t| async move {
            let chosen = ([nexus::kernel::TenantId::new()], 1, 1);
            let chosen = (&chosen.0[..], chosen.1, chosen.2);
            inspection::prove(&d.app.provisioning, &mut d.app.control, c, chosen, &Silent, &d.stop).await
        };
        Platform "inspection::public_key" "doctor:prove" |d, c, t|
            inspection::public_key(&d.app.provisioning, &mut d.app.control, c);
        Platform "inspection::sign" "doctor:prove" |d, c, t| async move {
            inspection::sign(&d.app.provisioning, &mut d.app.control, c, &proof()).await
        };
        Platform "doctor::examine" "doctor:read" |d, c, t| async move {
            let only = doctor::Only::new(vec!["nothing".to_owned()]);
            app::doctor::examine(d.sources.clone(), c, &only).await
        };
        Machine "installation::Setup::run" "settings:update" |d, c, t| async move {
            let on = &d.app.provisioning;
            let cluster =
                Cluster { name: "default".to_owned(), admin: on.control.clone(), connection_limit: 1 };
            let (secrets, rules) = (&on.secrets, &on.rules);
            let setup = Setup { control: &on.control, cluster: &cluster, secrets, rules, operator: None };
            setup.run(c, &Silent).await
        };
    }
}

fn run() -> RunId {
    uuid::Uuid::new_v4().to_string().parse().unwrap()
}

fn new_api_key(thing: &Thing) -> NewApiKey {
    let (user, name) = (thing.subject.email.parse().unwrap(), "x".parse().unwrap());
    NewApiKey { user, name, scopes: vec!["no:such".parse().unwrap()], ttl: None }
}

/// Tokens, their keys, API keys.
#[expect(clippy::too_many_lines, reason = "a table")]
fn of_tokens() -> Vec<Row> {
    rows! {
        Platform "tokens::Tokens::keys" "key:read" |d, c, t| d.tokens.keys(&mut d.app.control, c, true);
        Platform "tokens::Tokens::prepare" "key:update" |d, c, t| d.tokens.prepare(&mut d.app.control, c);
        Platform "tokens::Tokens::ring" "key:read" |d, c, t| d.tokens.ring(&mut d.app.control, c);
        Platform "tokens::Tokens::key_set" "key:read" |d, c, t| d.tokens.key_set(&mut d.app.control, c);
        Platform "tokens::Tokens::pem" "key:read" |d, c, t| d.tokens.pem(&mut d.app.control, c);
        Platform "tokens::Verifier::once" "key:read" |d, c, t| Verifier::once(&d.tokens, &mut d.app.control, c);
        Platform "tokens::Verifier::start" "key:read" |d, c, t|
            Verifier::start(&d.tokens, &d.app.provisioning.control, c);
        Platform "tokens::Tokens::plan_rotation" "key:update" |d, c, t|
            d.tokens.plan_rotation(&mut d.app.control, c, Algorithm::EdDsa, false);
        Platform "tokens::Tokens::rotate" "key:update" |d, c, t|
            d.tokens.rotate(&mut d.app.control, c, Algorithm::EdDsa, false);
        Platform "tokens::Tokens::retire" "key:update" |d, c, t|
            d.tokens.retire(&mut d.app.control, c, "no-such-key", false);
        Platform "tokens::Tokens::plan_retirement" "key:update" |d, c, t|
            d.tokens.plan_retirement(&mut d.app.control, c, "no-such-key", false);
        Platform "tokens::Tokens::development_realm" "key:export" |d, c, t|
            d.tokens.development_realm(&mut d.app.control, c, &mut d.token_realm);
        Platform "tokens::Tokens::export_development" "key:export" |d, c, t|
            d.tokens.export_development(&mut d.app.control, c, Vec::new(), Algorithm::EdDsa);
        Machine "tokens::Tokens::sign_in" "token:create" |d, c, t| async move {
            let password = "a password that nobody has".into();
            let with = signin::Credentials { email: t.subject.email.parse().unwrap(), password, code: None, client: "x".to_owned() };
            match d.tokens.sign_in(c, &mut d.realm, &with).await {
                // It was asked, and the password is not theirs.
                Err(failure) if failure.code() == "sign_in_refused" => Ok(()),
                other => other.map(drop),
            }
        };
        Machine "tokens::Tokens::answer_challenge" "token:create" |d, c, t| async move {
            let shown = (&SecretString::from("nxc_x"), &SecretString::from("000000"));
            match d.tokens.answer_challenge(c, &mut d.realm, shown).await {
                Err(failure) if failure.code() == "challenge_invalid" => Ok(()),
                other => other.map(drop),
            }
        };
        Machine "notifications::test" "notification:test" |d, c, t| async move {
            // Nobody listens there, and nothing of the platform is needed: whoever may, sees that.
            let _ = d;
            let (host, port) = ("127.0.0.1".to_owned(), 9);
            let server = SmtpServer { host, port, tls: SmtpTls::None, login: None, ca_file: None };
            let mailer = notifications::Mailer::new(server, "a@x.example".parse().unwrap(), None);
            notifications::test(&mailer, c, &"b@x.example".parse().unwrap()).await
        };
        Machine "notifications::arrival::check" "notification:test" |d, c, t| async move {
            // Nobody answers there.
            let _ = d;
            let dns = Dns::new(Some("127.0.0.1:9".parse().unwrap())).unwrap();
            let from = "a@x.example".parse().unwrap();
            let sender = arrival::MailSender { from, mailer: None, selectors: Vec::new(), addresses: Vec::new() };
            arrival::check(&dns, c, &sender).await
        };
        Machine "messages::write" "message:deliver" |d, c, t| async move {
            let links = messages::Links::of(("http://x.example", "http://x.example"), "x@x.example".parse().unwrap(), None);
            messages::write(&mut d.realm, c, &job(t), &links).await
        };
        Realm "events::page" "event:read" |d, c, t| events::page(&mut d.realm, c, &newest());
        Realm "events::Readers::follow" "event:read" |d, c, t| async move {
            d.app.app.readers().follow(&mut d.realm, c, &newest()).await
        };
        Machine "relay::relay" "event:relay" |d, c, t| relay::relay(&mut d.realm, c, (t.row.id.uuid(), TO_NOBODY));
        Machine "subscribers::submit" "event:handle" |d, c, t|
            subscribers::submit(&mut d.app.control, c, (t.row.id, &SUBSCRIBER));
        Machine "subscribers::submit_all" "event:handle" |d, c, t|
            subscribers::submit_all(&mut d.app.control, c, &SUBSCRIBER);
        Machine "subscribers::take" "event:handle" |d, c, t|
            subscribers::take(&mut d.app.control, c, (t.row.id, &SUBSCRIBER), t.row.id.uuid());
        Machine "relay::tenants_of" "event:relay" |d, c, t|
            relay::tenants_of(&mut d.app.control, c, ("default", &[]));
        Machine "tokens::DevelopmentKey::mint" "token:create" |d, c, t| async move {
            let email = t.subject.email.parse().unwrap();
            d.development.mint(c, (Some("acme"), &email), &NewToken::default())
        };
        Platform "tokens::Tokens::revoke" "token:revoke" |d, c, t|
            d.tokens.revoke(&mut d.app.control, c, Revocation::User(t.row.id, t.subject.id, Before::Now));
        Platform "tokens::Tokens::plan_revocation" "token:revoke" |d, c, t|
            d.tokens.plan_revocation(&mut d.app.control, c, Revocation::All(Before::Now));
        Platform "tokens::Tokens::issued" "token:read" |d, c, t| async move {
            d.tokens.issued(&mut d.app.control, c, &IssuedFilter::default(), PAGE).await
        };
        Enter "tokens::Presented::tenant" "tenant:read" |d, c, t|
            Presented::ApiKey.tenant(&mut d.app.control, c, t.row.id);
        Tokens "tokens::Tokens::subject" "token:read" |d, c, t| async move {
            let email = t.subject.email.parse().unwrap();
            d.tokens.subject(&mut d.app.control, c, &mut d.token_realm, &email).await
        };
        Tokens "tokens::Tokens::known" "token:read" |d, c, t| async move {
            let email = t.subject.email.parse().unwrap();
            d.tokens.known(&mut d.app.control, c, &mut d.token_realm, &email).await
        };
        Tokens "tokens::Tokens::plan_mint" "token:create" |d, c, t| async move {
            let (user, token) = (t.subject.email.parse().unwrap(), NewToken::default());
            let request = MintRequest { user: &user, token: &token, algorithm: None, session: None };
            d.tokens.plan_mint(&mut d.app.control, c, &mut d.token_realm, request).await
        };
        Tokens "tokens::Tokens::mint" "token:create" |d, c, t| async move {
            let why = Impersonation { reason: "a test of rights".parse().unwrap() };
            let (user, token) = (t.subject.email.parse().unwrap(), NewToken::default());
            let token = NewToken { act_as: Some(why), ..token };
            let request = MintRequest { user: &user, token: &token, algorithm: None, session: None };
            d.tokens.mint(&mut d.app.control, c, &mut d.token_realm, request).await
        };
        Tokens "tokens::Tokens::mint (with a session)" "token:create" |d, c, t| async move {
            let (user, token) = (t.subject.email.parse().unwrap(), NewToken::default());
            let request = MintRequest { user: &user, token: &token, algorithm: None, session: Some("app") };
            d.tokens.mint(&mut d.app.control, c, &mut d.token_realm, request).await
        };
        Tokens "tokens::Tokens::plan_refresh" "token:create" |d, c, t|
            d.tokens.plan_refresh(&mut d.app.control, c, &mut d.token_realm, &SecretString::from("nxr_x"));
        Tokens "tokens::Tokens::refresh" "token:create" |d, c, t|
            d.tokens.refresh(&mut d.app.control, c, &mut d.token_realm, &SecretString::from("nxr_x"));
        Tokens "tokens::Tokens::refresh_within" "token:create" |d, c, t| async move {
            let presented = SecretString::from("nxr_x");
            d.tokens.refresh_within(&mut d.app.control, c, &mut d.token_realm, &presented, &[]).await
        };
        Tokens "tokens::Tokens::plan_api_key" "api-key:create" |d, c, t| async move {
            d.tokens.plan_api_key(&mut d.app.control, c, &mut d.token_realm, &new_api_key(t)).await
        };
        Tokens "tokens::Tokens::create_api_key" "api-key:create" |d, c, t| async move {
            d.tokens.create_api_key(&mut d.app.control, c, &mut d.token_realm, &new_api_key(t)).await
        };
        Tokens "tokens::Tokens::api_keys" "api-key:read" |d, c, t|
            d.tokens.api_keys(&mut d.app.control, c, &mut d.token_realm, &ApiKeyFilter::default());
        Tokens "tokens::Tokens::page_of_api_keys" "api-key:read" |d, c, t| async move {
            let which = (&ApiKeyFilter::default(), None);
            d.tokens.page_of_api_keys(&mut d.app.control, c, &mut d.token_realm, which, (PAGE, Total::Exact)).await
        };
        Tokens "tokens::Tokens::introspector" "token:introspect" |d, c, t|
            d.tokens.introspector(&mut d.app.control, c, &mut d.token_realm);
        Machine "tokens::Tokens::exchange_api_key" "token:create" |d, c, t| async move {
            let nobodys = SecretString::from("nxk_x");
            let key = (uuid::Uuid::nil(), &nobodys);
            match d.tokens.exchange_api_key(&mut d.app.control, c, &mut d.token_realm, key, &[]).await {
                // It was asked, and the key is nobody's.
                Err(TokenError::KeyInvalid) => Ok(()),
                other => other.map(drop),
            }
        };
        Tokens "tokens::Tokens::api_key" "api-key:read" |d, c, t|
            d.tokens.api_key(&mut d.app.control, c, &mut d.token_realm, uuid::Uuid::nil());
        Tokens "tokens::Tokens::revoke_api_key" "api-key:revoke" |d, c, t|
            d.tokens.revoke_api_key(&mut d.app.control, c, &mut d.token_realm, uuid::Uuid::nil());
    }
}

/// Users, groups, roles, permissions, sign-in.
#[expect(clippy::too_many_lines, reason = "a table")]
fn of_realms() -> Vec<Row> {
    rows! {
        Realm "iam::grants" "user:read" |d, c, t| iam::grants(&mut d.realm, c, t.subject.id.into());
        Realm "iam::users::list" "user:read" |d, c, t|  async move {
            let sort = (iam::model::UserSort::Email, false);
            users::list(&mut d.realm, c, &iam::model::UserFilter::default(), sort, (PAGE, Total::Exact)).await
        };
        Realm "iam::users::get" "user:read" |d, c, t| users::get(&mut d.realm, c, &t.user);
        Realm "iam::users::can" "user:read" |d, c, t| async move {
            users::can(&mut d.realm, c, &t.user, &"invoice:read".parse().unwrap(), &Map::new()).await
        };
        Realm "iam::users::create" "user:create" |d, c, t| async move {
            users::create(&mut d.realm, c, new_user(), &FirstPassword::Invitation).await
        };
        Realm "iam::users::create (with a password)" "user:create" |d, c, t| async move {
            let password = FirstPassword::Given(SecretString::from("nine wet dogs on a hill"));
            users::create(&mut d.realm, c, new_user(), &password).await
        };
        Realm "iam::users::import" "user:create" |d, c, t| async move {
            users::import(&mut d.realm, c, rows_of_users(), Invite::Not, &mut Unheard, &d.stop).await
        };
        Realm "iam::users::check_import" "user:create" |d, c, t| async move {
            users::check_import(&mut d.realm, c, &rows_of_users()).await
        };
        Realm "iam::users::import_prepared" "user:create" |d, c, t| async move {
            let rows = users::prepare_import(d.realm.rules().clone(), rows_of_users(), Invite::Message).await;
            users::import_prepared(&mut d.realm, c, rows, false, &mut Unheard).await
        };
        Realm "iam::users::update" "user:update" |d, c, t| async move {
            let change = UserUpdate { name: Some("New".parse().unwrap()), ..UserUpdate::default() };
            users::update(&mut d.realm, c, &t.user, &change).await
        };
        Realm "iam::users::disable" "user:update" |d, c, t| users::disable(&mut d.realm, c, &t.user);
        Realm "iam::users::enable" "user:update" |d, c, t| users::enable(&mut d.realm, c, &t.user);
        Realm "iam::users::unlock" "user:update" |d, c, t| users::unlock(&mut d.realm, c, &t.user);
        Realm "iam::users::delete" "user:delete" |d, c, t| users::delete(&mut d.realm, c, &t.user, &Expected::Any);
        Realm "iam::users::undelete" "user:delete" |d, c, t| users::undelete(&mut d.realm, c, &t.user);
        Realm "iam::users::purge" "user:delete" |d, c, t| users::purge(&mut d.realm, c);
        Realm "iam::groups::list" "group:read" |d, c, t| groups::list(&mut d.realm, c);
        Realm "iam::groups::page" "group:read" |d, c, t|
            groups::page(&mut d.realm, c, &iam::model::NamedFilter::default(), (PAGE, Total::Exact));
        Realm "iam::groups::tree" "group:read" |d, c, t| groups::tree(&mut d.realm, c);
        Realm "iam::groups::get" "group:read" |d, c, t| groups::get(&mut d.realm, c, &t.role);
        Realm "iam::groups::create" "group:create" |d, c, t| groups::create(&mut d.realm, c, &t.role, &Description::default(), (None, &Map::new()));
        Realm "iam::groups::update" "group:update" |d, c, t| async move {
            groups::update(&mut d.realm, c, &t.role, &groups::GroupUpdate::default()).await
        };
        Realm "iam::groups::relocate" "group:update" |d, c, t| groups::relocate(&mut d.realm, c, &t.role, None);
        Realm "iam::groups::delete" "group:delete" |d, c, t| groups::delete(&mut d.realm, c, &t.role, &Expected::Any);
        Realm "iam::groups::members" "group:read" |d, c, t|
            groups::members(&mut d.realm, c, &t.role, PAGE, None);
        Realm "iam::groups::of_user" "user:read" |d, c, t| groups::of_user(&mut d.realm, c, &t.user);
        Realm "iam::groups::add" "group:update" |d, c, t| async move {
            groups::add(&mut d.realm, c, &t.role, std::slice::from_ref(&t.user), &mut |_| Ok(())).await
        };
        Realm "iam::groups::add_one" "group:update" |d, c, t| async move {
            groups::add_one(&mut d.realm, c, &(&t.role).into(), &t.user).await
        };
        Realm "iam::groups::remove_one" "group:update" |d, c, t| async move {
            groups::remove_one(&mut d.realm, c, &(&t.role).into(), &t.user).await
        };
        Realm "iam::groups::remove" "group:update" |d, c, t| async move {
            groups::remove(&mut d.realm, c, &t.role, std::slice::from_ref(&t.user), &mut |_| Ok(())).await
        };
        Realm "iam::log::list" "audit:read" |d, c, t| async move {
            iam::log::list(&mut d.realm, c, &iam::log::LogFilter::default(), Page { page: 1, limit: 10 }).await
        };
        Realm "iam::roles::list" "role:read" |d, c, t| roles::list(&mut d.realm, c);
        Realm "iam::roles::page" "role:read" |d, c, t|
            roles::page(&mut d.realm, c, &iam::model::NamedFilter::default(), (PAGE, Total::Exact));
        Realm "iam::roles::get" "role:read" |d, c, t| roles::get(&mut d.realm, c, &t.role);
        Realm "iam::roles::create" "role:create" |d, c, t|
            roles::create(&mut d.realm, c, &t.role, &Description::default(), &[]);
        Realm "iam::roles::update" "role:update" |d, c, t| async move {
            roles::update(&mut d.realm, c, &t.role, &roles::RoleUpdate::default()).await
        };
        Realm "iam::roles::delete" "role:delete" |d, c, t| roles::delete(&mut d.realm, c, &t.role, &Expected::Any);
        Realm "iam::roles::allow" "role:update" |d, c, t| async move {
            roles::allow(&mut d.realm, c, &t.role, &"user:read".parse().unwrap(), None).await
        };
        Realm "iam::roles::deny" "role:update" |d, c, t| async move {
            roles::deny(&mut d.realm, c, &t.role, &"user:read".parse().unwrap()).await
        };
        Realm "iam::roles::grant" "role:grant" |d, c, t| async move {
            roles::grant(&mut d.realm, c, &t.role, &roles::Holder::User(t.user.clone())).await
        };
        Realm "iam::roles::revoke" "role:grant" |d, c, t| async move {
            roles::revoke(&mut d.realm, c, &t.role, &roles::Holder::User(t.user.clone())).await
        };
        Realm "iam::permissions::list" "permission:read" |d, c, t| permissions::list(&mut d.realm, c);
        Realm "iam::permissions::register" "permission:create" |d, c, t| async move {
            permissions::register(&mut d.realm, c, &"invoice:read".parse().unwrap(), &Description::default()).await
        };
        Realm "iam::operators::list" "operator:read" |d, c, t| operators::list(&mut d.realm, c);
        Realm "iam::operators::grant" "operator:grant" |d, c, t| async move {
            operators::grant(&mut d.realm, c, &grant(t)).await
        };
        Realm "iam::operators::revoke" "operator:grant" |d, c, t|
            operators::revoke(&mut d.realm, c, &t.user);
        Realm "iam::apply::apply" "permission:create" |d, c, t| async move {
            let document = iam::apply::Document::parse("", false).unwrap();
            iam::apply::apply(&mut d.realm, c, &document).await
        };
        Realm "iam::signin::set_password" "user:update" |d, c, t| async move {
            let password = SecretString::from("nine wet dogs on a hill");
            signin::set_password(&mut d.realm, c, &t.user, &password).await
        };
        Realm "iam::signin::send_token" "user:update" |d, c, t| signin::send_token(&mut d.realm, c, &t.user, signin::Purpose::Invite);
        Realm "iam::realm_settings" "settings:read" |d, c, t| iam::realm_settings(&mut d.realm, c);
        Realm "iam::update_settings" "settings:update" |d, c, t|
            iam::update_settings(&mut d.realm, c, &iam::SettingsUpdate::default());
        Realm "iam::custom_fields::list" "settings:read" |d, c, t| custom_fields::list(&mut d.realm, c);
        Realm "iam::custom_fields::get" "settings:read" |d, c, t|
            custom_fields::get(&mut d.realm, c, &no_field());
        Realm "iam::custom_fields::create" "settings:update" |d, c, t|
            custom_fields::create(&mut d.realm, c, &new_field());
        Realm "iam::custom_fields::update" "settings:update" |d, c, t|
            custom_fields::update(&mut d.realm, c, &no_field(), &CustomFieldUpdate::default());
        Realm "iam::custom_fields::delete" "settings:update" |d, c, t|
            custom_fields::delete(&mut d.realm, c, &no_field(), &Expected::Any);
        Realm "templates::list" "settings:read" |d, c, t| templates::list(&mut d.realm, c);
        Realm "templates::show" "settings:read" |d, c, t|
            templates::show(&mut d.realm, c, &template(), None);
        Realm "templates::preview" "settings:read" |d, c, t| async move {
            let trial = templates::Trial { key: template(), source: None, data: None };
            templates::preview(&mut d.realm, c, &trial).await
        };
        Realm "templates::set" "settings:update" |d, c, t| async move {
            let (subject, text) = ("Hello".to_owned(), "Hello\n".to_owned());
            let source = templates::Source { subject, text, html: None };
            templates::set(&mut d.realm, c, &template(), (&source, &Map::new())).await
        };
        Realm "templates::reset" "settings:update" |d, c, t| templates::reset(&mut d.realm, c, &template());
        Realm "notifications::preferences" "user:read" |d, c, t|
            notifications::preferences(&mut d.realm, c, &t.user);
        Realm "notifications::set_preferences" "user:update" |d, c, t| async move {
            let change = notifications::PreferencesChange::default();
            notifications::set_preferences(&mut d.realm, c, &t.user, &change).await
        };
        Realm "notifications::provider::find" "settings:read" |d, c, t| provider::find(&mut d.realm, c);
        Realm "notifications::provider::get" "settings:read" |d, c, t| provider::get(&mut d.realm, c);
        Realm "notifications::provider::set" "settings:update" |d, c, t| async move {
            let (host, from) = ("smtp.x.example".parse().unwrap(), "a@x.example".parse().unwrap());
            let (port, tls, user, password, reply_to) = (None, None, None, None, None);
            let new = provider::NewProvider { host, port, tls, user, password, from, reply_to };
            provider::set(&mut d.realm, c, &Policy::default(), &new).await
        };
        Realm "notifications::provider::remove" "settings:update" |d, c, t|
            provider::remove(&mut d.realm, c);
        Business "notifications::suppressions::list" "notification:read" |d, c, t|
            suppressions::list(&mut d.realm, c, &suppressions::SuppressionFilter::default(), PAGE);
        Realm "notifications::suppressions::add" "settings:update" |d, c, t| async move {
            let (address, reason) = ("x@x.example".parse().unwrap(), suppressions::SuppressionReason::Manual);
            let new = suppressions::NewSuppression { address, scope: None, reason, note: None };
            suppressions::add(&mut d.realm, c, &new).await
        };
        Realm "notifications::suppressions::remove" "settings:update" |d, c, t| async move {
            let which = suppressions::SuppressionRef::Id(uuid::Uuid::nil());
            suppressions::remove(&mut d.realm, c, &which).await
        };
        Business "notifications::send" "notification:send" |d, c, t|
            notifications::send(&mut d.realm, c, &notification(t));
        Business "messages::list" "notification:read" |d, c, t|
            messages::list(&mut d.realm, c, &notifications::NotificationFilter::default(), PAGE);
        Business "messages::page" "notification:read" |d, c, t|
            messages::page(&mut d.realm, c, &notifications::NotificationFilter::default(), PAGE);
        Business "messages::show" "notification:read" |d, c, t|
            messages::show(&mut d.realm, c, uuid::Uuid::nil());
        Business "messages::retry" "notification:send" |d, c, t|
            messages::retry(&mut d.realm, c, uuid::Uuid::nil());
        Business "messages::cancel" "notification:send" |d, c, t|
            messages::cancel(&mut d.realm, c, uuid::Uuid::nil());
        Realm "iam::signin::issue_token" "user:update" |d, c, t|
            signin::issue_token(&mut d.realm, c, &t.user, signin::Purpose::Reset);
        Realm "iam::signin::enrol_factor" "user:update" |d, c, t|
            signin::enrol_factor(&mut d.realm, c, &t.user);
        Realm "iam::signin::confirm_factor" "user:update" |d, c, t| async move {
            signin::confirm_factor(&mut d.realm, c, &t.user, &SecretString::from("000000")).await
        };
        Realm "iam::signin::remove_factor" "user:update" |d, c, t|
            signin::remove_factor(&mut d.realm, c, &t.user);
        Realm "iam::signin::sessions" "session:read" |d, c, t| signin::sessions(&mut d.realm, c, &t.user);
        Realm "iam::signin::page_of_sessions" "session:read" |d, c, t|
            signin::page_of_sessions(&mut d.realm, c, (&t.user, None), (PAGE, Total::Exact));
        Realm "iam::signin::end_sessions" "session:delete" |d, c, t|
            signin::end_sessions(&mut d.realm, c, &t.user);
        Realm "iam::signin::end_session" "session:delete" |d, c, t|
            signin::end_session(&mut d.realm, c, None, uuid::Uuid::nil());
    }
}
