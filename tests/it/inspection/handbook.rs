//! The handbook and the program say the same.

use std::fs;
use std::path::Path;

use nexus::cli::fsck;

#[test]
fn the_handbooks_table_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fsck.md");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find("| code |").unwrap();
    let end = text[begin..].find("\n\n").map_or(text.len(), |end| begin + end + 1);
    let table = fsck::table();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, [&text[..begin], &table, &text[end..]].concat()).unwrap();
        return;
    }
    assert_eq!(text[begin..end], table, "UPDATE_GENERATED=1 writes it anew");
}
