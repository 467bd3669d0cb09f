//! Panels: where one stands, what it says about itself, and how its columns are drawn.

use serde_json::{Map, Value, json};

use super::columns::{AMBER, Column, GREEN, RED};

/// A cell of the grid, which is 48 columns wide.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) x: u8,
    pub(super) y: u8,
    pub(super) w: u8,
    pub(super) h: u8,
}

/// One panel of a dashboard.
pub(super) struct Panel {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) cell: Cell,
    pub(super) content: Content,
}

/// A panel at this place of the grid: the column and the row that it begins with, how many it takes of either.
pub(super) fn panel(
    id: &'static str,
    title: &'static str,
    description: &'static str,
    (x, y, w, h): (u8, u8, u8, u8),
    content: Content,
) -> Panel {
    Panel { id, title, description, cell: Cell { x, y, w, h }, content }
}

/// What a panel shows.
pub(super) enum Content {
    /// Words.
    Text(&'static str),
    /// A Lens chart.
    Lens(Chart),
}

/// A Lens chart: its kind, its state, and the layers that the state speaks of.
pub(super) struct Chart {
    pub(super) kind: &'static str,
    pub(super) visualization: Value,
    pub(super) layers: Vec<Layer>,
}

/// Columns over the documents of one data view.
pub(super) struct Layer {
    pub(super) id: &'static str,
    pub(super) view: &'static str,
    pub(super) columns: Vec<Column>,
}

/// The first layer of a chart, which most have only.
pub(super) fn layer(view: &'static str, columns: impl Into<Vec<Column>>) -> Layer {
    Layer { id: "layer", view, columns: columns.into() }
}

impl Layer {
    fn numbers(&self) -> Vec<&'static str> {
        self.columns.iter().filter(|column| !column.is_bucketed()).map(|column| column.id).collect()
    }

    fn column(&self, is_it: impl Fn(&Column) -> bool) -> Option<&'static str> {
        self.columns.iter().find(|column| is_it(column)).map(|column| column.id)
    }
}

/// From where on a number is good, and from where on it is bad.
#[derive(Clone, Copy)]
pub(super) enum Lights {
    /// More is better: amber from the first on, green from the second on.
    Up(f64, f64),
    /// Less is better: amber from the first on, red from the second on.
    Down(f64, f64),
}

impl Lights {
    fn palette(self) -> Value {
        let (colors, first, second) = match self {
            Self::Up(amber, green) => ([RED, AMBER, GREEN], amber, green),
            Self::Down(amber, red) => ([GREEN, AMBER, RED], amber, red),
        };
        // Lens wants where each colour begins (`colorStops`) and where it ends (`stops`); the ends are open.
        let begins = [Value::Null, first.into(), second.into()];
        let ends = [first, second, second.max(1.0) * 2.0];
        let stops = |at: [Value; 3]| -> Vec<Value> {
            colors.iter().zip(at).map(|(color, stop)| json!({"color": color, "stop": stop})).collect()
        };
        json!({"type": "palette", "name": "custom", "params": {
            "name": "custom", "reverse": false, "rangeType": "number", "rangeMin": null, "rangeMax": null,
            "progression": "fixed", "continuity": "all", "steps": 3, "maxSteps": 5,
            "colorStops": stops(begins), "stops": stops(ends.map(Value::from))
        }})
    }
}

/// One number, large; the colours are told by the words below it too.
pub(super) fn metric(view: &'static str, number: Column, words: &str, lights: Option<Lights>) -> Content {
    let mut visualization =
        json!({"layerId": "layer", "layerType": "data", "metricAccessor": number.id, "subtitle": words});
    match (lights, number.color) {
        (Some(lights), _) => visualization["palette"] = lights.palette(),
        (None, Some(color)) => visualization["color"] = color.into(),
        (None, None) => {}
    }
    Content::Lens(Chart { kind: "lnsMetric", visualization, layers: vec![layer(view, [number])] })
}

/// How the numbers of a layer are drawn.
#[derive(Clone, Copy)]
pub(super) enum Series {
    Line,
    Bars,
    StackedBars,
    /// Stacked to the same height: parts of the whole.
    SharesBars,
    LyingBars,
    LyingStackedBars,
}

