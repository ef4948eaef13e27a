-- A keyed checksum over the ledger of revocations: whoever can write this database, and has no key,
-- cannot take the last revocations away, nor write the ledger again without them.

create table control.revocation_seal (
    one boolean primary key default true check (one),
    -- The rows of the ledger that it covers; 0: there were none.
    first bigint not null,
    last bigint not null,
    -- Which part of the key it was made with.
    nonce uuid not null,
    checksum bytea not null
);

-- What is covered, each field as its length, a colon and itself.
create function control.revocations_covered(first bigint, last bigint) returns text
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select string_agg(octet_length(field)::text || ':' || field, '' order by position)
   from control.revocation_ledger as oldest, control.revocation_ledger as newest,
        lateral unnest(array[
            oldest.generation::text, encode(oldest.row_hash, 'hex'), encode(oldest.hash, 'hex'),
            newest.generation::text, encode(newest.hash, 'hex')]) with ordinality as covered (field, position)
   where oldest.generation = first and newest.generation = last $$;

create function control.seal_revocations(part bytea, key_nonce uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ declare
    oldest bigint;
    newest bigint;
    message bytea;
begin
    select coalesce(min(generation), 0), coalesce(max(generation), 0) into oldest, newest
    from control.revocation_ledger;
    message := convert_to(coalesce(control.revocations_covered(oldest, newest), ''), 'UTF8');
    insert into control.revocation_seal as seal (first, last, nonce, checksum)
    values (oldest, newest, key_nonce, sha256(part || sha256(part || message)))
    on conflict (one) do update set first = excluded.first, last = excluded.last,
        nonce = excluded.nonce, checksum = excluded.checksum;
end $$;

-- A session of the program bears a part of the key; what another one wrote is covered by the next.
create or replace function control.note_revocation(revocation control.token_revocations) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ declare
    row_hash bytea := control.revocation_hash(revocation);
    part bytea := decode(coalesce(current_setting('nexus.seal_part', true), ''), 'hex');
    previous bytea;
begin
    select ledger.hash into previous from control.revocation_ledger as ledger
    where ledger.generation < revocation.generation order by ledger.generation desc limit 1;
    insert into control.revocation_ledger (generation, expires_at, row_hash, hash)
    values (revocation.generation, revocation.expires_at, row_hash,
            control.ledger_hash(previous, row_hash, revocation.expires_at));
    if octet_length(part) <> 32 then
        return;
    end if;
    -- From its front only, and seldom. What the program keeps longest it keeps for 40 days.
    if revocation.generation % 256 = 0 then
        delete from control.revocation_ledger as ledger
        where ledger.generation < (select min(kept.generation) from control.revocation_ledger as kept
                                   where kept.expires_at > now() - interval '41 days');
    end if;
    perform control.seal_revocations(part, current_setting('nexus.seal_nonce', true)::uuid);
end $$;

revoke execute on function control.seal_revocations(bytea, uuid), control.revocations_covered(bigint, bigint)
    from public;
