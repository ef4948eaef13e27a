//! What was tried, for an auditor: a report that is signed with a key of the installation, and its
//! check, which needs nothing but the file and the public key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::error::InspectionError;
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::provisioning::Provisioning;
use crate::features::secrets::SecretsError;
use crate::infra::crypto::{PublicKey, Signer};
use crate::infra::db::{DbError, PgConnection, durable_transaction};
use crate::kernel::{Caller, TenantId, Verdict};

/// The name under which the private key is sealed among the platform's own secrets.
const SIGNING_KEY: &str = "prove.signing-key";
/// Names the form, and keeps a signature from being good for anything else.
const FORMAT: &str = "nexus-proof-1";

/// What became of the attempts of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofOutcome {
    pub tried: u64,
    pub refused: u64,
    pub allowed: u64,
    /// How many were aimed at something that was deleted meanwhile.
    pub missing: u64,
    /// How many had no clear answer.
    pub unclear: u64,
}

/// The attempts of one kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kind {
    /// E.g. `database`, `bucket-list`.
    pub kind: String,
    /// What became of them.
    #[serde(flatten)]
    pub outcome: ProofOutcome,
}

/// An attempt that was let in, or had no clear answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    pub kind: String,
    /// Who tried, by slug.
    pub tenant: String,
    /// Whose it is, by slug; empty: nobody's.
    pub neighbour: String,
    /// What was tried, e.g. `database nx…`.
    pub object: String,
    /// Why it is unclear; empty: it was let in.
    pub unclear: String,
}

/// Who took part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Party {
    pub id: TenantId,
    pub slug: String,
    /// The server that it is on.
    pub cluster: String,
    pub store: String,
}

/// A proof: what was tried and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proof {
    pub installation: String,
    pub program: String,
    /// When it was begun (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub began_at: OffsetDateTime,
    /// When it ended (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ended_at: OffsetDateTime,
    pub tenants: Vec<Party>,
    /// How many pairs of a tenant and a neighbour.
    pub pairs: u64,
    /// What was tried, by kind.
    pub attempts: Vec<Kind>,
    pub breaches: Vec<Breach>,
    /// What had no clear answer; where there is any, nothing is proved of it.
    pub unclear: Vec<Breach>,
}

/// A proof as a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedProof {
    pub format: String,
    pub proof: Value,
    /// The public key, as PEM.
    pub public_key: String,
    pub fingerprint: String,
    /// The signature, base64 of Ed25519's 64 bytes, of the form's name, a line break, and the proof
    /// as JSON without white space, the fields of every object by name.
    pub signature: String,
}

/// What a check of a file says.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// Whether it was checked against a key that the caller trusts; else only that nothing in the
    /// file was changed since whoever made it signed it.
    pub origin: bool,
    pub fingerprint: String,
    /// The installation that it names.
    pub installation: String,
    /// When the proof ended (RFC 3339).
    pub ended_at: String,
    pub tenants: usize,
    /// How many attempts were made.
    pub attempts: u64,
    pub breaches: usize,
    /// How many had no clear answer.
    pub unclear: usize,
}

impl Proof {
    /// How it ends.
    ///
    /// # Errors
    /// [`InspectionError::NotIsolated`], [`InspectionError::NotProved`].
    pub fn verdict(&self) -> Result<(), InspectionError> {
        verdict(self.breaches.len(), self.unclear.len())
    }

    pub(super) fn kinds(counted: BTreeMap<String, ProofOutcome>) -> Vec<Kind> {
        counted.into_iter().map(|(kind, outcome)| Kind { kind, outcome }).collect()
    }
}

impl Checked {
    /// How what it proves ended.
    ///
    /// # Errors
    /// As [`Proof::verdict`].
    pub fn verdict(&self) -> Result<(), InspectionError> {
        verdict(self.breaches, self.unclear)
    }
}

fn verdict(breaches: usize, unclear: usize) -> Result<(), InspectionError> {
    match Verdict::of(breaches, unclear) {
        Verdict::Well => Ok(()),
        Verdict::Unchecked { unchecked } => Err(InspectionError::NotProved { unclear: unchecked }),
        Verdict::Faulty { faults, .. } => Err(InspectionError::NotIsolated { breaches: faults }),
    }
}

