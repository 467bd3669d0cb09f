//! One case each: what an answer does to what is sent next.

use super::*;

mod simulation;

fn document(n: u64) -> Document {
    let at = Timestamp::from_micros(1_764_000_000_000_000);
    Document { stream: "events", id: n.to_string(), at, body: b"{}".to_vec() }
}

/// A shipper that is connected and has read two chunks of one document each.
fn with_two(now: Timestamp) -> Shipper {
    let mut shipper = Shipper::new(0);
    assert_eq!(shipper.next(now, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), now, 0.5);
    assert!(matches!(shipper.next(now, 2), Step::Read { after: 0, last: 2, .. }));
    shipper.read(vec![(1, vec![document(1)]), (2, vec![document(2)])], 2, now);
    shipper
}

fn sent(shipper: &mut Shipper, now: Timestamp) -> Request {
    let step = shipper.next(now, 2);
    let Step::Send(request) = step else { panic!("{step:?}") };
    request
}

#[test]
fn a_server_that_holds_everything_back_is_asked_again_later_and_nothing_is_dropped() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let held = Sent::Failed(Trouble::Held("status 401: wrong password".into()));
    shipper.sent(request.batch, held, now, 1.0);
    let Connection::Held { since, reason } = shipper.connection() else { panic!("not held") };
    assert_eq!((*since, reason.as_str()), (now, "status 401: wrong password"));
    let Step::Wait(Some(until)) = shipper.next(now, 2) else { panic!("it does not wait") };
    assert_eq!(until, now + HELD.first);
    assert_eq!(shipper.next(until, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), until, 0.5);
    assert_eq!(sent(&mut shipper, until).documents, 2, "the same documents again");
}

#[test]
fn only_the_busy_ones_among_the_documents_are_sent_again() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let items = vec![Item::Busy, Item::Created];
    shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
    let Step::Wait(Some(until)) = shipper.next(now, 2) else { panic!("it does not wait") };
    let request = sent(&mut shipper, until);
    assert!(String::from_utf8(request.body).unwrap().contains("\"_id\":\"1\""));
    assert_eq!(request.documents, 1);
}

#[test]
fn a_document_that_is_to_blame_goes_to_the_dead_with_the_reason_and_lets_the_others_pass() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let items = vec![Item::Refused("not a number".into()), Item::Created];
    let refused = shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
    assert_eq!(refused, [("1".to_owned(), "not a number".to_owned())]);
    let request = sent(&mut shipper, now);
    let body = String::from_utf8(request.body).unwrap();
    assert!(body.contains("events-dead") && body.contains("not a number"), "{body}");
    shipper.sent(request.batch, Sent::Answered(vec![Item::Created]), now, 1.0);
    assert_eq!(shipper.next(now, 2), Step::Advance(2));
    assert_eq!(shipper.totals(), Totals { shipped: 1, dead: 1, ..Totals::default() });
}

#[test]
fn what_not_even_the_dead_take_waits_for_somebody_to_look() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let items = vec![Item::Refused("not a number".into()), Item::Created];
    shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
    let request = sent(&mut shipper, now);
    shipper.sent(request.batch, Sent::Answered(vec![Item::Refused("no".into())]), now, 1.0);
    assert!(matches!(shipper.connection(), Connection::Held { .. }), "it is not given up");
    assert!(matches!(shipper.next(now, 2), Step::Wait(Some(_))));
}

#[test]
fn a_server_that_answers_every_request_with_400_costs_one_move_to_the_dead_and_no_document() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    for _ in 0..10 {
        let Step::Send(request) = shipper.next(now, 2) else { break };
        let refused = Sent::TooMuch { is_size: false, reason: "status 400".into() };
        shipper.sent(request.batch, refused, now, 1.0);
    }
    assert!(matches!(shipper.connection(), Connection::Held { .. }));
    assert_eq!((shipper.totals().dead, shipper.arrived_to()), (0, 0));
}

#[test]
fn pauses_grow_although_the_server_answers_questions_between_the_failures() {
    let mut now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let since = now;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let request = sent(&mut shipper, now);
        shipper.sent(request.batch, Sent::Failed(Trouble::Down("status 500".into())), now, 1.0);
        let Step::Wait(Some(until)) = shipper.next(now, 2) else { panic!("it does not wait") };
        pauses.push(until.since(now));
        now = until;
        assert_eq!(shipper.next(now, 2), Step::Prepare);
        shipper.prepared(Ok(BTreeSet::new()), now, 1.0);
        let Connection::Down { since: shown, .. } = shipper.connection() else { panic!("shown as well") };
        assert_eq!(*shown, since);
    }
    assert!(pauses.is_sorted() && pauses.last() == Some(&BACKOFF.longest), "{pauses:?}");
}

