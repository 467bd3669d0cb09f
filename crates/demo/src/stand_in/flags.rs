//! Reading from self-evolution what the service is told, as any OpenFeature provider would: by OFREP, the OpenFeature
//! Remote Evaluation Protocol (<https://openfeature.dev/specification/appendix-c>).

use std::time::Duration;

use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::order::ServiceName;

use crate::instance::Instance;

/// How often it asks.
const PAUSE: Duration = Duration::from_secs(1);

/// The flag that switches the cache.
const RESPONSE_CACHE: &str = "response-cache";

/// What a request is reported with where no variant is told.
pub(super) const DEFAULT: &str = "default";

/// What the service is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// Whether answers are to be kept; not, where nobody says so.
    pub(super) response_cache: bool,
    /// Which variant of that it is.
    pub(super) variant: String,
}

/// All flags of the service.
#[derive(Deserialize, Debug)]
pub(super) struct Flags {
    flags: Vec<Flag>,
}

#[derive(Deserialize, Debug)]
struct Flag {
    key: String,
    /// Not there for a flag that could not be evaluated.
    value: Option<Value>,
    variant: Option<String>,
}

impl Flags {
    fn told(&self) -> Told {
        let flag = self.flags.iter().find(|flag| flag.key == RESPONSE_CACHE);
        Told {
            response_cache: flag.and_then(|flag| flag.value.as_ref()?.as_bool()).unwrap_or(false),
            variant: flag.and_then(|flag| flag.variant.clone()).unwrap_or_else(|| DEFAULT.to_owned()),
        }
    }
}

/// Asks for ever, and hands on what it is told. While nobody answers, what was told last holds.
pub(super) async fn follow(url: Url, client: Client, service: ServiceName, mut told: impl FnMut(&Told)) {
    let instance = Instance::of(std::process::id()).map(|own| own.to_string());
    let request = json!({ "context": { "service": service, "targetingKey": instance } });
    let mut tag = None;
    loop {
        if let Some((flags, new_tag)) = ask(&url, &client, &request, tag.as_ref()).await {
            told(&flags.told());
            tag = new_tag;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The flags and their tag; none while nothing has changed, or nobody answers.
async fn ask(
    url: &Url,
    client: &Client,
    request: &Value,
    tag: Option<&HeaderValue>,
) -> Option<(Flags, Option<HeaderValue>)> {
    let mut asked = client.post(url.clone()).json(request);
    if let Some(tag) = tag {
        asked = asked.header(IF_NONE_MATCH, tag);
    }
    let answer = asked.send().await.ok().filter(|answer| answer.status() == StatusCode::OK)?;
    let tag = answer.headers().get(ETAG).cloned();
    Some((answer.json().await.ok()?, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_on_only_where_the_flag_says_true() {
        for (flags, expected) in [
            (json!([]), false),
            (json!([{ "key": "retry", "value": true }]), false),
            (json!([{ "key": RESPONSE_CACHE, "value": "true" }]), false),
            (json!([{ "key": RESPONSE_CACHE, "errorCode": "GENERAL" }]), false),
            (json!([{ "key": "retry", "value": false }, { "key": RESPONSE_CACHE, "value": true }]), true),
        ] {
            let told: Flags = serde_json::from_value(json!({ "flags": flags })).unwrap();
            assert_eq!(told.told().response_cache, expected, "{told:?}");
        }
    }
}
