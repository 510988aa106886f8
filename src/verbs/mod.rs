//! The commands beside the comparison: each a few lines from what was typed to
//! the library that does it.

pub mod claims;
pub mod class;
pub mod demo;
pub mod explain;
pub mod image;
pub mod matrix;
pub mod model;
pub mod predict;
pub mod registry;
pub mod reveal;
pub mod system;
pub(crate) mod table;
pub mod venv;
pub mod vm;
