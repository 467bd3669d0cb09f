//! Golden scenarios: a script goes into the pure core, and the transcript of facts and work must be as recorded.
//!
//! `UPDATE_GOLDEN=1 cargo test --package tests scenarios` writes the transcripts anew; read the difference.

use std::time::Duration;

use health_monitor::domain::fleet::PauseKind;
use health_monitor::domain::ladder::Step;
use health_monitor::domain::notification::alarm::AlarmSeverity;
use health_monitor::domain::notification::channel::{ChannelKind, ChannelName, ChannelPolicy};
use health_monitor::domain::policy::{Mode, Policy, ProbeKind};
use health_monitor::domain::supervisor::{Answer, Event, Resettable};
use shared::clock::Timestamp;
use shared::order::{Action, Backend, Intent};
use tests::golden;
use tests::host::{Behaviour, OnCall, OnRecreate, OnRestart, Reach};
use tests::told::{OnMessage, channel};
use tests::world::{Crash, World, follow_dependencies, policy, service_name};

#[test]
fn every_scenario_gives_its_golden_transcript() {
    golden::check_all("scenarios", play);
}

/// Plays a script: settings first, then lines of `mm:ss` and what happens.
fn play(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (settings, events): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
    let mut world = World::new(settings.iter().fold(policy(&[]), |policy, line| set(policy, line)));
    world.tells_minutes = settings.contains(&"minutes are told");
    world.tells_inputs = settings.contains(&"inputs are told");
    for line in events {
        let (at, what) = line.split_once(' ').unwrap_or((line, ""));
        world.run_until(moment(at));
        happen(&mut world, what);
    }
    world.check_replay();
    for channel in world.policy.notifications.channels.clone() {
        world.transcript.push(format!("{} has taken:", channel.name));
        world
            .transcript
            .extend(world.taken(channel.name.as_str()).into_iter().map(|line| format!("  {line}")));
    }
    folded(&world.transcript)
}

/// Long runs of failures that change nothing but their number, folded into one line.
fn folded(transcript: &[String]) -> String {
    let same = |line: &str| {
        if let Some((_, renewal)) = line.split_once(" => renew ") {
            return Some(renewal.to_owned());
        }
        let (what, health) = line.split_once(' ')?.1.split_once(" -> ")?;
        let state = health.split(',').next()?;
        what.contains(" error: ").then(|| format!("{what} -> {state}"))
    };
    let mut folded = String::new();
    let mut run = 0;
    for (n, line) in transcript.iter().enumerate() {
        let is_repeated = n > 0 && same(line).is_some() && same(line) == same(&transcript[n - 1]);
        let goes_on = is_repeated && transcript.get(n + 1).is_some_and(|next| same(next) == same(line));
        if goes_on {
            run += 1;
            continue;
        }
        if run > 0 {
            folded += &format!("        … {run} more of the same\n");
            run = 0;
        }
        folded += &format!("{line}\n");
    }
    folded
}

fn moment(text: &str) -> Timestamp {
    let (minutes, seconds) = text.split_once(':').unwrap();
    let seconds: f64 = seconds.parse().unwrap();
    Timestamp::from_micros(0) + Duration::from_secs_f64(minutes.parse::<f64>().unwrap() * 60.0 + seconds)
}

