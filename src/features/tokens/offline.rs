//! Minting without a database: a development key in a file, with what is known of users.
//!
//! The key is another one than those that sign the installation's tokens, and is accepted only
//! where the settings say so: whoever has the file can be anybody in the realms that it was exported
//! for, and nobody elsewhere.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::Tokens;
use super::error::TokenError;
use super::issued::IssueTime;
use super::keys::Signer;
use super::mint::{For, Issuer, Minted, NewToken, sign};
use super::realm::Realm;
use crate::features::access::{self, About, rights};
use crate::features::audit;
use crate::features::iam::{self, Subject};
use crate::infra::crypto::signing::{Algorithm, SigningKey};
use crate::infra::db::{PgConnection, transaction};
use crate::infra::private_file;
use crate::kernel::{Caller, Email, RealmRef, TenantId, suggest};

/// The form of the file.
const VERSION: u32 = 1;
/// Most users that are written for a realm.
const MOST_USERS: i64 = 1000;

/// A realm as an exported development key knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DevelopmentRealm {
    /// The tenant's id; nil: the platform.
    pub id: TenantId,
    /// The tenant's slug; none: the platform.
    pub slug: Option<String>,
    /// Its active users when the key was exported.
    pub users: Vec<Subject>,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Content {
    nexus_development_key: u32,
    kid: String,
    algorithm: Algorithm,
    private_key: Zeroizing<String>,
    issuer: String,
    audience: String,
    ttl_seconds: u64,
    realms: Vec<DevelopmentRealm>,
}

/// A development key, read from its file.
pub struct DevelopmentKey {
    key: SigningKey,
    content: Content,
}

impl std::fmt::Debug for DevelopmentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevelopmentKey").field("kid", &self.content.kid).finish_non_exhaustive()
    }
}

impl DevelopmentKey {
    /// Reads the file, which nobody else may be able to read.
    ///
    /// # Errors
    /// [`TokenError::DevelopmentKey`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn from_file(path: &Path) -> Result<Self, TokenError> {
        let place = path.display().to_string();
        let wrong =
            |reason: &str| TokenError::DevelopmentKey { place: place.clone(), reason: reason.to_owned() };
        let of = path.to_owned();
        let read = tokio::task::spawn_blocking(move || private_file::read(&of).map(Zeroizing::new)).await;
        let read = read.map_err(|_| wrong("it could not be read"))?;
        let bytes = read.map_err(|error| wrong(&error.to_string()))?;
        // The parser's own words could quote the key.
        let content: Content =
            serde_json::from_slice(&bytes).map_err(|_| wrong("it is not an exported development key"))?;
        if content.nexus_development_key != VERSION {
            return Err(wrong("it was written by another version of Nexus; export it again"));
        }
        let document = URL_SAFE_NO_PAD.decode(content.private_key.as_bytes());
        let document = Zeroizing::new(document.map_err(|_| wrong("its key is damaged"))?);
        let key =
            SigningKey::from_pkcs8(content.algorithm, &document).map_err(|_| wrong("its key is damaged"))?;
        if key.public().id() != content.kid {
            return Err(wrong("its key is damaged"));
        }
        Ok(Self { key, content })
    }

    /// Requires that the key signs in the way that is asked for.
    ///
    /// # Errors
    /// [`TokenError::Request`].
    pub fn require(&self, algorithm: Algorithm) -> Result<(), TokenError> {
        let own = self.content.algorithm;
        if own == algorithm {
            return Ok(());
        }
        Err(TokenError::Request(format!(
            "this development key signs with {}, not {}; export one that does",
            own.as_str(),
            algorithm.as_str()
        )))
    }

    /// Mints a token for a user as the file knows it. Asks nobody.
    ///
    /// # Errors
    /// When the file does not know the user, or more is asked for than the user holds.
    pub fn mint(
        &self,
        caller: &Caller,
        (tenant, email): (Option<&str>, &Email),
        new: &NewToken,
    ) -> Result<Minted, TokenError> {
        let caller = &access::authorize_machine(caller, &rights::TOKEN_CREATE)?;
        let of = |realm: &&DevelopmentRealm| match tenant {
            Some(name) => {
                realm.slug.as_deref() == Some(name) || (realm.slug.is_some() && realm.id.to_string() == name)
            }
            None => realm.slug.is_none(),
        };
        let realm = self.content.realms.iter().find(of).ok_or_else(|| {
            TokenError::Request(match tenant {
                Some(name) => {
                    format!("this development key does not cover tenant {name:?}; export one of that tenant")
                }
                None => "this development key does not cover the platform; name a tenant, or export a key \
                         of the platform"
                    .to_owned(),
            })
        })?;
        let name = RealmRef { id: realm.id, slug: realm.slug.clone() };
        let same = |user: &&Subject| email.is(&user.email);
        let Some(subject) = realm.users.iter().find(same) else {
            let known = realm.users.iter().map(|user| user.email.as_str());
            let nearest = suggest::nearest_email(email.as_str(), known).map(str::to_owned);
            let hint = "an exported key knows those who were active then; export it again for a newer one";
            return Err(TokenError::NoUser {
                email: email.to_string(),
                realm: name.to_string(),
                nearest,
                hint: hint.into(),
            });
        };
        let issuer = Issuer {
            issuer: &self.content.issuer,
            audience: &self.content.audience,
            ttl: std::time::Duration::from_secs(self.content.ttl_seconds),
        };
        let whose = For { realm: &name, subject, as_of: IssueTime::of_this_machine() };
        let claims = new.compose(whose, issuer, caller)?;
        Ok(Minted { token: sign(&claims, &self.key)?, claims, refresh: None })
    }
}

