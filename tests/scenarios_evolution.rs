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
use shared::clock::Timestamp;
use tests::evolution::describe;
use tests::evolution::traffic::Answers;
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
    for phase in Phase::ALL.into_iter().filter(|phase| !is_of_a_platform(*phase)) {
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

/// There is no platform in the world of scenarios: what it does is tested beside the core, and by stories.
fn is_of_a_platform(phase: Phase) -> bool {
    match phase {
        Phase::Applying | Phase::RollingBack | Phase::RollbackFailed | Phase::Failed | Phase::Superseded => {
            true
        }
        Phase::Unjudged
        | Phase::Settling
        | Phase::Verifying
        | Phase::Kept
        | Phase::Inconclusive
        | Phase::RolledBack => false,
    }
}

/// Plays a script: settings first, then lines of `hh:mm` and what happens.
fn play(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (settings, events): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
    let mut world = World::new(settings.iter().fold(policy(), |policy, line| set(policy, line)));
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
    for line in world.settings() {
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
        ["threshold", percent, "percent"] => now.threshold = number(percent) / 100.0,
        ["analyses", "every", minutes, "minutes"] => now.analysis_interval = MINUTE.mul_f64(number(minutes)),
        _ => panic!("setting {line}"),
    }
    now
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
        ["nothing", "more"] => {}
        [service, rest @ ..] => of_service(world, service, rest),
        [] => panic!("an empty event"),
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
        ["has", instances @ ..] => {
            let instances = instances.iter().map(|name| (*name).to_owned()).collect();
            world.instances.insert(service.to_owned(), instances);
        }
        ["fetches", "nothing"] => drop(world.instances.remove(service)),
        other => panic!("{service} {}", other.join(" ")),
    }
}

/// What is special about answers: `at /cart`, `with 10 % errors`, `swinging by 5 %`, `which are 404`.
fn answers(world: &mut World, service: &str, requests: u32, seconds: f64, special: &[&str]) {
    let mut answers = Answers { requests, seconds, errors: 0.0, swing: 0.1, status: 200 };
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
            other => panic!("{service} answers … {}", other.join(" ")),
        };
    }
    world.traffic.set(service, endpoint, answers);
}
