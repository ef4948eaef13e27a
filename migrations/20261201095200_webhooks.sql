-- Webhooks: what tenants have sent to addresses of their own when something happens. They are kept here, and not in the
-- tenant's database, so that the relay decides in the transaction that writes the jobs. Secrets are not here: they are
-- sealed with the tenant's others.
create table control.webhooks (
    -- Version 7: they are in the order in which they were made.
    id uuid primary key,
    tenant_id uuid not null,
    url text not null check (length(url) between 1 and 8000),
    description text not null default '' check (length(description) <= 1000),
    -- Which events: types, or the beginning of types and a star.
    events text[] not null check (cardinality(events) between 1 and 50),
    state text not null default 'active' check (state in ('active', 'disabled')),
    -- Request: somebody asked for it. Gone: the receiver said so (410). Failing: nothing was taken for days.
    disabled_reason text check (disabled_reason in ('request', 'gone', 'failing')),
    disabled_at timestamptz,
    -- Since when events may have been missed; until they are replayed.
    missed_since timestamptz,
    -- Until then the secret before the present one signs too.
    previous_secret_until timestamptz,
    -- The public half of a key pair, where it signs with one too.
    public_key text check (length(public_key) <= 100),
    created_by text not null check (length(created_by) <= 200),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_success_at timestamptz,
    last_failure_at timestamptz,
    -- The first failure since the last success.
    failing_since timestamptz,
    -- The receiver asked to be left alone until then.
    paused_until timestamptz,
    check ((state = 'disabled') = (disabled_reason is not null)),
    check ((state = 'disabled') = (disabled_at is not null))
) with (fillfactor = 70);
-- The relay asks for those of a tenant with each batch of events; so does the list.
create index webhooks_tenant on control.webhooks (tenant_id, id);

-- What became of each event at each webhook.
create table control.webhook_deliveries (
    -- Version 7: they are in the order in which they were written. The oldest are forgotten, some at a time.
    id uuid primary key,
    tenant_id uuid not null,
    -- No reference: what is deleted may have many of these, which are forgotten with time.
    webhook_id uuid not null,
    event_id uuid not null,
    event_type text not null check (length(event_type) <= 100),
    event_at timestamptz not null,
    -- Waiting: it is tried, or will be at next_at.
    state text not null check (state in ('waiting', 'delivered', 'failed')),
    attempts integer not null default 0 check (attempts >= 0),
    next_at timestamptz,
    -- Of the last attempt: what the receiver said, or why there was no answer.
    last_status smallint,
    last_error text check (length(last_error) <= 1000),
    last_response text check (length(last_response) <= 1024),
    last_duration_ms integer,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 70);
-- One for an event and a webhook, whoever writes it when.
create unique index webhook_deliveries_event on control.webhook_deliveries (webhook_id, event_id);
-- The list, the newest first.
create index webhook_deliveries_webhook on control.webhook_deliveries (webhook_id, id);
-- The list of those that are not there yet, or failed: few among many.
create index webhook_deliveries_open on control.webhook_deliveries (webhook_id, state, id) where state <> 'delivered';
-- A tenant that is purged takes them with it.
create index webhook_deliveries_tenant on control.webhook_deliveries (tenant_id);
