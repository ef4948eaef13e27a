//! `nexus user export`: every user, for another realm or another program.

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::iam::RealmArgs;
use super::super::output::{Column, Format, Row};
use super::super::{CommandResult, Exit, Invocation};
use crate::features::iam::model::{UserFilter, UserPosition, UserSort};
use crate::features::iam::{Realm, User, users};
use crate::kernel::{AnyFailure, Failure, Page, Total};

/// How users are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// A header and rows
    Csv,
    /// A JSON object a line
    Jsonl,
}

/// Arguments of `nexus user export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// How they are written; without it as --output says, else csv
    #[arg(long, value_name = "FORM")]
    pub(super) format: Option<ExportFormat>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

pub(super) async fn run(args: &ExportArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = args.realm.open(ctx).await?;
    let format = match (args.format, ctx.screen.format()) {
        (None, Format::Json | Format::Yaml | Format::Id) => return list(&mut realm, ctx).await,
        (None, Format::Table | Format::Csv) => ExportFormat::Csv,
        (Some(format), _) => format,
    };
    // Goes out with the first page: what is stopped before leaves nothing.
    let mut text = match format {
        ExportFormat::Csv => b"id,email,name,state,roles,groups,profile\n".to_vec(),
        ExportFormat::Jsonl => Vec::new(),
    };
    each_page(&mut realm, ctx, |found| {
        for user in found {
            match format {
                ExportFormat::Csv => csv_row(&mut text, user)?,
                ExportFormat::Jsonl => json_row(&mut text, user)?,
            }
        }
        let text = std::mem::take(&mut text);
        match format {
            ExportFormat::Csv => Ok(ctx.screen.raw_lines(&text)?),
            ExportFormat::Jsonl => Ok(ctx.screen.raw_json(&text)?),
        }
    })
    .await
}

/// In the form that `--output` asks for.
async fn list(realm: &mut Realm, ctx: &Invocation) -> CommandResult {
    let mut list = ctx.screen.list_writer();
    each_page(realm, ctx, |found| {
        found.iter().try_for_each(|user| list.row(&Exported::of(user)))?;
        Ok(())
    })
    .await?;
    list.finish()?;
    Ok(Exit::Done)
}

async fn each_page(
    realm: &mut Realm,
    ctx: &Invocation,
    mut write: impl FnMut(&[User]) -> Result<(), AnyFailure>,
) -> CommandResult {
    let (caller, mut filter) = (ctx.caller(), UserFilter::default());
    let page = Page { page: 1, limit: 2000 };
    let sort = (UserSort::CreatedAt, false);
    loop {
        let (found, _) = users::list(realm, &caller, &filter, sort, (page, Total::Exact)).await?;
        write(&found)?;
        if found.len() < page.limit as usize {
            return Ok(Exit::Done);
        }
        filter.after = found.last().map(|user| UserPosition::of(user, sort.0));
    }
}

/// What is written of a user.
#[derive(Serialize)]
struct Exported {
    id: String,
    email: String,
    name: String,
    state: &'static str,
    roles: Vec<String>,
    groups: Vec<String>,
    profile: Map<String, Value>,
    fields: Map<String, Value>,
}

impl Exported {
    fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.clone(),
            name: user.name.clone(),
            state: user.state.as_str(),
            roles: user.roles.clone(),
            groups: user.groups.clone(),
            profile: user.profile.0.clone(),
            fields: user.fields.0.clone(),
        }
    }
}

impl Row for Exported {
    const COLUMNS: &'static [Column] = &[
        Column::text("id"),
        Column::text("email"),
        Column::text("name"),
        Column::text("state"),
        Column::text("roles"),
        Column::text("groups"),
    ];

    fn cells(&self) -> Vec<String> {
        let (roles, groups) = (self.roles.join(";"), self.groups.join(";"));
        let (id, email, name) = (self.id.clone(), self.email.clone(), self.name.clone());
        vec![id, email, name, self.state.to_owned(), roles, groups]
    }

    fn id(&self) -> String {
        self.email.clone()
    }
}

fn csv_row(text: &mut Vec<u8>, user: &User) -> Result<(), AnyFailure> {
    let profile = serde_json::to_string(&user.profile.0).map_err(|_| NotExported)?;
    let mut writer = csv::Writer::from_writer(text);
    let (roles, groups) = (user.roles.join(";"), user.groups.join(";"));
    let id = user.id.to_string();
    let cells = [&id, &user.email, &user.name, user.state.as_str(), &roles, &groups, &profile];
    writer.write_record(cells).map_err(|_| NotExported)?;
    writer.flush().map_err(|_| NotExported)?;
    Ok(())
}

fn json_row(text: &mut Vec<u8>, user: &User) -> Result<(), AnyFailure> {
    serde_json::to_writer(&mut *text, &Exported::of(user)).map_err(|_| NotExported)?;
    text.push(b'\n');
    Ok(())
}

/// A row that its format cannot carry: a bug.
#[derive(Debug, thiserror::Error, Failure)]
#[error("a user could not be written")]
#[failure(Internal, "export_failed")]
struct NotExported;
