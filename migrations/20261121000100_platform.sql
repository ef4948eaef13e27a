-- The platform's own state: what exists, what is being changed, who asked for it.

create table control.installation (
    only_one boolean primary key default true check (only_one),
    id uuid not null,
    created_at timestamptz not null default now()
);

-- A database at one version of the tenant schema, from which tenants are cloned.
create table control.templates (
    cluster text not null,
    version bigint not null,
    database_name text not null unique,
    owner_role text not null unique,
    state text not null check (state in ('building', 'ready', 'retired')),
    created_at timestamptz not null default now(),
    primary key (cluster, version)
);

create table control.tenants (
    id uuid primary key,
    slug text not null check (slug ~ '^[a-z][a-z0-9-]{1,39}$'),
    name text not null check (length(name) between 1 and 200),
    state text not null check (state in ('provisioning', 'active', 'deleting', 'deleted')),
    admin_email text check (length(admin_email) <= 254),
    labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
    cluster text not null,
    store text not null,
    database_name text not null unique,
    owner_role text not null unique,
    app_role text not null unique,
    bucket text not null unique,
    access_key_id text unique,
    schema_version bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

-- A slug is free again once its tenant is gone.
create unique index tenants_slug on control.tenants (slug) where state <> 'deleted';
-- Completion and search by the beginning of a slug, whatever the collation.
create index tenants_slug_prefix on control.tenants (slug text_pattern_ops) where state <> 'deleted';
create index tenants_created on control.tenants (created_at, id) where state <> 'deleted';
create index tenants_labels on control.tenants using gin (labels jsonb_path_ops);

create sequence control.fences;

-- One recorded, resumable change of a tenant, made of steps.
create table control.operations (
    id uuid primary key,
    tenant_id uuid not null references control.tenants,
    kind text not null,
    state text not null check (state in ('running', 'stopped', 'done', 'rolling_back', 'rolled_back')),
    -- Grows whenever an operation is taken up; a store refuses changes that bear a lower one.
    fence bigint not null default nextval('control.fences'),
    caller text not null,
    -- What was asked for; never a secret.
    request jsonb not null default '{}',
    -- Why it stopped: code and message.
    error jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz
);
create index operations_tenant on control.operations (tenant_id, created_at);
create index operations_unfinished on control.operations (created_at)
    where state in ('running', 'stopped', 'rolling_back');
-- A tenant is changed by one operation at a time.
create unique index operations_one_at_a_time on control.operations (tenant_id)
    where state in ('running', 'stopped', 'rolling_back');

create table control.operation_steps (
    operation_id uuid not null references control.operations on delete cascade,
    position smallint not null,
    name text not null,
    state text not null check (state in ('planned', 'started', 'done', 'undone')),
    started_at timestamptz,
    finished_at timestamptz,
    primary key (operation_id, position),
    unique (operation_id, name)
);

-- One row per change, in the transaction of its intent.
create table control.audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    caller text not null,
    action text not null,
    tenant_id uuid,
    operation_id uuid,
    detail jsonb not null default '{}'
);
create index audit_log_tenant on control.audit_log (tenant_id, id);

create function control.audit_log_is_append_only() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin raise exception 'the audit log is append-only' using errcode = '42501'; end $$;

create trigger append_only before update or delete or truncate on control.audit_log
    for each statement execute function control.audit_log_is_append_only();
