//! `POST /tenants`.

use nexus::app::App;
use nexus::features::placement::PlacementRequest;
use nexus::features::provisioning::{
    CreateOutcome, CreateRequest, Created, Provisioning, ProvisioningError, Worker,
};
use nexus::features::tenants::{NewTenant, Profile, TenantState};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Caller, ErrorKind, Failure, Labels};
use tokio_util::sync::CancellationToken;

use crate::iam::inside::{machine, run};
use crate::rights::desk;

/// What the door holds.
struct Door {
    provisioning: Provisioning,
    worker: Worker,
}

/// The handler.
async fn create(door: &Door, caller: &Caller, tenant: NewTenant) -> Result<Created, ProvisioningError> {
    let wish = PlacementRequest::default();
    let request = CreateRequest { tenant, admin_password: None, detach: false, wait: false, wish };
    door.provisioning.create(&door.worker, caller, &request, &Silent, &CancellationToken::new()).await
}

fn ash() -> NewTenant {
    NewTenant {
        slug: "ash".parse().unwrap(),
        name: None,
        admin_email: None,
        labels: Labels::new(),
        profile: Profile::default(),
    }
}

#[test]
fn a_tenant_is_active_when_the_request_is_answered_and_the_same_request_has_the_same_answer() {
    let world = desk::world();
    let callers = desk::callers(&world);
    let caller = |name: &str| &callers[desk::CALLERS.iter().position(|it| *it == name).unwrap()];
    run(async {
        let (settings, machine) = (world.settings(), machine());
        let (provisioning, worker) = App::open_to_work(&settings, &machine, &Silent).await.unwrap();
        let door = Door { provisioning, worker };
        for name in ["nobody", "a tenant's viewer", "a tenant's admin", "Auditor"] {
            let refused = create(&door, caller(name), ash()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Forbidden, "{name}: {refused}");
        }
        let made = create(&door, caller("Provisioner"), ash()).await.unwrap();
        assert_eq!((made.outcome, made.tenant.state), (CreateOutcome::Created, TenantState::Active));
        let again = create(&door, caller("Provisioner"), ash()).await.unwrap();
        assert_eq!((again.outcome, again.operation), (CreateOutcome::Unchanged, made.operation));
        assert_eq!(again.tenant.id, made.tenant.id);
    });
    assert_eq!(world.control_sql("select count(*) from control.tenants where slug = 'ash'"), ["1"]);
    assert_eq!(world.there(), world.believed());
}
