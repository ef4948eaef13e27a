//! Recorded changes of tenants, as their users meet them.

mod audit;
mod background;
mod batches;
mod hints;
mod interrupt;
mod plans;
mod shapes;
