//! From a Dockerfile to an image.
#![allow(dead_code)] // in the making

mod copy;
mod fault;
mod source;
mod stack;
mod state;
