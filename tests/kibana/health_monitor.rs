//! The dashboard of health-monitor: how well the services are, what was done about it, what was not and why, and with
//! what to look closer.

use super::charts::{Axes, Content, Lights, Panel, Series, layer, metric, panel, table, xy};
use super::columns::{
    AMBER, BLUE, Column, GREEN, GREY, RED, VIOLET, average, by, count, max, over_time, sum,
};
use super::saved_objects::Dashboard;

const ERRORS: &str = "health-monitor-errors";
const RECOVERY: &str = "health-monitor-recovery";
const CHECKS: &str = "health-monitor-checks";

/// From where on an uptime is bearable, and from where on it is good.
const UPTIME: Lights = Lights::Up(0.99, 0.999);

const INTRODUCTION: &str = "\
**health-monitor** probes services, heals what fails, and proves that it helped. From top to bottom: how it stands, how it \
went, what was done, what guards held back, and tables to look closer. Choose a service above; click a name in a chart to \
filter by it.\n\n\
Green is good, amber wants a look, red is bad; each says in words from where on. See also [self-evolution](#/view/self-evolution).";

pub(super) fn dashboard() -> Dashboard {
    let panels = [numbers(), health(), healing(), trouble(), tables()];
    Dashboard {
        id: "health-monitor",
        title: "Services: health and healing",
        description: "Uptime, response times, failures and recoveries of the services that health-monitor watches",
        from: "now-24h",
        views: &[
            (CHECKS, "health-monitor: checks by minute"),
            (ERRORS, "health-monitor: failing probes"),
            (RECOVERY, "health-monitor: recoveries"),
            ("health-monitor-events", "health-monitor: all other facts"),
        ],
        services: CHECKS,
        panels: panels.into_iter().flatten().collect(),
    }
}

fn uptime() -> Column {
    average("uptime", "Uptime", "up")
}

/// How recoveries that were carried out ended: the same words and colours wherever they are shown.
fn outcomes() -> [Column; 5] {
    let of = |id, label: &str, outcome: &str| count(id, label).only(&format!("outcome : {outcome}"));
    [
        of("recovered", "recovered", "\"recovered\"").color(GREEN),
        of("self", "came back by itself", "\"self_recovered\"").color(BLUE),
        of("vain", "did not help", "\"not_recovered\"").color(RED),
        of("failed", "was not carried out", "\"action_failed\"").color(AMBER),
        of("unclear", "unclear", "(\"superseded\" or \"unknown_outcome\")").color(GREY),
    ]
}

fn numbers() -> Vec<Panel> {
    let at = |place: u8| (place * 8, 5, 8, 7);
    vec![
        panel("introduction", "", "", (0, 0, 48, 5), Content::Text(INTRODUCTION)),
        panel(
            "uptime",
            "Uptime",
            "Part of the observed time in which services were up: the mean over all minutes of all services",
            at(0),
            metric(
                CHECKS,
                uptime().percent(3),
                "of the time; green from 99.9 %, red below 99 %",
                Some(UPTIME),
            ),
        ),
        panel(
            "mttr",
            "Time to recover (MTTR)",
            "Mean time from the first failing probe to the proof that the service is well again, of recoveries that helped",
            at(1),
            metric(
                RECOVERY,
                average("mttr", "Mean", "time_to_recover_seconds").unit("s", 1),
                "from first failure to proof; red from 5 min",
                Some(Lights::Down(120.0, 300.0)),
            ),
        ),
        panel(
            "actions",
            "Healing actions",
            "Recoveries in which something was done: what guards held back is not counted",
            at(2),
            metric(
                RECOVERY,
                count("actions", "Carried out").only("has_acted : true").whole().color(BLUE),
                "recoveries",
                None,
            ),
        ),
        panel(
            "in-vain",
            "Healing in vain",
            "Recoveries that did not help, or that the platform did not carry out",
            at(3),
            metric(
                RECOVERY,
                count("vain", "Without success")
                    .only("outcome : (\"not_recovered\" or \"action_failed\")")
                    .whole(),
                "recoveries; amber from 1, red from 3",
                Some(Lights::Down(1.0, 3.0)),
            ),
        ),
        panel(
            "held-back",
            "Held back",
            "Recoveries that a guard did not let begin; which, is shown below",
            at(4),
            metric(
                RECOVERY,
                count("held", "By guards").only("outcome : \"suppressed\"").whole(),
                "recoveries; amber from 1",
                Some(Lights::Down(1.0, 1_000_000.0)),
            ),
        ),
        panel(
            "failing-probes",
            "Failing probes",
            "Probes that failed and counted towards an action",
            at(5),
            metric(
                ERRORS,
                count("failing", "Counted").only("is_counted : true").whole().color(VIOLET),
                "probes",
                None,
            ),
        ),
    ]
}

