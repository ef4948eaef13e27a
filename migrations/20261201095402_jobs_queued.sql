-- no-transaction
-- Each claim wrote to it, and it was read only to count a long queue: the index of a tenant's jobs does that, too.
drop index concurrently if exists control.jobs_queued;
