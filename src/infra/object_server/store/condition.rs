//! Conditions under which an object may be written or read (RFC 9110, section 13).

use super::StoreError;

/// What must hold of the object that is there, at the moment of a write or removal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum WriteCondition {
    /// Anything goes.
    #[default]
    Always,
    /// `If-None-Match: *`: there must be none.
    Absent,
    /// `If-Match: *`: there must be one.
    Present,
    /// `If-Match: "<etag>"`: it must be this one.
    Matches(String),
}

impl WriteCondition {
    /// Judges the ETag of what is there now.
    pub(crate) fn check(&self, current: Option<&str>) -> Result<(), StoreError> {
        match (self, current) {
            (Self::Always, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Present | Self::Matches(_), None) => Err(StoreError::NoSuchKey),
            (Self::Matches(wanted), Some(etag)) if wanted == etag => Ok(()),
            (Self::Absent | Self::Matches(_), Some(_)) => Err(StoreError::PreconditionFailed),
        }
    }
}

/// An ETag that a reader names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EtagMatch {
    /// `*`
    Any,
    /// One.
    One(String),
    /// One of these.
    Among(Vec<String>),
}

impl EtagMatch {
    fn is(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(wanted) => wanted == etag,
            Self::Among(wanted) => wanted.iter().any(|one| one == etag),
        }
    }
}

#[expect(clippy::struct_field_names, reason = "they are called so in HTTP")]
/// The four conditions of a read; times in seconds since 1970.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadConditions {
    pub if_match: Option<EtagMatch>,
    pub if_none_match: Option<EtagMatch>,
    pub if_modified_since: Option<i64>,
    pub if_unmodified_since: Option<i64>,
}

/// What a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The object.
    Read,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl ReadConditions {
    /// Judges in the order of RFC 9110, section 13.2.2: an ETag condition makes the date condition
    /// of its kind void.
    pub(crate) fn judge(&self, etag: &str, modified: i64) -> Verdict {
        let failed = match (&self.if_match, self.if_unmodified_since) {
            (Some(wanted), _) => !wanted.is(etag),
            (None, Some(since)) => modified > since,
            (None, None) => false,
        };
        if failed {
            return Verdict::Failed;
        }
        let unmodified = match (&self.if_none_match, self.if_modified_since) {
            (Some(unwanted), _) => unwanted.is(etag),
            (None, Some(since)) => modified <= since,
            (None, None) => false,
        };
        if unmodified { Verdict::NotModified } else { Verdict::Read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_judged_by_what_is_there() {
        let matches = WriteCondition::Matches("a".into());
        assert!(WriteCondition::Absent.check(None).is_ok());
        assert!(matches!(WriteCondition::Absent.check(Some("a")), Err(StoreError::PreconditionFailed)));
        assert!(matches.check(Some("a")).is_ok());
        assert!(matches!(matches.check(Some("b")), Err(StoreError::PreconditionFailed)));
        assert!(matches!(matches.check(None), Err(StoreError::NoSuchKey)));
    }

    #[test]
    fn an_etag_condition_voids_the_date_condition_of_its_kind() {
        let reads = ReadConditions {
            if_match: Some(EtagMatch::One("a".into())),
            if_unmodified_since: Some(1),
            ..ReadConditions::default()
        };
        assert_eq!(reads.judge("a", 5), Verdict::Read);
        assert_eq!(reads.judge("b", 0), Verdict::Failed);
        let reads = ReadConditions {
            if_none_match: Some(EtagMatch::One("a".into())),
            if_modified_since: Some(9),
            ..ReadConditions::default()
        };
        assert_eq!(reads.judge("b", 5), Verdict::Read);
        assert_eq!(reads.judge("a", 5), Verdict::NotModified);
    }
}
