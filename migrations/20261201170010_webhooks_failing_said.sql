-- When it was last said of a webhook that it is failing: once for each time.
alter table control.webhooks add column failing_said_at timestamptz;
