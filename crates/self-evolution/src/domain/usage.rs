//! Usage as it is reported, checked: who was asked for what, how long the answer took, and how it went.

pub mod endpoint;
pub mod raw;
pub mod report;

pub use raw::RawEvent;
pub use report::{Rejection, Report};
