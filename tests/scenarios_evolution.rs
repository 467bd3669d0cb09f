//! Golden scenarios of self-evolution: a script goes into the pure core, and the transcript of facts and answers must be as
//! recorded.
//!
//! `UPDATE_GOLDEN=1 cargo test --package tests scenarios_evolution` writes the transcripts anew; read the difference.

use std::time::Duration;

use self_evolution::domain::change::Phase;
use self_evolution::domain::evolution::Event;
use self_evolution::domain::judge::Outcome;
use self_evolution::domain::pause::Pause;
use self_evolution::domain::policy::{JudgedChanges, Policy};
use self_evolution::domain::recommendation::Kind;
use serde_json::Value;
use shared::clock::Timestamp;
use tests::evolution::describe;
use tests::evolution::platform::{Condition, Deed, Plays, playbook, with_doubling};
use tests::evolution::traffic::{Answers, WithChange};
use tests::evolution::world::{Crash, MINUTE, World, beginning, policy};
use tests::golden;

#[test]
fn every_scenario_gives_its_golden_transcript() {
    golden::check_all("scenarios-evolution", play);
}

#[test]
fn every_phase_and_outcome_of_a_change_is_in_a_scenario() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios-evolution");
    let golden = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let golden = golden.filter(|path| path.extension().is_some_and(|extension| extension == "golden"));
    let all: String = golden.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for phase in Phase::ALL {
        let shows =
            if phase.as_str() == "verifying" { " trial from " } else { &format!("-> {}", phase.as_str()) };
        assert!(all.contains(shows), "no scenario shows {}", phase.as_str());
    }
    for outcome in Outcome::ALL {
        assert!(
            all.contains(&format!("judged {}", outcome.as_str())),
            "no scenario shows {}",
            outcome.as_str()
        );
    }
}

/// Plays a script: settings first, then lines of `hh:mm` and what happens.
fn play(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (settings, events): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
    let (of_platforms, settings): (Vec<&str>, Vec<&str>) =
        settings.into_iter().partition(|line| line.starts_with("a platform "));
    let playbook = playbook(&of_platforms.iter().fold(Plays::new(), |plays, line| action(plays, line)));
    let first = Policy { playbook, ..policy() };
    let mut world = World::new(settings.iter().fold(first, |policy, line| set(policy, line)));
    for line in events {
        let (at, what) = line.split_once(' ').unwrap_or((line, ""));
        world.run_until(moment(at));
        world.say(&format!("# {what}"));
        happen(&mut world, what);
        // What is due now is done before anything else happens, as the engine does it.
        world.run_until(moment(at));
    }
    world.check();
    let mut transcript = world.transcript.join("\n");
    for line in world.in_the_end() {
        transcript += &format!("\nin the end {line}");
    }
    transcript + "\n"
}

fn moment(text: &str) -> Timestamp {
    let parts: Vec<u64> =
        text.split(':').map(|part| part.parse().unwrap_or_else(|_| panic!("time {text}"))).collect();
    let [hours, minutes, seconds] = [0, 1, 2].map(|place| parts.get(place).copied().unwrap_or(0));
    beginning() + Duration::from_secs(hours * 3_600 + minutes * 60 + seconds)
}

fn set(mut now: Policy, line: &str) -> Policy {
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["applies", "by", "itself"] => now.auto_apply = true,
        ["looks", "back", hours, "hours"] => now.shape.window_hours = number(hours) as u32,
        ["applies", "nothing", "by", "itself"] => now.auto_apply = false,
        ["judges", word] => {
            assert!(JudgedChanges::CHOICES.contains(word), "setting {line}");
            now.judged = JudgedChanges::from_word(word);
        }
        ["keeps", "what", "is", "inconclusive"] => now.keep_inconclusive = true,
        ["tests", "on", "half", "of", "the", "instances"] => now.ab_tests = true,
        ["tests", "on", "all", "instances", "alone"] => now.ab_tests = false,
        ["threshold", percent, "percent"] => now.threshold = number(percent) / 100.0,
        ["analyses", "every", minutes, "minutes"] => now.analysis_interval = MINUTE.mul_f64(number(minutes)),
        _ => panic!("setting {line}"),
    }
    now
}

