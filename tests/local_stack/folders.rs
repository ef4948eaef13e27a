//! Who may read what, and homes that cannot work.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nexus::features::local::{LocalError, LocalStack};
use nexus::kernel::progress::Silent;
use nexus::kernel::{ErrorKind, Failure};
use nexus::settings::Home;

use super::support::{TestHome, mode, stack_at};

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn all_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let below = if path.is_dir() && !path.is_symlink() { all_below(&path) } else { Vec::new() };
            std::iter::once(path).chain(below)
        })
        .collect()
}

#[tokio::test]
async fn nothing_can_be_read_by_others() {
    let home = TestHome::new();
    home.up().await;
    let passable = if is_root() { 0o711 } else { 0o700 };
    assert_eq!(mode(&home.path), passable);
    assert_eq!(mode(&home.local()), passable);
    home.stack.down().await.unwrap();
    for path in all_below(&home.local()) {
        let facts = fs::symlink_metadata(&path).unwrap();
        let expected = if facts.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
    if is_root() {
        let data = fs::metadata(home.local().join("pg")).unwrap();
        assert_ne!(data.uid(), 0);
        assert_eq!(fs::metadata(home.local().join("postgres.password")).unwrap().uid(), 0);
    }
}

#[tokio::test]
async fn a_home_of_ours_that_is_closed_is_opened_for_passing() {
    let home = TestHome::new();
    fs::create_dir(&home.path).unwrap();
    fs::set_permissions(&home.path, Permissions::from_mode(0o700)).unwrap();
    home.up().await;
    assert_eq!(mode(&home.path), if is_root() { 0o711 } else { 0o700 });
}

#[tokio::test]
async fn a_closed_folder_above_is_named_with_its_mend() {
    if !is_root() {
        return;
    }
    let closed = TestHome::new();
    fs::create_dir(&closed.path).unwrap();
    fs::set_permissions(&closed.path, Permissions::from_mode(0o700)).unwrap();
    let inside = closed.path.join("home");
    let error = stack_at(&inside).up(&Silent).await.unwrap_err();
    assert!(matches!(&error, LocalError::Blocked { folder, .. } if *folder == closed.path), "{error}");
    assert_eq!(error.hints()[0].text, format!("chmod o+x {}", closed.path.display()));
    assert!(!inside.exists(), "nothing was made");
}

#[tokio::test]
async fn a_home_with_too_long_a_path_is_refused_before_anything_is_made() {
    let home = TestHome::new();
    let long = home.path.join("a".repeat(100));
    let error = stack_at(&long).up(&Silent).await.unwrap_err();
    assert!(matches!(error, LocalError::PathTooLong { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.hints()[0].text.contains("NEXUS_HOME"));
    assert!(!home.path.exists());
}

#[tokio::test]
async fn a_folder_without_the_servers_programs_is_named() {
    let home = TestHome::new();
    let stack = LocalStack::new(Home::new(&home.path)).with_pg_bin("/etc".into());
    let error = stack.up(&Silent).await.unwrap_err();
    assert!(
        matches!(&error, LocalError::BadBinaries { folder, .. } if folder == Path::new("/etc")),
        "{error}"
    );
    assert!(!home.local().join("pg").exists());
}

#[tokio::test]
async fn data_of_another_major_version_is_not_touched() {
    let home = TestHome::new();
    home.up().await;
    home.stack.down().await.unwrap();
    let file = home.local().join("pg/PG_VERSION");
    fs::write(&file, "99\n").unwrap();
    let error = home.stack.up(&Silent).await.unwrap_err();
    assert!(matches!(error, LocalError::OtherVersion { major: 99, .. }), "{error}");
    assert!(error.hints()[0].text.contains("99"), "{:?}", error.hints());
}

#[tokio::test]
async fn a_lost_password_is_an_integrity_error() {
    let home = TestHome::new();
    home.up().await;
    home.stack.down().await.unwrap();
    fs::remove_file(home.local().join("postgres.password")).unwrap();
    let error = home.stack.up(&Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
}
