//! Keys and what is made with them: random values, sealed values, master keys, verifiers and
//! hashes of passwords, tokens. Knows no table and no tenant's rule.
//!
//! Start reading at `seal.rs`.

pub mod master;
pub mod password;
pub mod random;
pub mod scram;
pub mod seal;
pub mod token;
