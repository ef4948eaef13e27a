//! What the services are called with: an installation with two tenants and operators of every role.

use nexus::app::{App, Session};
use nexus::features::iam::{self, Subject};
use nexus::features::provisioning::{Batch, WayBack, Worker};
use nexus::features::tenants::{self, Tenant, TenantRef};
use nexus::features::tokens::{self, DevelopmentKey, Tokens};
use nexus::infra::crypto::signing::Algorithm;
use nexus::kernel::label::Label;
use nexus::kernel::progress::Silent;
use nexus::kernel::{BatchId, Caller, ExposeSecret, TenantId, UserId};
use nexus::settings::Sources;
use tokio_util::sync::CancellationToken;

use crate::iam::inside::machine;
use crate::support::world::World;

/// Those who ask, in the order of the table's columns.
pub const CALLERS: [&str; 9] = [
    "nobody",
    "a tenant's viewer",
    "a tenant's admin",
    "another tenant's admin",
    "Admin",
    "Provisioner",
    "Support",
    "Auditor",
    "Deployer",
];

/// What a service is asked about: something that is there, or something that is not.
pub struct Thing {
    pub tenant: TenantRef,
    pub row: Tenant,
    /// The name of a server, a store, a set of migrations.
    pub place: String,
    pub set: String,
    /// A user, a role and a group of the realm.
    pub user: iam::UserRef,
    pub role: iam::Name,
    pub subject: Subject,
}

/// Everything that a service may want.
pub struct Desk {
    pub app: Session,
    pub worker: Worker,
    pub sources: Sources,
    /// What mints without asking anybody.
    pub development: DevelopmentKey,
    pub tokens: Tokens,
    /// The realm that is asked about, as `iam` and as `tokens` open it.
    pub realm: iam::Realm,
    pub token_realm: tokens::Realm,
    pub batch: BatchId,
    pub back: WayBack,
    pub stop: CancellationToken,
}

fn user(world: &World, database: &str, (email, role): (&str, &str)) {
    let key = email.to_lowercase();
    world.sql(
        database,
        &format!(
            "with made as (
                 insert into nexus.users (id, email, email_key, name, state)
                 values ('{}', '{email}', '{key}', '', 'active') returning id)
             insert into nexus.user_roles (user_id, role_id)
             select made.id, roles.id from made, nexus.roles where name = '{role}'",
            uuid::Uuid::new_v4()
        ),
    );
}

fn database(world: &World, slug: &str) -> String {
    world.control_sql(&format!("select database_name from control.tenants where slug = '{slug}'")).remove(0)
}

/// Two tenants, `acme` and `other`, and the users.
pub fn world() -> World {
    let world = World::new();
    for slug in ["acme", "other"] {
        world.tenant(slug);
        let inside = database(&world, slug);
        user(&world, &inside, ("ann@there.example", "Admin"));
        user(&world, &inside, ("vic@there.example", "Viewer"));
    }
    for role in &CALLERS[4..] {
        user(&world, &world.control, (&format!("{role}@platform.example"), role));
    }
    world
}

/// The callers of [`CALLERS`].
pub fn callers(world: &World) -> Vec<Caller> {
    let of = |realm: TenantId, database: &str, email: &str| {
        let id =
            world.sql(database, &format!("select id from nexus.users where email = '{email}'")).remove(0);
        Caller::user(realm, id.parse().unwrap())
    };
    let tenant = |slug: &str, email: &str| {
        let id =
            world.control_sql(&format!("select id from control.tenants where slug = '{slug}'")).remove(0);
        of(id.parse().unwrap(), &database(world, slug), email)
    };
    let nobody = Caller::user(TenantId::PLATFORM, UserId::new());
    let mut all = vec![
        nobody,
        tenant("acme", "vic@there.example"),
        tenant("acme", "ann@there.example"),
        tenant("other", "ann@there.example"),
    ];
    let operators = CALLERS[4..].iter();
    all.extend(
        operators.map(|role| of(TenantId::PLATFORM, &world.control, &format!("{role}@platform.example"))),
    );
    all
}

/// Opens everything, with a realm: that of `acme`, or the platform's.
pub async fn desk(world: &World, inside: bool) -> Desk {
    let (settings, caller) = (world.settings(), machine());
    let open = async || App::open(&settings, &caller, &Silent).await.unwrap();
    let acme: TenantRef = "acme".parse().unwrap();
    let tenant = inside.then_some(&acme);
    let realm = open().await.enter_realm(&caller, tenant).await.unwrap().dry_run(true);
    let (_, worker) = open().await.begin_work().await.unwrap();
    let mut app = open().await;
    let mut token_realm = app.open_token_realm(&caller, tenant).await.unwrap();
    let tokens = app.tokens();
    let batch = Batch::begin(&mut app.control, &caller, ("update", 1), None).await.unwrap();
    let label = Label { key: "k".to_owned(), value: uuid::Uuid::new_v4().to_string() };
    let change = tenants::Change { set: vec![label], batch: Some(batch.id), ..tenants::Change::default() };
    tenants::update(&mut app.control, &caller, &acme, &change, false).await.unwrap();
    let back = app.provisioning.way_back(&worker, &caller, batch.id).await.unwrap();
    let stop = CancellationToken::new();
    let mut open_to_developers = tokens.clone();
    open_to_developers.development = true;
    let known = tokens.development_realm(&mut app.control, &caller, &mut token_realm).await.unwrap();
    let exported = open_to_developers
        .export_development(&mut app.control, &caller, vec![known], Algorithm::EdDsa)
        .await
        .unwrap();
    let file = world.machine().path("work/development.key");
    std::fs::write(&file, exported.expose_secret()).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let development = DevelopmentKey::from_file(&file).await.unwrap();
    let sources = world.sources();
    Desk { app, worker, sources, development, tokens, realm, token_realm, batch: batch.id, back, stop }
}

/// Something that is there.
pub async fn there(desk: &mut Desk) -> Thing {
    let tenant: TenantRef = "acme".parse().unwrap();
    let row = tenants::get(&mut desk.app.control, &machine(), &tenant).await.unwrap();
    let place =
        if desk.token_realm.name.slug.is_some() { "ann@there.example" } else { "Admin@platform.example" };
    let email = place.parse().unwrap();
    let (tokens, control) = (desk.tokens.clone(), &mut desk.app.control);
    let subject = tokens.subject(control, &machine(), &mut desk.token_realm, &email).await.unwrap();
    Thing {
        tenant,
        row,
        place: "default".to_owned(),
        set: "nexus".to_owned(),
        user: iam::UserRef::Email(email),
        role: "Admin".parse().unwrap(),
        subject,
    }
}

/// The same for something that is not.
pub async fn missing(desk: &mut Desk) -> Thing {
    let there = there(desk).await;
    Thing {
        tenant: "nobody-is-called-so".parse().unwrap(),
        row: Tenant { id: TenantId::new(), ..there.row },
        place: "nowhere".to_owned(),
        set: "no-such-set".to_owned(),
        user: "nobody@nowhere.example".parse().unwrap(),
        role: "No such role".parse().unwrap(),
        subject: Subject {
            id: uuid::Uuid::new_v4(),
            email: "nobody@nowhere.example".to_owned(),
            ..there.subject
        },
    }
}
