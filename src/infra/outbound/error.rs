//! Why a request was not answered.

/// Why a request did not leave, or was not answered. Says which check failed; nothing of an answer's body, and no
/// address that a name has in a network that is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error("it is not a URL: {0}")]
    NotAUrl(String),
    #[error("its URL is longer than {0} characters")]
    TooLong(usize),
    #[error("the URL must begin with https://")]
    Scheme,
    #[error("a URL must not contain a user name or a password")]
    UserInfo,
    #[error("the port must be 443, not {0}")]
    Port(u16),
    #[error("{0} is not a public address")]
    NotPublic(String),
    #[error("{0} has an address that is not public")]
    ResolvesToNotPublic(String),
    #[error("the name {0} cannot be resolved")]
    Lookup(String),
    #[error("this machine's certificates cannot be read: {0}")]
    Trust(String),
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no connection within {0} s")]
    ConnectTimeout(u64),
    #[error("no encrypted connection: {0}")]
    Tls(String),
    #[error("no answer within {0} s")]
    Timeout(u64),
    #[error("no answer that can be read: {0}")]
    NoAnswer(String),
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

impl OutboundError {
    /// Whether the URL itself is at fault: nothing was tried.
    #[must_use]
    pub fn is_of_url(&self) -> bool {
        matches!(
            self,
            Self::NotAUrl(_)
                | Self::TooLong(_)
                | Self::Scheme
                | Self::UserInfo
                | Self::Port(_)
                | Self::NotPublic(_)
        )
    }
}
