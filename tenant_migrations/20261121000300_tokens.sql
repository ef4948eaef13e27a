-- Refresh tokens and API keys of a realm. Only hashes are kept.

-- One signing-in: every token that comes of it, until it ends for good.
create table nexus.refresh_families (
    id uuid primary key,
    user_id uuid not null references nexus.users on delete cascade,
    client_id text not null check (length(client_id) between 1 and 200),
    created_at timestamptz not null default now(),
    -- When it ends, used or not.
    expires_at timestamptz not null,
    last_used_at timestamptz not null default now(),
    revoked_at timestamptz,
    -- signed_out, reuse, revoked.
    revoked_because text,
    check ((revoked_at is null) = (revoked_because is null))
);
create index refresh_families_user on nexus.refresh_families (user_id, created_at);
create index refresh_families_expiry on nexus.refresh_families (expires_at);

create table nexus.refresh_tokens (
    -- SHA-256 of the token, which is 256 random bits.
    token_hash bytea primary key check (length(token_hash) = 32),
    family_id uuid not null references nexus.refresh_families on delete cascade,
    created_at timestamptz not null default now(),
    -- When it was exchanged for its successor.
    used_at timestamptz,
    successor_hash bytea check (length(successor_hash) = 32),
    -- The successor, sealed with a key that only the exchanged token gives, for a client that did
    -- not hear the answer. Taken away when the grace is over.
    successor_sealed bytea,
    check ((used_at is null) = (successor_hash is null))
);
create index refresh_tokens_family on nexus.refresh_tokens (family_id);
-- At most one token of a family can be used.
create unique index refresh_tokens_one_live on nexus.refresh_tokens (family_id) where used_at is null;

-- Keys for machines: they act as a user, within the scopes they were given.
create table nexus.api_keys (
    id uuid primary key,
    user_id uuid not null references nexus.users on delete cascade,
    name text not null check (length(name) between 1 and 100),
    key_hash bytea not null unique check (length(key_hash) = 32),
    -- The end of the key, to recognise it by.
    hint text not null check (length(hint) = 4),
    -- Empty: everything that the user may do.
    scopes text[] not null default '{}',
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    -- Kept to a few minutes.
    last_used_at timestamptz,
    revoked_at timestamptz
);
create unique index api_keys_name on nexus.api_keys (user_id, name) where revoked_at is null;
