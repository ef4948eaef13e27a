//! What is added to the command that was typed.

use super::line::Line;
use crate::kernel::hint::With;

pub(super) fn with(with: &With) -> Line {
    match with {
        With::LockWait => Line::bare("--lock-wait 10m"),
        With::TableLockTimeout => Line::bare("--ddl-lock-timeout TIME"),
        With::StatementTimeout => Line::bare("--statement-timeout TIME"),
        With::Retries => Line::bare("--retries N"),
        With::Jobs => Line::bare("--jobs N"),
        With::Set => Line::bare("--set NAME"),
        With::Source(None) => Line::bare("--source SET=DIR"),
        With::Source(Some(set)) => Line::bare("--source").arg(format!("{set}=DIR")),
        With::SourceExample => Line::bare("--source ./migrations"),
        With::History(table) => Line::bare("--history").arg(table),
        With::Cluster(name) => Line::bare("--cluster").arg(name),
        With::SharedKey => Line::bare("--shared-key"),
        With::AccessKeyId => Line::bare("--access-key ID"),
        With::AdminEndpoint => Line::bare("--admin-endpoint URL"),
        With::Endpoint => Line::bare("--endpoint URL"),
        With::Overwrite => Line::bare("--force"),
    }
}
