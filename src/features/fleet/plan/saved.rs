//! A plan in a file: what was asked for, and a digest of what that meant at the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::error::FleetError;
use super::super::model::{Only, Plan, Request, Selection, Settings};
use super::Planned;
use crate::features::migrations::Sources;
use crate::features::tenants::Selector;

/// The form of the file.
const FORM: u32 = 1;

/// A saved plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanFile {
    pub form: u32,
    request: Asked,
    pub plan: Plan,
    /// How many tenants it is for.
    pub tenants: usize,
    /// SHA-256 of the plan, and of each tenant's id, wave and versions.
    pub digest: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    #[serde(default)]
    all: bool,
    #[serde(default)]
    conditions: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    sets: Vec<String>,
    to: Option<i64>,
    only: Option<Only>,
    waves: String,
    settings: Settings,
}

impl PlanFile {
    /// Of a plan and what was asked for.
    #[must_use]
    pub fn new(request: &Request, planned: &Planned) -> Self {
        let (mut conditions, mut names) = (Vec::new(), Vec::new());
        match &request.selection {
            Selection::All => {}
            Selection::Where(some) => conditions.extend(some.iter().map(|(text, _)| text.clone())),
            Selection::Names(some) => names.extend(some.iter().map(ToString::to_string)),
        }
        let request = Asked {
            all: matches!(request.selection, Selection::All),
            conditions,
            names,
            sets: request.sets.clone(),
            to: request.to,
            only: request.only,
            waves: request.waves.to_string(),
            settings: request.settings,
        };
        let tenants = planned.tenants.len();
        Self { form: FORM, request, plan: planned.plan.clone(), tenants, digest: digest(planned) }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`FleetError::NoPlan`].
    pub fn read(text: &str, file: &str) -> Result<Self, FleetError> {
        let wrong = |why: String| FleetError::NoPlan { file: file.to_owned(), why };
        let read: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if read.form == FORM { Ok(read) } else { Err(wrong(format!("it has format {}", read.form))) }
    }

    /// What was asked for.
    ///
    /// # Errors
    /// [`FleetError::NoPlan`] when somebody edited it.
    pub fn request(&self, lock_wait: Duration, sources: Sources, file: &str) -> Result<Request, FleetError> {
        let asked = &self.request;
        let wrong = |why: String| FleetError::NoPlan { file: file.to_owned(), why };
        let selection = if asked.all {
            Selection::All
        } else if asked.names.is_empty() {
            let parse = |text: &String| match text.parse::<Selector>() {
                Ok(selector) => Ok((text.clone(), selector)),
                Err(error) => Err(wrong(error.to_string())),
            };
            Selection::Where(asked.conditions.iter().map(parse).collect::<Result<_, _>>()?)
        } else {
            let names = asked.names.iter().map(|name| name.parse());
            Selection::Names(
                names.collect::<Result<_, _>>().map_err(|_| wrong("a slug is wrong".to_owned()))?,
            )
        };
        Ok(Request {
            selection,
            sets: asked.sets.clone(),
            sources,
            to: asked.to,
            only: asked.only,
            waves: asked
                .waves
                .parse()
                .map_err(|error: super::super::wave::WaveError| wrong(error.to_string()))?,
            settings: asked.settings,
            lock_wait,
            shard: None,
        })
    }

    /// Checks that what was asked for still means what it meant.
    ///
    /// # Errors
    /// [`FleetError::PlanChanged`], with what changed.
    pub fn check(&self, now: &Planned) -> Result<(), FleetError> {
        if digest(now) == self.digest {
            return Ok(());
        }
        let what = if !self.plan.means_the_same(&now.plan) || self.plan.files != now.plan.files {
            "the files have changed".to_owned()
        } else if self.tenants != now.tenants.len() {
            format!(
                "it was made for {} tenants, and {} have pending migrations now",
                self.tenants,
                now.tenants.len()
            )
        } else {
            "tenants' versions have changed".to_owned()
        };
        Err(FleetError::PlanChanged { what })
    }
}

fn digest(planned: &Planned) -> String {
    let mut hash = Sha256::new();
    let mut feed = |text: String| {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    };
    feed(serde_json::to_string(&planned.plan).unwrap_or_default());
    let mut tenants: Vec<_> = planned.tenants.iter().collect();
    tenants.sort_by_key(|tenant| tenant.id);
    for tenant in tenants {
        feed(format!("{} {} {:?}", tenant.id, tenant.wave, tenant.before));
    }
    hex::encode(hash.finalize())
}