impl Series {
    fn word(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Bars => "bar",
            Self::StackedBars => "bar_stacked",
            Self::SharesBars => "bar_percentage_stacked",
            Self::LyingBars => "bar_horizontal",
            Self::LyingStackedBars => "bar_horizontal_stacked",
        }
    }
}

/// What the axes of a chart say.
#[derive(Clone, Copy, Default)]
pub(super) struct Axes {
    /// What is on the left, with its unit.
    pub(super) left: &'static str,
    /// What is on the right, where something is.
    pub(super) right: Option<&'static str>,
    /// The ends of the left axis, where they are fixed.
    pub(super) bounds: Option<(f64, f64)>,
}

/// Numbers over time, or by what the first column splits them; a second such column makes the series.
pub(super) fn xy(series: Series, axes: Axes, layer: Layer) -> Content {
    both(series, axes, layer, None)
}

/// The same with a second layer that is drawn as lines on the right axis.
pub(super) fn both(series: Series, axes: Axes, left: Layer, right: Option<Layer>) -> Content {
    let mut drawn = vec![drawn(series, "left", &left)];
    let mut layers = vec![left];
    if let Some(mut right) = right {
        right.id = "right";
        drawn.push(self::drawn(Series::Line, "right", &right));
        layers.push(right);
    }
    let mut visualization = json!({
        "legend": {"isVisible": true, "position": "bottom", "showSingleSeries": true, "shouldTruncate": false},
        "valueLabels": "hide", "fittingFunction": "None", "preferredSeriesType": series.word(),
        "axisTitlesVisibilitySettings": {"x": false, "yLeft": true, "yRight": true},
        "yTitle": axes.left, "layers": drawn
    });
    if let Some(right) = axes.right {
        visualization["yRightTitle"] = right.into();
        visualization["yRightExtent"] = json!({"mode": "custom", "lowerBound": 0, "upperBound": 1});
    }
    if let Some((low, high)) = axes.bounds {
        visualization["yLeftExtent"] = json!({"mode": "custom", "lowerBound": low, "upperBound": high});
    }
    Content::Lens(Chart { kind: "lnsXY", visualization, layers })
}

fn drawn(series: Series, axis: &str, layer: &Layer) -> Value {
    // The split comes before time, so that its values are the most frequent of the whole range and not of each interval.
    let x = layer.column(Column::is_time).or_else(|| layer.column(Column::is_bucketed));
    let split = layer.column(|column| column.is_bucketed() && Some(column.id) != x);
    let numbers = layer.columns.iter().filter(|column| !column.is_bucketed());
    let config = numbers.map(|column| {
        let mut config = Map::from_iter([
            ("forAccessor".to_owned(), column.id.into()),
            ("axisMode".to_owned(), axis.into()),
        ]);
        config.extend(column.color.map(|color| ("color".to_owned(), color.into())));
        Value::Object(config)
    });
    let config: Vec<Value> = config.collect();
    let mut drawn = json!({
        "layerId": layer.id, "layerType": "data", "seriesType": series.word(), "position": "top",
        "showGridlines": false, "accessors": layer.numbers(), "yConfig": config
    });
    if let Some(x) = x {
        drawn["xAccessor"] = x.into();
    }
    if let Some(split) = split {
        drawn["splitAccessor"] = split.into();
        drawn["palette"] = json!({"type": "palette", "name": "default"});
    }
    drawn
}

/// Rows with numbers; `lights` colours the text of a column.
pub(super) fn table(view: &'static str, columns: Vec<Column>, lights: &[(&str, Lights)]) -> Content {
    let shown = columns.iter().map(|column| {
        let mut shown = json!({"columnId": column.id, "isTransposed": false});
        if let Some((_, lights)) = lights.iter().find(|(id, _)| *id == column.id) {
            shown["colorMode"] = "text".into();
            shown["palette"] = lights.palette();
        }
        shown
    });
    let shown: Vec<Value> = shown.collect();
    let visualization = json!({
        "layerId": "layer", "layerType": "data", "columns": shown,
        "paging": {"enabled": true, "size": 10}
    });
    Content::Lens(Chart { kind: "lnsDatatable", visualization, layers: vec![layer(view, columns)] })
}
