-- no-transaction
-- The list of messages that failed, or may not have arrived, the newest first: few among all.
create index concurrently if not exists messages_failed on control.messages (updated_at, tenant_id, id)
    where state in ('failed', 'unknown');
