//! Handlers as a door that speaks HTTP would have them: at most ten lines around one service. What did
//! not fit would be a rule in the wrong room.

mod tenant_create;
mod tenant_env;
mod token_mint;
mod user_create;
