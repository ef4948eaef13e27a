//! Tenants for tests that are not about making them: the service is called in this process, without
//! starting a program for each.

use nexus::app::App;
use nexus::features::placement::PlacementRequest;
use nexus::features::provisioning::{CreateOutcome, CreateRequest};
use nexus::features::tenants::{NewTenant, Profile};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Labels, SecretString};
use tokio_util::sync::CancellationToken;

use super::machine;
use super::sql::apart;
use super::world::World;

impl World {
    /// Makes a tenant as `nexus tenant create SLUG` does.
    pub fn tenant(&self, slug: &str) {
        self.make(&[request(slug, None, None)]);
    }

    /// Makes several, some at a time.
    pub fn tenants<S: AsRef<str>>(&self, slugs: &[S]) {
        let requests: Vec<_> = slugs.iter().map(|slug| request(slug.as_ref(), None, None)).collect();
        std::thread::scope(|scope| {
            for part in requests.chunks(requests.len().div_ceil(4).max(1)) {
                scope.spawn(|| self.make(part));
            }
        });
    }

    /// Makes one with a first administrator, who has a password.
    pub fn tenant_of(&self, slug: &str, admin: &str, password: &str) {
        self.make(&[request(slug, Some(admin), Some(password.into()))]);
    }

    fn make(&self, requests: &[CreateRequest]) {
        let (settings, caller, stop) = (self.settings(), machine::account(), CancellationToken::new());
        apart(async || {
            let (provisioning, worker) = App::open_to_work(&settings, &caller, &Silent).await.unwrap();
            for request in requests {
                let created = provisioning.create(&worker, &caller, request, &Silent, &stop).await.unwrap();
                assert_eq!(created.outcome, CreateOutcome::Created);
            }
        });
    }
}

fn request(slug: &str, admin: Option<&str>, admin_password: Option<SecretString>) -> CreateRequest {
    let (slug, admin_email) = (slug.parse().unwrap(), admin.map(|email| email.parse().unwrap()));
    CreateRequest {
        tenant: NewTenant {
            slug,
            name: None,
            admin_email,
            labels: Labels::new(),
            profile: Profile::default(),
        },
        admin_password,
        detach: false,
        wait: false,
        wish: PlacementRequest::default(),
    }
}
