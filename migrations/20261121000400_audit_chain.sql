-- The audit log as a chain: each row holds a hash over itself and the hash of the row before it.
-- docs/audit.md defines the form that is hashed.

set local search_path = pg_catalog, pg_temp;

drop trigger append_only on control.audit_log;

alter table control.audit_log
    -- The text itself is hashed, so it is kept as it came; jsonb would keep what it means.
    alter column detail drop default,
    alter column detail type json using detail::text::json,
    alter column detail set default '{}',
    -- The position in the chain: without gaps, which an identity column has after a rollback.
    add column sequence bigint,
    add column hash bytea;

-- The end of the chain. Its row is locked from a writer's insert to its commit: that is the
-- order of the rows.
create table control.audit_head (
    only_one boolean primary key default true check (only_one),
    sequence bigint not null check (sequence >= 0),
    hash bytea not null check (length(hash) = 32)
);

-- A field: its length in eight bytes, the highest first, then the field.
create function control.audit_field(field bytea) returns bytea
    language sql immutable
    return int8send(coalesce(length(field), 0)::bigint) || coalesce(field, ''::bytea);

create function control.audit_hash(previous bytea, sequence bigint, id bigint, at timestamptz, caller text,
                                   action text, tenant_id uuid, operation_id uuid, detail json) returns bytea
    language sql stable
    return sha256(
        control.audit_field('nexus-audit-v1'::bytea)
        || control.audit_field(previous)
        || control.audit_field(convert_to(sequence::text, 'UTF8'))
        || control.audit_field(convert_to(id::text, 'UTF8'))
        || control.audit_field(convert_to(
               to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'))
        || control.audit_field(convert_to(caller, 'UTF8'))
        || control.audit_field(convert_to(action, 'UTF8'))
        || control.audit_field(convert_to(tenant_id::text, 'UTF8'))
        || control.audit_field(convert_to(operation_id::text, 'UTF8'))
        || control.audit_field(convert_to(detail::text, 'UTF8')));

-- The rows that are there, in the order in which they were numbered.
do $$
declare
    item record;
    position bigint := 0;
    previous bytea := decode(repeat('00', 32), 'hex');
begin
    for item in select * from control.audit_log order by id loop
        position := position + 1;
        previous := control.audit_hash(previous, position, item.id, item.at, item.caller, item.action,
                                       item.tenant_id, item.operation_id, item.detail);
        update control.audit_log set sequence = position, hash = previous where id = item.id;
    end loop;
    insert into control.audit_head (sequence, hash) values (position, previous);
end $$;

alter table control.audit_log
    alter column sequence set not null,
    alter column hash set not null,
    add constraint audit_log_sequence unique (sequence);
drop index control.audit_log_tenant;
create index audit_log_tenant on control.audit_log (tenant_id, sequence);

-- Runs as the owner, so that a login with INSERT on the log can write a row and not the head.
create function control.audit_log_chain() returns trigger
    -- By the index whatever the plan thinks: old versions of the head's row may fill many pages.
    language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as
$$
declare
    head record;
begin
    select h.ctid as place, h.sequence, h.hash into strict head
    from control.audit_head as h where h.only_one for update;
    -- Not the transaction's beginning, and not what a writer says: time goes as the chain does.
    new.at := clock_timestamp();
    new.sequence := head.sequence + 1;
    new.hash := control.audit_hash(head.hash, new.sequence, new.id, new.at, new.caller, new.action,
                                   new.tenant_id, new.operation_id, new.detail);
    update control.audit_head set sequence = new.sequence, hash = new.hash where ctid = head.place;
    if not found then
        raise exception 'the head of the audit log moved while it was locked' using errcode = '40001';
    end if;
    return new;
end $$;

revoke execute on function control.audit_log_chain() from public;

create trigger chain before insert on control.audit_log
    for each row execute function control.audit_log_chain();
create trigger append_only before update or delete or truncate on control.audit_log
    for each statement execute function control.audit_log_is_append_only();
-- Also in a session that plays a replica (session_replication_role), where others do not fire.
alter table control.audit_log enable always trigger chain;
alter table control.audit_log enable always trigger append_only;
