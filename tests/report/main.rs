//! The report as a reader, a terminal, a browser and an enemy meet it.

mod anything;
mod class;
mod explain;
mod files;
mod hostile;
mod page;
mod pictures;
mod reveal;
mod schema;
mod synthetic;
mod table;
