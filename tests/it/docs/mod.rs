//! Pages that say what to type, typed.

mod own_servers;
