//! One event as a reporter sends it, read leniently: a member of the wrong type does not cost the others.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A member that is a text or a number, or neither.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Member<'a> {
    /// It is not there, or null.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// What is there instead.
    Wrong(&'static str),
}

/// One event, unchecked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RawEvent<'a> {
    /// Which service answered.
    pub service: Member<'a>,
    /// What it was asked for.
    pub endpoint: Member<'a>,
    /// How long the answer took, in seconds.
    pub response_time: Member<'a>,
    /// The HTTP status of the answer.
    pub status_code: Member<'a>,
    /// When, as RFC 3339; the moment of arrival where it is left out.
    pub timestamp: Member<'a>,
    /// The HTTP method.
    pub method: Member<'a>,
    /// What the reporter calls the event.
    pub event_id: Member<'a>,
    /// The trace that the request belongs to.
    pub trace_id: Member<'a>,
    /// The variant of a setting that the service had.
    pub variant: Member<'a>,
    /// What is there instead of an object.
    pub not_an_object: Option<&'static str>,
}

impl<'a> RawEvent<'a> {
    fn member(&mut self, name: &str) -> Option<&mut Member<'a>> {
        Some(match name {
            "service" => &mut self.service,
            "endpoint" => &mut self.endpoint,
            "response_time" => &mut self.response_time,
            "status_code" => &mut self.status_code,
            "timestamp" => &mut self.timestamp,
            "method" => &mut self.method,
            "event_id" => &mut self.event_id,
            "trace_id" => &mut self.trace_id,
            "variant" => &mut self.variant,
            _ => return None,
        })
    }

    fn wrong(kind: &'static str) -> Self {
        Self { not_an_object: Some(kind), ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Member::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Member::Number(number as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Member::Wrong("a boolean"))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Wrong("an object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Wrong("an array"))
    }
}

impl<'de> Deserialize<'de> for RawEvent<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = RawEvent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut event = RawEvent::default();
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            match event.member(&name) {
                Some(member) => *member = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(event)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(RawEvent::wrong("an array"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(RawEvent::wrong("a text"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(RawEvent::wrong("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(RawEvent::wrong("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(RawEvent::wrong("a number"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(RawEvent::wrong("a boolean"))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(RawEvent::wrong("null"))
    }
}

/// The name of a member, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> RawEvent<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_member_of_the_wrong_type_does_not_cost_the_others() {
        let event = read(
            r#"{"service":7,"endpoint":"/x","response_time":true,"status_code":[1,[2]],"more":{"a":1},"method":null}"#,
        );
        let expected = RawEvent {
            service: Member::Number(7.0),
            endpoint: Member::Text("/x".into()),
            response_time: Member::Wrong("a boolean"),
            status_code: Member::Wrong("an array"),
            ..RawEvent::default()
        };
        assert_eq!(event, expected);
    }

    #[test]
    fn what_is_no_object_says_what_it_is() {
        for (json, kind) in [("[1,2]", "an array"), ("\"x\"", "a text"), ("7", "a number"), ("null", "null")]
        {
            assert_eq!(read(json).not_an_object, Some(kind));
        }
    }
}
