-- What programs that run for long keep in memory of tenants, servers and stores, and must drop once another
-- process has changed it. A row bears the transaction that changed it last. Who reads notes the oldest
-- transaction that was under way (pg_snapshot_xmin): all that commits later bears that one or a later one.
alter table control.tenants add column changed_in xid8 not null default pg_current_xact_id();
alter table control.clusters add column changed_in xid8 not null default pg_current_xact_id();
alter table control.stores add column changed_in xid8 not null default pg_current_xact_id();

-- The feed asks several times a second for those above a number.
create index tenants_changed on control.tenants (changed_in);

create function control.note_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    new.changed_in := pg_current_xact_id();
    return new;
end $$;
create trigger note_change before update on control.tenants
    for each row execute function control.note_change();
-- Not for the count of tenants, which every creation changes. A new password is sealed elsewhere: who seals
-- it writes the time here, too.
create trigger note_change before update of
        host, port, login, database, tls, ca_certificate, updated_at on control.clusters
    for each row execute function control.note_change();
create trigger note_change before update of
        driver, endpoint, admin_endpoint, region, access_key_id, shared_key, updated_at on control.stores
    for each row execute function control.note_change();