/// An action of a platform: `a platform doubles web`, `… from 2`, `… and keeps what was before`.
fn action(mut plays: Plays, line: &str) -> Plays {
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["a", "platform", "doubles", service] => with_doubling(&mut plays, service, None, false),
        ["a", "platform", "doubles", service, "from", size] => {
            with_doubling(&mut plays, service, Some(self::size(size)), false);
        }
        ["a", "platform", "doubles", service, "and", "keeps", "what", "was", "before"] => {
            with_doubling(&mut plays, service, None, true);
        }
        _ => panic!("action {line}"),
    }
    plays
}

fn size(word: &str) -> Value {
    word.parse::<u64>().unwrap_or_else(|_| panic!("{word} is no size")).into()
}

fn number(word: &str) -> f64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

fn happen(world: &mut World, what: &str) {
    let words: Vec<&str> = what.split_whitespace().collect();
    match words.as_slice() {
        ["daemon", "starts"] => world.start(),
        ["daemon", "is", "killed"] => world.kill(),
        ["daemon", "restarts"] => {
            world.kill();
            world.start();
        }
        ["daemon", "will", "crash", "before", "recording", kind] => crash(world, Crash::BeforeRecord, kind),
        ["daemon", "will", "crash", "after", "recording", kind] => crash(world, Crash::AfterRecord, kind),
        ["setting", ..] => {
            let line = what.trim_start_matches("setting ");
            world.policy = set(world.policy.clone(), line);
            ask(world, Event::PolicyChanged(world.policy.clone()));
        }
        ["analyse"] => ask(world, Event::AnalysisRequested),
        ["apply", service, detector] => {
            let id = world.recommendation(service, detector, 0);
            ask(world, Event::ApplyRequested { id });
        }
        ["plan", service, detector] => {
            let id = world.recommendation(service, detector, 0);
            ask(world, Event::PlanRequested { id });
        }
        ["approve", service, detector] => {
            let id = world.recommendation(service, detector, 0);
            ask(world, Event::ApprovalRequested { id });
        }
        ["dismiss", service, detector] => {
            let id = world.recommendation(service, detector, 0);
            ask(world, Event::DismissalRequested { id, reason: Some("not today".into()) });
        }
        ["roll", "back", "the", "older", service, detector] => {
            let id = world.recommendation(service, detector, 1);
            ask(world, Event::RollbackRequested { id, reason: "a person wants it".into() });
        }
        ["roll", "back", service, detector] => {
            let id = world.recommendation(service, detector, 0);
            ask(world, Event::RollbackRequested { id, reason: "a person wants it".into() });
        }
        ["pause"] => pause(world, None),
        ["pause", "until", until] => pause(world, Some(moment(until))),
        ["resume"] => ask(world, Event::ResumeRequested),
        ["others", "change", "the", kind, "of", service] => {
            let kind = Kind::ALL.into_iter().find(|one| one.as_str() == *kind);
            let kind = kind.unwrap_or_else(|| panic!("{what}: there is no such kind"));
            ask(world, Event::ChangedOutside { service: World::name(service), kind });
        }
        ["the", "platform", "takes", seconds, "s"] => {
            world.platform.takes = Duration::from_secs_f64(number(seconds));
        }
        ["before", "the", "next", "order", deed @ ..] => {
            world.platform.before_the_next_order = Some(self::deed(deed));
        }
        ["after", "the", "next", "order", deed @ ..] => {
            world.platform.after_the_next_order = Some(self::deed(deed));
        }
        ["the", "platform", ..] | [_, "gets", ..] => world.platform.happen(deed(&words)),
        ["nothing", "more"] => {}
        [service, rest @ ..] => of_service(world, service, rest),
        [] => panic!("an empty event"),
    }
}

