//! Which segments of a service's paths are no names but values, learnt from how many different ones there are.
//!
//! Where more than 20 paths differ in one segment only, and none of them has most of the requests, the segment is taken
//! for a value and becomes `{*}`. At the top of a path, where an interface has its names, it takes 60.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What stands for a segment that is a value.
const ANY: &str = "{*}";
/// Names beside each other above which they are taken for values.
const MOST_NAMES: usize = 20;
/// The same for the first segment of a path.
const MOST_NAMES_AT_TOP: usize = 60;

/// What paths begin with whose next segment is a value.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Routes {
    prefixes: BTreeSet<String>,
}

impl Routes {
    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// From now on the segment after this prefix is a value.
    pub(super) fn merge(&mut self, prefix: &str) {
        self.prefixes.insert(prefix.to_owned());
    }

    /// The endpoint with `{*}` in place of each value.
    pub(super) fn apply(&self, endpoint: &Arc<str>) -> Arc<str> {
        if self.prefixes.is_empty() {
            return Arc::clone(endpoint);
        }
        let mut path = String::with_capacity(endpoint.len());
        for (depth, segment) in endpoint.split('/').enumerate() {
            let is_value = !segment.is_empty() && self.prefixes.contains(&path);
            if depth > 0 {
                path.push('/');
            }
            path.push_str(if is_value { ANY } else { segment });
        }
        path.into()
    }

    /// The prefix after which names are to be taken for values before this endpoint is added to those known with their
    /// requests; the shortest such.
    pub(super) fn to_merge<'a>(
        &self,
        endpoint: &'a str,
        known: impl Iterator<Item = (&'a str, u64)> + Clone,
    ) -> Option<String> {
        let mut depth = usize::from(endpoint.starts_with('/'));
        let most_at = |depth: usize| {
            let is_top = depth == usize::from(endpoint.starts_with('/'));
            if is_top { MOST_NAMES_AT_TOP } else { MOST_NAMES }
        };
        while let Some((prefix, name)) = split(endpoint, depth) {
            let siblings = siblings(&prefix, depth, known.clone());
            let is_new = !is_parameter(name) && !siblings.contains_key(name);
            if is_new && siblings.len() >= most_at(depth) && !has_dominant(&siblings) {
                return Some(prefix.into_owned());
            }
            depth += 1;
        }
        None
    }
}

/// What stands before the segment at this depth, and the segment; none when the path is not that deep.
fn split(path: &str, depth: usize) -> Option<(Cow<'_, str>, &str)> {
    let mut segments = path.split('/');
    let mut length = 0;
    for _ in 0..depth {
        length += segments.next()?.len() + 1;
    }
    let name = segments.next()?;
    Some((path[..length.saturating_sub(1)].into(), name))
}

/// The names that follow a prefix, with the requests of all paths that go on like that.
fn siblings<'a>(
    prefix: &str,
    depth: usize,
    known: impl Iterator<Item = (&'a str, u64)>,
) -> BTreeMap<&'a str, u64> {
    let mut siblings = BTreeMap::new();
    for (path, requests) in known {
        if let Some((before, name)) = split(path, depth)
            && before == prefix
            && !is_parameter(name)
        {
            *siblings.entry(name).or_default() += requests;
        }
    }
    siblings
}

fn has_dominant(siblings: &BTreeMap<&str, u64>) -> bool {
    let all: u64 = siblings.values().sum();
    siblings.values().any(|requests| requests * 2 > all)
}

fn is_parameter(segment: &str) -> bool {
    segment.is_empty() || segment.starts_with(['{', ':', '<'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(routes: &Routes, path: &str) -> String {
        routes.apply(&path.into()).to_string()
    }

    #[test]
    fn a_value_is_replaced_where_paths_begin_like_that_and_nowhere_else() {
        let mut routes = Routes::default();
        routes.merge("/users");
        routes.merge("/users/{*}/posts");
        for (path, expected) in [
            ("/users/ann", "/users/{*}"),
            ("/users/ann/posts/first", "/users/{*}/posts/{*}"),
            ("/users", "/users"),
            ("/users/", "/users/"),
            ("/orders/ann", "/orders/ann"),
            ("users/ann", "users/ann"),
        ] {
            assert_eq!(apply(&routes, path), expected);
        }
    }

    #[test]
    fn the_first_segment_can_be_a_value_too() {
        let mut routes = Routes::default();
        routes.merge("");
        assert_eq!(apply(&routes, "/ann/posts"), "/{*}/posts");
        assert_eq!(apply(&routes, "/"), "/");
        assert_eq!(apply(&routes, "ann/posts"), "{*}/posts");
    }

    #[test]
    fn the_twenty_first_name_makes_values_of_all_unless_one_has_most_requests() {
        let routes = Routes::default();
        let paths: Vec<String> = (0..20).map(|number| format!("/users/user-{number}x")).collect();
        let evenly = paths.iter().map(|path| (path.as_str(), 5));
        assert_eq!(routes.to_merge("/users/one-more", evenly.clone().take(19)), None);
        assert_eq!(routes.to_merge("/users/one-more", evenly.clone()).as_deref(), Some("/users"));
        assert_eq!(routes.to_merge("/users/user-3x", evenly.clone()), None, "it is known");
        assert_eq!(routes.to_merge("/users/{id}", evenly.clone()), None, "the sender has named it");
        let dominated = evenly.chain([("/users/me", 5_000)]);
        assert_eq!(routes.to_merge("/users/one-more", dominated), None);
    }

    #[test]
    fn an_interface_may_have_sixty_names_at_the_top() {
        let routes = Routes::default();
        let paths: Vec<String> = (0..60).map(|number| format!("/name-{number}x/list")).collect();
        let known = paths.iter().map(|path| (path.as_str(), 1));
        assert_eq!(routes.to_merge("/one-more", known.clone().take(59)), None);
        assert_eq!(routes.to_merge("/one-more", known).as_deref(), Some(""));
    }
}
