//! `nexus tenant create SLUG`.

use secrecy::ExposeSecret;

use super::super::{CommandResult, Exit, Invocation, prompt, secret_input};
use super::CreateArgs;
use super::views::CreatedView;
use crate::app::App;
use crate::features::iam::signin;
use crate::features::provisioning::{CreateRequest, Outcome, plan_create};
use crate::features::tenants::NewTenant;
use crate::infra::private_file;
use crate::kernel::{AnyFailure, Email, Labels, Slug};

pub(super) async fn run(args: CreateArgs, on: &Invocation) -> CommandResult {
    let request = request(&args, on).await?;
    let (settings, caller) = (on.settings()?, on.caller());
    if on.global.dry_run {
        let steps =
            plan_create(App::glance(&settings).await.as_mut(), &caller, &request.tenant, &request.wish)
                .await?;
        on.screen.list(steps)?;
        return Ok(Exit::Done);
    }
    let progress = on.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    let created = provisioning.create(&worker, &caller, &request, &progress, &on.interrupt).await;
    drop(progress);
    let created = created?;
    if created.outcome == Outcome::Planned {
        super::super::operation::start_in_background(on, &[created.operation])?;
    }
    let mut view = CreatedView { created, invitation: None };
    if args.reveal || args.invitation_file.is_some() {
        let invitation = provisioning.invitation(&worker, &caller, view.created.tenant.id).await?;
        match (&args.invitation_file, invitation) {
            (Some(path), Some(invitation)) => {
                private_file::create(path, format!("{}\n", invitation.expose_secret()).as_bytes())?;
                on.screen.note(&format!("the invitation is in {}", path.display()));
            }
            (None, Some(invitation)) => view.invitation = Some(invitation.expose_secret().to_owned()),
            (_, None) => on.screen.warn("no invitation was created: the first admin has a password"),
        }
    }
    on.screen.thing(&view)?;
    say_what_next(on, &view);
    Ok(Exit::Done)
}

fn say_what_next(on: &Invocation, view: &CreatedView) {
    let slug = &view.created.tenant.slug;
    match view.created.outcome {
        Outcome::Created | Outcome::Finished => {
            on.screen.note(&format!(
                "its app's environment: nexus tenant env {slug}; its database: nexus tenant psql {slug}"
            ));
        }
        Outcome::Unchanged => on.screen.note(&format!("tenant {slug} already exists; nothing was changed")),
        Outcome::Planned => {
            on.screen.note(&format!("see how far it is: nexus operation show {}", view.created.operation));
        }
    }
}

async fn request(args: &CreateArgs, on: &Invocation) -> Result<CreateRequest, AnyFailure> {
    let asked = args.slug.is_none();
    let slug = match &args.slug {
        Some(slug) => slug.clone(),
        None => prompt::text(&on.screen, "Slug", "SLUG", check::<Slug>)?.parse::<Slug>()?,
    };
    let name = match &args.name {
        Some(name) => Some(name.clone()),
        None if asked => Some(prompt::text(&on.screen, "Name", "--name", |text| {
            super::super::arguments::display_name(text).map(|_| ())
        })?),
        None => None,
    };
    let admin_email = match &args.admin_email {
        None if asked => {
            let optional = |text: &str| if text.is_empty() { Ok(()) } else { check::<Email>(text) };
            let typed = prompt::optional_text(&on.screen, "First admin's e-mail", "--admin-email", optional)?;
            typed.parse().ok()
        }
        given => given.clone(),
    };
    let admin_password_hash = if args.admin_password_stdin {
        let given = secret_input::line_from_stdin("the first admin's password")?;
        Some(signin::hash_first(&on.settings()?.passwords, admin_email.as_ref(), &given).await?)
    } else {
        None
    };
    let labels: Labels = args.labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect();
    Ok(CreateRequest {
        tenant: NewTenant { slug, name, admin_email, labels },
        admin_password_hash,
        detach: args.detach,
        wait: args.wait,
        wish: args.place.wish(),
    })
}

fn check<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
}
