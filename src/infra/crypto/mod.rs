//! Keys, seals, password verifiers, tokens: cryptography and nothing of what it is used for.
//!
//! Knows bytes, keys and places; no tenant's rule, no SQL, no door. Every type that holds a
//! secret clears it when dropped and prints nothing of it.
//! Start reading at [`seal`], then [`master`].

mod aead;
pub mod jwt;
pub mod master;
pub mod password;
pub mod random;
pub mod record_key;
pub mod scram;
pub mod seal;
pub mod sign;
pub mod signing;
pub mod token;
pub mod totp;
mod weak;

pub use master::{LocalMasterKey, MasterKey, MasterKeyError, MasterKeyId};
pub use random::{AccessKey, RandomError};
pub use record_key::RecordKey;
pub use seal::{DataKey, OpenError, SealContext, SealError};
pub use sign::{PublicKey, SignError, Signer};
pub use token::{InvitationToken, TokenHash};
pub use totp::TotpSecret;
