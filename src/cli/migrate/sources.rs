//! Where the files of sets are, as a command is told.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::super::Invocation;
use crate::features::migrations::{SetName, Sources};
use crate::kernel::AnyFailure;

/// Where the files of sets are.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SourceArgs {
    /// The folder of a set's files, for this command only; may be repeated
    ///
    /// Without SET=, the folder of the one set that is meant. It takes precedence over
    /// NEXUS_MIGRATIONS_SET, which takes precedence over [context.NAME.migrations] in nexus.toml,
    /// which takes precedence over what nexus migrate set add recorded.
    #[arg(long = "source", value_name = "[SET=]DIR", value_hint = clap::ValueHint::DirPath)]
    pub sources: Vec<SourceArg>,
}

/// A folder, and of which set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceArg {
    set: Option<SetName>,
    folder: PathBuf,
}

impl FromStr for SourceArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A folder may have an equals sign in its name; write it as ./a=b.
        let named = text.split_once('=').and_then(|(set, folder)| Some((set.parse().ok()?, folder)));
        let (set, folder) = named.map_or((None, text), |(set, folder)| (Some(set), folder));
        if folder.is_empty() {
            return Err("a folder is missing, e.g. ./migrations or shop=./migrations");
        }
        Ok(Self { set, folder: PathBuf::from(folder) })
    }
}

impl SourceArgs {
    /// With what the settings say.
    pub(super) fn with_settings(self, ctx: &Invocation) -> Result<Sources, AnyFailure> {
        let given = self.sources.into_iter().map(|it| (it.set, it.folder));
        Ok(Sources::new(given.collect(), ctx.settings()?.migrations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_folder_with_or_without_its_set() {
        let read =
            |text: &str| text.parse::<SourceArg>().map(|it| (it.set.map(|it| it.to_string()), it.folder));
        assert_eq!(read("./m"), Ok((None, "./m".into())));
        assert_eq!(read("shop=./m=1"), Ok((Some("shop".into()), "./m=1".into())));
        assert_eq!(read("./a=b"), Ok((None, "./a=b".into())));
        assert!(read("shop=").is_err() && read("").is_err());
    }
}
