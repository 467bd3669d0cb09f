//! Which findings are about the same, and become one recommendation.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::clock::Timestamp;

use crate::domain::detect::Finding;
use crate::domain::window::shape::{Shape, Slot};

/// What begins within so many buckets has one cause.
const TOGETHER: Slot = 10;

/// Findings that belong together, what the recommendation is named after first.
///
/// A rule of the contract gives a recommendation of its own for each service, with whatever else is of the same kind as
/// further evidence. What only detectors that compare have found is one for each service and detector, or for several
/// detectors where it began at the same time.
pub(super) fn groups(findings: Vec<Finding>, shape: Shape) -> Vec<Vec<Finding>> {
    let mut groups: BTreeMap<(Arc<str>, bool, &'static str), Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        let key = (Arc::clone(&finding.service), compares(&finding), finding.issue.name);
        groups.entry(key).or_default().push(finding);
    }
    let mut all: Vec<Vec<Finding>> = Vec::with_capacity(groups.len());
    for mut group in groups.into_values() {
        group.sort_by(|a, b| b.issue.severity.total_cmp(&a.issue.severity));
        // They are in the order of services, and rules of the contract come first.
        let of_service = all.iter_mut().rev().take_while(|other| service(other) == service(&group));
        match of_service.filter(|other| belongs(&group, other, shape)).last() {
            Some(other) => join(other, group),
            None => all.push(group),
        }
    }
    all
}

/// Puts one group behind another, or in front where it matters more and both compare.
fn join(other: &mut Vec<Finding>, group: Vec<Finding>) {
    let priority = |group: &[Finding]| group.iter().map(|finding| finding.issue.priority).max();
    let is_of_the_contract = other.first().is_some_and(|first| !compares(first));
    let place = if !is_of_the_contract && priority(&group) > priority(other) { 0 } else { other.len() };
    other.splice(place..place, group);
}

fn service(group: &[Finding]) -> Option<&Arc<str>> {
    group.first().map(|finding| &finding.service)
}

/// Whether a finding is of a detector that compares a span with another.
fn compares(finding: &Finding) -> bool {
    finding.issue.signs.slots.is_some()
}

fn belongs(group: &[Finding], other: &[Finding], shape: Shape) -> bool {
    let (Some(one), Some(another)) = (group.first(), other.first()) else { return false };
    if !compares(one) {
        return false;
    }
    if !compares(another) {
        return one.issue.kind == another.issue.kind;
    }
    let (Some(began), Some(other_began)) = (onset(group), onset(other)) else { return false };
    let apart = began.since(other_began).max(other_began.since(began));
    apart <= shape.length(TOGETHER)
}

fn onset(group: &[Finding]) -> Option<Timestamp> {
    group.iter().filter_map(|finding| finding.evidence.onset).min()
}
