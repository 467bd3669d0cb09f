//! What has to hold for Kibana to show a dashboard. Kibana imports much that it can never show (a reference that is
//! missing, a field that nobody has, panels that cannot be parsed), so it is found here.

mod chart;
mod fields;

use std::collections::BTreeSet;

use serde_json::Value;

use super::read::{Dashboard, Panel, Reference, dashboards, layer_reference, objects, word};
use super::saved_objects::{CORE, OF_DASHBOARDS, OF_DATA_VIEWS};
use super::streams;

/// Columns of the grid.
const WIDTH: u64 = 48;

/// Every fault of a file of saved objects, each a sentence that says where it is.
pub fn faults(text: &str) -> Vec<String> {
    let objects = match objects(text) {
        Ok(objects) => objects,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for object in &objects {
        if !known.insert((word(object, "type"), word(object, "id"))) {
            faults.push(format!("{} is there twice", name(object)));
        }
        versions(object, &mut faults);
        if object["type"] == "index-pattern" {
            data_view(object, &mut faults);
        }
    }
    match dashboards(&objects) {
        Ok(dashboards) => {
            for dashboard in &dashboards {
                panels(dashboard, &mut faults);
                references(dashboard, &known, &mut faults);
            }
        }
        Err(fault) => faults.push(fault),
    }
    faults
}

fn name(object: &Value) -> String {
    format!("{} {}", word(object, "type"), word(object, "id"))
}

/// Missing ones have every old migration run, which fails; Kibana refuses those that are newer than itself.
fn versions(object: &Value, faults: &mut Vec<String>) {
    let of_type = match word(object, "type") {
        "dashboard" => OF_DASHBOARDS,
        "index-pattern" => OF_DATA_VIEWS,
        other => return faults.push(format!("{} is of type {other}, which is not among ours", name(object))),
    };
    for (member, pinned) in [("coreMigrationVersion", CORE), ("typeMigrationVersion", of_type)] {
        let numbers = |version: &str| -> Option<Vec<u32>> {
            version.split('.').map(|number| number.parse().ok()).collect()
        };
        match (numbers(word(object, member)), numbers(pinned)) {
            (None, _) => faults.push(format!("{} has no {member}", name(object))),
            (version, pinned_numbers) if version > pinned_numbers => faults.push(format!(
                "{}: {member} {} is newer than {pinned}, so that Kibana 8.11 refuses it",
                name(object),
                word(object, member)
            )),
            _ => {}
        }
    }
}

fn data_view(object: &Value, faults: &mut Vec<String>) {
    let attributes = &object["attributes"];
    let title = word(attributes, "title");
    if !streams().iter().any(|stream| stream.name == title) {
        faults.push(format!("{} is on {title}, which is none of our names", name(object)));
    } else if fields::of(title, word(attributes, "timeFieldName")).as_deref() != Some("date") {
        faults.push(format!("{}: its time field is no date of {title}", name(object)));
    }
}

fn panels(dashboard: &Dashboard, faults: &mut Vec<String>) {
    let at = |panel: &Panel| format!("dashboard {}, panel {}", dashboard.id, panel.id);
    for (number, panel) in dashboard.panels.iter().enumerate() {
        let [x, y, width, height] = panel.cell;
        if panel.id != panel.grid_id {
            faults.push(format!("{}: the grid knows it as {:?}", at(panel), panel.grid_id));
        }
        if width == 0 || height == 0 || x + width > WIDTH {
            faults.push(format!("{}: it does not lie within {WIDTH} columns", at(panel)));
        }
        for other in &dashboard.panels[..number] {
            if other.id == panel.id {
                faults.push(format!("{}: another has the same identity", at(panel)));
            }
            let [left, top, wide, high] = other.cell;
            if x < left + wide && left < x + width && y < top + high && top < y + height {
                faults.push(format!("{}: it overlaps {}", at(panel), other.id));
            }
        }
        if let Some(lens) = &panel.lens {
            if panel.title.is_empty() {
                faults.push(format!("{}: it has no title", at(panel)));
            }
            let found = chart::faults(lens);
            faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", at(panel))));
        }
    }
}

/// What refers to something finds it, and nothing else is referred to: both ways.
fn references(dashboard: &Dashboard, known: &BTreeSet<(&str, &str)>, faults: &mut Vec<String>) {
    let at = format!("dashboard {}", dashboard.id);
    let mut wanted = wanted_by_panels(dashboard, faults);
    wanted.extend(wanted_by_controls(dashboard, faults));
    for (name, view) in &wanted {
        match dashboard.references.iter().find(|one| one.name == *name) {
            None => faults.push(format!("{at}: the reference {name} is missing")),
            Some(one) if Some(&one.id) != view.as_ref() => {
                faults.push(format!(
                    "{at}: the reference {name} is to {}, and not to the panel's data view",
                    one.id
                ));
            }
            Some(_) => {}
        }
    }
    for Reference { name, kind, id } in &dashboard.references {
        if !known.contains(&(kind.as_str(), id.as_str())) {
            faults.push(format!("{at}: the reference {name} is to {kind} {id}, which is not in the file"));
        }
        if !wanted.iter().any(|(wanted, _)| wanted == name) {
            faults.push(format!("{at}: the reference {name} is of no panel"));
        }
    }
}

/// Names of references, each with what it has to be to.
type Wanted = BTreeSet<(String, Option<String>)>;

fn wanted_by_panels(dashboard: &Dashboard, faults: &mut Vec<String>) -> Wanted {
    let mut wanted = Wanted::new();
    for panel in &dashboard.panels {
        let Some(lens) = &panel.lens else { continue };
        let at = format!("dashboard {}, panel {}", dashboard.id, panel.id);
        for layer in &lens.layers {
            let name = layer_reference(&layer.id);
            match &layer.view {
                None => faults.push(format!("{at}: the reference {name} is missing")),
                Some(view) => {
                    wanted.insert((format!("{}:{name}", panel.id), Some(view.clone())));
                }
            }
        }
        for Reference { name, .. } in &lens.references {
            if !lens.layers.iter().any(|layer| layer_reference(&layer.id) == *name) {
                faults.push(format!("{at}: the reference {name} is of no layer"));
            }
        }
    }
    wanted
}

fn wanted_by_controls(dashboard: &Dashboard, faults: &mut Vec<String>) -> Wanted {
    let mut wanted = Wanted::new();
    for (id, field) in &dashboard.controls {
        let name = format!("controlGroup_{id}:optionsListDataView");
        let view = dashboard.references.iter().find(|one| one.name == name).map(|one| one.id.clone());
        let kind = view.as_ref().and_then(|view| fields::of(view, field));
        if view.is_some() && kind.as_deref() != Some("keyword") {
            let at = format!("dashboard {}, control {id}", dashboard.id);
            faults.push(format!("{at}: {field} is no keyword of its data view"));
        }
        wanted.insert((name, view));
    }
    wanted
}
