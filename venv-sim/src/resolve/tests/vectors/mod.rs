//! What the specifications and the reference implementation say, as tables of facts.
//!
//! Source: the examples of PEP 440, 503, 508 and 685 and of the living specifications that replaced
//! them; the cases of the test suite of `packaging` 24 to 26 (pypa/packaging, Apache-2.0 or BSD),
//! as facts.

mod markers;
mod names;
mod requirements;
mod specifiers;
mod versions;
