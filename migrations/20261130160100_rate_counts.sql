-- How often clients came to the routes of the API that check or set passwords or send messages, counted by all
-- its servers together: a guesser must not have as many tries again at each. A row is a client in a bucket of
-- the generic cell rate algorithm: when all of its tries are free again.
-- Unlogged: a crash of the server forgets it, which gives each client one minute's tries, and in return no
-- request waits for the disk. It is swept once a minute, whole: rows last a minute at most, and an index by
-- time would make each count write two indexes.
create unlogged table control.rate_counts (
    bucket text not null,
    -- An address or the network of one, as text.
    client text not null check (length(client) <= 64),
    full_at timestamptz not null,
    -- Each request finds its own row by it.
    primary key (bucket, client)
) with (fillfactor = 50);
