use kube::core::response::{StatusCause, StatusDetails};

use super::*;

fn told(code: u16, message: &str) -> (&'static str, String) {
    of(Status::failure(message, "").with_code(code))
}

fn of(status: Status) -> (&'static str, String) {
    let fault = Fault::of_status(&status);
    match Failure::new("evict pod web-1 in shop", "https://10.96.0.1", fault).of_order() {
        Performed::Accepted => ("accepted", String::new()),
        Performed::AcceptedAs { how } => ("accepted", how),
        Performed::NotRun { reason } => ("not run", reason),
        Performed::Failed { reason } => ("failed", reason),
        Performed::Unknown { reason } => ("unknown", reason),
        Performed::Superseded { reason } => ("superseded", reason),
    }
}

#[test]
fn a_missing_right_is_named_by_verb_and_resource() {
    let message = "pods \"web-1\" is forbidden: User \"system:serviceaccount:shop:health-monitor\" cannot create resource \
                   \"pods/eviction\" in API group \"\" in the namespace \"shop\"";
    let reason = "evict pod web-1 in shop: system:serviceaccount:shop:health-monitor may not create pods/eviction in the \
                  namespace shop; add that verb to its Role, or correct the namespace if there is none of that name";
    assert_eq!(told(403, message), ("not run", reason.to_owned()));
    let message = "namespaces is forbidden: User \"u\" cannot list resource \"namespaces\" in API group \"\" at the \
                   cluster scope";
    assert!(told(403, message).1.ends_with("u may not list namespaces; add that verb to its ClusterRole"));
}

#[test]
fn what_a_policy_forbids_is_no_missing_right() {
    let (kind, reason) = told(403, "exceeded quota: pods, requested: 1, used: 5, limited: 5");
    assert_eq!(kind, "not run");
    assert!(reason.contains("answered 403: exceeded quota"), "{reason}");
}

#[test]
fn a_disruption_budget_is_named_and_is_no_overload() {
    let mut status = Status::failure("Cannot evict pod as it would violate the pod's disruption budget.", "");
    let message = "The disruption budget web needs 2 healthy pods and has 1 currently";
    let cause =
        StatusCause { reason: "DisruptionBudget".into(), message: message.into(), field: String::new() };
    status = status.with_code(429).with_details(StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: vec![cause],
        retry_after_seconds: 0,
    });
    let fault = Fault::of_status(&status);
    assert_eq!(fault, Fault::Budget { name: Some("web".into()), message: message.into() });
    let (kind, reason) = of(status);
    assert_eq!(kind, "not run");
    assert!(reason.contains("the disruption budget web does not allow it now"), "{reason}");
    let (kind, reason) =
        told(429, "the server has received too many requests and has asked us to try again later");
    assert_eq!(kind, "not run");
    assert!(reason.contains("has too much to do (429)"), "{reason}");
}

#[test]
fn a_conflict_names_who_owns_the_field() {
    let message =
        "Apply failed with 1 conflict: conflict with \"argocd-controller\" using apps/v1: .spec.replicas";
    let (kind, reason) = told(409, message);
    assert_eq!(kind, "not run");
    assert!(reason.contains("argocd-controller owns what would be written"), "{reason}");
    let message = "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified";
    assert!(told(409, message).1.contains("somebody else changed it at the same moment"));
}

#[test]
fn what_the_server_could_not_do_has_failed_and_what_it_gave_up_waiting_for_is_not_known() {
    assert_eq!(told(500, "boom").0, "failed");
    assert_eq!(told(504, "Timeout: request did not complete within requested timeout").0, "unknown");
}

#[test]
fn a_refusal_is_quoted_on_one_line() {
    let (kind, reason) = told(422, "Deployment \"web\" is invalid:\nspec: no");
    assert_eq!(kind, "not run");
    assert!(reason.ends_with("answered 422: Deployment \"web\" is invalid: spec: no"), "{reason}");
    assert_eq!(told(404, "deployments.apps \"web\" not found").0, "not run");
    assert_eq!(told(410, "too old resource version: 1 (2)").0, "not run");
    assert!(told(401, "Unauthorized").1.contains("renew the token"));
}

#[test]
fn without_a_whole_answer_nobody_knows() {
    let fault = Fault::timed_out(Duration::from_secs(4));
    let performed = Failure::new("evict pod web-1", "https://10.96.0.1", fault).of_order();
    let Performed::Unknown { reason } = performed else { panic!("{performed:?}") };
    assert!(reason.contains("no answer within 4 s"), "{reason}");
}
