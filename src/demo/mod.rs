//! `isolab demo`: a lesson on a projector that cannot fail.
//!
//! A [`script`] is a list of timed beats. A beat's command is run live;
//! where it cannot run or takes too long, a [recording](cast) of a real run of
//! ours takes its place, under a banner that says where and when it was made.
//!
//! [`show`] is where in the script a demo is, [`performance`] a command on the
//! stage, [`frame`] what of both is on the screen; [`player`] has the keys and
//! the terminal, [`unattended`] has neither. What a script may run is in
//! [`rule`].

pub mod cast;
pub mod clock;
mod embedded;
pub mod font;
pub mod frame;
pub mod ink;
pub mod keys;
pub mod library;
pub mod live;
mod orphans;
pub mod performance;
pub mod player;
pub mod rehearse;
pub mod replay;
pub mod reveal;
pub mod rule;
pub mod screen;
pub mod script;
pub mod show;
pub mod signals;
pub mod stage;
pub mod transcript;
pub mod unattended;
