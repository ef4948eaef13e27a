-- Keys that sign access tokens, tokens that were issued, and tokens that were taken back.

-- Grows with every change below, in the order of the commits: whoever keeps a copy in memory asks
-- for it and reads on from there.
create table control.token_state (
    only_one boolean primary key default true check (only_one),
    keys_generation bigint not null default 0,
    revocations_generation bigint not null default 0
);
insert into control.token_state default values;

-- The private half, and the public half once more, are sealed as the platform's secret
-- signing-key.KID; a row that disagrees with it is refused.
create table control.signing_keys (
    kid text primary key check (kid ~ '^[0-9a-f]{32}$'),
    algorithm text not null check (algorithm in ('EdDSA', 'ES256', 'RS256')),
    -- A development key signs on laptops, without a database; it is accepted only where the
    -- settings say so.
    purpose text not null check (purpose in ('platform', 'development')),
    -- next: published, does not sign yet. active: signs. retiring: only checks tokens that it
    -- signed. gone: nothing.
    state text not null check (state in ('next', 'active', 'retiring', 'gone')),
    public_jwk jsonb not null,
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    -- When it stopped signing.
    retired_at timestamptz,
    -- From when on nothing that it signed is accepted.
    good_until timestamptz,
    check ((state = 'retiring') <= (retired_at is not null and good_until is not null))
);
create unique index signing_keys_one_of_a_kind on control.signing_keys (purpose, algorithm, state)
    where state in ('next', 'active');

-- What was minted and recorded, for nexus token list. Never the token itself.
create table control.issued_tokens (
    jti uuid primary key,
    kid text not null references control.signing_keys,
    -- The nil id stands for the platform's own realm.
    tenant_id uuid not null,
    user_id uuid not null,
    email text not null,
    -- Who asked for it, and why where it was not its own.
    caller text not null,
    impersonated boolean not null default false,
    reason text,
    audience text not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null
);
create index issued_tokens_expiry on control.issued_tokens (expires_at);
create index issued_tokens_of on control.issued_tokens (tenant_id, user_id, issued_at desc);

-- One token; or all that were issued until a second: of a user, of a tenant, of everybody.
create table control.token_revocations (
    id bigint generated always as identity primary key,
    -- Set by a trigger.
    generation bigint not null,
    jti uuid,
    tenant_id uuid,
    user_id uuid,
    issued_until timestamptz,
    -- The sessions that began until then go on: their users are who they were, and may do less.
    sessions_go_on boolean not null default false,
    -- From when on no token is left that this could refuse.
    expires_at timestamptz not null,
    caller text not null,
    created_at timestamptz not null default now(),
    check ((jti is null) <> (issued_until is null)),
    check (user_id is null or tenant_id is not null),
    check (jti is null or (tenant_id is null and user_id is null))
);
create index token_revocations_generation on control.token_revocations (generation);
create index token_revocations_expiry on control.token_revocations (expires_at);
create index token_revocations_of on control.token_revocations (tenant_id, user_id) where jti is null;
create index token_revocations_jti on control.token_revocations (jti) where jti is not null;

-- The row lock lasts until the commit, so that generations become visible in their order.
create function control.token_key_changed() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    update control.token_state set keys_generation = keys_generation + 1;
    return null;
end $$;
create trigger token_key_changed after insert or update or delete or truncate on control.signing_keys
    for each statement execute function control.token_key_changed();

create function control.token_revoked() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    update control.token_state set revocations_generation = revocations_generation + 1
        returning revocations_generation into new.generation;
    return new;
end $$;
create trigger token_revoked before insert on control.token_revocations
    for each row execute function control.token_revoked();

-- A tenant that is no longer in use takes its tokens with it. No access token lives longer than an
-- hour; the rest is for clocks that differ.
create function control.revoke_tokens_of_tenant() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    -- A token that was minted in the second of an earlier revocation is dated a second later.
    insert into control.token_revocations (tenant_id, issued_until, expires_at, caller)
    select new.id, greatest(now(), date_trunc('second', max(issued_until)) + interval '1 second'),
           now() + interval '2 hours', 'system'
    from control.token_revocations
    where jti is null and (tenant_id is null or tenant_id = new.id);
    return null;
end $$;
create trigger revoke_tokens after update of state on control.tenants
    for each row when (old.state = 'active' and new.state <> 'active')
    execute function control.revoke_tokens_of_tenant();
