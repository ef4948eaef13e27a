-- The platform's permissions and built-in roles. They go into the platform's realm, whose tables are
-- made after these: control.seed_platform_realm() puts them there, each once. What an administrator
-- takes out again stays out.

create table control.platform_roles (
    name text primary key,
    description text not null,
    made_at timestamptz
);

create table control.platform_permissions (
    name text primary key,
    description text not null,
    -- Built-in roles that hold it, beside Admin, which may do everything.
    roles text[] not null,
    registered_at timestamptz
);

insert into control.platform_roles (name, description) values
    ('Provisioner', 'makes tenants, changes, closes and deletes them'),
    ('Support', 'helps tenants: sees everything of theirs but data and secrets, repairs, revokes'),
    ('Auditor', 'sees everything but secrets, and proves the audit log'),
    ('Deployer', 'migrates tenants');

insert into control.platform_permissions (name, description, roles) values
    ('tenant:read', 'see tenants', '{Provisioner,Support,Auditor,Deployer}'),
    ('tenant:create', 'make tenants, adopt databases, and be told the invitation of the first administrator', '{Provisioner}'),
    ('tenant:update', 'change names, labels, slugs and facilities of tenants', '{Provisioner}'),
    ('tenant:suspend', 'suspend and resume tenants', '{Provisioner,Support}'),
    ('tenant:delete', 'delete and undelete tenants', '{Provisioner}'),
    ('tenant:purge', 'destroy tenants for good', '{}'),
    ('tenant:repair', 'find out what is wrong with tenants, and repair it', '{Provisioner,Support}'),
    ('operation:read', 'see operations and batches', '{Provisioner,Support,Auditor,Deployer}'),
    ('operation:resume', 'finish operations and roll them back', '{Provisioner,Support}'),
    ('cluster:read', 'see clusters', '{Provisioner,Support,Auditor,Deployer}'),
    ('cluster:create', 'register clusters', '{}'),
    ('cluster:update', 'change clusters and their passwords', '{}'),
    ('cluster:delete', 'take clusters off the register', '{}'),
    ('store:read', 'see object stores', '{Provisioner,Support,Auditor,Deployer}'),
    ('store:create', 'register object stores', '{}'),
    ('store:update', 'change object stores and their secrets', '{}'),
    ('store:delete', 'take object stores off the register', '{}'),
    ('pool:read', 'see pools', '{Provisioner,Support,Auditor}'),
    ('pool:update', 'size and fill pools', '{Provisioner}'),
    ('migration:read', 'see sets of migrations, what is pending, and what a run would do', '{Support,Auditor,Deployer}'),
    ('migration:create', 'register sets of migrations, and begin new files', '{Deployer}'),
    ('migration:update', 'change sets of migrations', '{Deployer}'),
    ('migration:delete', 'take sets of migrations off the register', '{Deployer}'),
    ('migration:verify', 'compare schemas of tenants with what was migrated', '{Auditor,Deployer}'),
    ('migration:rehearse', 'rehearse migrations on copies of tenants', '{Deployer}'),
    ('run:read', 'see runs', '{Support,Auditor,Deployer}'),
    ('run:create', 'migrate tenants', '{Deployer}'),
    ('run:resume', 'finish runs', '{Deployer}'),
    ('run:cancel', 'stop runs', '{Deployer}'),
    ('run:rollback', 'roll runs back', '{Deployer}'),
    ('exec:create', 'run SQL in the databases of tenants', '{}'),
    ('key:read', 'see signing keys, without what signs', '{Auditor}'),
    ('key:update', 'rotate and retire signing keys', '{}'),
    ('key:export', 'take out a key that signs tokens for development', '{}'),
    ('secret:read', 'see which secrets are sealed, and with what', '{Auditor}'),
    ('secret:reveal', 'be told the passwords and keys of tenants', '{}'),
    ('token:read', 'see which tokens were issued', '{Support,Auditor}'),
    ('token:create', 'issue tokens in the name of users', '{}'),
    ('token:revoke', 'revoke tokens', '{Support}'),
    ('api-key:read', 'see API keys', '{Support,Auditor}'),
    ('api-key:create', 'make API keys for users', '{}'),
    ('api-key:revoke', 'revoke API keys', '{Support}'),
    ('audit:read', 'see and export the audit log', '{Auditor}'),
    ('audit:verify', 'check the audit log, and anchor it', '{Auditor}'),
    ('doctor:read', 'examine the installation and what it has made', '{Provisioner,Support,Auditor,Deployer}'),
    ('doctor:update', 'fix what an examination found', '{}'),
    ('doctor:prove', 'prove that tenants are kept apart, and sign it', '{Auditor}'),
    ('user:read', 'see users', '{Support,Auditor}'),
    ('role:read', 'see roles and who holds them', '{Support,Auditor}'),
    ('group:read', 'see groups', '{Support,Auditor}'),
    ('permission:read', 'see which permissions there are', '{Support,Auditor}'),
    ('session:read', 'see sessions', '{Support,Auditor}'),
    ('operator:read', 'see which operators have access', '{Support,Auditor}'),
    ('settings:read', 'see the settings', '{Auditor}');

