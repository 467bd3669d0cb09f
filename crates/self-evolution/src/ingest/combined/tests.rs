use super::*;

/// What is appended stands in for `{}`.
const LINE: &str = r#"203.0.113.9 - ann [24/Nov/2026:13:00:00 +0100] "GET /users/42?x=1 HTTP/1.1" 200 512 "https://example.org/" "Mozilla/5.0 (X11; \"odd\")" {}"#;

fn reader(time: TimeForm) -> Combined {
    Combined { time, time_place: None, service_place: None }
}

fn read(line: &str) -> Result<Entry<'_>, Skip> {
    let time = form(line, None).map_or(TimeForm::Decimal, |(form, _)| form);
    reader(time).read(line)
}

#[test]
fn a_line_tells_method_target_status_time_and_when() {
    let line = LINE.replace("{}", "0.012");
    let entry = read(&line).unwrap();
    assert_eq!(entry.method.as_deref(), Some("GET"));
    assert_eq!(entry.target, "/users/42?x=1");
    assert_eq!((entry.status, entry.seconds), (200, 0.012));
    assert_eq!(entry.at.unwrap().to_string(), "2026-11-24T12:00:00.000000Z");
    assert_eq!(entry.service, None);
}

#[test]
fn the_time_is_found_in_what_people_append() {
    for (appended, seconds) in [
        ("0.012", Some(0.012)),
        ("\"0.012\"", Some(0.012)),
        // nginx, with the upstream's time, and pipelining.
        ("0.640 0.639 .", Some(0.640)),
        ("0.002 - .", Some(0.002)),
        ("\"203.0.113.7, 10.0.0.1\" 0.012", Some(0.012)),
        ("\"-\" \"0.012\"", Some(0.012)),
        ("\"-\" rt=0.032 ua=\"10.0.0.1:8080\" us=\"200\" ut=\"0.031\"", Some(0.032)),
        ("request_time=1.5 upstream_response_time=1.4", Some(1.5)),
        // The ingress controller of Kubernetes puts the length of the request in front.
        (
            "512 0.005 [default-web-80] [] 10.2.0.4:8080 1024 0.004 200 f1d2d2f924e986ac86fdf7b36c94bcdf",
            Some(0.005),
        ),
        // Apache.
        ("1234", Some(0.001_234)),
        ("**0/123456**", Some(0.123_456)),
        ("\"www.example.org\" D=2500", Some(0.002_5)),
        // Traefik, in its common form.
        ("17 \"web@docker\" \"http://172.18.0.3:80\" 12ms", Some(0.012)),
        ("", None),
        ("-", None),
        ("\"203.0.113.7\"", None),
        ("1.2.3.4", None),
        ("1e3", None),
        ("NaN", None),
        ("-0.5", None),
    ] {
        let line = LINE.replace("{}", appended);
        assert_eq!(read(&line).map(|entry| entry.seconds).ok(), seconds, "{appended}");
    }
}

#[test]
fn a_unit_that_is_given_holds_for_every_form() {
    for (appended, unit, seconds) in
        [("3", Unit::Seconds, 3.0), ("120", Unit::Milliseconds, 0.12), ("1.5", Unit::Milliseconds, 0.0015)]
    {
        let line = LINE.replace("{}", appended);
        assert_eq!(reader(TimeForm::Of(unit)).read(&line).unwrap().seconds, seconds, "{appended}");
    }
}

#[test]
fn a_place_among_the_appended_values_can_be_given() {
    let line = LINE.replace("{}", "0.900 0.005 [default-web-80] []");
    let combined = Combined { time: TimeForm::Decimal, time_place: Some(2), service_place: Some(3) };
    let entry = combined.read(&line).unwrap();
    assert_eq!((entry.seconds, entry.service.as_deref()), (0.005, Some("default-web-80")));
    let combined = Combined { service_place: Some(4), ..combined };
    assert_eq!(combined.read(&line).unwrap().service, None, "an empty value names nothing");
}

#[test]
fn clients_users_and_hosts_of_every_kind_are_passed_over() {
    for (front, service) in [
        ("2001:db8::1 - -", None),
        ("::ffff:203.0.113.9 - -", None),
        ("unix: - -", None),
        ("host.example.org - [odd]", None),
        ("203.0.113.9 - a b", None),
        ("shop.example.org:443 203.0.113.9 - -", Some("shop.example.org")),
    ] {
        let line = LINE.replace("{}", "0.1").replace("203.0.113.9 - ann", front);
        assert_eq!(read(&line).unwrap().service.as_deref(), service, "{front}");
    }
}

#[test]
fn targets_of_every_kind_are_read_and_garbage_is_not() {
    for (request, target) in [
        ("GET / HTTP/1.0", Some("/")),
        ("GET /", Some("/")),
        ("OPTIONS * HTTP/1.1", Some("*")),
        ("GET http://example.org/x?y HTTP/1.1", Some("http://example.org/x?y")),
        ("CONNECT example.org:443 HTTP/1.1", Some("example.org:443")),
        ("GET /a b HTTP/1.1", Some("/a b")),
        ("GET /say/\\\"hi\\\" HTTP/1.1", Some("/say/\"hi\"")),
        ("GET /say/\\x22hi\\x22 HTTP/1.1", Some("/say/\"hi\"")),
        ("GET /caf\\xC3\\xA9 HTTP/2.0", Some("/café")),
        ("GET /odd\\xZZ HTTP/2.0", Some("/odd\\xZZ")),
        ("\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xFC\\x03\\x03", None),
        ("\\x16\\x03\\x01 \\x02\\x00 HTTP/1.1", None),
        ("-", None),
        ("", None),
        ("GET", None),
        ("SSH-2.0-Go", None),
        ("t3 12.1.2", None),
    ] {
        let line = LINE.replace("{}", "0.1").replace("GET /users/42?x=1 HTTP/1.1", request);
        let read = read(&line);
        assert_eq!(read.as_ref().ok().map(|entry| &*entry.target), target, "{request}");
        if target.is_none() {
            assert_eq!(read.unwrap_err(), Skip::NoRequest, "{request}");
        }
    }
}

#[test]
fn what_has_no_status_or_form_says_so() {
    for (line, skip) in [
        (LINE.replace(" 200 512", " - -").replace("{}", "0.1"), Skip::NoStatus),
        (LINE.replace(" 200 512", " 000 0").replace("{}", "0.1"), Skip::NoStatus),
        (LINE.replace(" 200 512", " ok 512").replace("{}", "0.1"), Skip::Unreadable),
        (LINE.replace("[24/Nov", "[24-Nov").replace("{}", "0.1"), Skip::Unreadable),
        ("2026/11/24 13:00:00 [error] 7#7: *1 open() failed".into(), Skip::Unreadable),
        (r#"- - - [24/Nov/2026:13:00:00 +0100] "GET /x"#.into(), Skip::Unreadable),
        (String::new(), Skip::Unreadable),
    ] {
        assert_eq!(read(&line).unwrap_err(), skip, "{line}");
    }
}

#[test]
fn the_common_format_with_a_time_is_read_too() {
    let line = r#"203.0.113.9 - - [24/Nov/2026:13:00:00 +0100] "GET /x HTTP/1.1" 304 - 1234"#;
    assert_eq!(read(line).unwrap().seconds, 0.001_234);
}
