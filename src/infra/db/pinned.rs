//! What a session says in its startup packet, because the owner of a database or a login could set it
//! otherwise with `ALTER DATABASE … SET` and `ALTER ROLE … SET`: what the packet says beats both (manual,
//! chapter 20.1.3). A test reads `pg_settings` and names every setting that is left out here, with the
//! reason.
//!
//! The driver itself says `DateStyle`, `TimeZone`, `client_encoding` and `extra_float_digits`.

/// How the text of a statement and its values are read and written, by every session.
pub(super) const RULES: [(&str, &str); 16] = [
    ("standard_conforming_strings", "on"),
    ("backslash_quote", "safe_encoding"),
    ("escape_string_warning", "on"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("quote_all_identifiers", "off"),
    ("xmlbinary", "base64"),
    ("xmloption", "content"),
    ("bytea_output", "hex"),
    ("IntervalStyle", "postgres"),
    ("gin_fuzzy_search_limit", "0"),
    // A session that any error ends.
    ("exit_on_error", "off"),
    ("client_connection_check_interval", "500ms"),
    ("idle_session_timeout", "0"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("local_preload_libraries", ""),
];

/// Where names are looked for, and where and as what things are made, by sessions that are not to see
/// what the database's own settings say.
pub(super) const PLACES: [(&str, &str); 18] = [
    ("search_path", "pg_catalog,pg_temp"),
    ("default_tablespace", ""),
    ("temp_tablespaces", ""),
    ("default_table_access_method", "heap"),
    ("default_toast_compression", "pglz"),
    ("default_transaction_deferrable", "off"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("timezone_abbreviations", "Default"),
    ("check_function_bodies", "on"),
    ("row_security", "on"),
    ("client_min_messages", "notice"),
    ("password_encryption", "scram-sha-256"),
    ("plpgsql.check_asserts", "on"),
    ("plpgsql.extra_errors", "none"),
    ("plpgsql.extra_warnings", "none"),
    ("log_parameter_max_length_on_error", "0"),
];
