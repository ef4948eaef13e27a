use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::kernel::ErrorKind;

const BYTES: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const LINE: &str = "nexus-master-key-v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

fn key(bytes: [u8; 32]) -> LocalMasterKey {
    LocalMasterKey::from_bytes(SecretBox::new(Box::new(bytes)))
}

/// RFC 5869, appendix A.1, the first 32 bytes of its output.
#[test]
fn the_derivation_is_that_of_rfc_5869() {
    let prk = [
        0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b, 0xba, 0x63, 0x90,
        0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a, 0xd7, 0xc2, 0xb3, 0xe5,
    ];
    let info = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9];
    let expected = [
        0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d,
        0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf,
    ];
    assert_eq!(expand(&prk, &info).expose_secret(), &expected);
}

#[tokio::test]
async fn a_wrapped_key_unwraps_with_the_same_master_key_and_place_only() {
    let (master, other) = (key(BYTES), key([9; 32]));
    let wrapped = master.wrap(&[7; 32], b"acme").await.unwrap();
    assert_eq!(master.unwrap(&wrapped, b"acme").await.unwrap().expose_secret(), &[7; 32]);
    assert!(matches!(master.unwrap(&wrapped, b"globex").await, Err(MasterKeyError::Damaged(_))));
    let refused = other.unwrap(&wrapped, b"acme").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Integrity);
    let text = refused.to_string();
    assert!(text.contains(master.id().as_str()) && text.contains(other.id().as_str()), "{text}");
}

#[tokio::test]
async fn every_flipped_bit_and_every_cut_of_a_wrapped_key_is_noticed() {
    let master = key(BYTES);
    let wrapped = master.wrap(&[7; 32], b"acme").await.unwrap();
    for bit in 0..wrapped.len() * 8 {
        let mut changed = wrapped.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(master.unwrap(&changed, b"acme").await.is_err(), "bit {bit}");
    }
    for length in 0..wrapped.len() {
        assert!(master.unwrap(&wrapped[..length], b"acme").await.is_err(), "{length} bytes");
    }
}

#[test]
fn a_generated_key_file_is_private_reads_back_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys/master.key");
    let made = LocalMasterKey::generate_key_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(LocalMasterKey::from_file(&path).unwrap().id(), made.id());
    let before = fs::read(&path).unwrap();
    let refused = LocalMasterKey::generate_key_file(&path).unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "master_key_exists"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_key_file_that_others_may_read_or_a_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("master.key"), folder.path().join("link"));
    LocalMasterKey::generate_key_file(&path).unwrap();
    symlink(&path, &link).unwrap();
    assert_eq!(LocalMasterKey::from_file(&link).unwrap_err().code(), "master_key_unreadable");
    for mode in [0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = LocalMasterKey::from_file(&path).unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Integrity, "master_key_open"));
        assert_eq!(refused.hints(), [format!("chmod 600 {}", path.display()).into()]);
    }
    let absent = LocalMasterKey::from_file(&folder.path().join("absent")).unwrap_err();
    assert_eq!((absent.kind(), absent.code()), (ErrorKind::Integrity, "master_key_missing"));
}

#[test]
fn the_text_form_is_one_line_and_anything_else_is_refused_without_being_repeated() {
    let read = |text: &str| LocalMasterKey::from_text(&SecretString::from(text), "env:NEXUS_KEY");
    for good in [LINE, &format!("{LINE}\n"), &format!("{LINE}\r\n")] {
        let read = read(good).unwrap();
        assert_eq!(read.id(), key(BYTES).id());
        assert_eq!(read.expose_text().expose_secret(), LINE);
    }
    let body = &LINE[TEXT_PREFIX.len()..];
    for bad in [
        "",
        body,
        &LINE[..LINE.len() - 1],
        &format!("{LINE}A"),
        &format!("{LINE}="),
        &format!("{LINE}\n{LINE}"),
        &format!(" {LINE}"),
        &LINE.replace("v1", "v2"),
        // The last character holds two bits too many: one key must have one form.
        &LINE.replace("ZWY", "ZWZ"),
        &LINE.replace("MDEy", "MD+y"),
    ] {
        let refused = read(bad).unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Integrity, "master_key_malformed"));
        let text = format!("{refused} {refused:?}");
        assert!(text.contains("env:NEXUS_KEY") && !text.contains(&body[..20]), "{text}");
    }
}

#[test]
fn a_master_key_prints_its_fingerprint_only() {
    let (master, text) = (key(BYTES), format!("{:?}", key(BYTES)));
    assert!(text.contains(master.id().as_str()));
    assert_eq!(master.id().as_str().len(), 19);
    for secret in [master.key.expose_secret(), master.wrapping.expose_secret()] {
        let hex = format!("{:08x}", u32::from_be_bytes(secret[..4].try_into().unwrap()));
        let list = format!("{:?}", &secret[..4]);
        for leak in [&hex[..], list.trim_matches(['[', ']']), random::base64url(secret).expose_secret()] {
            assert!(!text.contains(leak), "{text}");
        }
    }
    assert!(!text.contains("0123456789"));
}
