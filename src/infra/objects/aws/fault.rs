//! What a failed request to S3 or IAM means. Never holds more of an answer than its status and
//! code: bodies repeat what was signed, and one of them carries a new secret.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::infra::objects::ObjectError;

/// Codes that say that the administrator's own key is wrong (S3 API Reference, "Error responses";
/// IAM API Reference, "Common errors").
const WRONG_KEY: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "NotSignedUp",
    "SignatureDoesNotMatch",
];

/// Codes below 500 that say "later": throttling, and a change that is not settled yet.
const LATER: &[&str] = &[
    "ConcurrentModification",
    "EntityTemporarilyUnmodifiable",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// A request that failed, before it is known what that means.
#[derive(Debug)]
pub(super) struct Fault {
    endpoint: String,
    /// In the words of a policy, e.g. `iam:CreateUser`.
    action: &'static str,
    answer: Result<Refused, String>,
}

#[derive(Debug)]
struct Refused {
    status: u16,
    code: String,
}

impl Fault {
    /// Of what the SDK says.
    pub(super) fn of<E: ProvideErrorMetadata>(
        endpoint: &str,
        action: &'static str,
        error: &SdkError<E>,
    ) -> Self {
        let answer = match error {
            SdkError::ServiceError(answer) => Ok(Refused {
                status: answer.raw().status().as_u16(),
                code: answer.err().code().unwrap_or("no code").to_owned(),
            }),
            SdkError::TimeoutError(_) => Err("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) => {
                Err(failure.as_connector_error().map_or_else(|| "no connection".to_owned(), |it| deepest(it)))
            }
            SdkError::ResponseError(_) => Err("its answer cannot be understood".to_owned()),
            SdkError::ConstructionFailure(_) => Err("the request could not be made".to_owned()),
            _ => Err("the request failed".to_owned()),
        };
        Self { endpoint: endpoint.to_owned(), action, answer }
    }

    /// Of a part of an answer that was good as a whole.
    pub(super) fn within(endpoint: &str, action: &'static str, code: &str) -> Self {
        let refused = Refused { status: 200, code: code.to_owned() };
        Self { endpoint: endpoint.to_owned(), action, answer: Ok(refused) }
    }

    /// Of an answer that lacks what it must have.
    pub(super) fn nonsense(endpoint: &str, action: &'static str, what: &str) -> Self {
        let answer = Err(format!("its answer lacks {what}"));
        Self { endpoint: endpoint.to_owned(), action, answer }
    }

    /// Whether the service answered with one of these codes.
    pub(super) fn is(&self, codes: &[&str]) -> bool {
        self.answer.as_ref().is_ok_and(|refused| codes.contains(&refused.code.as_str()))
    }

    /// Whether the service answered, and with less than 500: it works, and did not do it.
    pub(super) fn is_refusal(&self) -> bool {
        self.answer.as_ref().is_ok_and(|refused| refused.status < 500)
    }
}

impl From<Fault> for ObjectError {
    fn from(fault: Fault) -> Self {
        let Fault { endpoint, action, answer } = fault;
        match answer {
            Err(reason) => Self::Unavailable { endpoint, reason: format!("{action}: {reason}") },
            Ok(Refused { status, code }) if status >= 500 || LATER.contains(&code.as_str()) => {
                Self::Unavailable { endpoint, reason: format!("{action}: it answered {status} ({code})") }
            }
            Ok(Refused { code, .. }) if WRONG_KEY.contains(&code.as_str()) => Self::Refused {
                endpoint,
                reason: format!("the administrator's access key is not good: {code} at {action}"),
            },
            Ok(Refused { status, code }) => {
                Self::Refused { endpoint, reason: format!("{action}: {code} ({status})") }
            }
        }
    }
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, code: &str) -> ObjectError {
        let refused = Refused { status, code: code.to_owned() };
        Fault { endpoint: "https://s3".to_owned(), action: "iam:CreateUser", answer: Ok(refused) }.into()
    }

    #[test]
    fn a_refusal_names_the_action_that_the_administrator_may_not() {
        assert_eq!(
            said(403, "AccessDenied").to_string(),
            "the object store at https://s3 refused: iam:CreateUser: AccessDenied (403)"
        );
    }

    #[test]
    fn a_wrong_key_is_told_apart_from_a_missing_right() {
        assert_eq!(
            said(403, "InvalidClientTokenId").to_string(),
            "the object store at https://s3 refused: the administrator's access key is not good: \
             InvalidClientTokenId at iam:CreateUser"
        );
    }

    #[test]
    fn throttling_is_no_refusal() {
        assert!(matches!(said(400, "Throttling"), ObjectError::Unavailable { .. }));
        assert!(matches!(said(503, "SlowDown"), ObjectError::Unavailable { .. }));
    }
}
