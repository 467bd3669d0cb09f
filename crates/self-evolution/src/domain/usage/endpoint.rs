//! The endpoint of a reported path: the path without query, and with parameters in place of identities.

use std::borrow::Cow;

/// Segments that are kept; paths that are longer are told apart by these only.
const MOST_SEGMENTS: usize = 8;
/// What stands for the segments beyond.
const REST: &str = "{rest}";
/// Text without a break that is at least this long, with digits, is made by a machine.
const LONG: usize = 20;
/// Hexadecimal text of at least this length, with digits, is an identity.
const HEX: usize = 8;

/// The endpoint that a path belongs to. Parameters that the sender has put (`{id}`, `:id`, `<id>`) stay.
pub fn endpoint_of(path: &str) -> Cow<'_, str> {
    let bare = without_origin(path);
    let bare = &bare[..bare.find(['?', '#']).unwrap_or(bare.len())];
    if is_endpoint_already(bare) {
        return Cow::Borrowed(bare);
    }
    let mut endpoint = String::with_capacity(bare.len());
    if bare.starts_with('/') {
        endpoint.push('/');
    }
    for (place, segment) in bare.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        if place > 0 {
            endpoint.push('/');
        }
        if place == MOST_SEGMENTS {
            endpoint.push_str(REST);
            break;
        }
        endpoint.push_str(parameter_for(segment).unwrap_or(segment));
    }
    if endpoint.is_empty() {
        endpoint.push('/');
    }
    Cow::Owned(endpoint)
}

/// A whole address is reported where only its path is meant.
fn without_origin(path: &str) -> &str {
    // Most are a path only, for which nothing has to be looked for.
    if path.starts_with('/') {
        return path;
    }
    let Some((scheme, rest)) = path.split_once("://") else { return path };
    if !matches!(scheme, "http" | "https") {
        return path;
    }
    rest.find('/').map_or("/", |start| &rest[start..])
}

fn is_endpoint_already(path: &str) -> bool {
    !path.is_empty()
        && !path.as_bytes().windows(2).any(|two| two == b"//")
        && (path.len() == 1 || !path.ends_with('/'))
        && path.split('/').count() <= MOST_SEGMENTS
        && path.split('/').all(|segment| parameter_for(segment).is_none())
}

/// What stands for a segment that is a value; none when it is a name.
fn parameter_for(segment: &str) -> Option<&'static str> {
    let bytes = segment.as_bytes();
    let first = *bytes.first()?;
    if matches!(first, b'{' | b':' | b'<') {
        return None;
    }
    if segment.contains('@') || segment.contains("%40") {
        return Some("{email}");
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let digits_at_most_with = |others: &[u8]| bytes.iter().all(|b| b.is_ascii_digit() || others.contains(b));
    if is_date(bytes) {
        Some("{date}")
    } else if digits_at_most_with(b"-+.,") {
        Some("{id}")
    } else if is_uuid(bytes) {
        Some("{uuid}")
    } else if bytes.len() >= HEX && bytes.iter().all(u8::is_ascii_hexdigit) {
        Some("{hex}")
    } else if bytes.len() >= LONG && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.~=%+".contains(b))
    {
        Some("{id}")
    } else {
        None
    }
}

/// `2026-11-24`, with or without a time behind it.
fn is_date(bytes: &[u8]) -> bool {
    let form = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
    let (Some(day), rest) = (bytes.get(..10), bytes.get(10)) else { return false };
    day.iter().map(form).eq(b"0000-00-00".iter().copied())
        && rest.is_none_or(|b| matches!(b, b'T' | b't' | b'_'))
}

/// Groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_become_parameters_and_names_stay() {
        for (path, expected) in [
            ("/predict", "/predict"),
            ("/users/42", "/users/{id}"),
            ("/users/-42/x", "/users/{id}/x"),
            ("/v2/models/gpt4/run", "/v2/models/gpt4/run"),
            ("/o/550e8400-e29b-41d4-a716-446655440000", "/o/{uuid}"),
            ("/commit/deadbeef0", "/commit/{hex}"),
            ("/facade/added", "/facade/added"),
            ("/report/2026-11-24", "/report/{date}"),
            ("/report/2026-11-24T10:00:00Z", "/report/{date}"),
            ("/mail/ann@example.org", "/mail/{email}"),
            ("/mail/ann%40example.org", "/mail/{email}"),
            ("/s/AbC0dEfGhIjKlMnOpQrS", "/s/{id}"),
            ("/documentation-of-everything", "/documentation-of-everything"),
            ("/geo/48.85,2.35", "/geo/{id}"),
        ] {
            assert_eq!(endpoint_of(path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_of_the_sender_stay() {
        for path in ["/users/{id}", "/users/:id/posts", "/users/<int:id>", "/v1/{name=projects/1}"] {
            assert_eq!(endpoint_of(path), path);
        }
    }

    #[test]
    fn query_fragment_origin_and_needless_slashes_go() {
        for (path, expected) in [
            ("/search?q=secret#top", "/search"),
            ("https://host:8000/search?q=1", "/search"),
            ("https://host", "/"),
            ("//a///b/", "/a/b"),
            ("", "/"),
            ("?q=1", "/"),
            ("/", "/"),
            ("generate", "generate"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/{rest}"),
            ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"),
        ] {
            assert_eq!(endpoint_of(path), expected, "{path}");
        }
    }

    #[test]
    fn an_endpoint_is_its_own_endpoint() {
        for path in ["/users/42/x", "/a/b/c/d/e/f/g/h/i/j", "//a//", "/mail/ann@example.org", "generate/7"] {
            let once = endpoint_of(path).into_owned();
            assert_eq!(endpoint_of(&once), once, "{path}");
        }
    }
}
