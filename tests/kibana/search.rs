//! The search that a layer of a Lens chart stands for, and what its answer says, row by row.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kql::Query;
use super::read::{Layer, Lens, word};

/// A row of an answer: the value of each column by its identity; null where there is none.
pub type Row = BTreeMap<String, Value>;

/// Seconds of the lengths that Kibana chooses from, so that there are about fifty intervals.
const INTERVALS: [(u64, &str); 10] = [
    (1, "1s"),
    (10, "10s"),
    (30, "30s"),
    (60, "1m"),
    (300, "5m"),
    (600, "10m"),
    (1_800, "30m"),
    (3_600, "1h"),
    (10_800, "3h"),
    (43_200, "12h"),
];

/// The interval for a range from `now-24h` until now.
fn interval(from: &str) -> &'static str {
    let number = from.trim_start_matches("now-");
    let (number, unit) = number.split_at(number.len().saturating_sub(1));
    let unit = match unit {
        "h" => 3_600,
        "d" => 86_400,
        _ => 60,
    };
    let wanted = number.parse::<u64>().unwrap_or(1) * unit / 50;
    INTERVALS.iter().min_by_key(|(seconds, _)| seconds.abs_diff(wanted)).map_or("1m", |(_, word)| word)
}

/// The body of the search.
///
/// # Errors
/// What cannot be translated.
pub fn search(lens: &Lens, layer: &Layer, from: &str) -> Result<Value, String> {
    let mut filters = vec![json!({"range": {"@timestamp": {"gte": from, "lte": "now"}}})];
    filters.extend(Query::parse(&lens.query)?.map(|query| query.search()));
    let columns: Vec<_> = layer.ordered().collect();
    let aggregations = aggregations(&columns, from)?;
    Ok(json!({
        "size": 0, "track_total_hits": true, "query": {"bool": {"filter": filters}}, "aggs": aggregations
    }))
}

/// What splits comes first, each within the one before; the numbers are in the innermost, and wherever something is
/// ordered by them.
fn aggregations(columns: &[(&str, &Value)], from: &str) -> Result<Value, String> {
    let numbers: Vec<_> = columns.iter().filter(|(_, column)| column["isBucketed"] != true).collect();
    let Some(((id, column), rest)) = columns.split_first() else { return Ok(json!({})) };
    let mut found = json!({});
    if column["isBucketed"] != true {
        for (id, column) in numbers {
            if let Some(aggregation) = number(column)? {
                found[*id] = aggregation;
            }
        }
        return Ok(found);
    }
    let inner_numbers = |wanted: &dyn Fn(&str) -> bool| -> Result<Value, String> {
        let mut inner = json!({});
        for (id, column) in numbers.iter().filter(|(id, _)| wanted(id)) {
            if let Some(aggregation) = number(column)? {
                inner[*id] = aggregation;
            }
        }
        Ok(inner)
    };
    let params = &column["params"];
    let mut inner = aggregations(rest, from)?;
    let own = match word(column, "operationType") {
        "date_histogram" => {
            json!({"date_histogram": {
                "field": column["sourceField"], "fixed_interval": interval(from), "min_doc_count": 1
            }})
        }
        "terms" => {
            let by = word(&params["orderBy"], "columnId");
            for (id, aggregation) in inner_numbers(&|id| id == by)?.as_object().into_iter().flatten() {
                inner[id] = aggregation.clone();
            }
            let order = order(&numbers, by, word(params, "orderDirection"));
            json!({"terms": {"field": column["sourceField"], "size": params["size"], "order": order}})
        }
        other => return Err(format!("column {id}: nothing is split by {other}")),
    };
    let mut own = own;
    own["aggs"] = inner;
    found[*id] = own;
    Ok(found)
}

/// By what values are ordered; by themselves where it is no column.
fn order(numbers: &[&(&str, &Value)], by: &str, direction: &str) -> Value {
    let Some((id, column)) = numbers.iter().find(|(id, _)| *id == by) else {
        return json!({"_key": direction});
    };
    let is_filtered = column.get("filter").is_some();
    let path = match (word(column, "operationType"), is_filtered) {
        ("count", false) => "_count".to_owned(),
        // One bucket is ordered by what it holds.
        ("count", true) => (*id).to_owned(),
        ("percentile", _) => format!("{id}.{}", column["params"]["percentile"]),
        (_, true) => format!("{id}>number"),
        (_, false) => (*id).to_owned(),
    };
    json!({path: direction})
}

/// The aggregation of a number; none where it is the number of documents, which every answer holds.
fn number(column: &Value) -> Result<Option<Value>, String> {
    let field = &column["sourceField"];
    let aggregation = match word(column, "operationType") {
        "count" => None,
        "average" => Some(json!({"avg": {"field": field}})),
        "sum" => Some(json!({"sum": {"field": field}})),
        "max" => Some(json!({"max": {"field": field}})),
        "percentile" => {
            Some(json!({"percentiles": {"field": field, "percents": [column["params"]["percentile"]]}}))
        }
        other => return Err(format!("{other} is not translated")),
    };
    let Some(query) = Query::parse(word(&column["filter"], "query"))? else { return Ok(aggregation) };
    let mut filtered = json!({"filter": query.search()});
    if let Some(aggregation) = aggregation {
        filtered["aggs"] = json!({"number": aggregation});
    }
    Ok(Some(filtered))
}

/// The rows of an answer.
pub fn rows(layer: &Layer, answer: &Value) -> Vec<Row> {
    let columns: Vec<_> = layer.ordered().collect();
    let mut whole = answer["aggregations"].clone();
    if whole.is_null() {
        whole = json!({});
    }
    whole["doc_count"] = answer["hits"]["total"]["value"].clone();
    let mut rows = Vec::new();
    collect(&columns, &whole, &Row::new(), &mut rows);
    rows
}

fn collect(columns: &[(&str, &Value)], bucket: &Value, row: &Row, rows: &mut Vec<Row>) {
    match columns.split_first() {
        Some(((id, column), rest)) if column["isBucketed"] == true => {
            for inner in bucket[id]["buckets"].as_array().into_iter().flatten() {
                let key = inner.get("key_as_string").unwrap_or(&inner["key"]);
                let mut row = row.clone();
                row.insert((*id).to_owned(), key.clone());
                collect(rest, inner, &row, rows);
            }
        }
        _ => {
            let numbers = columns.iter().map(|(id, column)| ((*id).to_owned(), value(bucket, id, column)));
            rows.push(row.clone().into_iter().chain(numbers).collect());
        }
    }
}

fn value(bucket: &Value, id: &str, column: &Value) -> Value {
    let is_filtered = column.get("filter").is_some();
    let own = &bucket[id];
    match (word(column, "operationType"), is_filtered) {
        ("count", false) => bucket["doc_count"].clone(),
        ("count", true) => own["doc_count"].clone(),
        ("percentile", _) => {
            let of = if is_filtered { &own["number"] } else { own };
            of["values"].as_object().and_then(|values| values.values().next()).cloned().unwrap_or_default()
        }
        (_, true) => own["number"]["value"].clone(),
        (_, false) => own["value"].clone(),
    }
}
