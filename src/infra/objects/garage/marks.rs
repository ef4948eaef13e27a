//! Marks of ownership at a store that has no tags.
//!
//! A key's name is the mark itself. A bucket bears a second alias that says the mark: an alias must
//! be a valid bucket name, which takes 63 characters of `a-z`, `0-9`, `.` and `-` (Garage's
//! `is_valid_bucket_name`; "Bucket naming rules", Amazon S3 User Guide), so that the two UUIDs of
//! a mark are written in base 32, followed by a few characters of the hash of the bucket's name.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::infra::objects::Owner;

/// RFC 4648's base 32 in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// How every alias that is a mark begins.
const PREFIX: &str = "nx-";
/// Characters of two UUIDs: 256 bits, 5 a character.
const UUIDS: usize = 52;
/// Characters of the hash: 35 bits tell the few buckets of one tenant apart.
const HASH: usize = 7;

/// `nexus:<installation>:<tenant>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    installation: Uuid,
    tenant: Uuid,
}

impl Mark {
    /// Of an owner; `None` when its mark has another shape.
    pub(super) fn of(owner: &Owner) -> Option<Self> {
        let mut parts = owner.mark.strip_prefix("nexus:")?.split(':');
        let (installation, tenant) = (parts.next()?, parts.next()?);
        let mark = Self { installation: installation.parse().ok()?, tenant: tenant.parse().ok()? };
        // One way of writing it alone, or what is read back would be another mark.
        (mark.text() == owner.mark).then_some(mark)
    }

    /// As it is written everywhere else.
    pub(super) fn text(self) -> String {
        format!("nexus:{}:{}", self.installation, self.tenant)
    }

    /// The alias that marks this bucket.
    pub(super) fn alias(self, bucket: &str) -> String {
        let mut uuids = [0; 32];
        uuids[..16].copy_from_slice(self.installation.as_bytes());
        uuids[16..].copy_from_slice(self.tenant.as_bytes());
        format!("{PREFIX}{}-{}", base32(&uuids), hash(bucket))
    }

    /// Reads an alias back, if it is a mark.
    pub(super) fn read(alias: &str) -> Option<Self> {
        let (uuids, hash) = alias.strip_prefix(PREFIX)?.split_once('-')?;
        let bytes = unbase32(uuids).filter(|_| hash.len() == HASH)?;
        let (installation, tenant) = bytes.split_at(16);
        Some(Self {
            installation: Uuid::from_slice(installation).ok()?,
            tenant: Uuid::from_slice(tenant).ok()?,
        })
    }
}

/// The mark that a bucket with these aliases bears, and its name: the alias that the mark was made
/// for, or, while only the mark is there, the mark's own.
pub(super) fn marked(aliases: &[String]) -> Option<(Mark, &str)> {
    let (alias, mark) = aliases.iter().find_map(|alias| Some((alias, Mark::read(alias)?)))?;
    let name = aliases.iter().find(|name| mark.alias(name) == *alias).unwrap_or(alias);
    Some((mark, name))
}

fn hash(bucket: &str) -> String {
    let mut text = base32(&Sha256::digest(bucket.as_bytes()));
    text.truncate(HASH);
    text
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u16, 0);
    for byte in bytes {
        // At most 4 bits wait, so that 12 fit.
        bits = bits << 8 | u16::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[usize::from(bits >> count & 31)]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(ALPHABET[usize::from(bits << (5 - count) & 31)]));
    }
    text
}

/// The 32 bytes that [`base32`] wrote so.
fn unbase32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = Vec::with_capacity(32);
    let (mut bits, mut count) = (0_u16, 0);
    for character in text.bytes() {
        let value = ALPHABET.iter().position(|it| *it == character)?;
        bits = bits << 5 | u16::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    let bytes: [u8; 32] = bytes.try_into().ok()?;
    (text.len() == UUIDS && base32(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(installation: u128, tenant: u128) -> Mark {
        Mark { installation: Uuid::from_u128(installation), tenant: Uuid::from_u128(tenant) }
    }

    fn owner(mark: &str) -> Owner {
        Owner { mark: mark.to_owned(), fence: 1 }
    }

    proptest! {
        #[test]
        fn an_alias_is_a_bucket_name_and_says_the_mark(installation: u128, tenant: u128, bucket in "[a-z0-9]{3,63}") {
            let mark = mark(installation, tenant);
            let alias = mark.alias(&bucket);
            prop_assert_eq!(alias.len(), 63);
            prop_assert!(s3s::path::check_bucket_name(&alias));
            prop_assert_eq!(Mark::read(&alias), Some(mark));
            prop_assert_eq!(Mark::of(&owner(&mark.text())), Some(mark));
            let aliases = [alias.clone(), "another".to_owned(), bucket.clone()];
            prop_assert_eq!(marked(&aliases), Some((mark, bucket.as_str())));
            prop_assert_eq!(marked(&aliases[..1]), Some((mark, alias.as_str())));
        }

        #[test]
        fn what_is_no_mark_is_not_read_as_one(alias in "(nx-)?[a-z0-9-]{0,60}") {
            prop_assert_eq!(Mark::read(&alias), None);
        }
    }

    #[test]
    fn two_tenants_installations_or_buckets_have_two_aliases() {
        let base = mark(1, 2).alias("b");
        for other in
            [mark(1, 3).alias("b"), mark(3, 2).alias("b"), mark(2, 1).alias("b"), mark(1, 2).alias("c")]
        {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn a_mark_of_another_shape_is_none() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for text in [
            String::new(),
            format!("nexus:{a}"),
            format!("nexus:{a}:template"),
            format!("nexus:{a}:{b}:c"),
            format!("nexus:{}:{b}", a.simple()),
            format!("other:{a}:{b}"),
        ] {
            assert_eq!(Mark::of(&owner(&text)), None, "{text}");
        }
    }
}
