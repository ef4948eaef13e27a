-- Who may issue tokens for users of the realm, and make API keys for them. Both resources are
-- administrative: no pattern but *:* gives these, a role has to name them.
insert into nexus.permissions (name, description) values
    ('token:read', 'see which tokens were issued'),
    ('token:create', 'issue tokens in the name of users'),
    ('api-key:read', 'see API keys'),
    ('api-key:create', 'make API keys for users'),
    ('api-key:revoke', 'revoke API keys')
on conflict (name) do nothing;