impl Tokens {
    /// What a realm's users are now, for an export.
    ///
    /// # Errors
    /// When the realm's database refuses.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn development_realm(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
    ) -> Result<DevelopmentRealm, TokenError> {
        access::authorize(control, caller, &rights::KEY_EXPORT, About::Platform).await?;
        let name = realm.name.clone();
        let mut tx = realm.begin().await?;
        let users = iam::active_subjects(&mut tx, MOST_USERS).await?;
        tx.commit().await?;
        Ok(DevelopmentRealm { id: name.id, slug: name.slug, users })
    }

    /// The development key of an algorithm for these realms and no others, made where there is none, as
    /// the text of its file.
    ///
    /// # Errors
    /// [`TokenError::Request`] where the settings refuse such keys; the control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn export_development(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realms: Vec<DevelopmentRealm>,
        algorithm: Algorithm,
    ) -> Result<SecretString, TokenError> {
        let caller = &access::authorize(control, caller, &rights::KEY_EXPORT, About::Platform).await?;
        if !self.development {
            return Err(TokenError::Request(
                "this installation refuses development keys: setting tokens.development_keys".to_owned(),
            ));
        }
        let mut tx = transaction(control).await?;
        let mut ids: Vec<TenantId> = realms.iter().map(|realm| realm.id).collect();
        ids.sort_by_key(|id| id.uuid());
        ids.dedup();
        let key = self.signer(&mut tx, caller, Signer { algorithm, realms: Some(&ids) }).await?;
        let document = key.to_pkcs8()?;
        let slugs: Vec<_> = realms.iter().map(|realm| realm.slug.clone()).collect();
        let content = Content {
            nexus_development_key: VERSION,
            kid: key.public().id().to_owned(),
            algorithm,
            private_key: Zeroizing::new(URL_SAFE_NO_PAD.encode(document.expose_secret())),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            ttl_seconds: self.ttl.as_secs(),
            realms,
        };
        let text = serde_json::to_string_pretty(&content);
        let text = Zeroizing::new(text.map_err(|_| TokenError::KeyDamaged(content.kid.clone()))?);
        let entry = audit::Entry {
            caller,
            action: "key.export_development",
            tenant: None,
            operation: None,
            detail: json!({ "kid": content.kid, "tenants": slugs }),
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(SecretString::from(text.as_str()))
    }
}
