-- Patterns such as *:read stand for the business's permissions only; what concerns people, roles,
-- keys and settings is granted by name, or by *:*.

do $$
declare
    administrative constant text[] := array['user', 'role', 'group', 'permission', 'session', 'operator',
                                            'settings', 'key', 'api-key', 'token'];
    role record;
    held text[];
begin
    for role in select id, name, built_in from nexus.roles loop
        held := array(select permission || coalesce(' when ' || condition, '') from nexus.role_permissions
                      where role_id = role.id order by permission collate "C");
        if role.built_in and role.name = 'Manager'
           and held = array['*:create', '*:delete', '*:read', '*:update'] then
            insert into nexus.role_permissions (role_id, permission)
            select role.id, unnest(array['user:read', 'user:create', 'user:update', 'user:delete',
                                         'group:read', 'group:create', 'group:update', 'group:delete']);
        elsif role.built_in and (role.name = 'User' and held = array['*:create', '*:read', '*:update']
                                 or role.name = 'Viewer' and held = array['*:read']) then
            -- What it holds means what the role's name says from now on.
            null;
        else
            -- Somebody made or changed it: it goes on allowing what it allowed.
            insert into nexus.role_permissions as had (role_id, permission, condition)
            select role.id, permissions.name, pattern.condition
            from nexus.role_permissions as pattern
            join nexus.permissions on split_part(permissions.name, ':', 1) = any (administrative)
                and split_part(permissions.name, ':', 2) = split_part(pattern.permission, ':', 2)
            where pattern.role_id = role.id and pattern.permission like '*:%' and pattern.permission <> '*:*'
            on conflict (role_id, permission) do update set condition = case
                when had.condition is null or excluded.condition is null then null
                when length(had.condition) + length(excluded.condition) > 990 then had.condition
                else '(' || had.condition || ') or (' || excluded.condition || ')' end;
        end if;
    end loop;
end $$;

-- What the access tokens of a session may say, where it is less than all: a refresh gives no more.
alter table nexus.sessions add column access jsonb check (jsonb_typeof(access) = 'object');