fn set(mut now: Policy, line: &str) -> Policy {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["services", names @ ..] => now = policy(names),
        ["mode", mode] => {
            let mode = match *mode {
                "dry_run" => Mode::DryRun,
                "observe" => Mode::Observe,
                other => panic!("mode {other}"),
            };
            now.services.iter_mut().for_each(|service| service.mode = mode);
        }
        ["operator", "stops", "are", "respected"] => {
            now.services.iter_mut().for_each(|service| service.respects_operator_stop = true);
        }
        ["backend", "kubernetes"] => {
            now.services.iter_mut().for_each(|service| service.target.backend = Backend::Kubernetes);
        }
        ["backend", "none"] => {
            now.services.iter_mut().for_each(|service| service.target.backend = Backend::None);
        }
        [name, "steps", ..] => {
            let steps = line.split_once(" steps ").map_or("", |(_, steps)| steps);
            let service = now.services.iter_mut().find(|service| service.name.as_str() == *name);
            service.unwrap_or_else(|| panic!("service {name}")).steps = steps.split(", ").map(step).collect();
        }
        [name, "needs", needed] => {
            let service = now.services.iter_mut().find(|service| service.name.as_str() == *name);
            service.unwrap_or_else(|| panic!("service {name}")).depends_on.push((*needed).into());
            follow_dependencies(&mut now);
        }
        [name, "is", "in", "failure", "domain", domain] => {
            let service = now.services.iter_mut().find(|service| service.name.as_str() == *name);
            service.unwrap_or_else(|| panic!("service {name}")).failure_domain = Some((*domain).into());
        }
        ["at", "most", number, "actions"] => now.fleet.max_actions = number.parse().unwrap(),
        ["at", "most", number, "percent"] => now.fleet.max_percent = number.parse().unwrap(),
        ["at", "most", number, "at", "a", "time"] => now.fleet.max_concurrent = number.parse().unwrap(),
        ["minutes", "are", "told"] | ["inputs", "are", "told"] => {}
        ["certificates", "for", number, "days"] => {
            let wanted = Duration::from_secs(number.parse::<u64>().unwrap() * 86_400);
            now.services.iter_mut().for_each(|one| one.expected.certificate_for = Some(wanted));
        }
        [name, "posts", "heartbeats"] => {
            let service = now.services.iter_mut().find(|service| service.name.as_str() == *name);
            let grace = Duration::from_secs(30);
            service.unwrap_or_else(|| panic!("service {name}")).probe = ProbeKind::Push { grace };
        }
        ["channel", rest @ ..] => now.notifications.channels.push(channel_of(rest)),
        ["people", "are", "told", "after", seconds] => {
            now.notifications.after = Duration::from_secs(seconds.parse().unwrap());
        }
        ["no", "storm", "guard"] => now.fleet.guards_storm = false,
        _ => panic!("setting {line}"),
    }
    now
}

/// `ops slack`, and what is special about it: `ops slack about web-*, critical only, without the end, on this host`.
fn channel_of(words: &[&str]) -> ChannelPolicy {
    let kind = ChannelKind::ALL.into_iter().find(|kind| kind.as_str() == words[1]);
    let mut channel = channel(words[0], kind.unwrap_or_else(|| panic!("channel {}", words.join(" "))));
    for special in words[2..].join(" ").split(", ").filter(|special| !special.is_empty()) {
        match special.split(' ').collect::<Vec<_>>().as_slice() {
            ["about", services @ ..] => channel.services = services.iter().map(|one| (*one).into()).collect(),
            ["critical", "only"] => channel.severities = vec![AlarmSeverity::Critical],
            ["without", "the", "end"] => channel.sends_resolved = false,
            ["without", "reminders"] => channel.reminder = None,
            ["on", "this", "host"] => channel.is_local = true,
            other => panic!("channel {}", other.join(" ")),
        }
    }
    channel
}

fn so_far(word: &str) -> Reach {
    match word {
        "aside" => Reach::Aside,
        "halfway" => Reach::Renamed,
        "wholly" => Reach::Whole,
        "not" => Reach::Nothing,
        other => panic!("recreated {other}"),
    }
}

/// `restart`, `restart x2`, `restart within 60`.
fn step(text: &str) -> Step {
    let words: Vec<&str> = text.split(' ').collect();
    let action = Action::ALL.into_iter().find(|action| action.as_str() == words[0]);
    let mut step = Step::new(action.unwrap_or_else(|| panic!("step {text}")));
    match words[1..] {
        [] => {}
        ["within", seconds] => step.within = Some(Duration::from_secs(seconds.parse().unwrap())),
        [times] => step.attempts = times[1..].parse().unwrap(),
        _ => panic!("step {text}"),
    }
    step
}

