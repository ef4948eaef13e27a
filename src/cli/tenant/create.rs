//! `nexus tenant create SLUG`.

use secrecy::ExposeSecret;

use super::super::{CommandResult, Exit, Invocation, prompt, secret_input};
use super::CreateArgs;
use super::views::CreatedView;
use crate::app::App;
use crate::features::provisioning::{CreateOutcome, CreateRequest, plan_create};
use crate::features::tenants::NewTenant;
use crate::infra::handover::Handover;
use crate::infra::private_file;
use crate::kernel::{AnyFailure, Email, Labels, Slug};

pub(super) async fn run(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let request = request(&args, ctx)?;
    args.invitation_file.as_deref().map_or(Ok(()), Handover::check)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    if ctx.global.dry_run {
        let steps = plan_create(
            App::open_for_completion(&settings).await.as_mut(),
            &caller,
            (&request.tenant, request.admin_password.as_ref()),
            &request.wish,
        )
        .await?;
        ctx.screen.list(steps)?;
        return Ok(Exit::Done);
    }
    let progress = ctx.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    let created = provisioning.create(&worker, &caller, &request, &progress, &ctx.interrupt).await;
    drop(progress);
    let created = created?;
    if created.outcome == CreateOutcome::Planned {
        super::super::operation::start_in_background(ctx, &[created.operation])?;
    }
    let mut view = CreatedView { created, invitation: None };
    if args.reveal || args.invitation_file.is_some() {
        let invitation = provisioning.invitation(&worker, &caller, view.created.tenant.id).await?;
        match (&args.invitation_file, invitation) {
            (Some(path), Some(invitation)) => {
                private_file::create(path, format!("{}\n", invitation.expose_secret()).as_bytes())?;
                ctx.screen.note(&format!("the invitation is in {}", path.display()));
            }
            (None, Some(invitation)) => view.invitation = Some(invitation.expose_secret().to_owned()),
            (_, None) => ctx.screen.warn("no invitation was created: the first admin has a password"),
        }
    }
    ctx.screen.thing(&view)?;
    print_next_steps(ctx, &view);
    Ok(Exit::Done)
}

fn print_next_steps(ctx: &Invocation, view: &CreatedView) {
    let slug = &view.created.tenant.slug;
    match view.created.outcome {
        CreateOutcome::Created | CreateOutcome::Finished => {
            ctx.screen.note(&format!(
                "its app's environment: nexus tenant env {slug}; its database: nexus tenant psql {slug}"
            ));
        }
        CreateOutcome::Unchanged => {
            ctx.screen.note(&format!("tenant {slug} already exists; nothing was changed"));
        }
        CreateOutcome::Planned => {
            ctx.screen.note(&format!("see how far it is: nexus operation show {}", view.created.operation));
        }
    }
}

fn request(args: &CreateArgs, ctx: &Invocation) -> Result<CreateRequest, AnyFailure> {
    let asked = args.slug.is_none();
    let slug = match &args.slug {
        Some(slug) => slug.clone(),
        None => prompt::text(&ctx.screen, "Slug", "SLUG", check::<Slug>)?.parse::<Slug>()?,
    };
    let name = match &args.name {
        Some(name) => Some(name.clone()),
        None if asked => Some(prompt::text(&ctx.screen, "Name", "--name", |text| {
            super::super::arguments::display_name(text).map(|_| ())
        })?),
        None => None,
    };
    let admin_email = match &args.admin_email {
        None if asked => {
            let optional = |text: &str| if text.is_empty() { Ok(()) } else { check::<Email>(text) };
            let typed =
                prompt::optional_text(&ctx.screen, "First admin's e-mail", "--admin-email", optional)?;
            typed.parse().ok()
        }
        given => given.clone(),
    };
    let given = || secret_input::line_from_stdin("the first admin's password");
    let admin_password = args.admin_password_stdin.then(given).transpose()?;
    let labels: Labels = args.labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect();
    Ok(CreateRequest {
        tenant: NewTenant { slug, name, admin_email, labels, profile: args.profile.profile()? },
        admin_password,
        detach: args.detach,
        wait: args.wait,
        wish: args.place.wish(),
    })
}

fn check<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
}
