//! What Kibana reads out of the file: dashboards, their panels, and the layers of charts.

use serde_json::{Map, Value};

/// The saved objects of the file, one a line.
///
/// # Errors
/// The line that is no JSON object.
pub fn objects(text: &str) -> Result<Vec<Value>, String> {
    let read = |(number, line): (usize, &str)| match serde_json::from_str::<Value>(line) {
        Ok(object) if object.is_object() => Ok(object),
        Ok(_) => Err(format!("line {}: no JSON object", number + 1)),
        Err(error) => Err(format!("line {}: {error}", number + 1)),
    };
    text.lines().enumerate().map(read).collect()
}

/// The text of a member, empty where there is none.
pub fn word<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Something that refers to a saved object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reference {
    pub name: String,
    pub kind: String,
    pub id: String,
}

fn references(of: &Value) -> Vec<Reference> {
    let all = of["references"].as_array().into_iter().flatten();
    let read = |one: &Value| Reference {
        name: word(one, "name").to_owned(),
        kind: word(one, "type").to_owned(),
        id: word(one, "id").to_owned(),
    };
    all.map(read).collect()
}

/// A dashboard.
pub struct Dashboard {
    pub id: String,
    /// The range of time that is looked at first, as `now-24h`.
    pub from: String,
    pub references: Vec<Reference>,
    pub panels: Vec<Panel>,
    /// Controls by their identity, each with the field that it filters by.
    pub controls: Vec<(String, String)>,
}

/// A panel.
pub struct Panel {
    pub id: String,
    /// The same again, by which the grid knows it.
    pub grid_id: String,
    pub title: String,
    /// x, y, width, height.
    pub cell: [u64; 4],
    /// The chart, where it is one of Lens.
    pub lens: Option<Lens>,
}

/// A chart of Lens.
pub struct Lens {
    pub kind: String,
    pub visualization: Value,
    pub query: String,
    pub references: Vec<Reference>,
    pub layers: Vec<Layer>,
}

/// A layer: columns over the documents of a data view.
pub struct Layer {
    pub id: String,
    /// The data view; none where the reference is missing.
    pub view: Option<String>,
    pub order: Vec<String>,
    pub columns: Map<String, Value>,
}

impl Layer {
    /// Columns in their order; what has none is left out.
    pub fn ordered(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.order.iter().filter_map(|id| Some((id.as_str(), self.columns.get(id)?)))
    }
}

/// The name of the reference from a layer to its data view.
pub fn layer_reference(layer: &str) -> String {
    format!("indexpattern-datasource-layer-{layer}")
}

/// Every dashboard of the file.
///
/// # Errors
/// The text within that is no JSON, with where it is.
pub fn dashboards(objects: &[Value]) -> Result<Vec<Dashboard>, String> {
    objects.iter().filter(|object| object["type"] == "dashboard").map(dashboard).collect()
}

fn dashboard(object: &Value) -> Result<Dashboard, String> {
    let id = word(object, "id");
    let attributes = &object["attributes"];
    let inner = |of: &Value, member: &str| -> Result<Value, String> {
        serde_json::from_str(word(of, member))
            .map_err(|error| format!("dashboard {id}: {member} is no JSON: {error}"))
    };
    inner(attributes, "optionsJSON")?;
    inner(&attributes["kibanaSavedObjectMeta"], "searchSourceJSON")?;
    inner(&attributes["controlGroupInput"], "ignoreParentSettingsJSON")?;
    let controls = inner(&attributes["controlGroupInput"], "panelsJSON")?;
    let controls = controls.as_object().cloned().unwrap_or_default();
    let panels = inner(attributes, "panelsJSON")?;
    let Value::Array(panels) = panels else {
        return Err(format!("dashboard {id}: panelsJSON is no list"));
    };
    Ok(Dashboard {
        id: id.to_owned(),
        from: word(attributes, "timeFrom").to_owned(),
        references: references(object),
        panels: panels.iter().map(panel).collect(),
        controls: controls
            .iter()
            .map(|(id, control)| (id.clone(), word(&control["explicitInput"], "fieldName").to_owned()))
            .collect(),
    })
}

fn panel(panel: &Value) -> Panel {
    let grid = &panel["gridData"];
    let is_lens = panel["type"] == "lens";
    Panel {
        id: word(panel, "panelIndex").to_owned(),
        grid_id: word(grid, "i").to_owned(),
        title: word(panel, "title").to_owned(),
        cell: ["x", "y", "w", "h"].map(|side| grid[side].as_u64().unwrap_or(u64::MAX / 4)),
        lens: is_lens.then(|| lens(&panel["embeddableConfig"]["attributes"])),
    }
}

fn lens(attributes: &Value) -> Lens {
    let references = references(attributes);
    let state = &attributes["state"];
    let layers = state["datasourceStates"]["formBased"]["layers"].as_object().cloned().unwrap_or_default();
    let view = |id: &str| {
        let name = layer_reference(id);
        references.iter().find(|one| one.name == name).map(|one| one.id.clone())
    };
    let order = |layer: &Value| {
        let order = layer["columnOrder"].as_array().cloned().unwrap_or_default();
        order.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    };
    let layers = layers.iter().map(|(id, layer)| Layer {
        id: id.clone(),
        view: view(id),
        order: order(layer),
        columns: layer["columns"].as_object().cloned().unwrap_or_default(),
    });
    Lens {
        kind: word(attributes, "visualizationType").to_owned(),
        visualization: state["visualization"].clone(),
        query: word(&state["query"], "query").to_owned(),
        layers: layers.collect(),
        references,
    }
}
