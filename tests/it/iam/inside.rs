//! The services as doors other than the command line call them: with callers who are users.

use nexus::app::App;
use nexus::features::iam::{Realm, UserRef, users};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Caller, TenantId};

use crate::support::world::World;

/// Who may do everything.
pub fn machine() -> Caller {
    Caller::Machine("test".to_owned())
}

/// A realm, opened.
pub async fn realm(world: &World, tenant: Option<&str>) -> Realm {
    let tenant = tenant.map(|slug| slug.parse().unwrap());
    let (settings, caller) = (world.settings(), machine());
    let app = App::open(&settings, &caller, &Silent).await.unwrap();
    app.enter_realm(&caller, tenant.as_ref()).await.unwrap()
}

/// A user of a realm, as a caller.
pub async fn caller(realm: &mut Realm, email: &str) -> Caller {
    let user = users::get(realm, &machine(), &who(email)).await.unwrap();
    Caller::user(realm.place().id, user.id)
}

/// The same person, who says that it belongs to another realm.
pub fn pretending(caller: &Caller, realm: TenantId) -> Caller {
    match caller {
        Caller::User { id, .. } => Caller::user(realm, *id),
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
