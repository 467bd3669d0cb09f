//! By which means each service is healed.

use std::time::Duration;

use secrecy::SecretString;
use shared::config::{Fault, Faults, Group, HttpUrl, Member};
use shared::order::{Backend, Target};
use shared::platform::kubernetes::workload::is_name;
use shared::platform::kubernetes::{Access, KubernetesSettings, Workload};
use shared::platform::{CommandSettings, DockerSettings, PlatformSettings, WebhookSettings};

use super::seconds;
use super::steps::escalates;
use crate::domain::ladder::Step;

/// How long a webhook may take to answer; it only has to accept the order.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// What is configured for all services.
pub(super) struct Globals<'a> {
    root: &'a Group,
    docker_host: Option<&'a str>,
    /// The way to the API server of a cluster, one for all services.
    kubernetes: Access,
}

impl<'a> Globals<'a> {
    /// Checks what is configured for all services.
    pub(super) fn of(root: &'a Group, faults: &mut Faults) -> Self {
        let docker_host = root.text("DOCKER_HOST");
        if let Some(reason) = docker_host.and_then(refuse_docker_host) {
            faults.push(root.fault("DOCKER_HOST", reason));
        }
        let namespace = root.text("KUBERNETES_NAMESPACE");
        if let Some(wrong) = namespace.filter(|namespace| !is_name(namespace)) {
            let reason = format!("{wrong:?} cannot be the name of a namespace");
            faults.push(root.fault("KUBERNETES_NAMESPACE", reason));
        }
        let kubernetes = Access::new(root.text("KUBECONFIG"), namespace);
        Self { root, docker_host, kubernetes }
    }

    /// The means for one service; none after a fault.
    pub(super) fn platform(
        &self,
        member: &Member,
        steps: &[Step],
        faults: &mut Faults,
    ) -> Option<PlatformSettings> {
        let service = &member.group;
        let own_choice = service.text("recovery_backend").unwrap_or("auto");
        match own_choice {
            "docker" => Some(self.docker(member)),
            "kubernetes" => self.kubernetes(member, faults),
            "webhook" => self.webhook(member, faults),
            "command" => self.command(member, faults),
            "none" => Some(PlatformSettings::None),
            _ => self.automatic(member, steps, faults),
        }
    }

    /// Who is called by a step that escalates; none after a fault.
    pub(super) fn escalation(&self, member: &Member, faults: &mut Faults) -> Option<PlatformSettings> {
        let settings = self.webhook_settings(member);
        if settings.is_none() && !self.is_webhook_refused(member) {
            let reason =
                "the step webhook needs RECOVERY_WEBHOOK_URL, or recovery_webhook_url of the service";
            let service = &member.group;
            let fault = Fault::new(service.name_of("steps"), reason);
            faults.push(fault.from_origin(service.origin("steps")));
        }
        settings
    }

    /// What the service itself has is nearer than what all have.
    fn automatic(&self, member: &Member, steps: &[Step], faults: &mut Faults) -> Option<PlatformSettings> {
        let service = &member.group;
        // A webhook that is called as a step is not also what restarts the service.
        let is_backend = !escalates(steps);
        let has_restart = restart(service).is_some() || restart(self.root).is_some();
        if !has_restart && inspects(service) {
            let reason = "inspect alone does not heal: set recovery_command.restart too";
            faults.push(service.fault("recovery_command", reason));
            return None;
        }
        let own = (restart(service).is_some(), is_backend && service.url("recovery_webhook_url").is_some());
        let all =
            (restart(self.root).is_some(), is_backend && self.root.url("RECOVERY_WEBHOOK_URL").is_some());
        match (own, all) {
            ((true, true), _) => {
                faults.push(ambiguous(service, "recovery_backend", "recovery_webhook_url"));
                None
            }
            ((true, false), _) => self.command(member, faults),
            ((false, true), _) => self.webhook(member, faults),
            ((false, false), (true, true)) => {
                faults.push(ambiguous(self.root, "RECOVERY_BACKEND", "RECOVERY_WEBHOOK_URL"));
                None
            }
            ((false, false), (true, false)) => self.command(member, faults),
            ((false, false), (false, true)) => self.webhook(member, faults),
            ((false, false), (false, false)) if is_in_cluster(self.root) => self.kubernetes(member, faults),
            ((false, false), (false, false)) => Some(self.docker(member)),
        }
    }

    fn kubernetes(&self, member: &Member, faults: &mut Faults) -> Option<PlatformSettings> {
        let workload = member.group.text("workload").map(str::to_owned);
        if let Some(Err(error)) = workload.as_ref().map(|text| Workload::parse(text, "default")) {
            faults.push(member.group.fault("workload", error.to_string()));
            return None;
        }
        let url = member.group.url("url").and_then(|url| reqwest::Url::parse(url.expose()).ok());
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        let access = self.kubernetes.clone();
        let start_period = seconds(&member.group, "start_period");
        let settings = KubernetesSettings { access, workload, host, update: None, start_period };
        Some(PlatformSettings::Kubernetes(settings))
    }

    fn docker(&self, member: &Member) -> PlatformSettings {
        PlatformSettings::Docker(DockerSettings {
            host: self.docker_host.map(str::to_owned),
            project: self.root.text("COMPOSE_PROJECT_NAME").map(str::to_owned),
            container: member.group.text("container").unwrap_or(&member.name).to_owned(),
            stop_timeout: seconds(&member.group, "stop_timeout"),
            update: None,
        })
    }

