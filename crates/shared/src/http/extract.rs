//! Bodies and queries as types, with problems that say what is wrong where.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::problem::Problem;

/// A JSON body, in or out.
///
/// Refused are: another content type (415), a body over the limit (413), text that is not JSON (400, with line
/// and column), JSON of another shape (422, with the member).
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type(
                "The body must be JSON: send Content-Type: application/json.",
            ));
        }
        let body = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The query of the address, as a type. One of another shape is refused with 400 and the parameter's name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

fn unread(error: &BytesRejection) -> Problem {
    match error.status() {
        axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::payload_too_large("The body is larger than this server takes.")
        }
        _ => Problem::bad_request("The body broke off before its end."),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let member = error.path().to_string();
        refused(error.inner(), Some(member).filter(|member| member != "."))
    })?;
    reader.end().map_err(|error| refused(&error, None))?;
    Ok(value)
}

fn refused(error: &serde_json::Error, member: Option<String>) -> Problem {
    match error.classify() {
        Category::Data => {
            let place = member.as_ref().map(|member| format!(" at {member}")).unwrap_or_default();
            let problem = Problem::unprocessable(format!("The body does not fit{place}: {error}."));
            match member {
                Some(member) => problem.with_member("member", member),
                None => problem,
            }
        }
        Category::Io | Category::Syntax | Category::Eof => {
            Problem::bad_request(format!("The body is not JSON: {error}."))
                .with_member("line", error.line())
                .with_member("column", error.column())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    struct Usage {
        #[expect(dead_code, reason = "only its shape matters")]
        response_time: f64,
    }

    fn refusal(body: &str) -> serde_json::Value {
        serde_json::to_value(parse::<Usage>(body.as_bytes()).unwrap_err().body()).unwrap()
    }

    #[test]
    fn text_that_is_not_json_is_a_400_with_line_and_column() {
        let body = refusal("{\n\"response_time\": }");
        assert_eq!((&body["status"], &body["line"]), (&400.into(), &2.into()));
        assert!(body["error"].as_str().unwrap().contains("line 2 column"), "{body}");
        assert_eq!(refusal("")["status"], 400);
        assert_eq!(refusal("{\"response_time\": 1} x")["status"], 400);
    }

    #[test]
    fn json_of_another_shape_is_a_422_that_names_the_member() {
        let body = refusal("{\"response_time\": \"fast\"}");
        assert_eq!((&body["status"], &body["member"]), (&422.into(), &"response_time".into()));
        let missing = refusal("{}");
        assert!(missing["error"].as_str().unwrap().contains("response_time"), "{missing}");
    }

    #[test]
    fn only_json_content_types_are_json() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            assert_eq!(is_json(&headers), expected, "{content_type}");
        }
    }
}
