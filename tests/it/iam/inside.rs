//! The services as doors other than the command line call them: with callers who are users.

use nexus::app::App;
use nexus::features::iam::{Realm, UserRef, users};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Caller, TenantId};
use nexus::settings::{Flags, Home, Loaded, Settings, Sources};

use crate::support::world::World;

/// The settings that commands in this world have.
pub fn settings(world: &World) -> Settings {
    Loaded::read(&sources(world)).unwrap().settings().unwrap()
}

/// What they are made from.
pub fn sources(world: &World) -> Sources {
    let machine = world.machine();
    let flags = Flags { config: Some(machine.path("work/nexus.toml")), context: Some("t".to_owned()) };
    let home = Some(Home::new(&machine.path("nexus")));
    Sources { flags, variables: std::collections::BTreeMap::new(), user_folder: None, home }
}

/// Who may do everything.
pub fn machine() -> Caller {
    Caller::Machine("test".to_owned())
}

/// A realm, opened.
pub async fn realm(world: &World, tenant: Option<&str>) -> Realm {
    let tenant = tenant.map(|slug| slug.parse().unwrap());
    let (settings, caller) = (settings(world), machine());
    let app = App::open(&settings, &caller, &Silent).await.unwrap();
    app.enter_realm(&caller, tenant.as_ref()).await.unwrap()
}

/// A user of a realm, as a caller.
pub async fn caller(realm: &mut Realm, email: &str) -> Caller {
    let user = users::get(realm, &machine(), &who(email)).await.unwrap();
    Caller::User { realm: realm.place().tenant, id: user.id, email: email.parse().unwrap() }
}

/// The same person, who says that it belongs to another realm.
pub fn pretending(caller: &Caller, realm: TenantId) -> Caller {
    match caller {
        Caller::User { id, email, .. } => Caller::User { realm, id: *id, email: email.clone() },
        other => other.clone(),
    }
}

/// A user by its address.
pub fn who(email: &str) -> UserRef {
    email.parse().unwrap()
}

/// Runs something that waits.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}
