//! Actions on the installation as a whole.

use super::line::Line;
use crate::kernel::hint::{AuditAction, FsckAction, LocalAction, PlatformAction, Shell, Statements};
use crate::kernel::shell;

pub(super) fn platform(action: &PlatformAction) -> Line {
    match action {
        PlatformAction::SetUp => Line::new("init"),
        PlatformAction::Examine => Line::new("doctor"),
        PlatformAction::ShowVersion => Line::new("version"),
        PlatformAction::ListContexts => Line::new("context list"),
        PlatformAction::ShowContext => Line::new("context show"),
        PlatformAction::ShowSettings => Line::new("config show"),
        PlatformAction::UseCopyOfSettings(name) => {
            Line::new("--config").arg(format!("COPY_OF_{name}")).and("…")
        }
        PlatformAction::ShowMasterKey => Line::new("secret status"),
        PlatformAction::ListDeadJobs => Line::new("job list --state dead"),
        PlatformAction::ListJobs => Line::new("job list"),
        PlatformAction::ListSchedules => Line::new("job schedule list"),
        PlatformAction::ListJobsOf(tenant) => Line::new("job list --tenant").arg(tenant),
        PlatformAction::TeachShell(Shell::Bash) => {
            Line::bare("echo 'source <(nexus completions bash)' >> ~/.bashrc")
        }
        PlatformAction::TeachShell(Shell::Zsh) => {
            Line::bare("echo 'source <(nexus completions zsh)' >> ~/.zshrc")
        }
        PlatformAction::TeachShell(Shell::Fish) => {
            Line::new("completions fish > ~/.config/fish/completions/nexus.fish")
        }
        PlatformAction::RunStatements(statements) => run(statements),
    }
}

fn run(Statements { server, database, statements }: &Statements) -> Line {
    let login = match server {
        Some(server) => Line::bare("psql -h")
            .arg(&server.host)
            .and("-p")
            .arg(server.port)
            .and("-U")
            .arg(&server.user)
            .and("-d")
            .arg(database),
        None if database == "postgres" => Line::new("local psql --"),
        None => Line::new("local psql -- -d").arg(database),
    };
    statements.iter().fold(login, |line, sql| line.and("-c").and(&quoted(sql)))
}

/// A statement as one word of a shell: in double quotes, which are easy to read, where nothing in it
/// means anything to a shell within them.
fn quoted(sql: &str) -> String {
    let steers = |c: char| matches!(c, '"' | '$' | '`' | '\\' | '!');
    if sql.contains(steers) { shell::word(sql).into_owned() } else { format!("\"{sql}\"") }
}

pub(super) fn local(action: &LocalAction) -> Line {
    match action {
        LocalAction::Start => Line::new("local up"),
        LocalAction::Stop => Line::new("local down"),
        LocalAction::Restart => Line::new("local down && nexus local up"),
        LocalAction::Reset => Line::new("local reset"),
        LocalAction::Status => Line::new("local status"),
        LocalAction::StatusOfItsContext => Line::new("--context local local status"),
        LocalAction::Logs(None) => Line::new("local logs"),
        LocalAction::Logs(Some(part)) => Line::new("local logs").arg(part),
        LocalAction::MailList => Line::new("local mail list"),
    }
}

pub(super) fn fsck(action: &FsckAction) -> Line {
    match action {
        FsckAction::Inspect => Line::new("fsck"),
        FsckAction::Fix => Line::new("fsck --fix"),
        FsckAction::DropOrphans => Line::new("fsck --fix --drop-orphans"),
        FsckAction::AcceptRecord => Line::new("fsck --accept-record"),
    }
}

pub(super) fn audit(action: &AuditAction) -> Line {
    match action {
        AuditAction::Verify => Line::new("audit verify"),
        AuditAction::VerifyExport => Line::new("audit verify --file EXPORT"),
        AuditAction::Anchor => Line::new("audit anchor --file FILE"),
        AuditAction::OfTokens => Line::new("audit list --action token"),
        AuditAction::OfTenant(id) => Line::new("audit list --tenant").arg(id),
    }
}