/// What happens to the platform: `the platform is gone`, `the platform lies`, `web gets 7 by hand`.
fn deed(words: &[&str]) -> Deed {
    match words {
        ["the", "platform", "catches", "up"] => Deed::CatchesUp,
        ["the", "platform", "is", how] | ["the", "platform", how] => Deed::Becomes(Condition::from_word(how)),
        [service, "gets", size, "by", "hand", "on", "one", "instance"] => {
            Deed::OneByHand(World::name(service), self::size(size))
        }
        [service, "gets", size, "by", "hand"] => Deed::ByHand(World::name(service), self::size(size)),
        other => panic!("{}", other.join(" ")),
    }
}

fn crash(world: &mut World, crash: Crash, kind: &str) {
    world.crash = Some((crash, kind.to_owned()));
}

fn pause(world: &mut World, until: Option<Timestamp>) {
    let pause = Pause { since: world.now, until, reason: None };
    ask(world, Event::PauseRequested(pause));
}

fn ask(world: &mut World, event: Event) {
    let answer = world.send(event);
    world.say(&format!("answer: {}", describe::answer(answer.as_ref())));
}

fn of_service(world: &mut World, service: &str, words: &[&str]) {
    match words {
        ["answers", "nothing"] => world.traffic.stop(service),
        ["answers", requests, "a", "minute", "in", seconds, "s", special @ ..] => {
            answers(world, service, number(requests) as u32, number(seconds), special);
        }
        ["has", instances @ ..] => world.fleet.set(service, instances),
        ["takes", times, "times", "as", "long", "on", instance] => {
            world.fleet.slow_down(service, instance, number(times));
        }
        ["fetches", "nothing"] => world.fleet.fetches_nothing(service, &[]),
        ["fetches", "nothing", "on", instances @ ..] => world.fleet.fetches_nothing(service, instances),
        other => panic!("{service} {}", other.join(" ")),
    }
}

/// What is special about answers: `at /cart`, `with 10 % errors`, `swinging by 5 %`, `which are 404`; and where instances are
/// told apart `and in 0.5 s with the change`, `and 10 % errors with the change`, `saying no variant`, `on web-1 web-2`.
fn answers(world: &mut World, service: &str, requests: u32, seconds: f64, special: &[&str]) {
    let mut answers = Answers { requests, seconds, errors: 0.0, swing: 0.1, status: 200, with_change: None };
    let mut endpoint = "/x";
    let mut rest = special;
    loop {
        rest = match rest {
            [] => break,
            ["at", path, rest @ ..] => {
                endpoint = path;
                rest
            }
            ["with", percent, "%", "errors", rest @ ..] => {
                answers.errors = number(percent) / 100.0;
                rest
            }
            ["swinging", "by", percent, "%", rest @ ..] => {
                answers.swing = number(percent) / 100.0;
                rest
            }
            ["which", "are", status, rest @ ..] => {
                answers.status = number(status) as u16;
                rest
            }
            of_instances => with_change(&mut answers, of_instances),
        };
    }
    world.traffic.set(service, endpoint, answers);
}

/// What is special about instances that are told apart, and what more there is to say.
fn with_change<'a>(answers: &mut Answers, words: &'a [&'a str]) -> &'a [&'a str] {
    let (seconds, errors) = (answers.seconds, answers.errors);
    let as_without = || WithChange { seconds, errors, tells: true, only: Vec::new() };
    let with = answers.with_change.get_or_insert_with(as_without);
    match words {
        ["and", "in", seconds, "s", "with", "the", "change", rest @ ..] => {
            with.seconds = number(seconds);
            rest
        }
        ["and", percent, "%", "errors", "with", "the", "change", rest @ ..] => {
            with.errors = number(percent) / 100.0;
            rest
        }
        ["saying", "no", "variant", rest @ ..] => {
            with.tells = false;
            rest
        }
        ["on", instances @ ..] => {
            with.only = instances.iter().map(|name| (*name).to_owned()).collect();
            &[]
        }
        other => panic!("answers … {}", other.join(" ")),
    }
}
