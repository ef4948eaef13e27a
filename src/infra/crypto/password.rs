//! People's passwords: what is accepted, and how it is kept.
//!
//! Kept as Argon2id, at least with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet),
//! in the PHC string form. Accepted by NIST SP 800-63B-4, section 3.1.1.2: long enough, not of the kind
//! that is tried first, and no rules about what characters it must hold.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

mod common;

use super::random;
use crate::kernel::{Failure, text};

/// Characters that a password must have when it is all that is asked for (SP 800-63B-4).
pub const MIN_CHARS: usize = 15;
/// Characters that a password must have beside a second factor (SP 800-63B-4).
pub const MIN_CHARS_WITH_FACTOR: usize = 8;
/// Characters that a password may have: the standard asks for at least 64.
pub const MAX_CHARS: usize = 256;

/// Bytes of salt (RFC 9106, section 3.1).
const SALT_LEN: usize = 16;
/// The least KiB of memory for one hash.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// The fewest passes over the memory.
pub const PASSES: u32 = 2;
/// Lanes.
pub const LANES: u32 = 1;
/// The most that a stored hash may ask for, so that a changed row cannot exhaust the machine.
pub const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// The same for passes.
pub const MAX_PASSES: u32 = 16;
/// The same for lanes.
pub const MAX_LANES: u32 = 4;
/// Hashes at once, unless told otherwise: 76 MiB at most.
const DEFAULT_AT_ONCE: usize = 4;

/// Words that must not be most of a password: they are tried first.
const PRODUCT: &str = "nexus";

/// Why a password is not accepted, or could not be hashed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum PasswordError {
    /// The password has fewer characters than are needed.
    #[error("the password has {0} characters; at least {1} are needed")]
    #[failure(Invalid, "password_short")]
    #[hint("take four or five words that have nothing to do with each other")]
    Short(usize, usize),
    /// The password has more characters than are allowed.
    #[error("the password has {0} characters; at most {MAX_CHARS} are allowed")]
    #[failure(Invalid, "password_long")]
    Long(usize),
    /// The password is one that is guessed early.
    #[error("the password is {0}")]
    #[failure(Invalid, "password_guessable")]
    #[hint("take four or five words that have nothing to do with each other")]
    Guessable(&'static str),
    /// A stored password hash is not one, or asks for more than is allowed.
    #[error("the stored password hash is damaged")]
    #[failure(Integrity, "password_hash_damaged")]
    Damaged,
    /// The password could not be hashed.
    #[error("the password could not be hashed: {0}")]
    #[failure(Internal, "password_hash_failed")]
    Failed(String),
}

/// Says whether a password may be set. Characters are Unicode code points, as the standard counts.
///
/// # Errors
/// [`PasswordError::Short`], [`PasswordError::Long`], [`PasswordError::Guessable`] when it is one of
/// those that are tried first, repeats a short piece, runs through the alphabet or the keyboard, or
/// is mostly a part of the person's own e-mail address or the product's name.
pub fn check(password: &SecretString, email: Option<&str>) -> Result<(), PasswordError> {
    check_beside(password, email, false)
}

/// The same where there may be a second factor, beside which a shorter password is enough.
pub fn check_beside(
    password: &SecretString,
    email: Option<&str>,
    second_factor: bool,
) -> Result<(), PasswordError> {
    let text = password.expose_secret();
    let count = text.chars().count();
    let least = if second_factor { MIN_CHARS_WITH_FACTOR } else { MIN_CHARS };
    if count < least {
        return Err(PasswordError::Short(count, least));
    }
    if count > MAX_CHARS {
        return Err(PasswordError::Long(count));
    }
    let lower: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    if repeats(&lower) {
        return Err(PasswordError::Guessable("the same few characters over and over"));
    }
    if runs(&lower) {
        return Err(PasswordError::Guessable("a run of neighbouring letters, digits or keys"));
    }
    let whole: Zeroizing<String> = Zeroizing::new(lower.iter().collect());
    if common::is_common(&whole) {
        return Err(PasswordError::Guessable("a common one"));
    }
    let email = email.unwrap_or_default();
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let parts = [email, local, domain].into_iter().chain(local.split(['.', '-', '_', '+']));
    if parts.chain(domain.split('.')).any(|part| mostly(&lower, part)) {
        return Err(PasswordError::Guessable("little more than the name in the e-mail address"));
    }
    if mostly(&lower, PRODUCT) {
        return Err(PasswordError::Guessable("little more than the name of this product"));
    }
    Ok(())
}

