//! The Kibana dashboards that are shipped: what is written in `tests/kibana`, and free of what Kibana would take and never
//! show.

use serde_json::{Value, json};
use tests::kibana::{built, kql::Query, lint, read};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kibana/dashboards.ndjson");

#[test]
fn the_file_is_what_is_written_here() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(FILE, built()).unwrap();
    }
    let file = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(file == built(), "{FILE} is another; UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn kibana_can_show_everything_in_it() {
    let faults = lint::faults(&built());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The file with one dashboard changed.
fn changed(id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut objects = read::objects(&built()).unwrap();
    let dashboard = objects.iter_mut().find(|one| one["type"] == "dashboard" && one["id"] == id).unwrap();
    change(dashboard);
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// The file with one panel of health-monitor changed.
fn changed_panel(id: &str, change: impl FnOnce(&mut Value)) -> String {
    changed("health-monitor", |dashboard| {
        let panels = &mut dashboard["attributes"]["panelsJSON"];
        let mut read: Value = serde_json::from_str(panels.as_str().unwrap()).unwrap();
        let list = read.as_array_mut().unwrap();
        change(list.iter_mut().find(|panel| panel["panelIndex"] == id).unwrap());
        *panels = read.to_string().into();
    })
}

fn column<'a>(panel: &'a mut Value, id: &str) -> &'a mut Value {
    let state = &mut panel["embeddableConfig"]["attributes"]["state"];
    &mut state["datasourceStates"]["formBased"]["layers"]["layer"]["columns"][id]
}

fn refused(file: &str, expected: &str) {
    let faults = lint::faults(file);
    assert!(faults.iter().any(|fault| fault == expected), "no {expected:?} in:\n{}", faults.join("\n"));
}

#[test]
fn a_missing_reference_is_refused_on_either_side() {
    let file = changed_panel("uptime", |panel| {
        panel["embeddableConfig"]["attributes"]["references"] = json!([]);
    });
    refused(
        &file,
        "dashboard health-monitor, panel uptime: the reference indexpattern-datasource-layer-layer is missing",
    );
    let without = |name: &'static str| {
        changed("health-monitor", move |dashboard| {
            dashboard["references"].as_array_mut().unwrap().retain(|one| one["name"] != name);
        })
    };
    let of_panel = "uptime:indexpattern-datasource-layer-layer";
    refused(&without(of_panel), &format!("dashboard health-monitor: the reference {of_panel} is missing"));
    let of_control = "controlGroup_service:optionsListDataView";
    refused(
        &without(of_control),
        &format!("dashboard health-monitor: the reference {of_control} is missing"),
    );
    let file = changed("health-monitor", |dashboard| {
        dashboard["references"][0]["id"] = "nowhere".into();
    });
    refused(
        &file,
        "dashboard health-monitor: the reference uptime:indexpattern-datasource-layer-layer is to index-pattern nowhere, \
         which is not in the file",
    );
    let file = changed("health-monitor", |dashboard| {
        let more = json!({"type": "index-pattern", "id": "health-monitor-checks", "name": "gone:x"});
        dashboard["references"].as_array_mut().unwrap().push(more);
    });
    refused(&file, "dashboard health-monitor: the reference gone:x is of no panel");
}

#[test]
fn a_field_that_nobody_has_is_refused() {
    let file = changed_panel("uptime", |panel| column(panel, "uptime")["sourceField"] = "upness".into());
    refused(
        &file,
        "dashboard health-monitor, panel uptime: column uptime is on `upness`, which health-monitor-checks does not have",
    );
    let file = changed_panel("held-back", |panel| {
        column(panel, "held")["filter"]["query"] = "end : \"suppressed\"".into();
    });
    refused(
        &file,
        "dashboard health-monitor, panel held-back: column held has a filter that asks for `end`, which \
         health-monitor-recovery does not have",
    );
}

#[test]
fn an_operation_on_a_field_of_the_wrong_type_is_refused() {
    let file = changed_panel("uptime", |panel| column(panel, "uptime")["sourceField"] = "state".into());
    refused(
        &file,
        "dashboard health-monitor, panel uptime: column uptime is the average of `state`, which is of type keyword: it \
         takes a number",
    );
    let file =
        changed_panel("errors", |panel| column(panel, "error")["sourceField"] = "error.message".into());
    refused(
        &file,
        "dashboard health-monitor, panel errors: column error is the terms of `error.message`, which is of type text: it \
         takes a keyword, a boolean or a whole number",
    );
    let file = changed_panel("uptime", |panel| column(panel, "uptime")["operationType"] = "formula".into());
    refused(
        &file,
        "dashboard health-monitor, panel uptime: column uptime has the operation formula, which the dashboards do without",
    );
}

