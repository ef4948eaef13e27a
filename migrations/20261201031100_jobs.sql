-- Work that goes on beside requests: jobs, which any process takes up. A row is a job that is not done; done ones are
-- deleted. Payloads hold ids, and nothing that must be secret.
create table control.jobs (
    -- Version 7: they are in the order in which they were asked for, nearly.
    id uuid primary key,
    -- A constant name of the code.
    kind text not null check (length(kind) <= 100 and kind ~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$'),
    -- Whose it is; the nil UUID for the platform's own. No reference: its check would wait for whoever changes the
    -- tenant.
    tenant_id uuid not null,
    -- The lower, the sooner.
    priority smallint not null check (priority between 0 and 9),
    payload jsonb not null default '{}' check (octet_length(payload::text) <= 16384),
    -- At most one job has a key, whatever its state.
    dedup_key text check (length(dedup_key) between 1 and 200),
    -- Scheduled: not before due_at. Ready: whoever claims takes it. Running: somebody holds it until due_at. Dead: it
    -- failed for good, and waits for a person.
    state text not null check (state in ('scheduled', 'ready', 'running', 'dead')),
    due_at timestamptz,
    -- Its turn among those that are ready: (turn of its tenant) * 2^24 + (24 bits that are the tenant's own). A tenant
    -- that had none in the queue begins at the lowest turn that others are at.
    fair_seq bigint,
    -- How often it was begun, and how often at most.
    attempts integer not null default 0 check (attempts >= 0),
    max_attempts integer not null check (max_attempts >= 1),
    -- Who holds it. The fence grows with each claim: what a holder says that lost it has a lower one, and is refused.
    lease_owner uuid,
    fence bigint not null default 0,
    -- A person has asked for it again since it was claimed last.
    asked_again boolean not null default false,
    last_error text check (length(last_error) <= 2000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((state in ('scheduled', 'running')) = (due_at is not null)),
    check ((state = 'ready') = (fair_seq is not null)),
    check ((state = 'running') = (lease_owner is not null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- A claim takes the first of these, and reads no other job, however many are scheduled or dead.
create index jobs_ready on control.jobs (priority, fair_seq, id) where state = 'ready';
-- What gives a job its turn asks for the last one of its tenant.
create index jobs_turn on control.jobs (tenant_id, priority, fair_seq) where state = 'ready';
-- Each worker asks every second for what became due, and for leases that ended.
create index jobs_scheduled on control.jobs (due_at) where state = 'scheduled';
create index jobs_running on control.jobs (due_at) where state = 'running';
-- One job for a key: a second is not written.
create unique index jobs_dedup on control.jobs (dedup_key) where dedup_key is not null;
-- The list of a tenant's jobs.
create index jobs_tenant on control.jobs (tenant_id, id);
-- How many a tenant has in the queue: those that wait for a person do not count.
create index jobs_queued on control.jobs (tenant_id) where state <> 'dead';
-- The list of one kind.
create index jobs_kind on control.jobs (kind, id);
-- The list of those that wait for a person.
create index jobs_dead on control.jobs (id) where state = 'dead';
-- The oldest of them are forgotten, some at a time.
create index jobs_dead_since on control.jobs (updated_at) where state = 'dead';

-- Who relays the outbox of a realm: one process at a time. The fence is checked in the transaction that writes the jobs.
create table control.relays (
    -- One row for a realm, found by whoever wants to relay it; the nil UUID for the platform's own.
    tenant_id uuid primary key,
    owner uuid not null,
    lease_until timestamptz not null,
    fence bigint not null
) with (fillfactor = 50);

-- Events of outboxes whose jobs are written: none is written twice, also where a process was killed before it marked
-- the event as published. Rows are kept for longer than those of the outbox. An id is a tenant's own: a database that
-- was copied has the same ids.
create table control.relayed_events (
    tenant_id uuid not null,
    event_id uuid not null,
    relayed_at timestamptz not null default now(),
    primary key (tenant_id, event_id)
);
-- The oldest are forgotten, some at a time.
create index relayed_events_at on control.relayed_events (relayed_at);

-- What became of messages to people. Neither an address nor a token stands here: who a message is for is looked up when
-- it is written.
create table control.messages (
    tenant_id uuid not null,
    -- The event's that asked for it.
    id uuid not null,
    kind text not null check (length(kind) <= 100),
    -- Deferred: it will be tried again. Sending: it is on its way, and a process that dies now leaves it unknown.
    -- Unknown: the server may have taken it; nobody sends it again unless a person asks.
    state text not null check (state in ('deferred', 'sending', 'sent', 'unknown', 'failed')),
    -- The attempt that is, or was, under way: only its own end is written.
    attempt uuid not null,
    attempts integer not null check (attempts >= 1),
    -- What the other server said, or why not.
    detail text check (length(detail) <= 2000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, id)
);
-- The oldest are forgotten, some at a time.
create index messages_at on control.messages (updated_at);

-- Who may see, retry and cancel jobs. control.seed_platform_realm() puts it into the platform's realm.
insert into control.platform_permissions (name, description, roles) values
    ('job:read', 'see jobs', '{Support,Auditor}'),
    ('job:retry', 'retry failed jobs', '{Support}'),
    ('job:cancel', 'cancel jobs', '{Support}');