fn health() -> Vec<Panel> {
    let percent = Axes { left: "Uptime", bounds: Some((0.0, 1.0)), ..Axes::default() };
    let state = |id, label, query: &str| count(id, label).only(query);
    vec![
        panel(
            "uptime-by-service",
            "Uptime by service",
            "Part of the observed time in which each service was up, the worst first",
            (0, 12, 16, 13),
            xy(
                Series::LyingBars,
                percent,
                layer(
                    CHECKS,
                    [
                        by("service", "Service", "service", 20).least("uptime"),
                        uptime().percent(2).color(GREEN),
                    ],
                ),
            ),
        ),
        panel(
            "health-trend",
            "Health over time",
            "Part of each interval in which each service was up, for the ten that were up least",
            (16, 12, 32, 13),
            xy(
                Series::Line,
                percent,
                layer(
                    CHECKS,
                    [
                        by("service", "Service", "service", 10).least("uptime"),
                        over_time(),
                        uptime().percent(2),
                    ],
                ),
            ),
        ),
        panel(
            "states",
            "States over time",
            "In which state services were at the end of each minute: parts of all minutes",
            (0, 25, 24, 13),
            xy(
                Series::SharesBars,
                Axes { left: "Minutes", ..Axes::default() },
                layer(
                    CHECKS,
                    [
                        over_time(),
                        state("healthy", "healthy", "state : \"healthy\"").color(GREEN),
                        state(
                            "suspect",
                            "suspect or being healed",
                            "state : (\"suspect\" or \"recovering\" or \"verifying\")",
                        )
                        .color(AMBER),
                        state(
                            "down",
                            "unhealthy, and not being healed",
                            "state : (\"unhealthy\" or \"quarantined\" or \"flapping\" or \"blocked\")",
                        )
                        .color(RED),
                        state(
                            "people",
                            "paused or in maintenance",
                            "state : (\"paused\" or \"maintenance\")",
                        )
                        .color(BLUE),
                        state("unknown", "unknown", "state : \"unknown\"").color(GREY),
                    ],
                ),
            ),
        ),
        panel(
            "response-time",
            "Response time, 95th percentile",
            "Of the passing probes: the 95th percentile of each minute, its mean over the interval; the ten slowest services",
            (24, 25, 24, 13),
            xy(
                Series::Line,
                Axes { left: "Seconds", ..Axes::default() },
                layer(
                    CHECKS,
                    [
                        by("service", "Service", "service", 10).most("p95"),
                        over_time(),
                        average("p95", "95th percentile", "response_time_p95").unit("s", 3),
                    ],
                ),
            ),
        ),
    ]
}

fn healing() -> Vec<Panel> {
    let acted = Axes { left: "Recoveries", ..Axes::default() };
    let columns = |first: Column| -> Vec<Column> { [first].into_iter().chain(outcomes()).collect() };
    vec![
        panel(
            "actions-by-outcome",
            "Healing actions by outcome",
            "How recoveries ended, by what was done; what guards held back is shown below",
            (0, 38, 16, 13),
            xy(
                Series::LyingStackedBars,
                acted,
                layer(RECOVERY, columns(by("action", "Action", "healing_action", 10))),
            ),
        ),
        panel(
            "actions-over-time",
            "Recovery actions over time",
            "Recoveries by the time at which they were over, and how they ended",
            (16, 38, 32, 13),
            xy(Series::StackedBars, acted, layer(RECOVERY, columns(over_time()))),
        ),
    ]
}

fn trouble() -> Vec<Panel> {
    vec![
        panel(
            "guards",
            "What guards held back",
            "Recoveries that were held back, by the guard; docs/guards.md explains each",
            (0, 51, 16, 13),
            xy(
                Series::LyingBars,
                Axes { left: "Recoveries held back", ..Axes::default() },
                layer(
                    RECOVERY,
                    [
                        by("guard", "Guard", "guard", 18).most("held"),
                        count("held", "held back").only("outcome : \"suppressed\"").color(AMBER),
                    ],
                ),
            ),
        ),
        panel(
            "errors-by-service",
            "Errors by service",
            "Failing probes over time, for the ten services that failed most",
            (16, 51, 32, 13),
            xy(
                Series::StackedBars,
                Axes { left: "Failing probes", ..Axes::default() },
                layer(
                    ERRORS,
                    [
                        by("service", "Service", "service", 10).most("errors"),
                        over_time(),
                        count("errors", "Errors"),
                    ],
                ),
            ),
        ),
    ]
}

fn tables() -> Vec<Panel> {
    vec![
        panel(
            "services",
            "Services",
            "Each service in numbers, the worst first",
            (0, 64, 48, 12),
            table(
                CHECKS,
                vec![
                    by("service", "Service", "service", 100).least("uptime"),
                    uptime().percent(3),
                    sum("checks", "Checks", "checks_total").whole(),
                    sum("failed", "Failed checks", "checks_failed").whole(),
                    average("mean", "Response time, mean", "response_time_avg").unit("s", 3),
                    average("p95", "95th percentile", "response_time_p95").unit("s", 3),
                    max("slowest", "Slowest", "response_time_max").unit("s", 3),
                ],
                &[("uptime", UPTIME)],
            ),
        ),
        panel(
            "recoveries",
            "Recoveries",
            "What was done or held back, by service: how often, and how long it took",
            (0, 76, 24, 14),
            table(
                RECOVERY,
                vec![
                    by("service", "Service", "service", 50).most("times"),
                    by("action", "Action", "healing_action", 10).most("times"),
                    by("outcome", "Outcome", "outcome", 10).most("times"),
                    count("times", "Times").whole(),
                    average("mttr", "Time to recover, mean", "time_to_recover_seconds").unit("s", 1),
                    average("detection", "until detected", "detection_seconds").unit("s", 1),
                ],
                &[],
            ),
        ),
        panel(
            "errors",
            "Errors",
            "What was wrong, by service, the most frequent first",
            (24, 76, 24, 14),
            table(
                ERRORS,
                vec![
                    by("service", "Service", "service", 50).most("times"),
                    by("error", "Error", "error", 20).most("times"),
                    by("severity", "Severity", "severity", 3).most("times"),
                    count("times", "Failing probes").whole(),
                    count("counted", "of these counted").only("is_counted : true").whole(),
                ],
                &[],
            ),
        ),
    ]
}
