//! Learns from the usage of services, changes what is slow or failing, and takes back what does not help.
//!
//! [`domain`] decides; everything else is an edge.

pub mod domain;
