-- Who may be told by the API what access tokens of the realm say. Administrative: no pattern but *:* gives it.
insert into nexus.permissions (name, description) values
    ('token:introspect', 'be told what access tokens say, and whether they are good')
on conflict (name) do nothing;

-- The list of API keys, the newest first, is gone through page by page.
create index api_keys_newest on nexus.api_keys (created_at desc, id desc);
