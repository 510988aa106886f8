//! Layers: from compressed bytes to files, and back.
//!
//! A layer is a tar archive that a stranger made. [`unpack`] reads it once: the
//! digest of the packed bytes, the unpacked archive and its digest, and the files
//! all come of one pass, so that a layer takes as long as its slowest step and not
//! their sum. [`pack`] makes the archive of a directory, the same bytes each time;
//! [`merge`] lays layers over each other where the kernel refuses to.
//!
//! ```text
//! packed ─► source ─► ahead ─► inflate ─► stream ─► archive ─► extract ─► files
//!           digest                        diff id   entries    beneath the root
//! └─────── one thread ───────┘ └ another ┘ └──────────── a third ─────────────┘
//! ```
//!
//! What unpacks, `extract`, holds a descriptor of the root and goes down from it
//! one name after the other (`beneath`). No path of an archive is ever given to
//! the kernel whole, so none has to be proven harmless first.

mod ahead;
mod archive;
mod attributes;
mod beneath;
mod content;
mod entry_name;
mod extract;
mod fault;
mod how;
mod inflate;
mod limits;
mod marks;
mod merge;
mod pack;
mod remove;
mod source;
mod stream;
mod unpack;
mod whiteout;

#[cfg(test)]
mod tests;

pub use attributes::Ownership;
pub use how::{Checks, Expected, How};
pub(crate) use inflate::plain_bytes;
pub use limits::Limits;
pub use merge::{Content, MergeHow, merge};
pub use pack::{Form, PackHow, Packed, Packing, pack};
pub use unpack::{Unpacked, unpack};
pub use whiteout::Whiteouts;
