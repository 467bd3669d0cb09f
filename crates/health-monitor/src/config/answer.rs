//! What a good answer of a service is.

use std::fmt::Display;
use std::time::Duration;

use shared::config::{Faults, Group};

use crate::domain::expected::{BodyExpected, Expected, Statuses, ValueExpected};
use crate::probe::certificates;

const DAY: Duration = Duration::from_secs(86_400);

/// What the settings of a service expect of its HTTP answer; none after a fault.
pub(super) fn expected(service: &Group, faults: &mut Faults) -> Option<Expected> {
    let statuses = parsed(service, "expected_status", Statuses::parse, faults);
    let value = parsed(service, "body_json", ValueExpected::parse, faults);
    let text = service.text("body_contains").map(str::to_owned);
    let value = value?;
    let days = service.whole("certificate_days").and_then(|days| u32::try_from(days).ok());
    Some(Expected {
        statuses: statuses?.unwrap_or_default(),
        body: (text.is_some() || value.is_some()).then_some(BodyExpected { text, value }),
        unhealthy_only: service.boolean("unhealthy_only"),
        latency_limit: service.seconds("latency_limit"),
        certificate_for: days.map(|days| DAY * days),
    })
}

/// The file with further certificates to trust, if it can be used.
pub(super) fn ca_file(service: &Group, faults: &mut Faults) -> Option<String> {
    parsed(service, "ca_file", |path| certificates(path).map(|_| path.to_owned()), faults).flatten()
}

/// The value of a key as what it means; the outer none after a fault.
fn parsed<T, E: Display>(
    service: &Group,
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    faults: &mut Faults,
) -> Option<Option<T>> {
    if service.refused.contains(key) {
        return None;
    }
    match service.text(key).map(parse).transpose() {
        Ok(value) => Some(value),
        Err(reason) => {
            faults.push(service.fault(key, reason.to_string()));
            None
        }
    }
}
