//! Which format a log has: as the operator says, or as its first lines show.

use serde_json::Value;

use super::combined::{Combined, TimeForm, form, is_combined};
use super::entry::{Entry, Skip, Unit};
use super::json::{Fields, Json};
use super::layout::{Member, Writer};

/// So many lines are looked at.
const LOOKED_AT: usize = 100;
/// No server answers in fewer microseconds. Whole numbers that all are below it count seconds, most likely.
const LEAST_MICROSECONDS: f64 = 100.0;

/// What the operator says about the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    /// The format; it is found out where there is none.
    pub(super) named: Option<Named>,
    /// What response times count.
    pub(super) unit: Option<Unit>,
    /// Where members are.
    pub(super) fields: Fields,
}

/// A format by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// nginx's combined format and a response time.
    Nginx,
    /// Apache's combined format and a response time.
    Apache,
    /// JSON lines.
    Json,
}

impl Named {
    /// The format of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "nginx" => Some(Self::Nginx),
            "apache" => Some(Self::Apache),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A format that lines can be read by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// The combined format.
    Combined(Combined),
    /// JSON lines.
    Json(Json),
}

impl Format {
    /// The format of a log that has these lines; none when they show too little. The error says what the operator has to
    /// decide.
    pub(super) fn of<'a>(
        wanted: &Wanted,
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, String> {
        let lines: Vec<_> = lines.take(LOOKED_AT).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        let json = || lines.iter().find_map(|line| object(line)).map(|object| Self::json(wanted, &object));
        match wanted.named {
            Some(Named::Json) => Ok(json()),
            Some(Named::Nginx) => Self::combined(wanted, TimeForm::Decimal).map(Some),
            Some(Named::Apache) => Self::apache(wanted, &lines),
            None if lines.iter().any(|line| object(line).is_some()) => Ok(json()),
            None => {
                let place = place(&wanted.fields, Member::ResponseTime)?;
                match lines.iter().find_map(|line| form(line, place)) {
                    Some((TimeForm::Whole, _)) => Self::apache(wanted, &lines),
                    Some((time @ (TimeForm::Decimal | TimeForm::Of(_)), _)) => {
                        Self::combined(wanted, time).map(Some)
                    }
                    None => Ok(None),
                }
            }
        }
    }

    fn json(wanted: &Wanted, object: &Value) -> Self {
        let writer = Writer::of(object);
        Self::Json(Json { writer, fields: wanted.fields.clone(), unit: wanted.unit })
    }

    fn combined(wanted: &Wanted, time: TimeForm) -> Result<Self, String> {
        let strange =
            |(member, _): &&(Member, String)| !matches!(member, Member::Service | Member::ResponseTime);
        if let Some((member, _)) = wanted.fields.iter().find(strange) {
            return Err(format!(
                "--field {}=…: in this format only service and response_time can be elsewhere",
                member.as_str()
            ));
        }
        Ok(Self::Combined(Combined {
            time: wanted.unit.map_or(time, TimeForm::Of),
            time_place: place(&wanted.fields, Member::ResponseTime)?,
            service_place: place(&wanted.fields, Member::Service)?,
        }))
    }

    fn apache(wanted: &Wanted, lines: &[&str]) -> Result<Option<Self>, String> {
        let place = place(&wanted.fields, Member::ResponseTime)?;
        let whole =
            lines.iter().filter_map(|line| form(line, place)).filter(|(form, _)| *form == TimeForm::Whole);
        let most = whole.map(|(_, seconds)| seconds).reduce(f64::max);
        if wanted.unit.is_none() && most.is_some_and(|most| most * 1e6 < LEAST_MICROSECONDS) {
            return Err("the response times are whole numbers below 100: say --unit seconds if they are Apache's %T, \
                        --unit milliseconds for %{ms}T, --unit microseconds for %D"
                .into());
        }
        let is_it = most.is_some() || wanted.named.is_some();
        is_it.then(|| Self::combined(wanted, TimeForm::Whole)).transpose()
    }

