//! Availability as numbers: services of which nothing was observed have none.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::domain::availability::{Observation, Window};
use crate::domain::view::View;

const RATIO: &str = "health_monitor_availability";
const FLEET_RATIO: &str = "health_monitor_fleet_availability";
const BETWEEN_FAILURES: &str = "health_monitor_mean_time_between_failures";
const TO_RECOVER: &str = "health_monitor_mean_time_to_recover";

/// Writes how much of the time each service and all together were up, and how often and how long they were not.
pub(super) fn encode(view: &View, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let seen: Vec<(&str, [Observation; 3])> = view
        .services()
        .filter_map(|watched| {
            let availability = &watched.service?.availability;
            let name = watched.policy.name.as_str();
            Some((name, Window::ALL.map(|window| availability.within(window, view.at))))
        })
        .collect();
    let help = "Part of the observed time in which a service was up";
    let ratio = Unit::Other("ratio".to_owned());
    let mut family = encoder.encode_descriptor(RATIO, help, Some(&ratio), MetricType::Gauge)?;
    for (service, windows) in &seen {
        for (window, observation) in Window::ALL.iter().zip(windows) {
            if let Some(uptime) = observation.uptime() {
                let labels = [("service", *service), ("window", window.as_str())];
                ConstGauge::new(uptime).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    let help = "Part of the observed time in which the services were up, over all of them";
    let mut family = encoder.encode_descriptor(FLEET_RATIO, help, Some(&ratio), MetricType::Gauge)?;
    for (place, window) in Window::ALL.iter().enumerate() {
        let all: Observation = seen.iter().map(|(_, windows)| windows[place]).sum();
        if let Some(uptime) = all.uptime() {
            ConstGauge::new(uptime).encode(family.encode_family(&[("window", window.as_str())])?)?;
        }
    }
    let month = || seen.iter().map(|(service, [_, _, month])| (*service, month));
    let between = month().filter_map(|(service, seen)| Some((service, seen.seconds_between_failures()?)));
    seconds(encoder, BETWEEN_FAILURES, "Time up for each failure, over 30 days", between)?;
    let to_recover = month().filter_map(|(service, seen)| Some((service, seen.seconds_to_recover()?)));
    seconds(encoder, TO_RECOVER, "From the first failing probe to the end, over 30 days", to_recover)
}

fn seconds<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'a str, f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for (service, number) in values {
        ConstGauge::new(number).encode(family.encode_family(&[("service", service)])?)?;
    }
    Ok(())
}
