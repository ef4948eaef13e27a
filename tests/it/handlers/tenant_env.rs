//! A tenant's credentials, handed out.

use nexus::app::{App, Session};
use nexus::features::tenants::{self, EnvView, TenantRef};
use nexus::kernel::progress::Silent;
use nexus::kernel::{AnyFailure, Caller};

use crate::iam::inside::{machine, run};
use crate::support::world::World;

async fn handler(session: &mut Session, caller: &Caller, tenant: &TenantRef) -> Result<EnvView, AnyFailure> {
    let tenant = tenants::get(&mut session.control, caller, tenant).await?.active()?;
    let concealed = session.provisioning.environment(&mut session.control, caller, &tenant).await?;
    Ok(concealed.disclose(&mut session.control, caller, ("tenant.env", "http")).await?)
}

#[test]
fn credentials_are_handed_out_with_their_row_in_the_audit_log_or_not_at_all() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let env = || {
        run(async {
            let mut session = App::open(&world.settings(), &machine(), &Silent).await.unwrap();
            handler(&mut session, &machine(), &"acme".parse().unwrap()).await
        })
    };
    let told = env().unwrap().variables();
    let password = told.iter().find(|(name, _)| *name == "PGPASSWORD").unwrap().1.as_str();
    assert_eq!(world.env("acme")["PGPASSWORD"], password);
    let rows = "select caller, tenant_id = (select id from control.tenants) from control.audit_log
                where action = 'tenant.env' and detail->>'how' = 'http'";
    assert_eq!(world.control_sql(rows), ["machine:test|t"]);

    let full =
        "alter table control.audit_log add constraint full_up check (action <> 'tenant.env') not valid";
    world.control_sql(full);
    assert!(env().is_err());
}
