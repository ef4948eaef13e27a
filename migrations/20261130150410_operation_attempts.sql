-- Which attempt to carry out a request with an Idempotency-Key recorded an operation: the request sent again is
-- answered with the same one. Zeroes stand for an attempt that no longer holds its key, and must record nothing.
alter table control.operations
    add column attempt uuid
        constraint operations_attempt_holds check (attempt <> '00000000-0000-0000-0000-000000000000');

-- A request whose answer was lost asks for its operation.
create unique index operations_attempt on control.operations (attempt) where attempt is not null;
