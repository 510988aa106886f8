//! Claims as a reader, a terminal and an enemy meet them.

mod anything;
mod command;
mod hostile;
mod interrupted;
mod paper;
mod schema;
mod venv;
