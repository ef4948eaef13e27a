-- The log is listed by whoever asks over the API, and grows for as long as the installation lives. Each filter of the
-- list has an index, in the order of the list, so that what is rare is found without reading the whole log.

-- By one caller.
create index audit_log_caller on control.audit_log (caller, sequence);
-- By the beginning of an action, as LIKE looks for it (manual, chapter 11.10).
create index audit_log_action on control.audit_log (action text_pattern_ops, sequence);
-- Of one operation.
create index audit_log_operation on control.audit_log (operation_id, sequence) where operation_id is not null;
-- Since a moment, and until one.
create index audit_log_at on control.audit_log (at);
