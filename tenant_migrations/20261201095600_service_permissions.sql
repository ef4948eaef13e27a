-- Who may register services and call them. Administrative: a service is told who calls it, so that no pattern but *:*
-- gives these, a role has to name them. A service may ask for another permission than service:call.
insert into nexus.permissions (name, description) values
    ('service:read', 'see services, and whether they answer'),
    ('service:create', 'register services, and send their heartbeats'),
    ('service:delete', 'remove services'),
    ('service:call', 'call services that ask for no permission of their own')
on conflict (name) do nothing;
