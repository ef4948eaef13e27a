-- What is revoked ends at a moment of this server's clock that is never in the future, to the
-- microsecond, and a token is dated by the same clock before anything about its user is read. Who
-- revokes holds this lock from before that moment until the commit; who dates a token shares it. So
-- either a token's date is before the moment, or all that was changed with it is seen.

create function control.lock_token_cuts() returns void
    language sql set search_path = pg_catalog, pg_temp as
$$ select pg_advisory_xact_lock(hashtextextended('nexus.token_cuts', 0)) $$;

create function control.share_token_cuts() returns void
    language sql set search_path = pg_catalog, pg_temp as
$$ select pg_advisory_xact_lock_shared(hashtextextended('nexus.token_cuts', 0)) $$;

revoke execute on function control.lock_token_cuts(), control.share_token_cuts() from public;

create or replace function control.revoke_tokens_of_tenant() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    perform control.lock_token_cuts();
    insert into control.token_revocations (tenant_id, issued_until, expires_at, caller)
    values (new.id, clock_timestamp(), clock_timestamp() + interval '2 hours', 'system');
    return null;
end $$;

-- A development key signs for the realms that it was exported for, and for no other; the nil id is
-- the platform. One that was made before knows none, and signs for nobody: it is exported again.
alter table control.signing_keys add column realms uuid[] not null default '{}';
drop index control.signing_keys_one_of_a_kind;
create unique index signing_keys_one_of_a_kind on control.signing_keys (purpose, algorithm, state, realms)
    where state in ('next', 'active');