    fn webhook(&self, member: &Member, faults: &mut Faults) -> Option<PlatformSettings> {
        let settings = self.webhook_settings(member);
        if settings.is_none() && !self.is_webhook_refused(member) {
            faults.push(self.missing(&member.group, "webhook", "RECOVERY_WEBHOOK_URL"));
        }
        settings
    }

    fn is_webhook_refused(&self, member: &Member) -> bool {
        member.group.refused.contains("recovery_webhook_url")
            || self.root.refused.contains("RECOVERY_WEBHOOK_URL")
    }

    fn webhook_settings(&self, member: &Member) -> Option<PlatformSettings> {
        let own = member.group.url("recovery_webhook_url");
        let url = own.or_else(|| self.root.url("RECOVERY_WEBHOOK_URL"))?;
        let secret: Option<&SecretString> = self.root.secret("RECOVERY_WEBHOOK_SECRET");
        Some(PlatformSettings::Webhook(WebhookSettings {
            url: url.expose().to_owned(),
            secret: secret.cloned(),
            timeout: WEBHOOK_TIMEOUT,
        }))
    }

    /// A service may give only what differs from the command of all.
    fn command(&self, member: &Member, faults: &mut Faults) -> Option<PlatformSettings> {
        let own = member.group.sections.get("recovery_command");
        let all = self.root.sections.get("recovery_command");
        let words = |key: &str| {
            let own = own.and_then(|group| group.words(key));
            own.or_else(|| all.and_then(|group| group.words(key))).map(<[String]>::to_vec)
        };
        let Some(restart) = words("restart") else {
            let is_refused = [own, all].into_iter().flatten().any(|group| group.refused.contains("restart"));
            if !is_refused {
                faults.push(self.missing(&member.group, "command", "recovery_command.restart"));
            }
            return None;
        };
        let timeout = [own, all].into_iter().flatten().find(|group| group.is_given("timeout"));
        Some(PlatformSettings::Command(CommandSettings {
            restart,
            inspect: words("inspect"),
            timeout: timeout.map_or_else(
                || seconds(self.root, "RECOVERY_COMMAND_TIMEOUT"),
                |group| seconds(group, "timeout"),
            ),
            update: None,
        }))
    }

    /// Said of the setting that made the choice.
    fn missing(&self, service: &Group, backend: &str, setting: &str) -> Fault {
        let reason = format!("{backend} is chosen, and {setting} is not set");
        if service.is_given("recovery_backend") {
            service.fault("recovery_backend", reason)
        } else {
            self.root.fault("RECOVERY_BACKEND", reason)
        }
    }
}

/// Whether the daemon runs as a pod.
fn is_in_cluster(root: &Group) -> bool {
    root.text("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty())
}

/// Whether Kubernetes is what is taken where nothing is chosen.
pub(super) fn takes_kubernetes(root: &Group, service: Option<&Group>) -> bool {
    let has_own = |group: &Group, webhook: &str| restart(group).is_some() || group.url(webhook).is_some();
    is_in_cluster(root)
        && !has_own(root, "RECOVERY_WEBHOOK_URL")
        && !service.is_some_and(|service| has_own(service, "recovery_webhook_url"))
}

/// Whether the service says how one instance is told from another.
fn inspects(service: &Group) -> bool {
    service.sections.get("recovery_command").is_some_and(|group| group.words("inspect").is_some())
}

fn restart(group: &Group) -> Option<&[String]> {
    group.sections.get("recovery_command")?.words("restart")
}

fn ambiguous(group: &Group, choice: &str, webhook: &str) -> Fault {
    let reason = format!("recovery_command and {webhook} are both set, and one has to be chosen");
    group.fault(choice, reason).suggesting(Some(format!("set {choice} to command or webhook")))
}

fn refuse_docker_host(host: &str) -> Option<&'static str> {
    let is_fine = match host.split_once("://") {
        Some(("unix", path)) => path.starts_with('/') && path.len() > 1,
        Some(("tcp", rest)) => HttpUrl::parse(&format!("http://{rest}")).is_ok_and(|url| !url.has_userinfo()),
        Some(_) | None => false,
    };
    if is_fine { None } else { Some("must be unix:///path/of/the/socket or tcp://host:port") }
}

/// What an action through these means is aimed at, as a person would name it.
pub(super) fn target(platform: &PlatformSettings, service: &str) -> Target {
    let (backend, name) = match platform {
        PlatformSettings::Docker(docker) => (Backend::Docker, docker.container.clone()),
        PlatformSettings::Kubernetes(kubernetes) => (Backend::Kubernetes, workload(kubernetes, service)),
        PlatformSettings::Webhook(webhook) => {
            let host = HttpUrl::parse(&webhook.url).map(|url| url.authority()).unwrap_or_default();
            (Backend::Webhook, host)
        }
        PlatformSettings::Command(command) => {
            (Backend::Command, command.restart.first().cloned().unwrap_or_default())
        }
        PlatformSettings::None => (Backend::None, String::new()),
    };
    Target { backend, name }
}

/// What the settings say; else the service, as long as nobody was asked.
fn workload(kubernetes: &KubernetesSettings, service: &str) -> String {
    kubernetes.workload.clone().unwrap_or_else(|| service.to_owned())
}
