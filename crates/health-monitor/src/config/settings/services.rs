//! The settings of the file that have no variable: those of commands and of single services.

use shared::config::{Chapter, Kind, Section, Setting};

use super::{BACKEND, COUNT, MAX_SERVICES, MODE, TENTH_TO_A_DAY, UP_TO_A_DAY, UP_TO_TEN_MINUTES};

pub(super) const RECOVERY_COMMAND: Section = Section {
    key: "recovery_command",
    doc: "Programs that restart a service and tell which instance runs; {service} becomes its name",
    chapters: &[Chapter {
        heading: "Recovery command",
        settings: &[
            Setting::new("restart", Kind::Words, "Program and arguments; exit code 0 means done"),
            Setting::new(
                "inspect",
                Kind::Words,
                "Program that prints what identifies the running instance, nothing when it does not run",
            ),
            Setting::new(
                "timeout",
                Kind::Seconds { min: 0.1, max: 3_600.0 },
                "How long each may take before it is killed",
            )
            .inherits("RECOVERY_COMMAND_TIMEOUT"),
        ],
    }],
    sections: &[],
    members_at_most: None,
};

const CONFIGURATION_UPDATE: Section = Section {
    key: "configuration_update",
    doc: "What the step update_configuration changes: variables of the container, keys of a ConfigMap, or a file",
    chapters: &[Chapter {
        heading: "Configuration update",
        settings: &[
            Setting::new("set", Kind::Words, "Variables or keys to set, NAME=value each").secret(),
            Setting::new("remove", Kind::Words, "Names of variables or keys to remove"),
            Setting::new(
                "config_map",
                Kind::Text,
                "ConfigMap whose keys are changed, in the namespace of the workload; without one, variables are",
            ),
            Setting::new(
                "file",
                Kind::Text,
                "Absolute path of the file to change, on the host of the monitor",
            ),
            Setting::new("content", Kind::Text, "Its whole new content").secret(),
            Setting::new("replace", Kind::Words, "Texts to replace in it, OLD => NEW each").secret(),
        ],
    }],
    sections: &[],
    members_at_most: None,
};

pub(in crate::config) const PER_SERVICE: Section = Section {
    key: "services",
    doc: "The services to watch, by name, in place of the seven default ones",
    chapters: &[SERVICE_PROBING, SERVICE_ANSWER, SERVICE_HEALING, SERVICE_RECOVERY],
    sections: &[RECOVERY_COMMAND, CONFIGURATION_UPDATE],
    members_at_most: Some(MAX_SERVICES),
};

const SERVICE_PROBING: Chapter = Chapter {
    heading: "Probing",
    settings: &[
        Setting::new(
            "url",
            Kind::UrlOf(&["http", "https", "tcp", "grpc"]),
            "Address of the service, without credentials, query and fragment; its scheme chooses the probe",
        )
        .or_derived("required, except for the seven default services and other probes"),
        Setting::new(
            "probe",
            Kind::Choice(&["url", "docker", "push"]),
            "What is asked: the address, the Docker Engine for the state of the containers, or nobody, as it posts heartbeats",
        )
        .or("url"),
        Setting::new(
            "unhealthy_only",
            Kind::Boolean,
            "Whether only the health check of the image fails it, and not a container that does not run",
        )
        .or("false"),
        Setting::new("grace", UP_TO_A_DAY, "How much later than its interval a heartbeat may come")
            .or_derived("the interval"),
        Setting::new("grpc_service", Kind::Text, "Service that the gRPC health service is asked for"),
        Setting::new("path", Kind::Text, "What is fetched below the address").or("/health"),
        Setting::new("interval", TENTH_TO_A_DAY, "Time between two probes").inherits("HEALTH_CHECK_INTERVAL"),
        Setting::new("timeout", UP_TO_TEN_MINUTES, "How long one probe may take")
            .inherits("HEALTH_CHECK_TIMEOUT"),
        Setting::new("fast_interval", TENTH_TO_A_DAY, "Time between two probes while suspect or rising")
            .inherits("HEALTH_CHECK_FAST_INTERVAL"),
        Setting::new("fall", COUNT, "Consecutive hard failures that make it unhealthy")
            .inherits("MAX_FAILURES_BEFORE_RECOVERY"),
        Setting::new("fall_soft", COUNT, "Consecutive failures, soft ones included, that make it unhealthy")
            .or_derived("2 x fall where the service sets fall, else max_soft_failures_before_recovery")
            .inherits("MAX_SOFT_FAILURES_BEFORE_RECOVERY"),
        Setting::new("rise", COUNT, "Consecutive passes that make it healthy again")
            .inherits("PASSES_BEFORE_HEALTHY"),
        Setting::new("start_period", UP_TO_A_DAY, "Failures are not counted for this long after a start")
            .inherits("START_PERIOD"),
    ],
};

