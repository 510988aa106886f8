//! The lab: what a process, a virtual environment, a container and a virtual
//! machine cost on this machine, measured by one method.
//!
//! What flows through it: a subject is provisioned and started,
//! an experiment turns that into
//! [observations](observation), and a [`Report`](report::Report) carries them
//! to a table, a page, a plot or a file. Only the report leaves the lab.
#![forbid(unsafe_code)]

pub mod ask;
pub mod cache;
pub mod calibration;
pub mod claims;
pub mod class;
pub mod clean;
pub mod cli;
pub mod closure;
pub mod compare;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod engines;
pub mod environment;
pub mod explain;
pub mod footprint;
pub mod free_memory;
pub mod guard;
pub mod guest_disk;
pub mod guest_image;
pub mod guests;
pub mod hide;
pub mod hint;
pub mod holders;
pub mod inside;
pub mod interrupt;
pub mod interview;
pub mod isolation;
pub mod limits;
mod loaded;
pub mod loopback;
pub mod mappings;
pub mod matrix;
pub mod notebook;
pub mod observation;
pub mod packages;
pub mod pinned;
pub mod places;
pub mod prediction;
pub mod program;
pub mod progress;
pub mod report;
pub mod reveal;
pub mod scratch;
pub mod statistics;
pub mod stderr;
pub mod stdout;
pub mod terminal;
mod unfinished;
pub mod validation;
pub mod verbs;
