//! JSON lines, each an object whose members are somewhere.

use std::borrow::Cow;

use serde_json::Value;

use super::combined::request;
use super::entry::{Entry, Skip, Unit, status};
use super::layout::{Member, Writer, at};
use super::times::{since_1970, time};

/// How objects are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Json {
    /// Whose objects they are.
    pub(super) writer: Writer,
    /// Where the operator says that members are.
    pub(super) fields: Fields,
    /// What the response time counts; else it follows from its name.
    pub(super) unit: Option<Unit>,
}

/// Members, and where they are in a line.
pub(super) type Fields = Vec<(Member, String)>;

impl Json {
    /// What an object says.
    pub(super) fn read(&self, object: &Value) -> Result<Entry<'static>, Skip> {
        let text = |member| self.found(object, member).and_then(|(_, value)| text(value));
        let asked = text(Member::Endpoint).filter(|text| !text.chars().any(char::is_control));
        let asked = asked.ok_or(Skip::NoRequest)?;
        let (method, target) = match request(&asked).filter(|_| asked.contains(" HTTP/")) {
            Some((method, target)) => (Some(method.into_owned()), target.into_owned()),
            None => (None, asked),
        };
        let (_, logged) = self.found(object, Member::StatusCode).ok_or(Skip::NoStatus)?;
        let status = status(&self::text(logged).unwrap_or_default())?;
        let (path, spent) = self.found(object, Member::ResponseTime).ok_or(Skip::NoTime)?;
        let unit = self.unit.unwrap_or_else(|| self.writer.unit(path));
        let seconds = seconds(spent, unit).ok_or(Skip::NoTime)?;
        let at =
            self.found(object, Member::Timestamp).map(|(_, value)| moment(value).ok_or(Skip::Unreadable));
        Ok(Entry {
            service: text(Member::Service).map(Cow::Owned),
            method: text(Member::Method).or(method).map(Cow::Owned),
            target: Cow::Owned(target),
            seconds,
            status,
            at: at.transpose()?,
            trace_id: text(Member::TraceId).map(Cow::Owned),
        })
    }

    /// A member, with the path that it was found at. What is null, empty or a dash is not there.
    fn found<'a>(&'a self, object: &'a Value, member: Member) -> Option<(&'a str, &'a Value)> {
        let look = |path: &'a str| Some((path, at(object, path).filter(|value| is_there(value))?));
        match self.fields.iter().find(|(known, _)| *known == member) {
            Some((_, path)) => look(path),
            None => self.writer.paths(member).iter().find_map(|path| look(path)),
        }
    }
}

fn is_there(value: &Value) -> bool {
    !value.is_null() && !value.as_str().is_some_and(|text| matches!(text, "" | "-"))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number, a number in quotation marks, or one with its unit behind it.
fn seconds(value: &Value, unit: Unit) -> Option<f64> {
    if let Some(number) = value.as_f64() {
        return Some(unit.seconds(number));
    }
    let text = value.as_str()?.trim();
    let suffixes = [
        ("ms", Unit::Milliseconds),
        ("us", Unit::Microseconds),
        ("µs", Unit::Microseconds),
        ("ns", Unit::Nanoseconds),
        ("s", Unit::Seconds),
    ];
    let (number, unit) = suffixes
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, unit));
    number.parse().ok().filter(|number: &f64| number.is_finite()).map(|number| unit.seconds(number))
}

