-- A realm: who may sign in, and what they may do. Every tenant's database is one, and so is the
-- platform's. Schema nexus is Nexus's; the apps' own tables live in schema public.

create table nexus.users (
    id uuid primary key,
    email text not null check (length(email) between 3 and 254),
    name text not null default '',
    state text not null check (state in ('invited', 'active', 'disabled', 'locked')),
    password_hash text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index users_email on nexus.users (lower(email));

create table nexus.permissions (
    name text primary key check (name ~ '^([a-z][a-z0-9_-]*|\*):([a-z][a-z0-9_-]*|\*)$'),
    description text not null
);

create table nexus.roles (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (length(name) between 1 and 100),
    description text not null default '',
    built_in boolean not null default false,
    created_at timestamptz not null default now()
);

create table nexus.role_permissions (
    role_id uuid not null references nexus.roles on delete cascade,
    permission text not null references nexus.permissions,
    primary key (role_id, permission)
);

create table nexus.user_roles (
    user_id uuid not null references nexus.users on delete cascade,
    role_id uuid not null references nexus.roles on delete cascade,
    granted_at timestamptz not null default now(),
    primary key (user_id, role_id)
);

-- A single-use token that lets an invited user set a password; only its SHA-256 is kept.
create table nexus.invitations (
    user_id uuid primary key references nexus.users on delete cascade,
    token_hash bytea not null unique check (length(token_hash) = 32),
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);

-- What a tenant sets for itself, e.g. its language and currency; free for the apps.
create table nexus.settings (
    key text primary key check (length(key) between 1 and 200),
    value jsonb not null,
    updated_at timestamptz not null default now()
);

insert into nexus.permissions (name, description) values
    ('*:*', 'everything'),
    ('*:read', 'read everything'),
    ('*:create', 'create anything'),
    ('*:update', 'change anything'),
    ('*:delete', 'delete anything'),
    ('user:read', 'see users'),
    ('user:create', 'invite and create users'),
    ('user:update', 'change, disable and unlock users'),
    ('user:delete', 'delete users'),
    ('role:read', 'see roles and who holds them'),
    ('role:create', 'make roles'),
    ('role:update', 'change roles'),
    ('role:delete', 'delete roles'),
    ('role:grant', 'grant and revoke roles'),
    ('group:read', 'see groups'),
    ('group:create', 'make groups'),
    ('group:update', 'change groups and their members'),
    ('group:delete', 'delete groups'),
    ('settings:read', 'see the settings'),
    ('settings:update', 'change the settings');

insert into nexus.roles (name, description, built_in) values
    ('Admin', 'may do everything', true),
    ('Manager', 'runs the business and its people, but grants no roles', true),
    ('User', 'works with the business''s data', true),
    ('Viewer', 'reads', true);

insert into nexus.role_permissions (role_id, permission)
select roles.id, granted.permission
from (values
    ('Admin', '*:*'),
    ('Manager', '*:read'), ('Manager', '*:create'), ('Manager', '*:update'), ('Manager', '*:delete'),
    ('User', '*:read'), ('User', '*:create'), ('User', '*:update'),
    ('Viewer', '*:read')
) as granted (role, permission)
join nexus.roles on roles.name = granted.role;
