//! Reading configuration: layers, provenance, and every fault at once.
//!
//! A daemon declares its settings as one table, a [`Section`]. The table drives everything that has to agree:
//! parsing, the flags of the command line, the JSON Schema of the file, and what is printed. Layers, strongest
//! first: flag, environment variable, file named by a `_FILE` variable, configuration file, default.

mod effective;
mod fault;
mod files;
mod flags;
pub mod foundation;
mod group;
mod holding;
mod http_url;
mod layers;
mod overlay;
mod print;
mod schema;
mod setting;
mod source;
mod suggest;
mod value;
mod walk;
mod yaml;

pub use fault::{Fault, Faults, Warning};
pub use files::Files;
pub use flags::{arguments, given_flags};
pub use group::{Group, Member, Settled};
pub use holding::{Holding, ShownConfiguration};
pub use http_url::{HttpUrl, without_userinfo};
pub use layers::{Loaded, load};
pub use print::{print_json, print_text};
pub use schema::json_schema;
pub use setting::{Chapter, Exposure, Kind, Section, Setting};
pub use source::{Origin, Sources};
pub use suggest::closest;
pub use value::Value;

#[cfg(test)]
mod tests;
