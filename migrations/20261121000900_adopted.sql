-- Tenants whose database and logins were there before Nexus, and stay when the tenant goes.

alter table control.tenants
    add column adopted boolean not null default false,
    -- How the database was found, as far as its end must lead back to it.
    add column adoption jsonb check (jsonb_typeof(adoption) = 'object'),
    add constraint tenants_adoption check (adopted = (adoption is not null)),
    -- Names that Nexus makes are random. Those that it finds are alike on many servers, and free
    -- again when their tenant is gone.
    drop constraint tenants_database_name_key,
    drop constraint tenants_owner_role_key,
    drop constraint tenants_app_role_key;

create unique index tenants_database on control.tenants (database_name, cluster) where state <> 'deleted';
create unique index tenants_app_role on control.tenants (app_role, cluster) where state <> 'deleted';
-- One role may own several databases that are adopted.
create unique index tenants_owner_role on control.tenants (owner_role, cluster)
    where state <> 'deleted' and not adopted;
