-- Who may be told by the API what access tokens say. control.seed_platform_realm() puts it into the platform's realm.
insert into control.platform_permissions (name, description, roles) values
    ('token:introspect', 'be told what access tokens say, and whether they are good', '{}');
