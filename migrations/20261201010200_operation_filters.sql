-- The list of operations is filtered by fields, and comes newest first: what is rare among many is found by an index in
-- that order.

-- In some states. Few operations are in most of them, and nearly all are done.
create index operations_state on control.operations (state, created_at, id);
-- Of some kinds.
create index operations_kind on control.operations (kind, created_at, id);
-- Asked for by some callers.
create index operations_caller on control.operations (caller, created_at, id);
-- Ended in a span of time. What goes on has not ended.
create index operations_finished on control.operations (finished_at) where finished_at is not null;

-- The same as operations_listed.
drop index control.operations_created;
