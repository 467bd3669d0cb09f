//! Heals workloads of a Kubernetes cluster through its API server.

pub mod access;
pub mod failure;
pub mod locate;
pub mod ownership;
pub mod workload;

pub use self::access::Access;
pub use self::failure::{Failure, Fault, MissingRight};
pub use self::workload::{InvalidWorkload, Workload, WorkloadKind};
