//! Records that are lists of tags (RFC 6376, section 3.2): those of DKIM and DMARC.

use std::collections::BTreeMap;

/// The tags of a record, by their names in lower case; none where it is no such list.
pub(super) fn tags(text: &str) -> Option<BTreeMap<String, String>> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let tag = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    parts.map(tag).collect()
}

/// A record of DMARC (RFC 7489, section 6.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dmarc {
    pub(super) policy: Policy,
    /// Whether a domain must be the same, where else one above both is enough: of DKIM, and of SPF.
    pub(super) is_strict: (bool, bool),
    /// For how many of a hundred messages the policy counts.
    pub(super) percent: u8,
    /// Whether reports are sent to somebody.
    pub(super) has_reports: bool,
}

/// What is to be done with mail that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    None,
    Quarantine,
    Reject,
}

impl Policy {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// Whether a text is a record of DMARC.
pub(super) fn is_dmarc(text: &str) -> bool {
    let (version, _) = text.split_once(';').unwrap_or((text, ""));
    version.split_once('=').is_some_and(|(name, value)| name.trim() == "v" && value.trim() == "DMARC1")
}

impl Dmarc {
    /// Of a text; `of_parent`: as it counts for the domains below its own. None where receivers cannot use it.
    pub(super) fn parse(text: &str, of_parent: bool) -> Option<Self> {
        let tags = tags(text)?;
        let own = tags.get("p");
        let policy = if of_parent { tags.get("sp").or(own) } else { own };
        let policy = match policy?.to_ascii_lowercase().as_str() {
            "none" => Policy::None,
            "quarantine" => Policy::Quarantine,
            "reject" => Policy::Reject,
            _ => return None,
        };
        let is_strict = |name: &str| tags.get(name).is_some_and(|value| value.eq_ignore_ascii_case("s"));
        let percent = tags.get("pct").and_then(|value| value.parse().ok()).filter(|it| *it <= 100);
        Some(Self {
            policy,
            is_strict: (is_strict("adkim"), is_strict("aspf")),
            percent: percent.unwrap_or(100),
            has_reports: tags.get("rua").is_some_and(|value| !value.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_with_what_holds_without_it() {
        let text = "v=DMARC1; p=Reject; sp=none;aspf=s; pct=50; rua=mailto:d@a.example;";
        let read = Dmarc::parse(text, false).unwrap();
        let expected =
            Dmarc { policy: Policy::Reject, is_strict: (false, true), percent: 50, has_reports: true };
        assert_eq!(read, expected);
        assert_eq!(Dmarc::parse(text, true).unwrap().policy, Policy::None);
        assert_eq!(Dmarc::parse("v=DMARC1; p=reject", true).unwrap().policy, Policy::Reject);
        for wrong in ["v=DMARC1", "v=DMARC1; p=block", "v=DMARC1; p"] {
            assert_eq!(Dmarc::parse(wrong, false), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_says_so_is_a_record() {
        assert!(is_dmarc("v=DMARC1; p=none") && is_dmarc("v = DMARC1") && !is_dmarc("v=dmarc1; p=none"));
        assert!(!is_dmarc("p=none; v=DMARC1"));
    }
}
