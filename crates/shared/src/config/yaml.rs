//! The configuration file as a tree that remembers lines.

use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::fault::Fault;
use super::files::Files;
use super::source::Origin;

/// Largest file that is read: 20,000 services with their URLs fit.
const MAX_BYTES: u64 = 1024 * 1024;

/// Deepest nesting; ours is four.
const MAX_DEPTH: usize = 16;

/// Most values after aliases are resolved. A file of the largest size without aliases has fewer.
const MAX_NODES: usize = 400_000;

/// A value of the file, with the line on which it stands.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) line: Option<u64>,
    pub(super) tree: Tree,
}

/// What a value of the file can be.
#[derive(Clone)]
pub(super) enum Tree {
    Null,
    Boolean(bool),
    /// In decimal, so that it is parsed once, by the kind of its setting.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Reads and parses the file. An empty one is an empty map.
pub(super) fn read(path: &Path, files: &Files) -> Result<Node, Box<Fault>> {
    let shown: Arc<str> = path.display().to_string().into();
    let fault = |reason: String, line| {
        let origin = Origin::File { path: Arc::clone(&shown), line };
        Box::new(Fault::new("configuration file", reason).from_origin(origin))
    };
    let text = files.text(path, MAX_BYTES).map_err(|reason| fault(reason, None))?;
    let text = text.expose_secret();
    parse(text).map_err(|error| fault(describe(&error), error.location().map(|location| location.line())))
}

fn parse(text: &str) -> Result<Node, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        // A snippet would show the lines around a fault, secrets included.
        with_snippet: false,
        leading_zero_numbers_as_strings: true,
        // The other policies quote the value, or change it silently.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: MAX_DEPTH,
        },
    };
    let node = serde_saphyr::from_str_with_options::<Option<Node>>(text, options)?;
    Ok(node.unwrap_or(Node { line: None, tree: Tree::Map(Vec::new()) }))
}

/// What the parser says, in the words that it has for people: they never quote a value.
fn describe(error: &serde_saphyr::Error) -> String {
    let message = error.render_with_options(serde_saphyr::render_options! {
        formatter: &serde_saphyr::UserMessageFormatter,
        snippets: serde_saphyr::SnippetMode::Off,
    });
    let first_line = message.lines().next().unwrap_or_default();
    // A secret that begins with * is the usual way to get an alias that nobody meant.
    let hint = if first_line.starts_with("reference to unknown value") {
        ": put text that begins with * in quotes"
    } else {
        ""
    };
    format!("is not valid YAML: {first_line}{hint}")
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        let line = Some(spanned.referenced.line()).filter(|line| *line > 0);
        Ok(Self { line, tree: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
