-- Keyed checksums over what decides who gets whose credentials; what was there when an older control
-- database was accepted; and a ledger of revocations, so that one that is gone is noticed.

alter table control.tenants
    -- Over id, server, store, and the names of the database, both roles and the bucket.
    add column identity_checksum bytea,
    -- Over slug and id.
    add column slug_checksum bytea,
    -- Over id and the public half of the key.
    add column key_checksum bytea;

-- Over where a server or a store is.
alter table control.clusters add column checksum bytea;
alter table control.stores add column checksum bytea;

-- Over the installation's id and its master key's.
alter table control.installation add column checksum bytea;

-- Things that bear our mark and that nobody knows: of a world that was younger than the record.
create table control.unmanaged (
    place text not null,
    name text not null,
    object text not null,
    noticed_at timestamptz not null default now(),
    primary key (place, name)
);

-- One row for each revocation, as long as it can refuse anything, and all rows after it.
create table control.revocation_ledger (
    generation bigint primary key,
    expires_at timestamptz not null,
    row_hash bytea not null,
    -- Over the row before, this one's hash and its end.
    hash bytea not null
);

create function control.revocation_hash(revocation control.token_revocations) returns bytea
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select sha256(convert_to(concat_ws('|', revocation.generation, coalesce(revocation.jti::text, '-'),
              coalesce(revocation.tenant_id::text, '-'), coalesce(revocation.user_id::text, '-'),
              coalesce(extract(epoch from revocation.issued_until)::text, '-'),
              revocation.sessions_go_on, extract(epoch from revocation.expires_at)), 'UTF8')) $$;

create function control.ledger_hash(previous bytea, row_hash bytea, expires_at timestamptz) returns bytea
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select sha256(coalesce(previous, ''::bytea) || row_hash
                 || convert_to(extract(epoch from expires_at)::text, 'UTF8')) $$;

create function control.note_revocation(revocation control.token_revocations) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ declare
    row_hash bytea := control.revocation_hash(revocation);
    previous bytea;
begin
    select ledger.hash into previous from control.revocation_ledger as ledger
    where ledger.generation < revocation.generation order by ledger.generation desc limit 1;
    insert into control.revocation_ledger (generation, expires_at, row_hash, hash)
    values (revocation.generation, revocation.expires_at, row_hash,
            control.ledger_hash(previous, row_hash, revocation.expires_at));
    -- From its front only, and seldom. What the program keeps longest it keeps for 40 days.
    if revocation.generation % 256 = 0 then
        delete from control.revocation_ledger as ledger
        where ledger.generation < (select min(kept.generation) from control.revocation_ledger as kept
                                   where kept.expires_at > now() - interval '41 days');
    end if;
end $$;

create function control.revocation_noted() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    perform control.note_revocation(new);
    return null;
end $$;

do $$
declare
    item control.token_revocations;
begin
    for item in select * from control.token_revocations order by generation loop
        perform control.note_revocation(item);
    end loop;
    -- What was forgotten before there was a ledger: it begins after that.
    insert into control.revocation_ledger (generation, expires_at, row_hash, hash)
    select state.revocations_generation, now(), '', control.ledger_hash(
               (select ledger.hash from control.revocation_ledger as ledger order by generation desc limit 1),
               '', now())
    from control.token_state as state
    where state.revocations_generation
          > coalesce((select max(ledger.generation) from control.revocation_ledger as ledger), 0);
end $$;

create trigger revocation_noted after insert on control.token_revocations
    for each row execute function control.revocation_noted();
-- Also in a session that plays a replica, where others do not fire.
alter table control.token_revocations enable always trigger revocation_noted;
