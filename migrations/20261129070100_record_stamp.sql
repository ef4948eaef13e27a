-- A stamp of this database that its server keeps outside of it, where a restore of this database does
-- not reach: until when the password of a role would be valid that has none and cannot log in. Roles are
-- in a catalog that all databases of a server share and change in the transaction of the session
-- (manual, chapter 53.8), so the stamp changes exactly when the change that it stands for is committed;
-- and every session has that catalog open already, which comments, in pg_shdescription, are not. Every
-- login can read it: it is random, and tells nothing.

-- None: the server was not given one yet.
alter table control.installation add column stamp timestamptz;

create function control.raise_stamp() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ declare
    ours record;
    kept record;
    role text;
    -- Whoever may only write a row of the log says nothing that counts: any session may set these settings.
    trusted boolean := pg_has_role(session_user, current_user, 'member');
    next timestamptz := timestamptz '2000-01-01 00:00:00Z' + trunc(random() * 250000000000) * interval '1 second'
                        + trunc(random() * 1000000) * interval '1 microsecond';
begin
    if trusted and current_setting('nexus.record_stamped', true) = 'yes' then
        return;
    end if;
    select id, stamp into ours from control.installation for update;
    if ours.id is null then
        return;
    end if;
    role := 'nexus_record_' || replace(ours.id::text, '-', '');
    select rolname, rolvaliduntil into kept from pg_authid where rolname = role;
    if kept.rolvaliduntil is distinct from ours.stamp
       and not (trusted and coalesce(current_setting('nexus.record_accepted', true), '') = 'yes') then
        raise exception 'the control database is not as its server has last seen it; it was probably restored from a backup'
            using errcode = 'NX002';
    end if;
    if kept.rolname is null then
        execute format('create role %I nologin', role);
    end if;
    execute format('alter role %I valid until %L', role,
                   to_char(next at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
    update control.installation set stamp = next;
    perform set_config('nexus.record_stamped', 'yes', true);
end $$;

-- Runs as the owner, so that a login with INSERT on the log can write a row and not the stamp.
create function control.record_stamped() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$ begin
    perform control.raise_stamp();
    return null;
end $$;

revoke execute on function control.raise_stamp(), control.record_stamped() from public;

-- At the commit: whoever waits for the installation's row then holds all other locks already.
create constraint trigger record_stamped after insert on control.audit_log
    deferrable initially deferred for each row execute function control.record_stamped();
create constraint trigger record_stamped after insert on control.token_revocations
    deferrable initially deferred for each row execute function control.record_stamped();
-- Also in a session that plays a replica, where others do not fire.
alter table control.audit_log enable always trigger record_stamped;
alter table control.token_revocations enable always trigger record_stamped;

-- The same for the platform's own realm, whose schema is made after these and holds no trigger with a
-- function of another.
create function control.stamp_realm() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    if to_regprocedure('nexus.record_stamped()') is not null then
        return;
    end if;
    create function nexus.record_stamped() returns trigger
        language plpgsql security definer set search_path = pg_catalog, pg_temp as
    $stamped$ begin
        perform control.raise_stamp();
        return null;
    end $stamped$;
    revoke execute on function nexus.record_stamped() from public;
    create constraint trigger record_stamped after insert on nexus.audit_log
        deferrable initially deferred for each row execute function nexus.record_stamped();
    alter table nexus.audit_log enable always trigger record_stamped;
end $$;

revoke execute on function control.stamp_realm() from public;