/// Made of one piece of at most a third of its length, again and again.
fn repeats(text: &[char]) -> bool {
    (1..=text.len() / 3).any(|piece| text.iter().zip(&text[piece..]).all(|(a, b)| a == b))
}

/// Nearly every character follows its neighbour: in the alphabet, among the digits, on a keyboard's
/// row, upwards or downwards. Three breaks are granted to a run that starts anew.
fn runs(text: &[char]) -> bool {
    const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let follows = |a: char, b: char| {
        let in_row = |row: &&str| row.chars().zip(row.chars().skip(1)).any(|pair| pair == (a, b));
        (u32::from(a) + 1 == u32::from(b) && a.is_alphanumeric())
            || (a, b) == ('9', '0')
            || ROWS.iter().any(in_row)
    };
    let steps = text.len() - 1;
    let up = text.windows(2).filter(|pair| follows(pair[0], pair[1])).count();
    let down = text.windows(2).filter(|pair| follows(pair[1], pair[0])).count();
    up.max(down) + 3 >= steps
}

/// Once every `word` is taken out, fewer than eight characters are left.
fn mostly(text: &[char], word: &str) -> bool {
    let word = word.to_lowercase();
    if word.chars().count() < 3 {
        return false;
    }
    let text: String = text.iter().collect();
    text.contains(&word) && text.replace(&word, "").chars().count() < 8
}

/// What one hash costs. Grows with the machines; hashes that cost less are made anew at the next
/// sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory, [`MEMORY_KIB`] to [`MAX_MEMORY_KIB`].
    pub memory_kib: u32,
    /// Passes over it, [`PASSES`] to [`MAX_PASSES`].
    pub passes: u32,
    /// Lanes, [`LANES`] to [`MAX_LANES`].
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES }
    }
}

/// Hashes beside other work, only so many at once: a flood of logins waits instead of taking all
/// the memory. A cheap clone shares the limit.
///
/// The memory is kept and used again: left to the allocator, each thread that ever hashed keeps
/// its 19 MiB, many times the limit.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    permits: Arc<Semaphore>,
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Hasher {
    /// Of at most `at_once` hashes at a time, 19 MiB each.
    #[must_use]
    pub fn new(at_once: NonZeroUsize) -> Self {
        let permits = Semaphore::new(at_once.get().min(Semaphore::MAX_PERMITS));
        Self { cost: Cost::default(), permits: Arc::new(permits), memory: Arc::default() }
    }

    /// The same, whose new hashes cost so much.
    #[must_use]
    pub fn with_cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// How many hashes are made at a time at most.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.permits.available_permits().max(1)
    }

    /// Whether a stored hash costs less than what [`Hasher::hash`] makes today, so that it should be
    /// made anew at the next sign-in.
    ///
    /// # Errors
    /// [`PasswordError::Damaged`].
    pub fn is_outdated(&self, stored: &str) -> Result<bool, PasswordError> {
        let (_, params) = parse(stored)?;
        let cost = self.cost;
        Ok(params.m_cost() < cost.memory_kib || params.t_cost() < cost.passes || params.p_cost() < cost.lanes)
    }

    /// Whether both hash within one limit of how many are hashed at once.
    #[must_use]
    pub fn shares_its_limit_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.permits, &other.permits)
    }

    /// Takes as long as [`Hasher::verify`] with a hash of today's cost, and finds nothing.
    ///
    /// # Errors
    /// [`PasswordError::Failed`].
    pub async fn verify_nothing(&self, password: &SecretString) -> Result<(), PasswordError> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(move |memory| {
            let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(failed)?;
            compute(password.expose_secret(), &[0; SALT_LEN], &params, Params::DEFAULT_OUTPUT_LEN, memory)
                .map(drop)
        })
        .await
    }

    /// Hashes a password with a fresh salt, on a thread of its own; about 20 ms.
    ///
    /// # Errors
    /// [`PasswordError::Failed`] when random bytes are lacking.
    pub async fn hash(&self, password: &SecretString) -> Result<String, PasswordError> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(move |memory| hash(&password, cost, memory)).await
    }

    /// Whether the password is the one that was hashed.
    ///
    /// # Errors
    /// [`PasswordError::Damaged`] when the stored text is not an Argon2id hash, or asks for more
    /// memory or time than any that Nexus wrote.
    pub async fn verify(&self, password: &SecretString, stored: &str) -> Result<bool, PasswordError> {
        let (password, stored) = (password.clone(), stored.to_owned());
        self.run(move |memory| verify(&password, &stored, memory)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let pool = Arc::clone(&self.memory);
        // The permit goes with the work: a caller that gives up does not free memory still in use.
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut memory = pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let result = work(&mut memory);
            memory.fill(Block::new());
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            result
        })
        .await
        .map_err(failed)?
    }
}

