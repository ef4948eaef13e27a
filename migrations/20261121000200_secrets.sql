-- Keys and sealed values: nothing in these tables opens without the master key.

create table control.master_keys (
    id text primary key,
    state text not null check (state in ('active', 'retiring')),
    created_at timestamptz not null default now()
);
create unique index master_keys_active on control.master_keys (state) where state = 'active';

-- One key a tenant, wrapped by the master key. The manifest is a sealed list of the tenant's
-- sealed values and their generations: an old value that is put back is not the one in the list.
create table control.data_keys (
    id uuid primary key,
    tenant_id uuid not null unique references control.tenants,
    master_key_id text not null references control.master_keys,
    wrapped bytea not null,
    manifest bytea not null,
    manifest_generation bigint not null,
    created_at timestamptz not null default now()
);

create table control.sealed_secrets (
    tenant_id uuid not null references control.tenants,
    name text not null,
    generation bigint not null,
    key_id uuid not null references control.data_keys,
    sealed bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, name)
);
