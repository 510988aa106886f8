//! What happens at a terminal: questions, keys, Ctrl-C and Ctrl-D, on a real
//! pseudo-terminal.

mod cleaning;
mod predicting;
mod support;
