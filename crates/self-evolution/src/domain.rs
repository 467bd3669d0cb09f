//! The pure core: every decision of the daemon, as functions of state, event and time.

pub mod ab_test;
pub mod calibration;
pub mod change;
pub mod detect;
pub mod evidence;
pub mod evolution;
pub mod fact;
pub mod judge;
pub mod newcomers;
pub mod on_platform;
pub mod order;
pub mod pause;
pub mod play;
pub mod playbook;
pub mod policy;
pub mod rails;
pub mod recommend;
pub mod recommendation;
pub mod setting;
pub mod state;
pub mod statistics;
pub mod trial;
pub mod usage;
pub mod variants;
pub mod view;
pub mod window;