#[test]
fn panels_that_cannot_be_parsed_are_refused() {
    let cut = |attribute: &'static str| {
        changed("health-monitor", move |dashboard| {
            let mut whole = &mut dashboard["attributes"];
            for part in attribute.split('/') {
                whole = &mut whole[part];
            }
            let text = whole.as_str().unwrap();
            *whole = text[..text.len() - 1].into();
        })
    };
    for attribute in [
        "panelsJSON",
        "optionsJSON",
        "kibanaSavedObjectMeta/searchSourceJSON",
        "controlGroupInput/panelsJSON",
    ] {
        let faults = lint::faults(&cut(attribute));
        let name = attribute.rsplit('/').next().unwrap();
        let expected = format!("dashboard health-monitor: {name} is no JSON: ");
        assert!(faults.iter().any(|fault| fault.starts_with(&expected)), "{attribute}: {faults:?}");
    }
    assert!(lint::faults("{\"type\": ")[0].starts_with("line 1: "));
}

#[test]
fn a_version_that_is_newer_than_kibana_or_missing_is_refused() {
    let file = changed("health-monitor", |dashboard| dashboard["typeMigrationVersion"] = "10.2.0".into());
    refused(
        &file,
        "dashboard health-monitor: typeMigrationVersion 10.2.0 is newer than 8.9.0, so that Kibana 8.11 refuses it",
    );
    let file = changed("health-monitor", |dashboard| dashboard["coreMigrationVersion"] = Value::Null);
    refused(&file, "dashboard health-monitor has no coreMigrationVersion");
}

#[test]
fn panels_that_overlap_or_stand_out_are_refused() {
    let file = changed_panel("mttr", |panel| panel["gridData"]["x"] = 7.into());
    refused(&file, "dashboard health-monitor, panel mttr: it overlaps uptime");
    let file = changed_panel("mttr", |panel| panel["gridData"]["x"] = 41.into());
    refused(&file, "dashboard health-monitor, panel mttr: it does not lie within 48 columns");
    let file = changed_panel("mttr", |panel| panel["gridData"]["i"] = "other".into());
    refused(&file, "dashboard health-monitor, panel mttr: the grid knows it as \"other\"");
}

#[test]
fn an_identity_that_is_there_twice_is_refused() {
    let file = built();
    let twice = format!("{file}{}\n", file.lines().next().unwrap());
    refused(&twice, "index-pattern health-monitor-checks is there twice");
    let file = changed_panel("mttr", |panel| panel["panelIndex"] = "uptime".into());
    refused(&file, "dashboard health-monitor, panel uptime: another has the same identity");
}

#[test]
fn a_column_that_is_drawn_and_not_there_is_refused_and_so_is_one_that_is_not_drawn() {
    let file = changed_panel("uptime", |panel| {
        panel["embeddableConfig"]["attributes"]["state"]["visualization"]["metricAccessor"] = "other".into();
    });
    refused(
        &file,
        "dashboard health-monitor, panel uptime: it draws column other, which layer layer does not have",
    );
    refused(&file, "dashboard health-monitor, panel uptime: column uptime of layer layer is not drawn");
}

#[test]
fn queries_become_what_kibana_makes_of_them() {
    let search = |text: &str| Query::parse(text).unwrap().unwrap().search();
    let one = |inner: Value| json!({"bool": {"should": [inner], "minimum_should_match": 1}});
    let (a, b) = (one(json!({"match_phrase": {"x": "a"}})), one(json!({"match_phrase": {"x": "b"}})));
    assert_eq!(search("x : \"a\""), a);
    assert_eq!(search("flag : true"), one(json!({"match": {"flag": true}})));
    assert_eq!(
        search("x : (\"a\" or \"b\")"),
        json!({"bool": {"should": [a, b], "minimum_should_match": 1}})
    );
    assert_eq!(search("not x : \"a\""), json!({"bool": {"must_not": a}}));
    assert_eq!(search("x : \"a\" and x : \"b\""), json!({"bool": {"filter": [a, b]}}));
    assert_eq!(Query::parse("").unwrap(), None);
    for wrong in ["x", "x :", "x : (\"a\"", "x : \"a", "x : a*", "x : a y", "seconds > 3", "x : a)"] {
        assert!(Query::parse(wrong).is_err(), "{wrong}");
    }
}
