//! Indexes, good and bad, as servers on this machine.

mod following;
mod hostile;
mod lab;
mod remembering;
mod secrets;
mod server;
mod serving;
mod settings;
