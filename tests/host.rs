//! One simulated service and the platform that it runs on.

use std::time::Duration;

use health_monitor::domain::expected::Mismatch;
use health_monitor::domain::reading::{Answer, Examined};
use shared::clock::Timestamp;
use shared::order::{Action, Observed, Performed, Unreachable};

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

/// A simulated service.
#[derive(Clone, Debug)]
pub struct Host {
    /// How it answers now.
    pub behaviour: Behaviour,
    /// What a restart does.
    pub on_restart: OnRestart,
    /// What a call for help does.
    pub on_call: OnCall,
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
            instance: 1,
            started_at: Timestamp::from_micros(0),
            up_at: None,
            tells_instances: true,
            platform_answers: true,
            certificate_ends_at: None,
        }
    }

    /// What a probe gets, and how long it takes.
    pub fn probe(&self, now: Timestamp, timeout: Duration) -> (Answer, Duration) {
        let quick = Duration::from_millis(2);
        if self.up_at.is_some_and(|up_at| now < up_at) {
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

    /// What the platform reports.
    pub fn observe(&self) -> Result<Observed, Unreachable> {
        if !self.platform_answers {
            return Err(Unreachable { reason: "the platform is not reachable".into() });
        }
        if !self.tells_instances {
            return Ok(Observed::default());
        }
        Ok(Observed {
            identity: Some(format!("instance-{}", self.instance)),
            running: Some(true),
            started_at: Some(self.started_at),
            detail: None,
        })
    }

    /// The platform gets an order. Gives its answer and how long that takes.
    pub fn perform(&mut self, action: Action, now: Timestamp) -> (Performed, Duration) {
        match action {
            Action::Restart => self.restart(now),
            Action::Webhook => self.call(now),
        }
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
        self.started_at = now;
    }
}
