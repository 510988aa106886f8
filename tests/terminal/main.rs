//! What happens at a terminal: questions, keys, Ctrl-C and Ctrl-D, on a real
//! pseudo-terminal.

mod cleaning;
mod demo;
mod predicting;
mod support;