    /// What a line says, handed to `then`.
    pub(super) fn read<T>(
        &self,
        line: &[u8],
        then: impl FnOnce(Entry<'_>) -> Result<T, Skip>,
    ) -> Result<T, Skip> {
        let line = String::from_utf8_lossy(line);
        match self {
            Self::Combined(combined) => then(combined.read(&line)?),
            Self::Json(json) => then(json.read(&object(&line).ok_or(Skip::Unreadable)?)?),
        }
    }

    /// What is known of it, for a person.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Combined(Combined { time, .. }) => match time {
                TimeForm::Decimal => "the combined format, with response times in seconds (nginx)".into(),
                TimeForm::Whole => {
                    "the combined format, with response times in microseconds (Apache's %D); --unit says otherwise".into()
                }
                TimeForm::Of(unit) => {
                    format!("the combined format, with response times in {}", unit.as_str())
                }
            },
            Self::Json(Json { writer, .. }) => writer.as_str().into(),
        }
    }
}

/// Why nothing is learnt from a line of which not even the format is known.
pub(super) fn unknown(line: &[u8]) -> Skip {
    if is_combined(&String::from_utf8_lossy(line)) { Skip::NoTime } else { Skip::Unreadable }
}

fn object(line: &str) -> Option<Value> {
    let line = line.trim_start();
    line.starts_with('{').then(|| serde_json::from_str(line).ok())?
}

/// The place of a value behind the agent, from 1.
fn place(fields: &Fields, member: Member) -> Result<Option<usize>, String> {
    let Some((_, path)) = fields.iter().find(|(known, _)| *known == member) else { return Ok(None) };
    match path.parse() {
        Ok(place) if place > 0 => Ok(Some(place)),
        Ok(_) | Err(_) => Err(format!(
            "--field {}={path}: in this format it is the number of a value behind the user agent, from 1",
            member.as_str()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str =
        r#"203.0.113.9 - - [24/Nov/2026:13:00:00 +0100] "GET /x HTTP/1.1" 200 512 "-" "curl/8""#;

    fn found(wanted: &Wanted, lines: &[&str]) -> Result<Option<Format>, String> {
        Format::of(wanted, lines.iter().map(|line| line.as_bytes()))
    }

    fn described(wanted: &Wanted, lines: &[&str]) -> String {
        match found(wanted, lines) {
            Ok(Some(format)) => format.describe(),
            Ok(None) => "nothing".into(),
            Err(reason) => reason,
        }
    }

    #[test]
    fn the_first_lines_show_the_format() {
        let line = |appended: &str| format!("{FRONT} {appended}");
        for (appended, begins) in [
            ("0.012", "the combined format, with response times in seconds (nginx)"),
            ("1234", "the combined format, with response times in microseconds"),
            ("3", "the response times are whole numbers below 100"),
            ("", "nothing"),
        ] {
            let lines = ["garbage", &line(appended)];
            let described = described(&Wanted::default(), &lines);
            assert!(described.starts_with(begins), "{appended}: {described}");
        }
        let lines = ["", r#"{"RequestPath":"/x","Duration":1}"#];
        assert_eq!(described(&Wanted::default(), &lines), "Traefik's JSON");
        assert_eq!(described(&Wanted::default(), &[r#"{"broken"#, "[1]"]), "nothing");
    }

    #[test]
    fn what_is_said_is_not_found_out() {
        let three = format!("{FRONT} 3");
        let seconds = Wanted { unit: Some(Unit::Seconds), ..Wanted::default() };
        assert_eq!(described(&seconds, &[&three]), "the combined format, with response times in seconds");
        let nginx = Wanted { named: Some(Named::Nginx), ..Wanted::default() };
        assert!(matches!(found(&nginx, &[]), Ok(Some(Format::Combined(_)))));
        let json = Wanted { named: Some(Named::Json), ..Wanted::default() };
        assert_eq!(found(&json, &[&three]), Ok(None));
    }

    #[test]
    fn a_field_that_cannot_be_there_is_refused() {
        for (member, path, part) in [
            (Member::ResponseTime, "request_time", "is the number of a value"),
            (Member::Service, "0", "is the number of a value"),
            (Member::Endpoint, "2", "only service and response_time"),
        ] {
            let wanted =
                Wanted { named: Some(Named::Nginx), fields: vec![(member, path.into())], unit: None };
            let reason = found(&wanted, &[]).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        }
    }
}
