//! What has to hold for Lens to draw a chart.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields;
use crate::kibana::kql::Query;
use crate::kibana::read::{Layer, Lens, word};

/// Every fault of a chart.
pub(super) fn faults(lens: &Lens) -> Vec<String> {
    let mut faults = Vec::new();
    if lens.layers.is_empty() {
        faults.push("it has no layer".to_owned());
    }
    for layer in &lens.layers {
        order(layer, &mut faults);
        for (id, column) in &layer.columns {
            let Some(view) = &layer.view else { continue };
            faults.extend(column_fault(layer, view, column).map(|fault| format!("column {id} {fault}")));
        }
        query(layer, &lens.query, "its query", &mut faults);
        let drawn = drawn(lens, &layer.id);
        let columns: BTreeSet<_> = layer.columns.keys().map(String::as_str).collect();
        for missing in drawn.difference(&columns) {
            faults.push(format!("it draws column {missing}, which layer {} does not have", layer.id));
        }
        for hidden in columns.difference(&drawn) {
            faults.push(format!("column {hidden} of layer {} is not drawn", layer.id));
        }
    }
    faults
}

/// Every column has a place, and what splits comes before the numbers.
fn order(layer: &Layer, faults: &mut Vec<String>) {
    let ordered: BTreeSet<_> = layer.order.iter().collect();
    if ordered != layer.columns.keys().collect() || ordered.len() != layer.order.len() {
        faults.push(format!("columnOrder of layer {} does not name each column once", layer.id));
    }
    let mut numbers = layer.ordered().skip_while(|(_, column)| column["isBucketed"] == true);
    if numbers.any(|(_, column)| column["isBucketed"] == true) {
        faults.push(format!("in layer {} a number stands before what splits", layer.id));
    }
}

/// What is wrong with a column, to be read behind its name.
fn column_fault(layer: &Layer, view: &str, column: &Value) -> Option<String> {
    let (operation, field) = (word(column, "operationType"), word(column, "sourceField"));
    if let Err(fault) = readable(view, word(&column["filter"], "query")) {
        return Some(format!("has a filter that {fault}"));
    }
    if operation == "count" {
        return (field != "___records___").then(|| "counts something else than documents".to_owned());
    }
    let Some((types, words)) = fields::taken_by(operation) else {
        return Some(format!("has the operation {operation}, which the dashboards do without"));
    };
    let Some(kind) = fields::of(view, field) else {
        return Some(format!("is on `{field}`, which {view} does not have"));
    };
    if !types.contains(&kind.as_str()) {
        return Some(format!("is the {operation} of `{field}`, which is of type {kind}: it takes {words}"));
    }
    let wanted = fields::data_type(operation, &kind);
    if column["dataType"] != wanted {
        return Some(format!(
            "says that its values are of type {}, and they are of type {wanted}",
            column["dataType"]
        ));
    }
    let is_split = matches!(operation, "terms" | "date_histogram");
    if column["isBucketed"] != is_split {
        return Some(format!("must have isBucketed: {is_split}"));
    }
    let by = &column["params"]["orderBy"];
    let by = (by["type"] == "column").then(|| word(by, "columnId"));
    let is_there = |by: &str| layer.columns.get(by).is_some_and(|column| column["isBucketed"] == false);
    by.filter(|by| !is_there(by)).map(|by| format!("is ordered by {by}, which is no number of its layer"))
}

fn query(layer: &Layer, text: &str, what: &str, faults: &mut Vec<String>) {
    let view = layer.view.as_deref().unwrap_or_default();
    if let Err(fault) = readable(view, text) {
        faults.push(format!("{what} {fault}"));
    }
}

/// Whether a query can be read, and asks for fields that there are.
fn readable(view: &str, text: &str) -> Result<(), String> {
    let Some(query) = Query::parse(text).map_err(|fault| format!("cannot be read: {fault}"))? else {
        return Ok(());
    };
    match query.fields().into_iter().find(|field| fields::of(view, field).is_none()) {
        Some(field) => Err(format!("asks for `{field}`, which {view} does not have")),
        None => Ok(()),
    }
}

/// The columns of a layer that the state of the visualization names.
fn drawn<'a>(lens: &'a Lens, layer: &str) -> BTreeSet<&'a str> {
    let state = &lens.visualization;
    let own = if lens.kind == "lnsXY" {
        let layers = state["layers"].as_array().into_iter().flatten();
        layers.filter(|one| one["layerId"] == layer).collect()
    } else if state["layerId"] == layer {
        vec![state]
    } else {
        Vec::new()
    };
    let mut found = BTreeSet::new();
    for state in own {
        for one in ["metricAccessor", "xAccessor", "splitAccessor"] {
            found.extend(state[one].as_str());
        }
        for several in ["accessors", "yConfig", "columns"] {
            for one in state[several].as_array().into_iter().flatten() {
                found.extend(one.as_str().or(one["forAccessor"].as_str()).or(one["columnId"].as_str()));
            }
        }
    }
    found
}
