use argon2::password_hash::PasswordHasher;

use super::*;
use crate::kernel::ErrorKind;

fn hash(password: &SecretString) -> Result<String, PasswordError> {
    super::hash(password, Cost::default(), &mut Vec::new())
}

fn verify(password: &SecretString, stored: &str) -> Result<bool, PasswordError> {
    super::verify(password, stored, &mut Vec::new())
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

#[test]
fn a_password_verifies_against_its_own_hash_only() {
    let stored = hash(&secret("correct horse battery")).unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    assert!(verify(&secret("correct horse battery"), &stored).unwrap());
    assert!(!verify(&secret("correct horse batterz"), &stored).unwrap());
    assert!(!verify(&secret(""), &stored).unwrap());
    assert_ne!(stored, hash(&secret("correct horse battery")).unwrap());
    assert!(!Hasher::default().is_outdated(&stored).unwrap());
    let dearer = Hasher::default().with_cost(Cost { passes: 3, ..Cost::default() });
    assert!(dearer.is_outdated(&stored).unwrap());
}

/// The crate's own high-level hashing agrees with ours, both ways.
#[test]
fn the_hash_is_an_ordinary_phc_string() {
    use argon2::password_hash::PasswordVerifier;
    let theirs = Argon2::default().hash_password(b"correct horse battery").unwrap().to_string();
    assert!(verify(&secret("correct horse battery"), &theirs).unwrap());
    let ours = hash(&secret("correct horse battery")).unwrap();
    let ours = PasswordHash::new(&ours).unwrap();
    Argon2::default().verify_password(b"correct horse battery", &ours).unwrap();
}

#[test]
fn an_older_weaker_hash_still_verifies_and_is_due() {
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
    let stored = weak.hash_password(b"correct horse battery").unwrap().to_string();
    assert!(verify(&secret("correct horse battery"), &stored).unwrap());
    assert!(Hasher::default().is_outdated(&stored).unwrap());
}

#[test]
fn a_damaged_or_greedy_hash_is_refused_before_any_work() {
    let stored = hash(&secret("correct horse battery")).unwrap();
    for bad in [
        String::new(),
        "plain".into(),
        stored.replace("m=19456", "m=4194304"),
        stored.replace("t=2", "t=4000000"),
        stored.replace("p=1", "p=4096"),
        stored.replace("argon2id", "argon2d"),
        stored.replace("v=19", "v=16"),
        stored.rsplit_once('$').unwrap().0.into(),
    ] {
        let refused = verify(&secret("correct horse battery"), &bad);
        assert!(matches!(refused, Err(PasswordError::Damaged)), "{bad}: {refused:?}");
    }
}

#[test]
fn length_is_counted_in_characters() {
    assert!(matches!(check(&secret("fourteen chars"), None), Err(PasswordError::Short(14, 15))));
    assert!(check(&secret("fifteen chars!!"), None).is_ok());
    assert!(check(&secret("žluťoučký kůň úp"), None).is_ok());
    assert!(matches!(check(&secret(&"ж".repeat(14)), None), Err(PasswordError::Short(14, 15))));
    let long: String = ('!'..='~').cycle().step_by(7).take(256).collect();
    assert!(check(&secret(&long), None).is_ok());
    assert!(matches!(check(&secret(&(long + "x")), None), Err(PasswordError::Long(257))));
    assert!(matches!(check_beside(&secret("7 chars"), None, true), Err(PasswordError::Short(7, 8))));
    assert!(check_beside(&secret("eight ok"), None, true).is_ok());
}

#[test]
fn what_is_tried_first_is_refused() {
    for bad in [
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "PasswPasswPassw",
        "123456789012345",
        "1234567890123456",
        "9876543210987654",
        "abcdefghijklmnop",
        "ABCDEFGHIJKLMNOP",
        "ponmlkjihgfedcba",
        "qwertyuiopasdfgh",
        "nexusnexus12345!",
        "Nexus-2026-Nexus",
        "jane.porter2026!",
        "2026Jane.Porter!!",
        "porter!porter!26",
        "trustno1trustno1",
    ] {
        let refused = check(&secret(bad), Some("Jane.Porter@example.com"));
        assert!(matches!(refused, Err(PasswordError::Guessable(_))), "{bad}: {refused:?}");
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
    for good in ["correct horse battery", "jane.porter likes tall green trees", "8493 1102 7736 95"] {
        assert!(check(&secret(good), Some("jane.porter@example.com")).is_ok(), "{good}");
    }
    // A name of one or two letters is in every password.
    assert!(check(&secret("correct horse battery"), Some("a@example.com")).is_ok());
}

#[test]
fn no_error_repeats_the_password() {
    for bad in ["hunter2", "hunter2hunter2hunter2"] {
        let refused = check(&secret(bad), None).unwrap_err();
        assert!(!format!("{refused} {refused:?} {:?}", refused.hints()).contains("hunter2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_takes_no_more_memory_than_allowed() {
    fn peak_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
    let hasher = Hasher::new(NonZeroUsize::new(2).unwrap());
    let password = secret("correct horse battery");
    let stored = hasher.hash(&password).await.unwrap();
    let before = peak_kib();
    let logins = (0..200).map(|_| hasher.verify(&password, &stored));
    let answers = futures_util::future::join_all(logins).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap()));
    let grown = peak_kib().saturating_sub(before);
    // All at once would take 3.8 GiB; two take 38 MiB. The rest is room for tests running beside.
    assert!(grown < 300 * 1024, "grew by {grown} KiB");
    assert_eq!(hasher.memory.lock().unwrap().iter().map(Vec::len).sum::<usize>(), 2 * MEMORY_KIB as usize);
}
