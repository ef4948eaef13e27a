-- Ready-made tenants without a name, one of which the next creation takes.

alter table control.tenants
    drop constraint tenants_state_check,
    add constraint tenants_state_check check
        (state in ('provisioning', 'pooled', 'active', 'suspended', 'trashed', 'deleting', 'deleted'));

-- How many are kept ready, and where.
create table control.pools (
    cluster text not null references control.clusters,
    store text not null references control.stores,
    size integer not null check (size between 0 and 10000),
    updated_at timestamptz not null default now(),
    primary key (cluster, store)
);

create index tenants_pooled on control.tenants (cluster, store, id) where state = 'pooled';
