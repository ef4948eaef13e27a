//! `nexus man`: manual pages, and the README's table of commands, from the grammar itself.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::output::{OutputError, Screen};
use super::own_files::{self, ForceArgs};
use super::{CommandResult, Exit, GlobalArgs};
use crate::kernel::Failure;

/// What stands before the README's table of commands.
pub const README_BEGIN: &str = "<!-- commands -->";
/// What stands after it.
pub const README_END: &str = "<!-- /commands -->";

/// Arguments of `nexus man`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  nexus man | man -l -
  nexus man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Write a page for every command into this folder; without it, print the first page
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Whose files may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
}

/// A manual page could not be written.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot write {}: {source}", path.display())]
#[failure(Invalid, "man_unwritable")]
pub struct ManError {
    path: PathBuf,
    source: io::Error,
}

/// Writes the pages.
///
/// # Errors
/// When the folder, or standard output, takes no more.
pub fn run(args: &ManArgs, flags: &GlobalArgs, screen: &Screen) -> CommandResult {
    let pages = pages()?;
    match &args.out {
        None => {
            if let Some((_, page)) = pages.iter().find(|(name, _)| name == "nexus.1") {
                screen.raw(page)?;
            }
        }
        Some(folder) if flags.dry_run => {
            screen.note(&format!("would write {} pages to {}", pages.len(), folder.display()));
        }
        Some(folder) => {
            let failed = |path: &Path| {
                let path = path.to_owned();
                move |source| ManError { path, source }
            };
            fs::create_dir_all(folder).map_err(failed(folder))?;
            for (name, _) in &pages {
                own_files::check(&folder.join(name), args.force, &is_page)?;
            }
            for (name, page) in &pages {
                own_files::write_public(&folder.join(name), page, args.force, &is_page)?;
            }
            screen.note(&format!("{} pages written to {}", pages.len(), folder.display()));
        }
    }
    Ok(Exit::Done)
}

/// Whether a file is a page of Nexus's manual: its title says so (groff_man(7)).
fn is_page(there: &[u8]) -> bool {
    let text = String::from_utf8_lossy(there);
    text.lines().take(8).any(|line| line.starts_with(".TH nexus"))
}

/// Every manual page: its file's name and its text.
///
/// # Errors
/// None in practice: they are written to memory.
pub fn pages() -> Result<Vec<(String, Vec<u8>)>, OutputError> {
    let mut command = super::grammar();
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    pages.sort();
    Ok(pages)
}

fn add_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), OutputError> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        add_pages(inner, pages)?;
    }
    let bare = command.clone().after_help(None::<&str>);
    let man = Man::new(bare).manual("Nexus").source(concat!("nexus ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page)?;
    if let Some(text) = command.get_after_help() {
        page.extend_from_slice(verbatim(&text.to_string()).as_bytes());
    }
    pages.push((man.get_filename(), page));
    Ok(())
}

/// Text whose lines stay as they are, as a section named by its first line (groff_man(7)).
fn verbatim(text: &str) -> String {
    let (title, body) = text.split_once('\n').unwrap_or((text, ""));
    let mut section = format!(".SH {title}\n.nf\n");
    for line in body.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A line that begins with a dot or an apostrophe would be a request.
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(section, "{guard}{line}");
    }
    section + ".fi\n"
}

/// The README's table of commands, in Markdown.
#[must_use]
pub fn readme_table() -> String {
    let mut command = super::grammar();
    command.build();
    let mut table = String::from("| command | what it does |\n|---|---|\n");
    add_rows(&command, "nexus", &mut table);
    table
}

fn add_rows(command: &Command, path: &str, table: &mut String) {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let path = format!("{path} {}", inner.get_name());
        if inner.has_subcommands() {
            add_rows(inner, &path, table);
            continue;
        }
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{path}` | {} |", about.replace('|', "\\|"));
    }
}

/// A README with its table of commands brought up to date; `None` where it has no place for one.
#[must_use]
pub fn with_readme_table(readme: &str) -> Option<String> {
    let (before, rest) = readme.split_once(README_BEGIN)?;
    let (_, after) = rest.split_once(README_END)?;
    Some(format!("{before}{README_BEGIN}\n{}{README_END}{after}", readme_table()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_of_a_readme_changes() {
        let readme = "# N\n<!-- commands -->\nan older table\n<!-- /commands -->\nend\n";
        let new = with_readme_table(readme).unwrap();
        assert!(new.starts_with("# N\n<!-- commands -->\n| command |"));
        assert!(new.ends_with("|\n<!-- /commands -->\nend\n"));
        assert!(!new.contains("older table"));
        assert_eq!(with_readme_table(&new).unwrap(), new);
        assert_eq!(with_readme_table("# N\n"), None);
    }
}
