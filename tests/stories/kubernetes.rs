//! A real Kubernetes control plane (API server, controllers, scheduler, etcd) with simulated nodes: what it decides is real, what
//! a kubelet would do is played by kwok, so no container runs and no probe is made.

mod cluster;
mod commands;
mod configuring;
mod evolving;
mod foundation;
mod healing;
mod installed;
mod manifests;
mod restraint;
mod rights;
mod road;
mod shop;
mod standby;
mod trouble;
