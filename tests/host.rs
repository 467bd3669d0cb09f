//! One simulated service and the platform that it runs on.

use std::time::Duration;

use health_monitor::domain::evidence::Seen;
use health_monitor::domain::expected::Mismatch;
use health_monitor::domain::reading::{Answer, Examined};
use shared::clock::Timestamp;
use shared::order::{Action, Intent, Observed, Order, OrderId, Performed, Stage, Standing, Unreachable};

/// How a service answers its probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// 200.
    Up,
    /// Connection refused.
    Refuses,
    /// Accepts, then nothing.
    Silent,
    /// Another HTTP status.
    Status(u16),
    /// Answers, and says itself that it is not well.
    SaysItIsSick,
    /// Answers with something of another form than expected.
    OtherForm,
    /// Shows a certificate that is not trusted.
    Untrusted,
    /// The name cannot be looked up.
    NameGone,
    /// Our own network is gone.
    OwnFault,
}

/// What a restart does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnRestart {
    /// A new instance that is up after this long.
    Heals(Duration),
    /// A new instance, made in another way than usual, which the platform tells.
    HealsInAnotherWay,
    /// A new instance that is as broken as the old one.
    StaysBroken,
    /// The platform refuses; nothing happens.
    Refused,
    /// The platform tries, fails, and says so.
    Fails,
    /// The answer is lost; the restart happens nevertheless.
    AnswerLost,
    /// The order itself is lost.
    OrderLost,
}

/// What a call for help does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnCall {
    /// Somebody comes and mends it, after this long, without replacing the instance.
    Helps(Duration),
    /// It is heard, and nobody comes.
    Nobody,
    /// Nobody answers.
    Refused,
}

/// How far a recreation comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Nothing is changed.
    Nothing,
    /// The new instance is there, and the old one still runs.
    Aside,
    /// The old one is stopped and kept; nothing runs.
    Renamed,
    /// The new one runs, the old one is kept.
    Whole,
}

/// What a recreation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnRecreate {
    /// The new instance is up after this long.
    Heals(Duration),
    /// The new instance is as broken as the old one.
    StaysBroken,
    /// The platform refuses; nothing happens.
    Refused,
    /// The platform fails there.
    Fails(Reach),
    /// The platform comes so far, and its answer is lost. A whole one heals.
    AnswerLost(Reach),
}

/// What a recreation has made, and what it keeps.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// By which order.
    pub id: OrderId,
    /// How far it came.
    pub reach: Reach,
    /// How the old instance behaves once it is back.
    pub old: Behaviour,
    /// Whether the old instance is still there.
    pub has_kept: bool,
    /// Whether the new one is still there.
    pub has_new: bool,
}

/// A simulated service.
#[derive(Clone, Debug)]
pub struct Host {
    /// How it answers now.
    pub behaviour: Behaviour,
    /// What a restart does.
    pub on_restart: OnRestart,
    /// What a call for help does.
    pub on_call: OnCall,
    /// What a recreation does.
    pub on_recreate: OnRecreate,
    /// What a recreation has made whose verdict has not come.
    pub replacement: Option<Replacement>,
    /// What it has written.
    pub log: Option<String>,
    /// So many orders to discard or put back fail.
    pub failing_conclusions: u32,
    /// How many further such orders do not reach the platform.
    pub unreached_conclusions: u32,
    /// So many of them are carried out, and the answer is lost.
    pub silent_conclusions: u32,
    /// A person has had it stopped.
    pub stopped_by_hand: bool,
    /// Counts instances.
    pub instance: u32,
    /// Since when the present instance runs.
    pub started_at: Timestamp,
    /// When a starting instance will be up.
    pub up_at: Option<Timestamp>,
    /// Whether the platform can tell instances apart.
    pub tells_instances: bool,
    /// Whether the platform answers questions.
    pub platform_answers: bool,
    /// Why the platform says that it is to be as it is.
    pub intent: Option<Intent>,
    /// A new instance is being made and does not come; what the platform says of it.
    pub stuck: Option<String>,
    /// When the certificate ends that it shows; none where nobody looks.
    pub certificate_ends_at: Option<Timestamp>,
}

impl Host {
    /// A service that is up and can be restarted.
    pub fn up() -> Self {
        Self {
            behaviour: Behaviour::Up,
            on_restart: OnRestart::Heals(Duration::from_secs(3)),
            on_call: OnCall::Helps(Duration::from_secs(30)),
            on_recreate: OnRecreate::Heals(Duration::from_secs(3)),
            replacement: None,
            log: None,
            failing_conclusions: 0,
            unreached_conclusions: 0,
            silent_conclusions: 0,
            stopped_by_hand: false,
            instance: 1,
            started_at: Timestamp::from_micros(0),
            up_at: None,
            tells_instances: true,
            platform_answers: true,
            intent: None,
            stuck: None,
            certificate_ends_at: None,
        }
    }