impl Default for Hasher {
    /// As many at once as there are cores, at most four.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::new(cores.min(NonZeroUsize::new(DEFAULT_AT_ONCE).unwrap_or(NonZeroUsize::MIN)))
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

fn hash(password: &SecretString, cost: Cost, memory: &mut Vec<Block>) -> Result<String, PasswordError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(failed)?;
    let mut salt = [0; SALT_LEN];
    random::fill(&mut salt).map_err(failed)?;
    let password = Zeroizing::new(text::password(password.expose_secret()).into_owned());
    let output = compute(&password, &salt, &params, Params::DEFAULT_OUTPUT_LEN, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(failed)?,
        salt: Some(Salt::new(&salt).map_err(failed)?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

fn verify(password: &SecretString, stored: &str, memory: &mut Vec<Block>) -> Result<bool, PasswordError> {
    let (hash, params) = parse(stored)?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Err(PasswordError::Damaged) };
    let mut is = |typed: &str| -> Result<bool, PasswordError> {
        let output = compute(typed, &salt, &params, expected.len(), memory)?;
        Ok(output.as_bytes().ct_eq(expected.as_bytes()).into())
    };
    let typed = password.expose_secret();
    let kept = Zeroizing::new(text::password(typed).into_owned());
    // Once they were hashed as they were typed.
    Ok(is(&kept)? || (kept.as_str() != typed && is(typed)?))
}

fn compute(
    password: &str,
    salt: &[u8],
    params: &Params,
    length: usize,
    memory: &mut Vec<Block>,
) -> Result<Output, PasswordError> {
    if memory.len() < params.block_count() {
        // In one piece of the right size, not grown by doubling.
        *memory = vec![Block::new(); params.block_count()];
    }
    let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
    let output = output.get_mut(..length).ok_or(PasswordError::Damaged)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password.as_bytes(), salt, output, memory)
        .map_err(failed)?;
    Output::new(output).map_err(failed)
}

fn parse(stored: &str) -> Result<(PasswordHash, Params), PasswordError> {
    let hash = PasswordHash::new(stored).map_err(|_| PasswordError::Damaged)?;
    let params = Params::try_from(&hash).map_err(|_| PasswordError::Damaged)?;
    let known = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && hash.salt.is_some()
        && hash.hash.is_some();
    let bounded =
        params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES && params.p_cost() <= MAX_LANES;
    if known && bounded { Ok((hash, params)) } else { Err(PasswordError::Damaged) }
}

fn failed(error: impl fmt::Display) -> PasswordError {
    PasswordError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
