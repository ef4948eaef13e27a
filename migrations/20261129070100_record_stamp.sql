-- A stamp of this database that its server keeps outside of it, where a restore of this database does
-- not reach: the comment of a role that nobody can log in as. Comments of roles are in a catalog that
-- all databases of a server share and change in the transaction of the session (manual, chapter 53.50),
-- so the stamp changes exactly when the change that it stands for is committed. Every login can read
-- comments: it is random, and tells nothing.

create table control.record_stamp (
    only_one boolean primary key default true check (only_one),
    stamp uuid not null default gen_random_uuid(),
    -- Whether the server was given one.
    kept boolean not null default false
);
insert into control.record_stamp default values;

create function control.stamp_role() returns text
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select 'nexus_record_' || replace(id::text, '-', '') from control.installation $$;

-- current, older (another stamp is kept), moved (none is kept, and one was), or unstamped.
create function control.record_state() returns text
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select coalesce((
       select case when kept.description = 'nexus-record:' || ours.stamp then 'current'
                   when kept.description is not null then 'older'
                   when ours.kept then 'moved' else 'unstamped' end
       from control.record_stamp as ours left join pg_shdescription as kept
         on kept.classoid = 'pg_authid'::regclass and kept.objoid = to_regrole(control.stamp_role())),
       'older') $$;

create function control.raise_stamp() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ declare
    role text := control.stamp_role();
    next uuid := gen_random_uuid();
begin
    if role is null or current_setting('nexus.record_stamped', true) = 'yes' then
        return;
    end if;
    perform from control.record_stamp for update;
    if control.record_state() not in ('current', 'unstamped')
       and current_setting('nexus.record_accepted', true) is distinct from 'yes' then
        raise exception 'the control database is not as its server has last seen it; it was probably restored from a backup'
            using errcode = 'NX001';
    end if;
    if to_regrole(role) is null then
        execute format('create role %I nologin', role);
    end if;
    execute format('comment on role %I is %L', role, 'nexus-record:' || next);
    update control.record_stamp set stamp = next, kept = true;
    perform set_config('nexus.record_stamped', 'yes', true);
end $$;

-- Runs as the owner, so that a login with INSERT on the log can write a row and not the stamp.
create function control.record_stamped() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$ begin
    perform control.raise_stamp();
    return null;
end $$;

revoke execute on function control.stamp_role(), control.record_state(), control.raise_stamp(),
    control.record_stamped() from public;

-- At the commit: whoever waits for the stamp's row then holds all other locks already.
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