    /// What a probe gets, and how long it takes.
    pub fn probe(&self, now: Timestamp, timeout: Duration) -> (Answer, Duration) {
        let quick = Duration::from_millis(2);
        if !self.runs() || self.stopped_by_hand || self.up_at.is_some_and(|up_at| now < up_at) {
            return (Answer::NoConnection("connection refused".into()), quick);
        }
        match self.behaviour {
            Behaviour::Up if self.certificate_ends_at.is_some() => (self.examined(Ok(())), quick),
            Behaviour::Up => (Answer::Status(200), Duration::from_millis(5)),
            Behaviour::SaysItIsSick => {
                let (pointer, found, wanted) = ("/db".into(), "\"down\"".into(), "ok".into());
                (self.examined(Err(Mismatch::OtherValue { pointer, found, wanted })), quick)
            }
            Behaviour::OtherForm => (self.examined(Err(Mismatch::NotJson)), quick),
            Behaviour::Untrusted => (Answer::Misconfigured("the certificate has expired".into()), quick),
            Behaviour::Refuses => (Answer::NoConnection("connection refused".into()), quick),
            Behaviour::Silent => (Answer::Silent, timeout),
            Behaviour::Status(code) => (Answer::Status(code), Duration::from_millis(5)),
            Behaviour::OwnFault => (Answer::OwnFault("network unreachable".into()), quick),
            Behaviour::NameGone => {
                (Answer::ResolverFailed("temporary failure in name resolution".into()), quick)
            }
        }
    }

    fn examined(&self, body: Result<(), Mismatch>) -> Answer {
        Answer::Examined(Examined { body, certificate_ends_at: self.certificate_ends_at })
    }

    /// What is seen of it before an action.
    pub fn seen(&self) -> Box<Seen> {
        Box::new(Seen { logs: self.log.clone(), ..Seen::default() })
    }

    /// What the platform reports.
    pub fn observe(&self) -> Result<Observed, Unreachable> {
        if !self.platform_answers {
            return Err(Unreachable { reason: "the platform is not reachable".into() });
        }
        if !self.runs() {
            return Err(Unreachable { reason: "no such container".into() });
        }
        if !self.tells_instances {
            return Ok(Observed::default());
        }
        Ok(Observed {
            identity: Some(format!("instance-{}", self.instance)),
            running: Some(!self.stopped_by_hand),
            started_at: (!self.stopped_by_hand).then_some(self.started_at),
            detail: self.stuck.clone(),
            in_transition: self.stuck.is_some(),
            intent: self.intent.clone(),
        })
    }

    /// The platform gets an order. Gives its answer and how long that takes.
    pub fn perform(&mut self, order: &Order, now: Timestamp) -> (Performed, Duration) {
        match (order.action, order.stage) {
            (Action::Restart, _) => self.restart(now),
            (Action::Webhook, _) => self.call(now),
            (Action::Recreate | Action::UpdateConfiguration, Stage::Act) => self.recreate(order.id, now),
            (Action::Recreate | Action::UpdateConfiguration, stage) => {
                (self.conclude(order.id, stage, now), Duration::from_secs(1))
            }
        }
    }

    /// Whether any instance runs.
    pub fn runs(&self) -> bool {
        self.replacement.as_ref().is_none_or(|replacement| replacement.reach != Reach::Renamed)
    }

    fn recreate(&mut self, id: OrderId, now: Timestamp) -> (Performed, Duration) {
        assert!(self.replacement.is_none(), "recreated over a replacement without a verdict: {self:?}");
        let second = Duration::from_secs(1);
        let soon = Duration::from_secs(3);
        let lost = Performed::Unknown { reason: "no answer within 30 s".into() };
        let (reach, performed, up_after) = match self.on_recreate {
            OnRecreate::Heals(after) => (Reach::Whole, Performed::Accepted, Some(after)),
            OnRecreate::StaysBroken => (Reach::Whole, Performed::Accepted, None),
            OnRecreate::Refused => {
                return (Performed::NotRun { reason: "no such image".into() }, second);
            }
            OnRecreate::Fails(reach) => (reach, Performed::Failed { reason: "no space left".into() }, None),
            OnRecreate::AnswerLost(reach) => (reach, lost, Some(soon)),
        };
        if reach != Reach::Nothing {
            self.replacement =
                Some(Replacement { id, reach, old: self.behaviour, has_kept: true, has_new: true });
        }
        if reach == Reach::Whole {
            self.replace(now + second);
            if let Some(after) = up_after {
                self.behaviour = Behaviour::Up;
                self.up_at = Some(now + second + after);
            }
        }
        let takes = if matches!(performed, Performed::Unknown { .. }) { second * 30 } else { second };
        (performed, takes)
    }

