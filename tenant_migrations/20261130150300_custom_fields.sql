-- Fields that a tenant adds to its users and groups, with a type each.

create table nexus.custom_fields (
    id uuid primary key,
    applies_to text not null check (applies_to in ('users', 'groups')),
    -- Never changes: clients and filters name a field by it.
    name text not null check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    -- Never changes: values of another type would be left behind.
    type text not null check (type in ('text', 'number', 'boolean', 'date', 'choice')),
    -- What a choice is one of.
    choices text[] not null default '{}',
    required boolean not null default false,
    description text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((type = 'choice') = (choices <> '{}'))
);
-- One of a name, and the list of them, which is read whole at each change of values: there are few.
create unique index custom_fields_name on nexus.custom_fields (applies_to, name);

-- The values, by the fields' names: only those that are defined.
alter table nexus.users
    add column fields jsonb not null default '{}' check (jsonb_typeof(fields) = 'object');
alter table nexus.groups
    add column fields jsonb not null default '{}' check (jsonb_typeof(fields) = 'object');
-- Finds who has a value. Whoever has none is not in it, so that a realm without custom fields, and the row that
-- each sign-in writes, pay nothing for it.
create index users_fields on nexus.users using gin (fields jsonb_path_ops) where fields <> '{}';
create index groups_fields on nexus.groups using gin (fields jsonb_path_ops) where fields <> '{}';
