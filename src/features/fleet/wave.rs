//! Waves: which tenants go first. Pure.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::kernel::Slug;

/// One part of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wave {
    /// These tenants.
    Named {
        /// What the wave is called; for people.
        name: String,
        slugs: Vec<String>,
    },
    /// So many hundredths of all, at least one.
    Percent(u8),
    /// So many.
    Count(usize),
    /// All that are left.
    Rest,
}

/// The parts of a fleet, in their order; the last holds the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves(Vec<Wave>);

/// A text that names no waves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaveError {
    /// A part that is none.
    #[error("{0:?} is not a wave: a wave is N%, N, NAME=SLUG,SLUG… or rest")]
    Part(String),
    /// A wave names what no tenant can be called.
    #[error("{name:?} in a wave is not a tenant: {why}")]
    Slug {
        name: String,
        /// Why none is called that.
        why: String,
    },
    /// Nothing is left for those that come after.
    #[error("\"rest\" comes last")]
    RestNotLast,
}

impl Default for Waves {
    fn default() -> Self {
        Self(vec![Wave::Rest])
    }
}

impl FromStr for Waves {
    type Err = WaveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut waves = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            if waves.last() == Some(&Wave::Rest) {
                return Err(WaveError::RestNotLast);
            }
            waves.push(wave(part)?.ok_or_else(|| WaveError::Part(part.to_owned()))?);
        }
        if waves.last() != Some(&Wave::Rest) {
            waves.push(Wave::Rest);
        }
        Ok(Self(waves))
    }
}

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (wave, name)) in self.0.iter().zip(self.names()).enumerate() {
            f.write_str(if index == 0 { "" } else { ";" })?;
            match wave {
                Wave::Named { slugs, .. } => write!(f, "{name}={}", slugs.join(","))?,
                _ => f.write_str(&name)?,
            }
        }
        Ok(())
    }
}

fn wave(part: &str) -> Result<Option<Wave>, WaveError> {
    if part == "rest" {
        return Ok(Some(Wave::Rest));
    }
    if let Some((name, slugs)) = part.split_once('=') {
        let slugs: Vec<String> = slugs.split(',').map(|slug| slug.trim().to_owned()).collect();
        for slug in &slugs {
            slug.parse::<Slug>()
                .map_err(|error| WaveError::Slug { name: slug.clone(), why: error.to_string() })?;
        }
        let named = || Wave::Named { name: name.trim().to_owned(), slugs };
        return Ok((!name.trim().is_empty()).then(named));
    }
    if let Some(number) = part.strip_suffix('%') {
        return Ok(number.parse().ok().filter(|share| (1..=100).contains(share)).map(Wave::Percent));
    }
    Ok(part.parse().ok().filter(|count| *count > 0).map(Wave::Count))
}

impl Waves {
    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[Wave] {
        &self.0
    }

    /// What each part is called.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let name = |wave: &Wave| match wave {
            Wave::Named { name, .. } => name.clone(),
            Wave::Percent(share) => format!("{share}%"),
            Wave::Count(count) => count.to_string(),
            Wave::Rest => "rest".to_owned(),
        };
        self.0.iter().map(name).collect()
    }

    /// The slugs that are named.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(|wave| match wave {
                Wave::Named { slugs, .. } => slugs.as_slice(),
                _ => &[],
            })
            .map(String::as_str)
    }

    /// The wave of each tenant, in the order given. Whoever is named goes with its wave, even where
    /// an earlier one takes a share of all.
    #[must_use]
    pub fn divide(&self, slugs: &[&str]) -> Vec<usize> {
        let mut of: HashMap<&str, usize> = HashMap::new();
        for (index, wave) in self.0.iter().enumerate() {
            if let Wave::Named { slugs, .. } = wave {
                for slug in slugs {
                    of.entry(slug).or_insert(index);
                }
            }
        }
        let mut free =
            slugs.iter().filter(|slug| !of.contains_key(**slug)).copied().collect::<Vec<_>>().into_iter();
        for (index, wave) in self.0.iter().enumerate() {
            let take = match wave {
                Wave::Named { .. } => 0,
                Wave::Percent(share) => (slugs.len() * usize::from(*share)).div_ceil(100),
                Wave::Count(count) => *count,
                Wave::Rest => usize::MAX,
            };
            for slug in free.by_ref().take(take) {
                of.insert(slug, index);
            }
        }
        slugs.iter().map(|slug| of.get(slug).copied().unwrap_or(self.0.len() - 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canaries_then_shares_then_the_rest() {
        let waves: Waves = "canary=acme,beta;1%;10%;rest".parse().unwrap();
        assert_eq!(waves.names(), ["canary", "1%", "10%", "rest"]);
        assert_eq!(waves.to_string(), "canary=acme,beta;1%;10%;rest");
        let slugs: Vec<String> = (0..98).map(|n| format!("t{n}")).collect();
        let all: Vec<&str> = ["acme", "beta"].into_iter().chain(slugs.iter().map(String::as_str)).collect();
        let of = waves.divide(&all);
        assert_eq!(&of[..2], [0, 0]);
        let size = |wave| of.iter().filter(|it| **it == wave).count();
        assert_eq!([size(0), size(1), size(2), size(3)], [2, 1, 10, 87]);
    }

    #[test]
    fn the_rest_is_never_forgotten_and_never_comes_before_others() {
        assert_eq!("5".parse::<Waves>().unwrap().parts(), [Wave::Count(5), Wave::Rest]);
        assert_eq!("rest;5".parse::<Waves>(), Err(WaveError::RestNotLast));
        for bad in ["0", "0%", "101%", "=acme", "x"] {
            assert!(matches!(bad.parse::<Waves>(), Err(WaveError::Part(_))), "{bad}");
        }
        for bad in ["c=", "c=a", "c=acme,A b"] {
            assert!(matches!(bad.parse::<Waves>(), Err(WaveError::Slug { .. })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn everybody_is_in_one_wave_that_there_is(parts in proptest::collection::vec("[1-9]%|[1-9]|c=t[0-9]", 0..4), size in 0..40_usize) {
            let waves: Waves = parts.join(";").parse().unwrap();
            let slugs: Vec<String> = (0..size).map(|n| format!("t{n}")).collect();
            let of = waves.divide(&slugs.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(of.len(), size);
            prop_assert!(of.iter().all(|wave| *wave < waves.parts().len()));
        }
    }
}
