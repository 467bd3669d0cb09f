//! The dashboard of self-evolution: how services are used and how they fare, what was changed, whether it helped.

use super::charts::{Axes, Content, Lights, Panel, Series, both, layer, metric, panel, table, xy};
use super::columns::{AMBER, BLUE, GREEN, GREY, RED, VIOLET, average, by, count, over_time, percentile};
use super::saved_objects::Dashboard;

const USAGE: &str = "self-evolution-usage";
const OPTIMIZATIONS: &str = "self-evolution-optimizations";

/// From where on a part of errors is to be looked at, and from where on it is bad: the latter is recommended against.
const ERROR_RATE: Lights = Lights::Down(0.01, 0.1);
/// An improvement below nothing is harm; from 15 % on it is worth keeping.
const IMPROVEMENT: Lights = Lights::Up(0.0, 15.0);

const INTRODUCTION: &str = "\
**self-evolution** looks at how services are used, recommends changes, applies them and takes back what does not help. From \
top to bottom: how it stands, how services are used, what was changed, whether it helped, and tables to look closer. Choose \
a service above; click a name in a chart to filter by it.\n\n\
Green is good, amber wants a look, red is bad; each says in words from where on. See also [health-monitor](#/view/health-monitor).";

pub(super) fn dashboard() -> Dashboard {
    let panels = [numbers(), usage(), changes(), effect(), tables()];
    Dashboard {
        id: "self-evolution",
        title: "Services: usage and optimisation",
        description: "Requests, errors and response times of services, the changes that self-evolution applied, and what came of them",
        from: "now-7d",
        views: &[
            (USAGE, "self-evolution: requests"),
            (OPTIMIZATIONS, "self-evolution: changes and verdicts"),
            ("self-evolution-events", "self-evolution: all other facts"),
        ],
        services: USAGE,
        panels: panels.into_iter().flatten().collect(),
    }
}

fn numbers() -> Vec<Panel> {
    let at = |place: u8| (place * 8, 5, 8, 7);
    vec![
        panel("introduction", "", "", (0, 0, 48, 5), Content::Text(INTRODUCTION)),
        panel(
            "requests",
            "Requests",
            "Requests that services reported",
            at(0),
            metric(USAGE, count("requests", "Reported").whole().color(BLUE), "requests", None),
        ),
        panel(
            "error-rate",
            "Error rate",
            "Part of the requests that were answered with a status from 400 on",
            at(1),
            metric(
                USAGE,
                average("rate", "Errors", "errors").percent(2),
                "of the requests; amber from 1 %, red from 10 %",
                Some(ERROR_RATE),
            ),
        ),
        panel(
            "response-time",
            "Response time, 95th percentile",
            "95 of 100 requests were answered faster",
            at(2),
            metric(
                USAGE,
                percentile("p95", "95th percentile", "response_time", 95).unit("s", 3),
                "amber from 2 s, red from 5 s",
                Some(Lights::Down(2.0, 5.0)),
            ),
        ),
        panel(
            "applied",
            "Applied optimisations",
            "Changes that took effect",
            at(3),
            metric(
                OPTIMIZATIONS,
                count("applied", "In effect").only("action : \"apply\"").whole().color(VIOLET),
                "changes",
                None,
            ),
        ),
        panel(
            "rolled-back",
            "Rollbacks",
            "Changes that were taken back, by a verdict or by a person",
            at(4),
            metric(
                OPTIMIZATIONS,
                count("back", "Taken back").only("action : \"rollback\"").whole(),
                "changes; amber from 1",
                Some(Lights::Down(1.0, 1_000_000.0)),
            ),
        ),
        panel(
            "improvement",
            "Measured improvement",
            "Which part of the response time, or of the errors, has gone: the mean of the changes that were kept",
            at(5),
            metric(
                OPTIMIZATIONS,
                average("measured", "Mean of kept changes", "measured_improvement_percent")
                    .only("phase : \"kept\"")
                    .unit("%", 1),
                "green from 15 %, red below 0 %",
                Some(IMPROVEMENT),
            ),
        ),
    ]
}