#[test]
fn a_document_over_which_the_server_always_fails_holds_nobody_up_and_dies_in_the_end() {
    let mut now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let mut shipped_at = None;
    for round in 0..40 {
        match shipper.next(now, 2) {
            Step::Send(request) => {
                let body = String::from_utf8(request.body).unwrap();
                let item = |line: &str| match line.contains("\"_id\":\"1\"") && !line.contains("-dead") {
                    true => Item::Failed("oops".into()),
                    false => Item::Created,
                };
                let items = body.lines().step_by(2).map(item).collect();
                shipper.sent(request.batch, Sent::Answered(items), now, 1.0);
                if shipper.totals().shipped == 1 {
                    shipped_at.get_or_insert(round);
                }
            }
            Step::Wait(Some(until)) => now = until,
            Step::Advance(2) => break,
            step @ (Step::Prepare | Step::Read { .. } | Step::Advance(_) | Step::Wait(None)) => {
                panic!("{step:?}")
            }
        }
    }
    assert_eq!(shipped_at, Some(0));
    assert_eq!(shipper.totals().dead, 1);
}

#[test]
fn what_a_slow_way_does_not_carry_is_sent_in_smaller_pieces_and_larger_ones_again_later() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    shipper.sent(request.batch, Sent::Unanswered("no answer within 60 s".into()), now, 1.0);
    assert_eq!(shipper.bytes, LEAST_BYTES);
    let Step::Wait(Some(later)) = shipper.next(now, 2) else { panic!("it does not wait") };
    assert_eq!(shipper.next(later, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), later, 1.0);
    let request = sent(&mut shipper, later);
    assert_eq!(request.documents, 1);
    shipper.sent(request.batch, Sent::Answered(vec![Item::Created]), later, 1.0);
    assert_eq!(shipper.bytes, LEAST_BYTES * 2);
}

#[test]
fn a_request_that_is_too_large_is_halved_and_later_ones_are_smaller() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    let too_large = Sent::TooMuch { is_size: true, reason: "status 413".into() };
    shipper.sent(request.batch, too_large, now, 1.0);
    assert_eq!(sent(&mut shipper, now).documents, 1);
    let Step::Wait(None) = shipper.next(now, 2) else { panic!("one request at a time after trouble") };
    assert_eq!((shipper.bytes, shipper.most_bytes), (LEAST_BYTES, LEAST_BYTES));
}

#[test]
fn the_templates_are_looked_for_before_the_first_document_of_a_day() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = with_two(now);
    let request = sent(&mut shipper, now);
    shipper.sent(request.batch, Sent::Answered(vec![Item::Created, Item::Created]), now, 1.0);
    assert_eq!(shipper.next(now, 2), Step::Advance(2));
    shipper.noted(2);
    let tomorrow = now + Duration::from_secs(86_400);
    let Step::Read { after: 2, last: 3, .. } = shipper.next(tomorrow, 3) else { panic!("it does not read") };
    shipper.read(vec![(3, vec![Document { at: tomorrow, ..document(3) }])], 3, tomorrow);
    assert_eq!(shipper.next(tomorrow, 3), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), tomorrow, 0.5);
    assert!(matches!(shipper.next(tomorrow, 3), Step::Send(_)));
}

#[test]
fn a_chunk_of_nothing_to_ship_and_one_that_is_gone_hold_nobody_up() {
    let now = Timestamp::from_micros(1_764_000_000_000_000);
    let mut shipper = Shipper::new(0);
    assert_eq!(shipper.next(now, 2), Step::Prepare);
    shipper.prepared(Ok(BTreeSet::new()), now, 0.5);
    shipper.read(vec![(1, vec![])], 2, now);
    assert_eq!(shipper.next(now, 2), Step::Advance(1));
    shipper.noted(1);
    let later = now + GATHER;
    assert!(matches!(shipper.next(later, 2), Step::Read { after: 1, .. }));
    shipper.read(vec![], 2, later);
    assert_eq!(shipper.next(later, 2), Step::Advance(2));
    assert_eq!(shipper.next(later, 2), Step::Advance(2), "until it is noted");
    shipper.noted(2);
    assert_eq!(shipper.next(later, 2), Step::Wait(None));
}
