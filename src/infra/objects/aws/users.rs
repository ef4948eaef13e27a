//! Users, their policies and their keys, over IAM.
//!
//! One user for each bucket, of the same name. Its path is the owner's mark, so that one request
//! finds an owner's users; its tag is the mark again. IAM sets both when it makes the user, so there
//! is no moment at which a user is there and nobody knows whose it is.

use std::time::Duration;

use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::types::{StatusType, Tag, User};
use aws_sdk_s3::primitives::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::AT_ONCE;
use super::fault::Fault;
use super::policy;
use crate::infra::objects::{FoundKey, ObjectError, Owner, ScopedKey};

/// The tag that holds the mark, at a user and at a bucket.
pub(super) const TAG: &str = "nexus-owner";
/// The name of the one policy of a user.
const POLICY: &str = "nexus-bucket";
/// How long IAM may take to see everywhere what it made a moment ago.
const SETTLING: Duration = Duration::from_secs(10);
/// What IAM says of what it does not know, or not yet.
const MISSING: &[&str] = &["NoSuchEntity"];

/// IAM, with the administrator's rights.
pub(super) struct Users {
    pub(super) client: aws_sdk_iam::Client,
    pub(super) endpoint: String,
    pub(super) partition: &'static str,
}

/// A user's key, without its secret.
pub(super) struct KeyFacts {
    pub(super) id: String,
    pub(super) enabled: bool,
}

/// The path of the users that bear a mark, or a mark that begins so: `nexus:a:b` is `/nexus/a/b/`.
pub(super) fn path(mark: &str) -> String {
    format!("/{}/", mark.trim_end_matches(':').replace(':', "/"))
}

fn mark(user: &User) -> Option<&str> {
    user.tags().iter().find(|tag| tag.key() == TAG).map(Tag::value)
}

fn foreign(name: &str) -> ObjectError {
    ObjectError::Foreign { what: format!("user {name}") }
}

impl Users {
    fn fault<E: aws_sdk_iam::error::ProvideErrorMetadata>(
        &self,
        action: &'static str,
    ) -> impl FnOnce(aws_sdk_iam::error::SdkError<E>) -> Fault {
        move |error| Fault::of(&self.endpoint, action, &error)
    }

