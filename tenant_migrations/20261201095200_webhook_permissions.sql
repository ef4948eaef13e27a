-- Who may have events sent to addresses outside. Administrative: what is sent leaves the tenant, so that no pattern but
-- *:* gives these, a role has to name them.
insert into nexus.permissions (name, description) values
    ('webhook:read', 'see webhooks, and what was answered to them'),
    ('webhook:create', 'create webhooks'),
    ('webhook:update', 'change webhooks, rotate their secrets, and send again'),
    ('webhook:delete', 'delete webhooks')
on conflict (name) do nothing;