fn usage() -> Vec<Panel> {
    vec![
        panel(
            "usage",
            "Usage and error rate",
            "Requests (bars, left) and the part of them that failed (line, right)",
            (0, 12, 24, 13),
            both(
                Series::StackedBars,
                Axes { left: "Requests", right: Some("Error rate"), bounds: None },
                layer(USAGE, [over_time(), count("requests", "Requests").color(BLUE)]),
                Some(layer(
                    USAGE,
                    [over_time(), average("rate", "Error rate", "errors").percent(1).color(RED)],
                )),
            ),
        ),
        panel(
            "usage-by-service",
            "Requests by service",
            "Requests over time, for the ten services that are asked most",
            (24, 12, 24, 13),
            xy(
                Series::StackedBars,
                Axes { left: "Requests", ..Axes::default() },
                layer(
                    USAGE,
                    [
                        by("service", "Service", "service", 10).most("requests"),
                        over_time(),
                        count("requests", "Requests"),
                    ],
                ),
            ),
        ),
        panel(
            "response-times",
            "Response times",
            "The time below which 50, 95 and 99 of 100 requests were answered",
            (0, 25, 24, 13),
            xy(
                Series::Line,
                Axes { left: "Seconds", ..Axes::default() },
                layer(
                    USAGE,
                    [
                        over_time(),
                        percentile("p50", "half (50th percentile)", "response_time", 50)
                            .unit("s", 3)
                            .color(GREEN),
                        percentile("p95", "95th percentile", "response_time", 95).unit("s", 3).color(AMBER),
                        percentile("p99", "99th percentile", "response_time", 99).unit("s", 3).color(RED),
                    ],
                ),
            ),
        ),
        panel(
            "response-time-by-service",
            "Response time by service",
            "Mean response time over time, for the ten slowest services",
            (24, 25, 24, 13),
            xy(
                Series::Line,
                Axes { left: "Seconds", ..Axes::default() },
                layer(
                    USAGE,
                    [
                        by("service", "Service", "service", 10).most("mean"),
                        over_time(),
                        average("mean", "Mean", "response_time").unit("s", 3),
                    ],
                ),
            ),
        ),
    ]
}

fn changes() -> Vec<Panel> {
    let of = |id, label, action: &str| count(id, label).only(&format!("action : \"{action}\""));
    let outcome = |id, label, query: &str| count(id, label).only(&format!("verdict.outcome : {query}"));
    vec![
        panel(
            "changes",
            "Optimisations over time",
            "Changes by what happened to them: applied, kept after a verdict, taken back",
            (0, 38, 24, 13),
            xy(
                Series::Bars,
                Axes { left: "Changes", ..Axes::default() },
                layer(
                    OPTIMIZATIONS,
                    [
                        over_time(),
                        of("applied", "applied", "apply").color(VIOLET),
                        count("kept", "kept").only("action : \"verdict\" and phase : \"kept\"").color(GREEN),
                        of("back", "taken back", "rollback").color(AMBER),
                    ],
                ),
            ),
        ),
        panel(
            "verdicts",
            "Verdicts by outcome",
            "How changes turned out, by what they were about",
            (24, 38, 24, 13),
            xy(
                Series::LyingStackedBars,
                Axes { left: "Verdicts", ..Axes::default() },
                layer(
                    OPTIMIZATIONS,
                    [
                        by("type", "Type", "recommendation.type", 10),
                        outcome("better", "better", "\"better\"").color(GREEN),
                        outcome("gainless", "no gain", "\"no_gain\"").color(BLUE),
                        outcome(
                            "open",
                            "inconclusive or not delivered",
                            "(\"inconclusive\" or \"not_delivered\")",
                        )
                        .color(GREY),
                        outcome("worse", "worse", "\"worse\"").color(AMBER),
                        outcome("harmful", "harmful", "\"harmful\"").color(RED),
                    ],
                ),
            ),
        ),
    ]
}

