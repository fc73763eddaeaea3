//! What every report of a snapshot shares, whoever prints it: which groups, in which order, with which verdict.
//!
//! | module | what it is |
//! |---|---|
//! | [`glob`] | which cgroups a person means |
//! | [`view`] | the rows of a snapshot: the groups asked for, what hurts first |
//! | [`verdict`] | a verdict in words |

pub mod glob;
pub mod verdict;
pub mod view;

pub use glob::Glob;
pub use view::{Row, Sort, View};