/// The installation's key, made when it is first asked for.
async fn signer(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Authorized<'_>,
) -> Result<Signer, InspectionError> {
    match on.secrets.get(control, TenantId::PLATFORM, SIGNING_KEY).await {
        Ok(sealed) => return Ok(Signer::open(&sealed)?),
        Err(SecretsError::NotFound { .. } | SecretsError::NoDataKey(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let (signer, sealed) = Signer::generate()?;
    let mut tx = durable_transaction(control).await?;
    on.secrets.put_platform(&mut tx, SIGNING_KEY, &sealed).await?;
    let detail = json!({ "fingerprint": signer.public().fingerprint() });
    let entry = audit::Entry { caller, action: "prove.key", tenant: None, operation: None, detail };
    audit::record(&mut tx, entry).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(signer)
}

/// The public key of the installation, as PEM, and its fingerprint.
///
/// # Errors
/// When the sealed key does not open.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn public_key(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
) -> Result<(String, String), InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_PROVE, About::Platform).await?;
    let public = signer(on, control, caller).await?.public();
    Ok((public.to_pem(), public.fingerprint()))
}

/// Signs a proof.
///
/// # Errors
/// When the sealed key does not open.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn sign(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    proof: &Proof,
) -> Result<SignedProof, InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_PROVE, About::Platform).await?;
    let signer = signer(on, control, caller).await?;
    let proof = serde_json::to_value(proof).map_err(|error| InspectionError::NoProof(error.to_string()))?;
    Ok(SignedProof {
        format: FORMAT.to_owned(),
        signature: signer.sign(&signed_text(&proof)),
        proof,
        public_key: signer.public().to_pem(),
        fingerprint: signer.public().fingerprint(),
    })
}

/// Checks a file, and that it was signed with the given key where one is given. Needs no server.
///
/// # Errors
/// [`InspectionError::NoProof`] when it is none, or was changed, or another key signed it.
pub fn check(file: &str, trusted: Option<&str>) -> Result<Checked, InspectionError> {
    let no = |why: &str| InspectionError::NoProof(why.to_owned());
    let signed: SignedProof =
        serde_json::from_str(file).map_err(|error| no(&format!("it cannot be read: {error}")))?;
    if signed.format != FORMAT {
        return Err(no("its format is unknown to this program"));
    }
    let key = PublicKey::from_pem(&signed.public_key)?;
    if let Some(trusted) = trusted
        && PublicKey::from_pem(trusted)? != key
    {
        return Err(no("it was signed with another key than the given one"));
    }
    if signed.fingerprint != key.fingerprint()
        || !key.verifies(&signed_text(&signed.proof), &signed.signature)
    {
        return Err(no("it was changed after it was signed"));
    }
    let ended_at = signed.proof["ended_at"].as_str().unwrap_or_default().to_owned();
    let proof: Proof = serde_json::from_value(signed.proof).map_err(|error| no(&error.to_string()))?;
    Ok(Checked {
        origin: trusted.is_some(),
        fingerprint: signed.fingerprint,
        installation: proof.installation,
        ended_at,
        tenants: proof.tenants.len(),
        attempts: proof.attempts.iter().map(|kind| kind.outcome.tried).sum(),
        breaches: proof.breaches.len(),
        unclear: proof.unclear.len(),
    })
}

fn signed_text(proof: &Value) -> Vec<u8> {
    let mut text = format!("{FORMAT}\n");
    write_sorted(proof, &mut text);
    text.into_bytes()
}

/// JSON without white space, the fields of every object by name, whatever order they were read in.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            text.push('{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_sorted(value, text);
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            for (index, value) in list.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write_sorted(value, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_does_not_depend_on_the_order_of_fields() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"d": "x", "c": null}], "a": "\n"}"#).unwrap();
        assert_eq!(
            String::from_utf8(signed_text(&one)).unwrap(),
            "nexus-proof-1\n{\"a\":\"\\n\",\"b\":[1,{\"c\":null,\"d\":\"x\"}]}"
        );
    }
}