fn effect() -> Vec<Panel> {
    let judged = |column: super::columns::Column| column.only("action : \"verdict\"");
    vec![
        panel(
            "estimated-and-measured",
            "Improvement: estimated and measured",
            "What was expected of the changes of a service, beside what came of them, both of changes that were judged",
            (0, 51, 24, 13),
            xy(
                Series::Bars,
                Axes { left: "Improvement in percent", ..Axes::default() },
                layer(
                    OPTIMIZATIONS,
                    [
                        by("service", "Service", "service", 20).most("measured"),
                        judged(average("estimated", "estimated", "estimated_improvement_percent"))
                            .unit("%", 1)
                            .color(GREY),
                        judged(average("measured", "measured", "measured_improvement_percent"))
                            .unit("%", 1)
                            .color(GREEN),
                    ],
                ),
            ),
        ),
        panel(
            "before-and-after",
            "Response time before and after",
            "Mean response time in the spans that verdicts compare, without and with the change",
            (24, 51, 24, 13),
            xy(
                Series::Bars,
                Axes { left: "Seconds", ..Axes::default() },
                layer(
                    OPTIMIZATIONS,
                    [
                        by("service", "Service", "service", 20).most("before"),
                        average("before", "before", "verdict.comparison.mean_before")
                            .unit("s", 3)
                            .color(GREY),
                        average("after", "after", "verdict.comparison.mean_after").unit("s", 3).color(GREEN),
                    ],
                ),
            ),
        ),
    ]
}

fn tables() -> Vec<Panel> {
    vec![
        panel(
            "impact",
            "Impact of optimisations",
            "Each verdict in numbers: what was expected, what came of it, how the service fared before and after",
            (0, 64, 48, 13),
            table(
                OPTIMIZATIONS,
                vec![
                    by("service", "Service", "service", 50),
                    by("recommendation", "Recommendation", "recommendation.id", 50),
                    by("type", "Type", "recommendation.type", 3),
                    by("outcome", "Verdict", "verdict.outcome", 6),
                    by("phase", "and then", "phase", 10),
                    average("estimated", "Estimated", "estimated_improvement_percent").unit("%", 1),
                    average("measured", "Measured", "measured_improvement_percent").unit("%", 1),
                    average("before", "Response time before", "verdict.comparison.mean_before").unit("s", 3),
                    average("after", "after", "verdict.comparison.mean_after").unit("s", 3),
                    average("errors-before", "Errors before", "verdict.comparison.error_rate_before")
                        .percent(1),
                    average("errors-after", "after", "verdict.comparison.error_rate_after").percent(1),
                ],
                &[("measured", IMPROVEMENT)],
            ),
        ),
        panel(
            "endpoints",
            "Endpoints",
            "Each endpoint in numbers, the most asked first",
            (0, 77, 24, 14),
            table(
                USAGE,
                vec![
                    by("service", "Service", "service", 50).most("requests"),
                    by("endpoint", "Endpoint", "endpoint", 50).most("requests"),
                    count("requests", "Requests").whole(),
                    average("rate", "Error rate", "errors").percent(1),
                    average("mean", "Mean", "response_time").unit("s", 3),
                    percentile("p95", "95th percentile", "response_time", 95).unit("s", 3),
                ],
                &[("rate", ERROR_RATE), ("p95", Lights::Down(2.0, 5.0))],
            ),
        ),
        panel(
            "applied-and-rolled-back",
            "Applied and taken back",
            "What happened to changes, by service and by who wanted it",
            (24, 77, 24, 14),
            table(
                OPTIMIZATIONS,
                vec![
                    by("service", "Service", "service", 50).most("applied"),
                    by("type", "Type", "recommendation.type", 3),
                    count("applied", "Applied").only("action : \"apply\"").whole(),
                    count("by-hand", "by a person")
                        .only("action : \"apply\" and trigger : \"manual\"")
                        .whole(),
                    count("judged", "Judged").only("action : \"verdict\"").whole(),
                    count("back", "Taken back").only("action : \"rollback\"").whole(),
                ],
                &[],
            ),
        ),
    ]
}
