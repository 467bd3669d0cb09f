//! Columns of a Lens layer: numbers, and what they are split by. No formulas: Kibana before 9.2 wants these spelled out as
//! chains of hidden columns, so the documents hold the numbers instead.

use serde_json::{Value, json};

/// Good.
pub(super) const GREEN: &str = "#209280";
/// To be looked at.
pub(super) const AMBER: &str = "#d6bf57";
/// Bad.
pub(super) const RED: &str = "#cc5642";
/// Neither good nor bad.
pub(super) const BLUE: &str = "#6092c0";
/// The other of two that are neither.
pub(super) const VIOLET: &str = "#9170b8";
/// Nothing is known.
pub(super) const GREY: &str = "#98a2b3";

/// One column: its identity within the layer, and what Lens stores of it.
#[derive(Clone)]
pub(super) struct Column {
    pub(super) id: &'static str,
    pub(super) body: Value,
    /// The colour of its series.
    pub(super) color: Option<&'static str>,
}

fn number(id: &'static str, label: &str, operation: &str, field: &str) -> Column {
    let body = json!({
        "label": label, "customLabel": true, "dataType": "number", "operationType": operation,
        "sourceField": field, "isBucketed": false, "scale": "ratio", "params": {"emptyAsNull": true}
    });
    Column { id, body, color: None }
}

/// How many documents there are.
pub(super) fn count(id: &'static str, label: &str) -> Column {
    let mut column = number(id, label, "count", "___records___");
    // Nothing happened is a number: 0.
    column.body["params"]["emptyAsNull"] = false.into();
    column
}

/// The mean of a field.
pub(super) fn average(id: &'static str, label: &str, field: &str) -> Column {
    number(id, label, "average", field)
}

/// The sum of a field.
pub(super) fn sum(id: &'static str, label: &str, field: &str) -> Column {
    number(id, label, "sum", field)
}

/// The greatest value of a field.
pub(super) fn max(id: &'static str, label: &str, field: &str) -> Column {
    number(id, label, "max", field)
}

/// The value of a field that so many percent of the documents stay below.
pub(super) fn percentile(id: &'static str, label: &str, field: &str, percent: u8) -> Column {
    let mut column = number(id, label, "percentile", field);
    column.body["params"]["percentile"] = percent.into();
    column
}

/// Intervals of time, as long as suits the range that is looked at.
pub(super) fn over_time() -> Column {
    let body = json!({
        "label": "Time", "customLabel": true, "dataType": "date", "operationType": "date_histogram",
        "sourceField": "@timestamp", "isBucketed": true, "scale": "interval",
        "params": {"interval": "auto", "includeEmptyRows": true, "dropPartials": false}
    });
    Column { id: "time", body, color: None }
}

/// The most frequent values of a field.
pub(super) fn by(id: &'static str, label: &str, field: &str, most: u8) -> Column {
    let body = json!({
        "label": label, "customLabel": true, "dataType": "string", "operationType": "terms",
        "sourceField": field, "isBucketed": true, "scale": "ordinal",
        "params": {
            "size": most, "orderBy": {"type": "alphabetical", "fallback": false}, "orderDirection": "asc",
            "otherBucket": false, "missingBucket": false, "parentFormat": {"id": "terms"},
            "include": [], "exclude": [], "includeIsRegex": false, "excludeIsRegex": false
        }
    });
    Column { id, body, color: None }
}

impl Column {
    /// Of the documents that this query (KQL) finds.
    pub(super) fn only(mut self, query: &str) -> Self {
        self.body["filter"] = json!({"query": query, "language": "kuery"});
        self
    }

    /// The values with the greatest number in another column, greatest first.
    pub(super) fn most(self, column: &'static str) -> Self {
        self.ordered(column, "desc")
    }

    /// The values with the smallest number in another column, smallest first.
    pub(super) fn least(self, column: &'static str) -> Self {
        self.ordered(column, "asc")
    }

    fn ordered(mut self, column: &'static str, direction: &str) -> Self {
        self.body["params"]["orderBy"] = json!({"type": "column", "columnId": column});
        self.body["params"]["orderDirection"] = direction.into();
        self
    }

    /// A part from 0 to 1, shown in percent.
    pub(super) fn percent(mut self, decimals: u8) -> Self {
        self.body["params"]["format"] = json!({"id": "percent", "params": {"decimals": decimals}});
        self
    }

    /// A number with its unit behind.
    pub(super) fn unit(mut self, unit: &str, decimals: u8) -> Self {
        let params = json!({"decimals": decimals, "suffix": format!(" {unit}")});
        self.body["params"]["format"] = json!({"id": "number", "params": params});
        self
    }

    /// A whole number.
    pub(super) fn whole(mut self) -> Self {
        self.body["params"]["format"] = json!({"id": "number", "params": {"decimals": 0}});
        self
    }

    /// The colour of its series.
    pub(super) fn color(mut self, color: &'static str) -> Self {
        self.color = Some(color);
        self
    }

    pub(super) fn is_time(&self) -> bool {
        self.body["operationType"] == "date_histogram"
    }

    pub(super) fn is_bucketed(&self) -> bool {
        self.body["isBucketed"] == true
    }
}