fn happen(world: &mut World, what: &str) {
    let words: Vec<&str> = what.split_whitespace().collect();
    let log = |world: &mut World| {
        let at = tests::describe::moment(world.now);
        world.transcript.push(format!("{at} # {what}"));
    };
    log(world);
    match words.as_slice() {
        ["monitor", "starts"] => world.start_monitor(),
        ["monitor", "is", "killed"] => world.kill_monitor(),
        ["monitor", "will", "crash", "while", "it", "tells"] => world.crash_at_message = true,
        ["monitor", "will", "crash", "before", "recording"] => crash_at_order(world, Crash::BeforeRecord),
        ["monitor", "will", "crash", "before", "acting"] => crash_at_order(world, Crash::BeforeWork),
        ["monitor", "will", "crash", "after", "acting"] => crash_at_order(world, Crash::AfterWork),
        ["heal", name] => answer(world, name, None),
        ["heal", name, "under", key] => {
            let given = world.request_under(Some(key), name, None);
            tell_answer(world, &given);
        }
        ["heal", name, "by", "force"] => answer(world, name, Some("somebody insists")),
        ["nothing", "more"] => {}
        [name, "is", "stopped", "by", "hand"] => world.stop_by_hand(name),
        [name, "is", "started", "by", "hand"] => world.start_by_hand(name),
        ["the", "platform", "forgets", "what", "it", "told"] => world.forget_what_was_told(),
        ["a", "hint", "about", name] => hint(world, name, 1),
        [number, "hints", "about", name] => hint(world, name, number.parse().unwrap()),
        ["configuration", rest @ ..] => world.reconfigure(edited(world.policy.clone(), rest)),
        ["nobody", "can", "bear", "witness"] => world.sentinels = 0,
        ["receiver", name, rest @ ..] => {
            let name = ChannelName::new(name).unwrap();
            world.telling.receivers.entry(name).or_default().answers = answers(rest);
        }
        ["our", "network", "is", "cut"] => world.is_cut_off = true,
        ["our", "network", "is", "mended"] => world.is_cut_off = false,
        ["pause", rest @ ..] => hold(world, PauseKind::Pause, rest),
        ["maintenance", rest @ ..] => hold(world, PauseKind::Maintenance, rest),
        ["resume", rest @ ..] => {
            let service = rest.first().map(|name| service_name(name));
            world.say(Event::Resumed { service });
        }
        ["reset", guard, rest @ ..] => {
            let service = rest.first().map(|name| service_name(name));
            let guard = Resettable::ALL.into_iter().find(|one| one.guard().as_str() == *guard).unwrap();
            world.say(Event::Reset { guard, service, reason: None });
        }
        [name, rest @ ..] => host(world, name, rest),
        [] => panic!("an empty event"),
    }
}

fn answers(words: &[&str]) -> OnMessage {
    match words {
        ["takes", "messages"] => OnMessage::Takes,
        ["refuses", "messages"] => OnMessage::Refuses,
        ["fails"] => OnMessage::Fails,
        ["is", "busy"] => OnMessage::IsBusy,
        ["is", "gone"] => OnMessage::IsGone,
        ["takes", "silently"] => OnMessage::TakesSilently,
        other => panic!("receiver {}", other.join(" ")),
    }
}

fn hint(world: &mut World, name: &str, times: usize) {
    for _ in 0..times {
        world.say(Event::Hinted { service: service_name(name) });
    }
}

/// The configuration after somebody has edited it.
fn edited(mut now: Policy, words: &[&str]) -> Policy {
    let place =
        |now: &Policy, name: &str| now.services.iter().position(|one| one.name.as_str() == name).unwrap();
    match words {
        ["adds", name] => now.services.extend(policy(&[name]).services),
        ["removes", name] => {
            let place = place(&now, name);
            now.services.remove(place);
        }
        ["lets", name, "fail", number, "times"] => {
            let place = place(&now, name);
            now.services[place].fall = number.parse().unwrap();
        }
        ["moves", name, "to", port] => {
            let place = place(&now, name);
            now.services[place].probe_url = format!("http://{name}:{port}/health");
        }
        ["looks", "for", name, "under", container] => {
            let place = place(&now, name);
            now.services[place].target.name = (*container).to_owned();
        }
        ["tells", "no", "longer", name] => {
            now.notifications.channels.retain(|one| one.name.as_str() != *name)
        }
        ["tells", rest @ ..] => now.notifications.channels.push(channel_of(rest)),
        ["enforces"] => now.services.iter_mut().for_each(|service| service.mode = Mode::Enforce),
        other => panic!("configuration {}", other.join(" ")),
    }
    follow_dependencies(&mut now);
    now
}

fn hold(world: &mut World, kind: PauseKind, words: &[&str]) {
    let (service, until) = match words {
        ["until", until] => (None, until),
        [name, "until", until] => (Some(service_name(name)), until),
        other => panic!("pause {}", other.join(" ")),
    };
    world.say(Event::Paused { service, kind, reason: Some("planned".into()), until: moment(until) });
}

fn crash_at_order(world: &mut World, crash: Crash) {
    world.crash = Some(crash);
    world.crash_at_order = true;
}

fn answer(world: &mut World, name: &str, force: Option<&str>) {
    let given = world.request(name, force);
    tell_answer(world, &given);
}

fn tell_answer(world: &mut World, given: &Option<Answer>) {
    let mut answer = format!("{given:?}");
    // Identities differ by design; the transcript shows everything else.
    if let Some(start) = answer.find("OrderId(") {
        let end = answer[start..].find(')').map_or(answer.len(), |end| start + end + 1);
        answer.replace_range(start..end, "…");
    }
    // What the guard went by is told with the record of it.
    if let Some(start) = answer.find(", inputs: ") {
        answer.replace_range(start.., " })");
    }
    let at = tests::describe::moment(world.now);
    world.transcript.push(format!("{at} answer {answer}"));
}

