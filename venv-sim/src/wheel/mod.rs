//! What a wheel says of itself: its file's name, and the four files of its `.dist-info`.
//!
//! A wheel is a zip archive whose name tells which interpreters it is for and whose `.dist-info`
//! tells what is in it. All of it is written by a stranger: each parser here says what is wrong
//! and never guesses, because what is guessed here is a file written somewhere later.
//!
//! Source: the *Binary distribution format*, *Recording installed projects*, *Core metadata* and
//! *Entry points* of the Python Packaging User Guide (PEP 427, 376, 566, 643).

mod archive;
mod entry_points;
mod metadata;
mod name;
mod path;
mod peek;
mod record;

pub(crate) use archive::ExtractError;
pub use archive::{Member, Wheel};
pub use entry_points::{EntryPoint, EntryPoints};
pub use metadata::Metadata;
pub(crate) use metadata::headers;
pub use name::{Build, Tag, WheelName};
pub use path::member_path;
pub use peek::{metadata_of, metadata_text};
pub use record::{Digest, Entry, Record};