const SERVICE_ANSWER: Chapter = Chapter {
    heading: "What a good answer is",
    settings: &[
        Setting::new("expected_status", Kind::Text, "Statuses that pass: single ones and ranges").or("200"),
        Setting::new("body_contains", Kind::Text, "Text that the body must contain"),
        Setting::new("body_json", Kind::Text, "Value that the body must have, as /json/pointer=value"),
        Setting::new("latency_limit", UP_TO_TEN_MINUTES, "A pass that takes longer is degraded"),
        Setting::new(
            "certificate_days",
            Kind::Whole { min: 1, max: 3_650 },
            "A pass is degraded when the TLS certificate ends within so many days",
        )
        .unit("days"),
        Setting::new("ca_file", Kind::Text, "File with certificates (PEM) to trust beside the usual ones"),
        Setting::new("redirects", Kind::Whole { min: 0, max: 10 }, "Redirects that are followed at most")
            .or("0"),
    ],
};

const SERVICE_HEALING: Chapter = Chapter {
    heading: "Healing",
    settings: &[
        Setting::new("mode", MODE, "Whether it is healed").inherits("HEALING_MODE"),
        Setting::new(
            "respect_operator_stop",
            Kind::Boolean,
            "Whether its container is left alone after somebody has stopped it through the Docker Engine",
        )
        .inherits("RESPECT_OPERATOR_STOP"),
        Setting::new(
            "depends_on",
            Kind::Words,
            "Services that it needs; while one of them is down it is neither counted nor healed",
        ),
        Setting::new(
            "failure_domain",
            Kind::Text,
            "What fails together with it, such as a host; one recovery at a time within each",
        ),
        Setting::new("recovery_timeout", UP_TO_A_DAY, "Least time between two attempts")
            .inherits("RECOVERY_TIMEOUT"),
        Setting::new("recovery_timeout_max", UP_TO_A_DAY, "Where the doubling of recovery_timeout ends")
            .or_derived("recovery_timeout_max of all, or recovery_timeout where that is longer")
            .inherits("RECOVERY_TIMEOUT_MAX"),
        Setting::new("max_recoveries_per_hour", COUNT, "Attempts within an hour before quarantine")
            .inherits("MAX_RECOVERIES_PER_HOUR"),
        Setting::new("verification_timeout", TENTH_TO_A_DAY, "How long a recovery may take to be verified")
            .inherits("VERIFICATION_TIMEOUT"),
        Setting::new("stable_after", UP_TO_A_DAY, "Health that lasts this long clears attempts and back-off")
            .inherits("STABLE_AFTER"),
    ],
};

const SERVICE_RECOVERY: Chapter = Chapter {
    heading: "Means of recovery",
    settings: &[
        Setting::new("steps", Kind::Words, "What is done, step by step, as long as it does not help")
            .or_derived("RECOVERY_STEPS"),
        Setting::new("recovery_backend", BACKEND, "How it is restarted").inherits("RECOVERY_BACKEND"),
        Setting::new("container", Kind::Text, "Compose service or container name")
            .or_derived("the name of the service"),
        Setting::new(
            "workload",
            Kind::Text,
            "Its workload in Kubernetes: deployment/web, or with the namespace shop/deployment/web",
        )
        .or_derived("the one that its address leads to"),
        Setting::new(
            "stop_timeout",
            Kind::Seconds { min: 0.0, max: 3_600.0 },
            "How long its container may take to stop before it is killed",
        )
        .inherits("RECOVERY_STOP_TIMEOUT"),
        Setting::new("recovery_webhook_url", Kind::Url, "Where its restart orders are posted")
            .host_only()
            .or_derived("recovery_webhook_url of all"),
    ],
};
