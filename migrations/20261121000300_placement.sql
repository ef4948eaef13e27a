-- Where tenants are placed: any number of PostgreSQL servers and object stores.

-- A row without a host is the server that the settings name.
create table control.clusters (
    name text primary key check (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    host text,
    port integer check (port between 1 and 65535),
    login text,
    database text,
    tls text check (tls in ('disable', 'require', 'verify-full')),
    -- The authority that the server's certificate is checked against, as PEM; null: the system's.
    ca_certificate text,
    labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
    -- Most tenants; null: as many as come.
    capacity integer check (capacity >= 0),
    -- What the server calls itself (manual, chapter 9.27.12): one server is registered once.
    system_id text unique,
    -- Most sessions of the whole platform at one time; null: not limited.
    connections integer check (connections >= 5),
    state text not null default 'active' check (state in ('active', 'draining')),
    -- How many tenants are on it that are not gone; kept by a trigger.
    tenants bigint not null default 0,
    checked_at timestamptz,
    -- Why the last check failed; null: it did not.
    problem text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((host is null) = (login is null) and (host is null) = (tls is null)
           and (host is null) = (port is null) and (host is null) = (database is null))
);

-- A row without an endpoint is the store that the settings name.
create table control.stores (
    name text primary key check (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    driver text not null check (driver in ('local', 'garage', 'aws', 's3')),
    endpoint text,
    -- Where buckets and keys are made, if that is another address than the endpoint.
    admin_endpoint text,
    region text,
    -- The public half of the administrator's key, where the driver wants one.
    access_key_id text,
    labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
    capacity integer check (capacity >= 0),
    -- Its keys cannot be confined to one bucket: every tenant holds the same one.
    shared_key boolean not null default false,
    state text not null default 'active' check (state in ('active', 'draining')),
    tenants bigint not null default 0,
    checked_at timestamptz,
    problem text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((endpoint is null) = (region is null))
);

insert into control.clusters (name) values ('default');
insert into control.stores (name, driver) values ('default', 'local');

update control.clusters set tenants = (select count(*) from control.tenants where state <> 'deleted');
update control.stores set tenants = (select count(*) from control.tenants where state <> 'deleted');

alter table control.tenants
    add foreign key (cluster) references control.clusters (name),
    add foreign key (store) references control.stores (name);
create index tenants_placed on control.tenants (cluster, store, id) where state <> 'deleted';

create function control.count_placed_tenants() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    if tg_op <> 'INSERT' and old.state <> 'deleted' then
        update control.clusters set tenants = tenants - 1 where name = old.cluster;
        update control.stores set tenants = tenants - 1 where name = old.store;
    end if;
    if tg_op <> 'DELETE' and new.state <> 'deleted' then
        update control.clusters set tenants = tenants + 1 where name = new.cluster;
        update control.stores set tenants = tenants + 1 where name = new.store;
    end if;
    return null;
end $$;

create trigger count_placed after insert or delete on control.tenants
    for each row execute function control.count_placed_tenants();
create trigger count_moved after update of state, cluster, store on control.tenants
    for each row when ((old.state = 'deleted') <> (new.state = 'deleted')
                       or old.cluster <> new.cluster or old.store <> new.store)
    execute function control.count_placed_tenants();

-- The platform has secrets of its own, e.g. its login at a server: they are kept as those of a
-- tenant with the nil id.
alter table control.data_keys drop constraint data_keys_tenant_id_fkey;

-- Where keys cannot be confined to one bucket, tenants hold the same one; each says so of itself.
alter table control.tenants drop constraint tenants_access_key_id_key;
alter table control.tenants add column shared_key boolean not null default false;
