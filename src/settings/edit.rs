//! Changes one value in `nexus.toml` and leaves the rest, comments too, as it is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use toml::de::DeTable;

use super::error::SettingsError;
use super::{ContextName, document, values::Values};

/// Writes `default_context` into a settings file, which is made if it is not there. The change is
/// atomic: a reader sees the old file or the new.
///
/// # Errors
/// When the file cannot be read or written, or would not be right afterwards.
pub fn set_default_context(file: &Path, name: &ContextName) -> Result<(), SettingsError> {
    let old = match document::text_of(file) {
        Err(SettingsError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            String::new()
        }
        read => read?,
    };
    let new = with_default_context(&old, name);
    document::parse(file, &new, &mut Values::default())?;
    write(file, &new).map_err(|source| SettingsError::Unwritable { file: file.to_owned(), source })
}

fn with_default_context(text: &str, name: &ContextName) -> String {
    let parsed = DeTable::parse(text).ok();
    let place = parsed.as_ref().and_then(|table| table.get_ref().get("default_context"));
    match place.map(toml::Spanned::span) {
        Some(span) => format!("{}\"{name}\"{}", &text[..span.start], &text[span.end..]),
        // Before everything else: after the first table's header it would belong to that table.
        None if text.is_empty() => format!("default_context = \"{name}\"\n"),
        None => format!("default_context = \"{name}\"\n\n{text}"),
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mode = fs::metadata(&target).map_or(0o644, |facts| facts.permissions().mode() & 0o7777);
    let temporary = folder.join(format!(".{}.{}.tmp", super::sources::FILE_NAME, std::process::id()));
    let mut open = OpenOptions::new();
    let written = open.write(true).create_new(true).mode(mode).open(&temporary).and_then(|mut out| {
        out.set_permissions(fs::Permissions::from_mode(mode))?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&temporary, &target)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> String {
        with_default_context(text, &"prod".parse().unwrap())
    }

    #[test]
    fn only_the_value_changes() {
        assert_eq!(
            changed("# mine\ndefault_context = 'local' # why\n[log]\nlevel = \"info\"\n"),
            "# mine\ndefault_context = \"prod\" # why\n[log]\nlevel = \"info\"\n"
        );
        assert_eq!(changed("[log]\n"), "default_context = \"prod\"\n\n[log]\n");
        assert_eq!(changed(""), "default_context = \"prod\"\n");
    }
}
