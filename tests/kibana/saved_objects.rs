//! Dashboards and data views as Kibana imports them: one saved object a line.

use serde_json::{Value, json};

use super::charts::{Cell, Chart, Content, Layer, Panel};
use super::{health_monitor, self_evolution};

/// Versions that Kibana 8.11 knows and later ones migrate from. Without them every old migration runs and fails, and what
/// is newer is refused.
pub(super) const CORE: &str = "8.8.0";
pub(super) const OF_DASHBOARDS: &str = "8.9.0";
pub(super) const OF_DATA_VIEWS: &str = "8.0.0";

/// A dashboard, with what it needs.
pub(super) struct Dashboard {
    /// Its identity, which is the daemon's name.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// How far back it looks at first.
    pub(super) from: &'static str,
    /// Names of streams, each with the name that people see.
    pub(super) views: &'static [(&'static str, &'static str)],
    /// The data view from which the names of services are taken.
    pub(super) services: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// The file that Kibana imports: data views, then dashboards.
pub fn built() -> String {
    let dashboards = [health_monitor::dashboard(), self_evolution::dashboard()];
    let views = dashboards.iter().flat_map(|dashboard| dashboard.views).map(data_view);
    let lines = views.chain(dashboards.iter().map(saved)).map(|object| format!("{object}\n"));
    lines.collect()
}

fn data_view((stream, name): &(&'static str, &'static str)) -> Value {
    json!({
        "type": "index-pattern", "id": stream, "managed": false, "references": [],
        "coreMigrationVersion": CORE, "typeMigrationVersion": OF_DATA_VIEWS,
        "attributes": {"title": stream, "name": name, "timeFieldName": "@timestamp", "allowNoIndex": true}
    })
}

fn saved(dashboard: &Dashboard) -> Value {
    let panels: Vec<Value> = dashboard.panels.iter().map(panel).collect();
    let control = json!({"service": {
        "order": 0, "width": "medium", "grow": false, "type": "optionsListControl",
        "explicitInput": {
            "id": "service", "fieldName": "service", "title": "Service", "selectedOptions": [],
            "enhancements": {}
        }
    }});
    let options = json!({
        "useMargins": true, "syncColors": true, "syncCursor": true, "syncTooltips": false,
        "hidePanelTitles": false
    });
    json!({
        "type": "dashboard", "id": dashboard.id, "managed": false,
        "coreMigrationVersion": CORE, "typeMigrationVersion": OF_DASHBOARDS,
        "references": references(dashboard),
        "attributes": {
            "title": dashboard.title,
            "description": dashboard.description,
            "version": 1,
            "timeRestore": true, "timeFrom": dashboard.from, "timeTo": "now",
            "refreshInterval": {"pause": false, "value": 60_000},
            "controlGroupInput": {
                "controlStyle": "oneLine", "chainingSystem": "HIERARCHICAL",
                "ignoreParentSettingsJSON": text(&json!({
                    "ignoreFilters": false, "ignoreQuery": false, "ignoreTimerange": false,
                    "ignoreValidations": false
                })),
                "panelsJSON": text(&control)
            },
            "optionsJSON": text(&options),
            "panelsJSON": text(&Value::Array(panels)),
            "kibanaSavedObjectMeta": {"searchSourceJSON": text(&json!({"query": nothing(), "filter": []}))}
        }
    })
}

/// JSON within JSON: Kibana keeps some members as text.
fn text(value: &Value) -> Value {
    value.to_string().into()
}

/// The query that finds everything.
fn nothing() -> Value {
    json!({"query": "", "language": "kuery"})
}

fn layer_reference(layer: &Layer) -> Value {
    json!({
        "type": "index-pattern", "id": layer.view,
        "name": format!("indexpattern-datasource-layer-{}", layer.id)
    })
}

/// Those of all panels, each with its panel's identity in front, and that of the control.
fn references(dashboard: &Dashboard) -> Vec<Value> {
    let mut references = Vec::new();
    for panel in &dashboard.panels {
        if let Content::Lens(chart) = &panel.content {
            for layer in &chart.layers {
                let mut reference = layer_reference(layer);
                let name = reference["name"].as_str().unwrap_or_default();
                reference["name"] = format!("{}:{name}", panel.id).into();
                references.push(reference);
            }
        }
    }
    references.push(json!({
        "type": "index-pattern", "id": dashboard.services,
        "name": "controlGroup_service:optionsListDataView"
    }));
    references
}

fn panel(panel: &Panel) -> Value {
    let Cell { x, y, w, h } = panel.cell;
    let (kind, config) = match &panel.content {
        Content::Lens(chart) => ("lens", lens(panel, chart)),
        Content::Text(words) => ("visualization", markdown(words)),
    };
    json!({
        "type": kind, "version": OF_DASHBOARDS, "panelIndex": panel.id, "title": panel.title,
        "gridData": {"x": x, "y": y, "w": w, "h": h, "i": panel.id},
        "embeddableConfig": config
    })
}

fn lens(panel: &Panel, chart: &Chart) -> Value {
    let layers = chart.layers.iter().map(|layer| {
        let order: Vec<_> = layer.columns.iter().map(|column| column.id).collect();
        let columns = layer.columns.iter().map(|column| (column.id.to_owned(), column.body.clone()));
        let columns = Value::Object(columns.collect());
        let body = json!({
            "columns": columns, "columnOrder": order, "incompleteColumns": {}, "sampling": 1,
            "ignoreGlobalFilters": false
        });
        (layer.id.to_owned(), body)
    });
    let layers = Value::Object(layers.collect());
    json!({
        "enhancements": {},
        "attributes": {
            "type": "lens", "title": panel.title, "description": panel.description,
            "visualizationType": chart.kind,
            "references": chart.layers.iter().map(layer_reference).collect::<Vec<_>>(),
            "state": {
                "visualization": chart.visualization,
                "query": nothing(),
                "filters": [], "internalReferences": [], "adHocDataViews": {},
                "datasourceStates": {"formBased": {"layers": layers}}
            }
        }
    })
}

fn markdown(words: &str) -> Value {
    json!({
        "enhancements": {}, "hidePanelTitles": true,
        "savedVis": {
            "id": "", "title": "", "description": "", "type": "markdown", "uiState": {},
            "params": {"fontSize": 12, "openLinksInNewTab": false, "markdown": words},
            "data": {"aggs": [], "searchSource": {"query": nothing(), "filter": []}}
        }
    })
}
