-- Keys and sealed secrets. Nothing here can be read without the master key, which is never in
-- this database; nothing here opens in another place than the one it was sealed for.

-- The master keys that this installation has used. The fingerprint, not the key.
create table control.master_keys (
    id          text primary key,
    state       text not null check (state in ('active', 'retiring')),
    created_at  timestamptz not null default now()
);

create unique index master_keys_one_active on control.master_keys (state) where state = 'active';

-- One data key for each tenant, wrapped by a master key.
create table control.data_keys (
    id                   uuid primary key,
    tenant_id            uuid not null unique references control.tenants (id),
    master_key_id        text not null references control.master_keys (id),
    wrapped              bytea not null,
    -- Sealed with the data key: the generation of every secret of the tenant. An older secret that
    -- is put back, one that is taken away or added, disagrees with it.
    manifest             bytea not null,
    manifest_generation  bigint not null check (manifest_generation > 0),
    created_at           timestamptz not null default now(),
    unique (tenant_id, id)
);

create index data_keys_master_key on control.data_keys (master_key_id);

-- The tenants' secrets. Goes with its data key.
create table control.sealed_secrets (
    tenant_id   uuid not null,
    name        text not null,
    generation  bigint not null check (generation > 0),
    key_id      uuid not null,
    sealed      bytea not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (tenant_id, name),
    foreign key (tenant_id, key_id) references control.data_keys (tenant_id, id) on delete cascade
);
