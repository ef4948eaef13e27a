//! The names under which a tenant's secrets are sealed.

/// The app role's password.
pub const PASSWORD: &str = "database-password";
/// The secret half of the key to the bucket.
pub const KEY: &str = "store-secret-key";
/// The first administrator's invitation token.
pub const INVITATION: &str = "admin-invitation";
/// The Argon2id hash of the first administrator's password.
pub const ADMIN_HASH: &str = "admin-password-hash";
