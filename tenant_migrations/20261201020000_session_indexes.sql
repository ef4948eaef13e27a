-- What signing in and refreshing forget in passing is found without reading all sessions and all tokens.

-- Sessions that ended a month ago, by when each ended.
create index sessions_ended on nexus.sessions (coalesce(revoked_at, expires_at));
-- Nothing else looks for a session by its end.
drop index nexus.sessions_expiry;

-- Tokens whose successor is kept for a client that did not hear it: one or two of a session, of all that it had.
create index refresh_tokens_sealed on nexus.refresh_tokens (session_id) where successor_sealed is not null;