    /// Reads a user with its tags, whoever it belongs to.
    async fn read(&self, name: &str) -> Result<Option<User>, Fault> {
        match self.client.get_user().user_name(name).send().await.map_err(self.fault("iam:GetUser")) {
            Ok(answer) => Ok(answer.user),
            Err(fault) if fault.is(MISSING) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// When the owner's user was made, if it is there.
    pub(super) async fn made(&self, name: &str, owner: &Owner) -> Result<Option<DateTime>, ObjectError> {
        let Some(user) = self.read(name).await? else { return Ok(None) };
        if mark(&user) == Some(&owner.mark) && user.path() == path(&owner.mark) {
            Ok(Some(*user.create_date()))
        } else {
            Err(foreign(name))
        }
    }

    /// Sees to it that the owner's user is there.
    pub(super) async fn claim(&self, name: &str, owner: &Owner) -> Result<(), ObjectError> {
        let tag = Tag::builder().key(TAG).value(&owner.mark).build();
        let tag = tag.map_err(|_| Fault::nonsense(&self.endpoint, "iam:CreateUser", "a tag"))?;
        let request = self.client.create_user().user_name(name).path(path(&owner.mark)).tags(tag);
        match request.send().await.map_err(self.fault("iam:CreateUser")) {
            Ok(_) => Ok(()),
            Err(fault) if fault.is(&["EntityAlreadyExists"]) => {
                let settled = Instant::now() + SETTLING;
                while self.made(name, owner).await?.is_none() {
                    if Instant::now() >= settled {
                        return Err(fault.into());
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Gives a user, which is there, the policy that confines it to a bucket.
    pub(super) async fn confine(&self, name: &str, bucket: &str) -> Result<(), ObjectError> {
        let document = policy::document(self.partition, bucket).to_string();
        let request = self.client.put_user_policy().user_name(name).policy_name(POLICY);
        let request = request.policy_document(document);
        let sent = settled(|| {
            let request = request.clone();
            async move { request.send().await.map_err(self.fault("iam:PutUserPolicy")) }
        });
        Ok(sent.await.map(drop)?)
    }

    /// Makes a key. Never repeated by the SDK: a key whose answer was lost has a secret that nobody
    /// knows, and a second try would make a second one.
    pub(super) async fn add_key(&self, name: &str) -> Result<ScopedKey, ObjectError> {
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self.client.create_access_key().user_name(name);
        let answer = settled(|| {
            let request = request.clone().customize().config_override(once.clone());
            async move { request.send().await.map_err(self.fault("iam:CreateAccessKey")) }
        });
        match answer.await {
            Ok(answer) => {
                let key = answer
                    .access_key
                    .ok_or_else(|| Fault::nonsense(&self.endpoint, "iam:CreateAccessKey", "the key"))?;
                let secret = key.secret_access_key.into();
                Ok(ScopedKey { access_key_id: key.access_key_id, secret })
            }
            Err(fault) if fault.is(&["LimitExceeded"]) => Err(ObjectError::Refused {
                endpoint: self.endpoint.clone(),
                reason: format!(
                    "user {name} has two access keys, the most that IAM allows; delete one first"
                ),
            }),
            Err(fault) => Err(fault.into()),
        }
    }

    /// A user's keys; none if there is no such user.
    pub(super) async fn keys(&self, name: &str) -> Result<Vec<KeyFacts>, Fault> {
        let mut keys = Vec::new();
        let mut pages = self.client.list_access_keys().user_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page.map_err(self.fault("iam:ListAccessKeys")) {
                Ok(page) => page,
                Err(fault) if fault.is(MISSING) => return Ok(Vec::new()),
                Err(fault) => return Err(fault),
            };
            keys.extend(page.access_key_metadata.into_iter().filter_map(|key| {
                let enabled = key.status == Some(StatusType::Active);
                key.access_key_id.map(|id| KeyFacts { id, enabled })
            }));
        }
        Ok(keys)
    }

    /// Deletes a key of a user.
    pub(super) async fn remove_key(&self, name: &str, id: &str) -> Result<(), Fault> {
        let sent = self.client.delete_access_key().user_name(name).access_key_id(id).send().await;
        match sent.map_err(self.fault("iam:DeleteAccessKey")) {
            Err(fault) if !fault.is(MISSING) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Turns a key of a user on or off. Turning off what is not there is no error.
    pub(super) async fn set_enabled(&self, name: &str, id: &str, enabled: bool) -> Result<(), Fault> {
        let status = if enabled { StatusType::Active } else { StatusType::Inactive };
        let request = self.client.update_access_key().user_name(name).access_key_id(id).status(status);
        match request.send().await.map_err(self.fault("iam:UpdateAccessKey")) {
            Err(fault) if enabled || !fault.is(MISSING) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Whose user a key belongs to. AWS refuses to tell of a key that is nowhere.
    pub(super) async fn holder(&self, id: &str) -> Result<Option<String>, Fault> {
        let sent = self.client.get_access_key_last_used().access_key_id(id).send().await;
        match sent.map_err(self.fault("iam:GetAccessKeyLastUsed")) {
            Ok(answer) => Ok(answer.user_name),
            Err(fault) if fault.is_refusal() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Deletes the owner's user and its policy, unless it has a key but for `gone`, which was
    /// deleted a moment ago and may still be listed.
    pub(super) async fn release(&self, name: &str, gone: Option<&str>) -> Result<(), Fault> {
        if self.keys(name).await?.iter().any(|key| Some(key.id.as_str()) != gone) {
            return Ok(());
        }
        let sent = self.client.delete_user_policy().user_name(name).policy_name(POLICY).send().await;
        match sent.map_err(self.fault("iam:DeleteUserPolicy")) {
            Err(fault) if !fault.is(MISSING) => return Err(fault),
            _ => {}
        }
        let until = Instant::now() + SETTLING;
        loop {
            let sent = self.client.delete_user().user_name(name).send().await;
            match sent.map_err(self.fault("iam:DeleteUser")) {
                Err(fault) if fault.is(&["DeleteConflict"]) && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(fault) if !fault.is(MISSING) => return Err(fault),
                _ => return Ok(()),
            }
        }
    }

    /// The users whose mark is this one, or begins so if it ends with a colon; each with its mark.
    pub(super) async fn marked(&self, start: &str) -> Result<Vec<(String, String)>, Fault> {
        let mut names = Vec::new();
        let mut pages = self.client.list_users().path_prefix(path(start)).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(self.fault("iam:ListUsers"))?;
            names.extend(page.users.into_iter().map(|user| user.user_name));
        }
        // A list has no tags (IAM API Reference, ListUsers).
        let users = stream::iter(names).map(|name| async move { self.read(&name).await });
        let users: Vec<Option<User>> = users.buffered(AT_ONCE).try_collect().await?;
        let is_ours = |mark: &str| mark == start || (start.ends_with(':') && mark.starts_with(start));
        let ours = users.into_iter().flatten().filter_map(|user| {
            let mark = mark(&user).filter(|mark| is_ours(mark))?.to_owned();
            Some((user.user_name, mark))
        });
        Ok(ours.collect())
    }

    /// A user's keys, with the buckets that its policy opens.
    pub(super) async fn found_keys(&self, name: &str, mark: &str) -> Result<Vec<FoundKey>, Fault> {
        let keys = self.keys(name).await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let sent = self.client.get_user_policy().user_name(name).policy_name(POLICY).send().await;
        let buckets = match sent.map_err(self.fault("iam:GetUserPolicy")) {
            Ok(answer) => policy::buckets(&answer.policy_document),
            Err(fault) if fault.is(MISSING) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let found = |key: KeyFacts| FoundKey {
            access_key_id: key.id,
            mark: mark.to_owned(),
            buckets: buckets.clone(),
            enabled: key.enabled,
        };
        Ok(keys.into_iter().map(found).collect())
    }

    /// That IAM lets the administrator in.
    pub(super) async fn check(&self) -> Result<(), Fault> {
        let sent = self.client.list_users().path_prefix("/nexus/").max_items(1).send().await;
        sent.map(drop).map_err(self.fault("iam:ListUsers"))
    }
}

/// Repeats a request about a user that is there while IAM does not know it yet (IAM User Guide,
/// "Changes that I make are not always immediately visible").
async fn settled<T, F>(request: impl Fn() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let until = Instant::now() + SETTLING;
    loop {
        match request().await {
            Err(fault) if fault.is(MISSING) && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owners_users_have_a_path_of_their_own() {
        assert_eq!(path("nexus:one:two"), "/nexus/one/two/");
        assert_eq!(path("nexus:one:"), "/nexus/one/");
    }
}
