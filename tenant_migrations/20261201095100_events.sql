-- The outbox is also the log of what happened in the realm, for a week: whoever relays its rows numbers them without
-- gaps, and readers go on after the number that they saw last. A number is given once the row is committed, so that a
-- transaction that stays open delays no row but its own, and none is passed over.
alter table nexus.outbox
    -- The order in which rows were written: whoever has locked what a row is about writes after those before them.
    -- The clocks of two processes, which ids are made by, may disagree.
    add column seq bigint generated always as identity,
    -- Its number in the log; none before it is published. Messages to people (mail.) are no events, and have none.
    add column position bigint check (position > 0);
-- What was published before there were numbers is the beginning of the log, in the order in which that was done: it
-- has gone to whom it concerned, and must not count as new. Whatever is published without a number from now on was
-- published by a process of the version before, and is numbered by the next one that relays.
update nexus.outbox set position = numbered.position
from (select id, row_number() over (order by published_at, seq) as position
      from nexus.outbox where published_at is not null and type not like 'mail.%') as numbered
where outbox.id = numbered.id;
-- Whoever relays asks for the oldest that are not published or not numbered, by the order in which they were written.
create index outbox_unpublished_seq on nexus.outbox (seq)
    where published_at is null or (position is null and type not like 'mail.%');
drop index nexus.outbox_unpublished;
-- Readers go on after a number, and no number is given twice.
create unique index outbox_position on nexus.outbox (position) where position is not null;
-- Messages that were handed over are forgotten, the oldest first, without reading the log.
create index outbox_handed_over on nexus.outbox (seq)
    where published_at is not null and position is null and type like 'mail.%';

-- The last number that was given. One row, which is locked by whoever gives the next.
create table nexus.event_counter (
    only_row boolean primary key default true check (only_row),
    last_position bigint not null
) with (fillfactor = 50);
insert into nexus.event_counter (last_position)
select max(position) from nexus.outbox having max(position) is not null;

-- Publishes an event of the app, in the transaction of the caller: if that is rolled back there is none. With the
-- rights of the realm's owner, because the app's login sees nothing of the outbox.
create function nexus.publish(type text, key text, payload jsonb default '{}') returns uuid
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as
$$
<<event>>
declare
    -- Version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then what is random.
    id uuid := encode(set_byte(
        overlay(uuid_send(gen_random_uuid())
                placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
        6, (get_byte(uuid_send(gen_random_uuid()), 6) & 15) | 112), 'hex')::uuid;
begin
    if publish.type is null or length(publish.type) > 100
       or publish.type !~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$' then
        raise exception 'the type of an event is words of a-z, 0-9 and _ with dots between them, e.g. invoice.paid'
            using errcode = 'invalid_parameter_value';
    end if;
    if split_part(publish.type, '.', 1) = any (array['api_key', 'audit', 'auth', 'custom_field', 'event', 'file', 'group',
            'job', 'key', 'mail', 'message', 'migration', 'nexus', 'notification', 'operation', 'operator',
            'permission', 'platform', 'role', 'secret', 'session', 'setting', 'settings', 'tenant', 'token',
            'usage', 'user', 'webhook']) then
        raise exception 'events that begin with "%." are Nexus''s own', split_part(publish.type, '.', 1)
            using errcode = 'invalid_parameter_value';
    end if;
    if publish.key is null or length(publish.key) not between 1 and 200 then
        raise exception 'the key of an event has 1 to 200 characters' using errcode = 'invalid_parameter_value';
    end if;
    if publish.payload is null or octet_length(publish.payload::text) > 65536 then
        raise exception 'the payload of an event has at most 65536 bytes' using errcode = 'program_limit_exceeded';
    end if;
    insert into nexus.outbox (id, key, type, payload, actor)
    values (event.id, publish.key, publish.type, publish.payload, 'app');
    -- Otherwise a session that reports its statistics a moment later than another keeps the event waiting for up to
    -- ten seconds. Since PostgreSQL 15.
    if current_setting('server_version_num')::integer >= 150000 then
        perform pg_stat_force_next_flush();
    end if;
    return event.id;
end
$$;
revoke all on function nexus.publish(text, text, jsonb) from public;

-- Who may hear of events. Administrative: no pattern but *:* gives it, because what apps publish is for those whom an
-- administrator names.
insert into nexus.permissions (name, description) values
    ('event:read', 'read events, and follow them')
on conflict (name) do nothing;
