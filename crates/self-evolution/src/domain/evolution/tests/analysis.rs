//! What an analysis recommends: the rules of the contract.

use super::*;
use crate::domain::recommendation::{Confidence, Kind, Priority, Status};

fn described(daemon: &mut Daemon) -> Vec<(Kind, Priority, String)> {
    daemon.analyse().into_iter().map(|r| (r.r#type, r.priority, r.description)).collect()
}

#[test]
fn slow_answers_are_a_matter_of_performance() {
    for (seconds, priority, shown) in [(2.01, Priority::Medium, "2.01s"), (5.5, Priority::High, "5.50s")] {
        let mut daemon = Daemon::new(policy());
        daemon.see("web", "/x", 10, seconds, 200);
        let text =
            format!("High response time detected ({shown}). Consider adding caching or optimizing queries.");
        assert_eq!(described(&mut daemon), [(Kind::Performance, priority, text)]);
    }
}

#[test]
fn many_errors_are_a_matter_of_reliability() {
    for (errors, priority, shown) in [(20, Priority::High, "20.0%"), (33, Priority::Critical, "33.0%")] {
        let mut daemon = Daemon::new(policy());
        daemon.see("web", "/x", 100 - errors, 0.1, 200);
        daemon.see("web", "/x", errors, 0.1, 500);
        let text =
            format!("High error rate detected ({shown}). Implement retry logic and improve error handling.");
        assert_eq!(described(&mut daemon), [(Kind::Reliability, priority, text)]);
    }
}

#[test]
fn many_requests_are_a_matter_of_scaling() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 1_001, 0.1, 200);
    let text = "High traffic detected (1001 requests). Consider horizontal scaling or load balancing.";
    assert_eq!(described(&mut daemon), [(Kind::Scaling, Priority::Medium, text.to_owned())]);
}

#[test]
fn nothing_is_said_at_a_threshold_or_of_fewer_than_ten_requests() {
    let mut daemon = Daemon::new(policy());
    daemon.see("slow", "/x", 10, 2.0, 200);
    daemon.see("failing", "/x", 90, 0.1, 200);
    daemon.see("failing", "/x", 10, 0.1, 500);
    daemon.see("busy", "/x", 1_000, 0.1, 200);
    daemon.see("few", "/x", 9, 60.0, 500);
    assert_eq!(daemon.analyse(), []);
}

#[test]
fn the_identity_is_the_one_that_clients_know() {
    let mut daemon = Daemon::new(policy());
    daemon.see("image-generation", "/generate", 10, 5.5, 200);
    // md5("image-generation:slow_response:2026-11-24")
    assert_eq!(daemon.only().id.as_str(), "48262a3dc41e");
}

#[test]
fn endpoints_of_one_service_are_evidence_of_one_recommendation_with_the_words_of_the_worst() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/a", 20, 2.5, 200);
    daemon.see("web", "/b", 20, 6.0, 200);
    daemon.see("web", "/fine", 20, 0.1, 200);
    let found = daemon.only();
    let endpoints: Vec<_> = found.evidence.iter().map(|evidence| &*evidence.endpoint).collect();
    assert_eq!(endpoints, ["/b", "/a"]);
    assert!(found.description.contains("6.00s"));
    assert_eq!((found.priority, found.confidence), (Priority::High, Confidence::High));
}

#[test]
fn evidence_of_few_requests_is_told_to_be_thin() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 29, 2.5, 200);
    let found = daemon.only();
    assert_eq!(found.confidence, Confidence::Low);
    assert_eq!(found.confidence_reason, "only 29 requests were seen; 30 say more");
}

#[test]
fn what_is_expected_to_gain_less_than_the_threshold_is_not_recommended() {
    let mut daemon = Daemon::new(Policy { threshold: 0.31, ..policy() });
    daemon.see("slow", "/x", 20, 2.5, 200);
    daemon.see("failing", "/x", 20, 0.1, 500);
    let found = daemon.only();
    assert_eq!((found.r#type, found.estimated_improvement), (Kind::Reliability, 0.5));
}

#[test]
fn what_was_seen_before_the_window_does_not_count() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 20, 2.5, 200);
    daemon.pass(23 * 3_600);
    assert_eq!(daemon.analyse().len(), 1);
    daemon.pass(2 * 3_600);
    assert_eq!(daemon.analyse(), []);
}

#[test]
fn an_analysis_comes_by_itself_every_interval() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 20, 2.5, 200);
    daemon.pass(3_599);
    assert_eq!(daemon.core.view(daemon.now).totals.analyses, 0);
    daemon.pass(2 * 3_600 + 2);
    assert_eq!(daemon.core.view(daemon.now).totals.analyses, 3);
}

#[test]
fn whoever_asks_while_an_analysis_runs_gets_one_that_has_seen_everything() {
    let mut daemon = Daemon::new(policy());
    daemon.send(Event::AnalysisRequested);
    daemon.see("web", "/x", 20, 2.5, 200);
    let Answer::Analysing(run) = daemon.send(Event::AnalysisRequested) else { panic!() };
    assert_eq!(daemon.work.len(), 1, "one at a time");
    daemon.carry_out();
    let view = daemon.core.view(daemon.now);
    assert_eq!(view.run, run);
    assert_eq!(view.recommendations.count(Status::Pending), 1);
}

#[test]
fn whoever_waits_for_an_analysis_that_a_failing_journal_has_dropped_gets_another() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 20, 2.5, 200);
    let Answer::Analysing(run) = daemon.send(Event::AnalysisRequested) else { panic!() };
    daemon.work.clear();
    let decision = daemon.core.restarted(daemon.now);
    daemon.take(decision);
    assert!(daemon.core.view(daemon.now).run < run);
    daemon.carry_out();
    assert!(daemon.core.view(daemon.now).run >= run);
    assert_eq!(daemon.core.view(daemon.now).recommendations.count(Status::Pending), 1);
}

#[test]
fn paths_under_which_nothing_was_found_are_not_recommended_to_be_mended() {
    let mut daemon = Daemon::new(policy());
    for number in 0..50 {
        daemon.see("web", &format!("/wp-{number}x.php"), 1, 0.1, 404);
    }
    assert_eq!(daemon.analyse(), []);
}