fn moment(value: &Value) -> Option<shared::clock::Timestamp> {
    match value.as_f64() {
        Some(number) => since_1970(number),
        None => time(value.as_str()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, fields: &[(Member, &str)]) -> Result<Entry<'static>, Skip> {
        let object: Value = serde_json::from_str(line).unwrap();
        let fields = fields.iter().map(|(member, path)| (*member, (*path).to_owned())).collect();
        Json { writer: Writer::of(&object), fields, unit: None }.read(&object)
    }

    /// Service, method, target, seconds, status and time.
    fn told(line: &str) -> String {
        let entry = read(line, &[]).unwrap();
        let or_none = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or("none").to_owned();
        let (service, method) = (or_none(&entry.service), or_none(&entry.method));
        let at = entry.at.map_or("none".into(), |at| at.to_string());
        format!("{service} {method} {} {} {} {at}", entry.target, entry.seconds, entry.status)
    }

    #[test]
    fn what_servers_write_is_read_without_being_told_how() {
        for (line, expected) in [
            (
                // nginx, with escape=json: everything is a text.
                r#"{"time_iso8601":"2026-11-24T13:00:00+01:00","remote_addr":"2001:db8::1","request_method":"GET","uri":"/users/42","status":"200","request_time":"0.012","upstream_response_time":"-"}"#,
                "none GET /users/42 0.012 200 2026-11-24T12:00:00.000000Z",
            ),
            (
                r#"{"msec":"1795521600.000","request":"POST /login?token=x HTTP/2.0","status":401,"request_time":0.5,"service":"web"}"#,
                "web POST /login?token=x 0.5 401 2026-11-24T12:00:00.000000Z",
            ),
            (
                r#"{"ClientAddr":"10.0.0.1:5000","DownstreamStatus":502,"Duration":12500000,"OriginStatus":0,"RequestMethod":"GET","RequestPath":"/api","ServiceName":"web@docker","StartUTC":"2026-11-24T12:00:00.5Z","level":"info","msg":"","time":"2026-11-24T12:00:00Z"}"#,
                "web@docker GET /api 0.0125 502 2026-11-24T12:00:00.500000Z",
            ),
            (
                r#"{"start_time":"2026-11-24T12:00:00.000Z","method":"GET","path":"/v1/items","protocol":"HTTP/1.1","response_code":200,"response_flags":"-","duration":37,"authority":"shop","upstream_cluster":"outbound|80||shop"}"#,
                "none GET /v1/items 0.037 200 2026-11-24T12:00:00.000000Z",
            ),
            (
                r#"{"level":"info","ts":1795521600.25,"logger":"http.log.access","request":{"method":"GET","host":"shop","uri":"/cart?x"},"duration":0.001,"status":200}"#,
                "none GET /cart?x 0.001 200 2026-11-24T12:00:00.250000Z",
            ),
            (
                r#"{"@timestamp":"2026-11-24T12:00:00Z","service.name":"web","url":{"path":"/x"},"http.response.status_code":204,"event":{"duration":2000000}}"#,
                "web none /x 0.002 204 2026-11-24T12:00:00.000000Z",
            ),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn the_operator_says_where_members_are() {
        let line = r#"{"svc":"web","http":{"route":"/a","took":"15ms"},"code":"201","status":"ok","when":1795521600}"#;
        let fields = [
            (Member::Service, "svc"),
            (Member::Endpoint, "http.route"),
            (Member::ResponseTime, "http.took"),
            (Member::StatusCode, "code"),
            (Member::Timestamp, "when"),
        ];
        let entry = read(line, &fields).unwrap();
        assert_eq!((entry.service.as_deref(), &*entry.target), (Some("web"), "/a"));
        assert_eq!((entry.seconds, entry.status), (0.015, 201));
        assert!(entry.at.is_some());
        let object = serde_json::from_str(line).unwrap();
        let fields: Fields = fields.map(|(member, path)| (member, path.to_owned())).into();
        let unit = Some(Unit::Microseconds);
        let entry = Json { writer: Writer::Anybody, fields, unit }.read(&object).unwrap();
        assert_eq!(entry.seconds, 0.015, "a unit in the value wins");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, skip) in [
            (r#"{"uri":"","status":400,"request_time":0}"#, Skip::NoRequest),
            (r#"{"request":"\u0016\u0003\u0001","status":400,"request_time":0}"#, Skip::NoRequest),
            (r#"{"path":null,"response_code":400,"duration":0}"#, Skip::NoRequest),
            (r#"{"path":"/x","response_code":0,"duration":5}"#, Skip::NoStatus),
            (r#"{"uri":"/x","request_time":0.1}"#, Skip::NoStatus),
            (r#"{"uri":"/x","status":200}"#, Skip::NoTime),
            (r#"{"uri":"/x","status":200,"request_time":"0.1, 0.2"}"#, Skip::NoTime),
            (r#"{"uri":"/x","status":200,"request_time":"NaN"}"#, Skip::NoTime),
            (r#"{"uri":"/x","status":"fine","request_time":1}"#, Skip::Unreadable),
            (r#"{"uri":"/x","status":200,"request_time":1,"time":"today"}"#, Skip::Unreadable),
        ] {
            assert_eq!(read(line, &[]).unwrap_err(), skip, "{line}");
        }
    }
}
