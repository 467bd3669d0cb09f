//! Reads access logs and reports what they tell to a running self-evolution.
//!
//! What a line says is decided without I/O: [`combined`], [`json`], [`times`], [`format`], [`lines`], [`event`], [`tally`].
//! The edges are [`input`] with [`tail`] (files), [`position`] (the state file), [`send`] (the daemon) and [`terminal`].

mod batch;
mod combined;
mod command;
mod entry;
mod event;
mod format;
mod input;
mod json;
mod layout;
mod lines;
mod options;
mod position;
mod reader;
mod run;
mod send;
mod sending;
mod tail;
mod tally;
mod terminal;
mod times;

pub(crate) use command::{NAME, command};
pub(crate) use input::Input;
pub(crate) use lines::{LONGEST, Line, Lines};
pub(crate) use run::ingest;
pub(crate) use tail::Step;
pub(crate) use terminal::Terminal;
