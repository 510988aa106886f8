//! Files of requirements, as pip reads them.
//!
//! Source: *Requirements File Format* of pip's documentation.

mod wanted;

pub use wanted::{Position, Wanted};