fn host(world: &mut World, name: &str, words: &[&str]) {
    let now = world.now;
    let host = world.hosts.get_mut(&service_name(name)).unwrap_or_else(|| panic!("service {name}"));
    match words {
        ["is", "up"] => host.behaviour = Behaviour::Up,
        ["refuses"] => host.behaviour = Behaviour::Refuses,
        ["is", "silent"] => host.behaviour = Behaviour::Silent,
        ["answers", code] => host.behaviour = Behaviour::Status(code.parse().unwrap()),
        ["is", "out", "of", "our", "reach"] => host.behaviour = Behaviour::OwnFault,
        ["says", "it", "is", "sick"] => host.behaviour = Behaviour::SaysItIsSick,
        ["answers", "in", "another", "form"] => host.behaviour = Behaviour::OtherForm,
        ["is", "not", "trusted"] => host.behaviour = Behaviour::Untrusted,
        ["has", "a", "certificate", "for", number, "days"] => {
            let days = Duration::from_secs(number.parse::<u64>().unwrap() * 86_400);
            host.certificate_ends_at = Some(now + days);
        }
        ["loses", "its", "name"] => host.behaviour = Behaviour::NameGone,
        ["stays", "broken", "when", "restarted"] => host.on_restart = OnRestart::StaysBroken,
        ["cannot", "be", "restarted"] => host.on_restart = OnRestart::Refused,
        ["fails", "to", "restart"] => host.on_restart = OnRestart::Fails,
        ["restarts", "without", "an", "answer"] => host.on_restart = OnRestart::AnswerLost,
        ["is", "helped", "when", "somebody", "is", "called"] => {
            host.on_call = OnCall::Helps(Duration::from_secs(30));
        }
        ["waits", "in", "vain", "when", "somebody", "is", "called"] => host.on_call = OnCall::Nobody,
        ["finds", "nobody", "to", "call"] => host.on_call = OnCall::Refused,
        ["stays", "broken", "when", "recreated"] => host.on_recreate = OnRecreate::StaysBroken,
        ["cannot", "be", "recreated"] => host.on_recreate = OnRecreate::Refused,
        ["fails", "to", "be", "recreated", reach] => host.on_recreate = OnRecreate::Fails(so_far(reach)),
        ["is", "recreated", reach, "without", "an", "answer"] => {
            host.on_recreate = OnRecreate::AnswerLost(so_far(reach));
        }
        ["concludes", "at", "the", "third", "try"] => host.failing_conclusions = 2,
        ["concludes", "without", "an", "answer"] => host.silent_conclusions = 1,
        ["reaches", "nobody", "to", "conclude", "for", tries, "tries"] => {
            host.unreached_conclusions = tries.parse().unwrap_or_else(|_| panic!("{tries} is no number"));
        }
        ["loses", "what", "is", "new"] => {
            host.replacement.as_mut().unwrap_or_else(|| panic!("{name} has nothing new")).has_new = false;
        }
        ["never", "concludes"] => host.failing_conclusions = u32::MAX,
        ["loses", "what", "was", "kept"] => {
            host.replacement.as_mut().unwrap_or_else(|| panic!("{name} keeps nothing")).has_kept = false;
        }
        ["writes", words @ ..] => host.log = Some(words.join(" ")),
        ["loses", "orders"] => host.on_restart = OnRestart::OrderLost,
        ["has", "no", "identity"] => host.tells_instances = false,
        ["cannot", "be", "inspected"] => host.platform_answers = false,
        ["is", "replaced"] => host.replace(now),
        ["is", "rolled", "out", "for", "at", "most", seconds, "seconds"] => {
            host.intent = Some(Intent::RollingOut { deadline_seconds: seconds.parse().unwrap() });
        }
        ["is", "scaled", "to", "zero"] => host.intent = Some(Intent::ScaledToZero),
        ["has", "its", "rollouts", "paused"] => host.intent = Some(Intent::Paused),
        ["may", "be", "healed", "again"] => host.intent = None,
        ["is", "stuck", "with", rest @ ..] => host.stuck = Some(rest.join(" ")),
        ["comes", "unstuck"] => host.stuck = None,
        ["is", "restarted", "in", "another", "way"] => host.on_restart = OnRestart::HealsInAnotherWay,
        other => panic!("{name} {}", other.join(" ")),
    }
}