    fn conclude(&mut self, id: OrderId, stage: Stage, now: Timestamp) -> Performed {
        if self.unreached_conclusions > 0 {
            self.unreached_conclusions -= 1;
            return Performed::NotRun { reason: "the platform is not reachable".into() };
        }
        if self.failing_conclusions > 0 {
            self.failing_conclusions -= 1;
            return Performed::Failed { reason: "device or resource busy".into() };
        }
        let taken = self.replacement.take_if(|one| one.id == id);
        let performed = match taken {
            None => Performed::Accepted,
            Some(Replacement { has_new: false, old, .. }) if stage == Stage::Keep => {
                self.behaviour = old;
                self.replace(now);
                self.up_at = None;
                Performed::Superseded {
                    reason: "somebody removed the new one, the old one was put back".into(),
                }
            }
            Some(replacement) if stage == Stage::Keep => {
                assert_eq!(
                    replacement.reach,
                    Reach::Whole,
                    "what it replaced is discarded, and it does not run"
                );
                Performed::Accepted
            }
            Some(Replacement { has_kept: false, .. }) => {
                Performed::Superseded { reason: "somebody removed the old one".into() }
            }
            Some(replacement) => {
                self.behaviour = replacement.old;
                self.replace(now);
                self.up_at = None;
                Performed::Accepted
            }
        };
        if self.silent_conclusions > 0 {
            self.silent_conclusions -= 1;
            return Performed::Unknown { reason: "no answer within 20 s".into() };
        }
        performed
    }

    /// What the platform says there is of an order.
    pub fn examine(&self, id: OrderId) -> Result<Standing, Unreachable> {
        if !self.platform_answers {
            return Err(Unreachable { reason: "the platform is not reachable".into() });
        }
        let reach = self.replacement.as_ref().filter(|one| one.id == id).map(|one| one.reach);
        Ok(match reach {
            None | Some(Reach::Nothing) => Standing::Untouched,
            Some(Reach::Aside | Reach::Renamed) => Standing::Partial,
            Some(Reach::Whole) => Standing::Complete,
        })
    }

    fn call(&mut self, now: Timestamp) -> (Performed, Duration) {
        let quick = Duration::from_millis(20);
        match self.on_call {
            OnCall::Helps(after) => {
                self.behaviour = Behaviour::Up;
                self.up_at = Some(now + after);
                (Performed::Accepted, quick)
            }
            OnCall::Nobody => (Performed::Accepted, quick),
            OnCall::Refused => (Performed::NotRun { reason: "no connection".into() }, quick),
        }
    }

    fn restart(&mut self, now: Timestamp) -> (Performed, Duration) {
        let second = Duration::from_secs(1);
        match self.on_restart {
            OnRestart::Heals(after) => {
                self.replace(now + second);
                self.behaviour = Behaviour::Up;
                self.up_at = Some(now + second + after);
                (Performed::Accepted, second)
            }
            OnRestart::HealsInAnotherWay => {
                self.replace(now + second);
                self.behaviour = Behaviour::Up;
                self.up_at = Some(now + second);
                (Performed::AcceptedAs { how: "all of it was rolled out anew".into() }, second)
            }
            OnRestart::StaysBroken => {
                self.replace(now + second);
                (Performed::Accepted, second)
            }
            OnRestart::Refused => (Performed::NotRun { reason: "no such container".into() }, second),
            OnRestart::Fails => (Performed::Failed { reason: "exit code 1".into() }, second),
            OnRestart::AnswerLost => {
                self.replace(now + second);
                self.behaviour = Behaviour::Up;
                self.up_at = Some(now + second * 4);
                (Performed::Unknown { reason: "no answer within 30 s".into() }, second * 30)
            }
            OnRestart::OrderLost => {
                (Performed::Unknown { reason: "no answer within 30 s".into() }, second * 30)
            }
        }
    }

    /// Somebody starts a new instance.
    pub fn replace(&mut self, now: Timestamp) {
        self.instance += 1;
        self.stopped_by_hand = false;
        self.started_at = now;
    }
}
