//! Tenants for tests that are not about making them: the service is called in this process, without
//! starting a program for each.

use std::collections::HashMap;
use std::sync::Mutex;

use nexus::app::App;
use nexus::features::iam::signin;
use nexus::features::placement::PlacementRequest;
use nexus::features::provisioning::{CreateOutcome, CreateRequest};
use nexus::features::tenants::NewTenant;
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
        let hash = self.hashed(admin, password);
        self.make(&[request(slug, Some(admin), Some(hash))]);
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

    /// A password's hash, which is worked out once: that is meant to take long.
    fn hashed(&self, admin: &str, password: &str) -> SecretString {
        static HASHES: Mutex<Option<HashMap<String, SecretString>>> = Mutex::new(None);
        let mut hashes = HASHES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hash = hashes.get_or_insert_default().entry(password.to_owned()).or_insert_with(|| {
            let (settings, email) = (self.settings().passwords, admin.parse().unwrap());
            let password = SecretString::from(password);
            apart(async || signin::hash_first(&settings, Some(&email), &password).await.unwrap())
        });
        hash.clone()
    }
}

fn request(slug: &str, admin: Option<&str>, admin_password_hash: Option<SecretString>) -> CreateRequest {
    let (slug, admin_email) = (slug.parse().unwrap(), admin.map(|email| email.parse().unwrap()));
    CreateRequest {
        tenant: NewTenant { slug, name: None, admin_email, labels: Labels::new() },
        admin_password_hash,
        detach: false,
        wait: false,
        wish: PlacementRequest::default(),
    }
}