-- A pattern such as *:delete in a role of the platform's realm allowed nothing of tenants, clusters or
-- runs so far, and was not given for that: it is replaced by the permissions that it stood for.
create function control.name_what_patterns_allow() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$
declare
    administrative constant text[] := array['user', 'role', 'group', 'permission', 'session', 'operator',
                                            'settings', 'key', 'api-key', 'token'];
begin
    insert into nexus.role_permissions as had (role_id, permission, condition)
    select pattern.role_id, permissions.name, pattern.condition
    from nexus.role_permissions as pattern
    join nexus.permissions on split_part(permissions.name, ':', 2) = split_part(pattern.permission, ':', 2)
        and split_part(permissions.name, ':', 1) <> all (administrative)
        and split_part(permissions.name, ':', 1) <> '*'
    where pattern.permission like '*:%' and pattern.permission <> '*:*'
      and not exists (select from control.platform_permissions as ours where ours.name = permissions.name)
    on conflict (role_id, permission) do update set condition = case
        when had.condition is null or excluded.condition is null then null
        when length(had.condition) + length(excluded.condition) > 990 then had.condition
        else '(' || had.condition || ') or (' || excluded.condition || ')' end;
    delete from nexus.role_permissions where permission like '*:%' and permission <> '*:*';
end $$;

-- Manager, User and Viewer are for the business of a tenant. In the platform's realm they go where they
-- are as they were made and nobody holds them; others stay, and can be deleted.
create function control.drop_roles_of_tenants() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$
declare
    it record;
    made text[];
    held text[];
begin
    for it in select id, name from nexus.roles where built_in and name in ('Manager', 'User', 'Viewer') loop
        held := array(select permission || coalesce(' when ' || condition, '') from nexus.role_permissions
                      where role_id = it.id order by permission collate "C");
        made := case it.name
            when 'Manager' then array['*:create', '*:delete', '*:read', '*:update',
                                      'group:create', 'group:delete', 'group:read', 'group:update',
                                      'user:create', 'user:delete', 'user:read', 'user:update']
            when 'User' then array['*:create', '*:read', '*:update']
            else array['*:read'] end;
        if held = made and not exists (select from nexus.user_roles where role_id = it.id)
           and not exists (select from nexus.group_roles where role_id = it.id) then
            delete from nexus.roles where id = it.id;
        else
            update nexus.roles set built_in = false where id = it.id;
        end if;
    end loop;
end $$;

create function control.seed_platform_realm() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
    if not exists (select from control.platform_permissions where registered_at is null) then
        return;
    end if;
    if not exists (select from control.platform_permissions where registered_at is not null) then
        perform control.drop_roles_of_tenants();
        perform control.name_what_patterns_allow();
    end if;
    insert into nexus.permissions (name, description)
    select name, description from control.platform_permissions where registered_at is null
    on conflict (name) do nothing;
    -- A role of such a name that somebody made is theirs, and gets nothing.
    insert into nexus.roles (name, description, built_in)
    select name, description, true from control.platform_roles where made_at is null
    on conflict (name) do nothing;
    insert into nexus.role_permissions (role_id, permission)
    select roles.id, ours.name
    from control.platform_permissions as ours join nexus.roles on roles.name = any (ours.roles) and roles.built_in
    where ours.registered_at is null
    on conflict (role_id, permission) do nothing;
    update control.platform_roles set made_at = now() where made_at is null;
    update control.platform_permissions set registered_at = now() where registered_at is null;
end $$;

revoke execute on function control.name_what_patterns_allow(), control.drop_roles_of_tenants(),
    control.seed_platform_realm() from public;
