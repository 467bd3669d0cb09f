//! From the tree of the file to the settings of a section.

use std::sync::Arc;

use super::fault::{Fault, Faults};
use super::group::{Group, Member, Settled};
use super::setting::{Exposure, Kind, Section, Setting};
use super::source::Origin;
use super::suggest::closest;
use super::value::{Refusal, Value, did_you_mean, parse};
use super::yaml::{Node, Tree};

/// Words of an argument vector at most; nobody writes more by hand.
const MAX_WORDS: usize = 256;

/// Takes what the file says about one section out of the tree.
pub(super) struct Walk<'a> {
    /// The file, as shown.
    pub(super) file: Arc<str>,
    /// Collects what is wrong.
    pub(super) faults: &'a mut Faults,
}

impl Walk<'_> {
    /// The group at this path.
    pub(super) fn group(&mut self, section: &Section, path: String, node: Node) -> Group {
        let mut group = Group { path, ..Group::default() };
        for (key, child) in self.entries(&group.path, node) {
            if let Some(setting) = section.settings().find(|setting| setting.is_in_file_as(&key)) {
                self.setting(&mut group, setting, &child);
            } else if let Some(section) = section.sections.iter().find(|section| section.key == key) {
                self.section(&mut group, section, child);
            } else {
                self.unknown_key(&group.path, section, &key, &child);
            }
        }
        group
    }

    fn section(&mut self, group: &mut Group, section: &Section, node: Node) {
        let path = below(&group.path, section.key);
        let Some(at_most) = section.members_at_most else {
            let below = self.group(section, path, node);
            group.sections.insert(section.key, below);
            return;
        };
        let origin = self.origin(&node);
        let entries = self.entries(&path, node);
        if entries.len() > at_most {
            let reason = format!("has {} entries, at most {at_most} are taken", entries.len());
            self.faults.push(Fault::new(&path, reason).from_origin(origin));
            return;
        }
        let members = entries
            .into_iter()
            .map(|(name, node)| Member {
                origin: self.origin(&node),
                group: self.group(section, below(&path, &name), node),
                name,
            })
            .collect();
        group.members.insert(section.key, members);
    }

    fn setting(&mut self, group: &mut Group, setting: &'static Setting, node: &Node) {
        let origin = self.origin(node);
        match value_of(setting, node) {
            Ok(Some(value)) => {
                group.values.insert(setting.key, Settled { value, origin });
            }
            Ok(None) => {}
            Err(refusal) => {
                group.refused.insert(setting.key);
                let fault = Fault::new(below(&group.path, &setting.file_key()), refusal.reason)
                    .from_origin(origin)
                    .suggesting(refusal.suggestion);
                self.faults.push(match scalar(node) {
                    Some(text) => fault.with_value(&text, setting.exposure),
                    None => fault,
                });
            }
        }
    }

    /// The value is not shown: it could be a secret under a misspelt key.
    fn unknown_key(&mut self, path: &str, section: &Section, key: &str, node: &Node) {
        let known: Vec<String> = section
            .settings()
            .map(Setting::file_key)
            .chain(section.sections.iter().map(|section| section.key.to_owned()))
            .collect();
        let suggestion = closest(key, known.iter().map(String::as_str)).map(did_you_mean);
        self.faults.push(
            Fault::new(below(path, key), "is not a setting")
                .from_origin(self.origin(node))
                .suggesting(suggestion),
        );
    }

    /// The entries of a map; nothing at all counts as an empty one.
    fn entries(&mut self, path: &str, node: Node) -> Vec<(String, Node)> {
        let origin = self.origin(&node);
        match node.tree {
            Tree::Map(entries) => entries,
            Tree::Null => Vec::new(),
            Tree::Boolean(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => {
                let path = if path.is_empty() { "configuration file" } else { path };
                let fault = Fault::new(path, "must be a mapping, lines of key: value");
                self.faults.push(fault.from_origin(origin));
                Vec::new()
            }
        }
    }

    fn origin(&self, node: &Node) -> Origin {
        Origin::File { path: Arc::clone(&self.file), line: node.line }
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// None where the key is there and its value is not, which is the same as no key at all.
fn value_of(setting: &Setting, node: &Node) -> Result<Option<Value>, Refusal> {
    if setting.kind == Kind::Words {
        let words = words(node)?;
        return Ok(Some(match (setting.exposure, words) {
            (Exposure::Secret, Value::Words(words)) => Value::SecretWords(words),
            (_, words) => words,
        }));
    }
    match &node.tree {
        Tree::Null => Ok(None),
        Tree::Text(text) if text.trim().is_empty() => Ok(None),
        Tree::Text(text) => parse(text, setting).map(Some),
        Tree::Boolean(value) => match setting.kind {
            Kind::Boolean => Ok(Some(Value::Boolean(*value))),
            Kind::Whole { .. } | Kind::Number { .. } | Kind::Seconds { .. } => {
                parse(&value.to_string(), setting).map(Some)
            }
            Kind::Text | Kind::Choice(_) | Kind::Address | Kind::Url | Kind::UrlOf(_) | Kind::Words => {
                Err(unquoted())
            }
        },
        Tree::Number(number) => match setting.kind {
            Kind::Boolean
            | Kind::Whole { .. }
            | Kind::Number { .. }
            | Kind::Seconds { .. }
            | Kind::Choice(_) => parse(number, setting).map(Some),
            // 1.10 would arrive as 1.1, so a number is never taken for text.
            Kind::Text | Kind::Address | Kind::Url | Kind::UrlOf(_) | Kind::Words => Err(unquoted()),
        },
        Tree::List(_) | Tree::Map(_) => Err("must be one value, not a list or mapping".to_owned().into()),
    }
}

fn unquoted() -> Refusal {
    Refusal { reason: "must be text".into(), suggestion: Some("put the value in quotes".into()) }
}

fn words(node: &Node) -> Result<Value, Refusal> {
    let Tree::List(items) = &node.tree else {
        return Err(Refusal {
            reason: "must be a list of words".into(),
            suggestion: Some("write [\"program\", \"argument\"]; no shell reads it".into()),
        });
    };
    let words: Option<Vec<String>> = items.iter().map(word).collect();
    match words {
        None => Err(Refusal {
            reason: "every word must be text".into(),
            suggestion: Some("put numbers in quotes".into()),
        }),
        Some(words) if words.first().is_none_or(String::is_empty) => {
            Err("must begin with the name of a program".to_owned().into())
        }
        Some(words) if words.len() > MAX_WORDS => Err(format!("must have at most {MAX_WORDS} words").into()),
        Some(words) => Ok(Value::Words(words)),
    }
}

fn word(node: &Node) -> Option<String> {
    match &node.tree {
        Tree::Text(text) if !text.contains('\0') => Some(text.clone()),
        Tree::Text(_) | Tree::Null | Tree::Boolean(_) | Tree::Number(_) | Tree::List(_) | Tree::Map(_) => {
            None
        }
    }
}

fn scalar(node: &Node) -> Option<String> {
    match &node.tree {
        Tree::Boolean(value) => Some(value.to_string()),
        Tree::Number(text) | Tree::Text(text) => Some(text.clone()),
        Tree::Null | Tree::List(_) | Tree::Map(_) => None,
    }
}
