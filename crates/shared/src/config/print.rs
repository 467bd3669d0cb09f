//! The effective configuration, with where every value came from.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::group::{Group, Member, Settled};
use super::setting::{Section, Setting};

/// Writes the configuration as YAML: one `key: value  # origin` a line. Secrets are `***`. What is not set is
/// a comment, so the output can be kept as a configuration file once the secrets are put back.
pub fn print_text(section: &Section, group: &Group, out: &mut dyn Write) -> io::Result<()> {
    for (index, chapter) in section.chapters.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        writeln!(out, "{gap}# {}", chapter.heading)?;
        for setting in chapter.settings {
            write_setting(setting, group, "", out)?;
        }
    }
    write_below(section, group, "", out)
}

fn write_below(section: &Section, group: &Group, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let deeper = format!("{indent}  ");
    for below in section.sections {
        if let Some(group) = group.sections.get(below.key) {
            writeln!(out, "{indent}{}:", below.key)?;
            write_group(below, group, &deeper, out)?;
        }
        let Some(members) = group.members.get(below.key) else {
            continue;
        };
        let nothing = if members.is_empty() { " {}" } else { "" };
        writeln!(out, "{indent}{}:{nothing}", below.key)?;
        for member in members {
            writeln!(out, "{deeper}{}:  # {}", Value::from(member.name.as_str()), member.origin)?;
            write_group(below, &member.group, &format!("{deeper}  "), out)?;
        }
    }
    Ok(())
}

fn write_group(section: &Section, group: &Group, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    for setting in section.settings().filter(|setting| group.values.contains_key(setting.key)) {
        write_setting(setting, group, indent, out)?;
    }
    write_below(section, group, indent, out)
}

fn write_setting(setting: &Setting, group: &Group, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let key = setting.file_key();
    match group.values.get(setting.key) {
        Some(Settled { value, origin }) => {
            let unit = setting.unit.map_or_else(String::new, |unit| format!("{unit}; "));
            writeln!(out, "{indent}{key}: {}  # {unit}{origin}", value.shown())
        }
        None => writeln!(out, "{indent}# {key}:  (not set)"),
    }
}

/// The same as one JSON object: every setting is `{"value", "origin"}`, and a named group has its own `origin` beside
/// its settings.
pub fn print_json(section: &Section, group: &Group) -> Value {
    let mut object = Map::new();
    for setting in section.settings() {
        let shown = match group.values.get(setting.key) {
            Some(Settled { value, origin }) => {
                json!({ "value": value.shown(), "origin": origin.to_string() })
            }
            None => json!({ "value": null, "origin": "not set" }),
        };
        object.insert(setting.file_key(), shown);
    }
    for below in section.sections {
        if let Some(group) = group.sections.get(below.key) {
            object.insert(below.key.to_owned(), print_json(below, group));
        }
        if let Some(members) = group.members.get(below.key) {
            let members: Map<String, Value> =
                members.iter().map(|member| (member.name.clone(), print_member(below, member))).collect();
            object.insert(below.key.to_owned(), members.into());
        }
    }
    object.into()
}

fn print_member(section: &Section, member: &Member) -> Value {
    let mut shown = print_json(section, &member.group);
    if let Value::Object(settings) = &mut shown {
        settings.shift_insert(0, "origin".to_owned(), member.origin.to_string().into());
    }
    shown
}
