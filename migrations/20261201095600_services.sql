-- Services: functions of apps that others call by name. They are kept here, and not in the tenant's database, so that
-- those of the platform are found with those of a tenant, and no owner of a database can change where calls go.
create table control.services (
    -- Version 7: they are in the order in which they were made.
    id uuid primary key,
    -- Whose it is; the platform's own id: for all tenants.
    tenant_id uuid not null,
    name text not null check (length(name) between 3 and 100),
    version integer not null check (version between 1 and 9999),
    -- Who may call it, in the caller's own realm.
    permission text not null check (length(permission) between 3 and 127),
    description text not null default '' check (length(description) <= 1000),
    timeout_ms integer not null check (timeout_ms between 100 and 30000),
    created_by text not null check (length(created_by) <= 200),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
-- One of a name and version in a realm. A call asks for a name, the list for a realm.
create unique index services_name on control.services (tenant_id, name, version);

-- Where a service answers: each process of the app may register an address of its own.
create table control.service_instances (
    id uuid primary key,
    service_id uuid not null references control.services on delete cascade,
    url text not null check (length(url) between 1 and 2000),
    registered_at timestamptz not null default now(),
    -- When it last said that it is there; null where it never did.
    seen_at timestamptz,
    -- Since when a server of ours sends it nothing, because calls failed; null where none does.
    failing_since timestamptz
) with (fillfactor = 70);
-- An address counts once. The list and each call ask for those of a service.
create unique index service_instances_url on control.service_instances (service_id, url);

-- Who may do what with services in the platform's realm. control.seed_platform_realm() puts it there.
insert into control.platform_permissions (name, description, roles) values
    ('service:read', 'see services, and whether they answer', '{Support,Auditor}'),
    ('service:create', 'register services, and send their heartbeats', '{}'),
    ('service:delete', 'remove services', '{}'),
    ('service:call', 'call services that ask for no permission of their own', '{}');
