//! The ways in which a stand-in misbehaves.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;

use super::Broken;

/// The knobs, as the path names them.
pub(super) const KNOBS: &str = "crash, hang, slow, errors, refuse, uncached, none";

/// The longest delay or refusal that can be asked for.
const LONGEST_SECONDS: f64 = 3_600.0;

/// How it misbehaves now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Fault {
    /// Not at all.
    None,
    /// Connections are accepted and no request is ever answered.
    Hang,
    /// Every answer but those of the knobs is late.
    Slow { delay: Duration },
    /// This fraction of the answers are errors.
    Errors { rate: f64, status: StatusCode },
    /// The listening socket is closed.
    Refuse,
    /// Work takes long, unless its answer was kept: that takes so long, and this fraction of what was kept has gone bad.
    Uncached { work: Duration, kept: Duration, bad: f64 },
}

/// What a turned knob asks for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Order {
    /// End the process abruptly.
    Crash,
    /// Misbehave like this from now on.
    Become(Fault),
    /// Refuse connections, for a time or until a restart.
    Refuse { lasting: Option<Duration> },
}

/// The parameters of all knobs.
#[derive(Deserialize, Clone, Copy, Default, Debug)]
pub(super) struct Parameters {
    seconds: Option<f64>,
    kept_seconds: Option<f64>,
    rate: Option<f64>,
    status: Option<u16>,
}

/// Why a knob could not be turned.
#[derive(PartialEq, Debug)]
pub(super) enum Refusal {
    /// There is no such knob.
    Unknown,
    /// A parameter is out of range; the text says which and how.
    Parameter(&'static str),
}

impl Fault {
    /// The fault of a stand-in that has just been started.
    pub(super) fn at_start(broken: Option<Broken>) -> Self {
        match broken {
            Some(Broken::Errors) => Self::Errors { rate: 1.0, status: StatusCode::INTERNAL_SERVER_ERROR },
            Some(Broken::Exit) | None => Self::None,
        }
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hang => "hang",
            Self::Slow { .. } => "slow",
            Self::Errors { .. } => "errors",
            Self::Refuse => "refuse",
            Self::Uncached { .. } => "uncached",
        }
    }
}

/// Reads a knob and its parameters.
pub(super) fn parse(knob: &str, parameters: Parameters) -> Result<Order, Refusal> {
    let order = match knob {
        "crash" => Order::Crash,
        "hang" => Order::Become(Fault::Hang),
        "slow" => Order::Become(Fault::Slow { delay: duration(parameters.seconds.unwrap_or(3.0))? }),
        "errors" => Order::Become(errors(parameters)?),
        "refuse" => Order::Refuse { lasting: parameters.seconds.map(duration).transpose()? },
        "uncached" => Order::Become(Fault::Uncached {
            work: duration(parameters.seconds.unwrap_or(2.5))?,
            kept: duration(parameters.kept_seconds.unwrap_or(0.0))?,
            bad: fraction(parameters.rate.unwrap_or(0.0))?,
        }),
        "none" => Order::Become(Fault::None),
        _ => return Err(Refusal::Unknown),
    };
    Ok(order)
}

fn duration(seconds: f64) -> Result<Duration, Refusal> {
    if (0.0..=LONGEST_SECONDS).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Refusal::Parameter("seconds and kept_seconds must be between 0 and 3600"))
    }
}

fn fraction(rate: f64) -> Result<f64, Refusal> {
    if (0.0..=1.0).contains(&rate) {
        Ok(rate)
    } else {
        Err(Refusal::Parameter("rate must be between 0 and 1"))
    }
}

fn errors(parameters: Parameters) -> Result<Fault, Refusal> {
    let rate = fraction(parameters.rate.unwrap_or(1.0))?;
    let status = StatusCode::from_u16(parameters.status.unwrap_or(500))
        .ok()
        .filter(StatusCode::is_server_error)
        .ok_or(Refusal::Parameter("status must be between 500 and 599"))?;
    Ok(Fault::Errors { rate, status })
}

/// Whether the request with this number, from 0, is one of those that fail. Spread evenly and without chance:
/// of `n` requests `n × rate` fail.
pub(super) fn fails(number: u32, rate: f64) -> bool {
    let failed_before = |number: f64| (number * rate).floor();
    let number = f64::from(number);
    failed_before(number + 1.0) > failed_before(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_errors_is_kept_exactly_and_spread_evenly() {
        for (rate, expected) in [(0.0, 0), (0.25, 25), (0.5, 50), (1.0, 100)] {
            assert_eq!((0..100).filter(|number| fails(*number, rate)).count(), expected, "{rate}");
        }
        assert_eq!(
            (0..6).map(|number| fails(number, 0.5)).collect::<Vec<_>>(),
            [false, true, false, true, false, true]
        );
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let seconds = Parameters { seconds: Some(-1.0), ..Parameters::default() };
        let rate = Parameters { rate: Some(f64::NAN), ..Parameters::default() };
        let status = Parameters { status: Some(404), ..Parameters::default() };
        for (knob, parameters) in [
            ("slow", seconds),
            ("uncached", seconds),
            ("uncached", rate),
            ("refuse", seconds),
            ("errors", rate),
            ("errors", status),
        ] {
            assert!(matches!(parse(knob, parameters), Err(Refusal::Parameter(_))), "{knob}");
        }
    }

    #[test]
    fn every_knob_that_is_named_exists() {
        for knob in KNOBS.split(", ") {
            assert!(parse(knob, Parameters::default()).is_ok(), "{knob}");
        }
        assert_eq!(parse("explode", Parameters::default()), Err(Refusal::Unknown));
    }
}
