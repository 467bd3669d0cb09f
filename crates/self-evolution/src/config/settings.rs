//! The table of settings: the one source of flags, variables, file keys, schema and documentation.

use shared::config::foundation::{ACCESS, DURABILITY, JOURNAL_MAX_BYTES, LEADERSHIP, OUTPUT};
use shared::config::{Chapter, Kind, Section, Setting};

use crate::domain::policy::JudgedChanges;

/// Everything that can be set. Keys are the names of the environment variables.
pub const SETTINGS: Section = Section {
    key: "",
    doc: "Configuration of self-evolution",
    chapters: &[DAEMON, ANALYSIS, PLATFORMS, ACCESS, LEADERSHIP, OUTPUT],
    sections: &[SERVICES],
    members_at_most: None,
};

/// Services that have actions at most: as many as are told apart.
const MAX_SERVICES: usize = 200;
/// As many as there are types of recommendations.
const MAX_ACTIONS: usize = 3;

const SERVICES: Section = Section {
    key: "services",
    doc: "Services for which a platform acts in place of a published setting, by name",
    chapters: &[],
    sections: &[ACTIONS],
    members_at_most: Some(MAX_SERVICES),
};

const ACTIONS: Section = Section {
    key: "actions",
    doc: "What is done, by the type of the recommendation: performance, reliability, scaling",
    chapters: &[Chapter {
        heading: "Actions",
        settings: &[
            Setting::new("backend", Kind::Choice(&["webhook", "command", "docker", "kubernetes"]), "By which means")
                .or_derived("required"),
            Setting::new(
                "set",
                Kind::Words,
                "Which value becomes what: KEY=NEW or KEY=OLD => NEW, where NEW may be a step, +1 or x2 up to 8",
            )
            .or_derived("required"),
            Setting::new("url", Kind::Url, "Where changes are posted, for the backend webhook").host_only(),
            Setting::new("read_url", Kind::Url, "Where the present value is read").host_only(),
            Setting::new("secret", Kind::Text, "Key that signs what is posted").secret(),
            Setting::new("command", Kind::Words, "Program that makes the change, for the backend command"),
            Setting::new("read", Kind::Words, "Program that prints the present value"),
            Setting::new(
                "container",
                Kind::Text,
                "Compose service or container name, for the backend docker",
            )
            .or_derived("the name of the service"),
            Setting::new(
                "stop_timeout",
                Kind::Seconds { min: 0.0, max: 3_600.0 },
                "How long a container may take to stop before it is killed",
            )
            .or("10"),
            Setting::new("workload", Kind::Text, "Workload for the backend kubernetes: deployment/web")
                .or_derived("the Deployment with the name of the service"),
            Setting::new(
                "rolls_out",
                Kind::Boolean,
                "Whether pods are started anew when a value of a ConfigMap changes",
            )
            .or("true"),
            Setting::new(
                "rollout_timeout",
                Kind::Seconds { min: 1.0, max: 3_600.0 },
                "How long the rollout of a workload may take",
            )
            .or("600"),
            Setting::new(
                "timeout",
                Kind::Seconds { min: 0.1, max: 600.0 },
                "How long an answer may take, and then until what was written shows",
            )
            .or("10"),
        ],
    }],
    sections: &[],
    members_at_most: Some(MAX_ACTIONS),
};

const PLATFORMS: Chapter = Chapter {
    heading: "Platforms",
    settings: &[
        Setting::new("DOCKER_HOST", Kind::Text, "Docker Engine: unix:///path or tcp://host:port")
            .or_derived("the usual socket"),
        Setting::new("COMPOSE_PROJECT_NAME", Kind::Text, "Compose project that the services belong to")
            .or_derived("whichever single project has the service"),
        Setting::new("KUBECONFIG", Kind::Text, "File that says how the API server of Kubernetes is reached")
            .or_derived("the ServiceAccount of the pod"),
        Setting::new("KUBERNETES_NAMESPACE", Kind::Text, "Namespace of workloads that are named without one")
            .or_derived("that of the pod, else that of the kubeconfig"),
    ],
};

const DAEMON: Chapter = Chapter {
    heading: "Daemon",
    settings: &[
        Setting::new("BIND_ADDRESS", Kind::Address, "Address and port that the API listens on")
            .or("0.0.0.0:5007"),
        Setting::new("DATA_DIR", Kind::Text, "Directory of the journal").or("data/self-evolution"),
        DURABILITY,
        JOURNAL_MAX_BYTES,
    ],
};

const ANALYSIS: Chapter = Chapter {
    heading: "Analysis",
    settings: &[
        Setting::new(
            "ANALYSIS_WINDOW_HOURS",
            Kind::Whole { min: 1, max: 168 },
            "How far back usage is looked at",
        )
        .unit("hours")
        .or("24"),
        Setting::new(
            "ANALYSIS_INTERVAL",
            Kind::Seconds { min: 1.0, max: 604_800.0 },
            "Time between two analyses",
        )
        .or("3600"),
        Setting::new(
            "ANALYSIS_BUCKET_SECONDS",
            Kind::Whole { min: 1, max: 3_600 },
            "Length of the spans that usage is counted in; every length that is given in minutes scales with it",
        )
        .unit("seconds")
        .or("60"),
        Setting::new(
            "OPTIMIZATION_THRESHOLD",
            Kind::Number { min: 0.0, max: 1.0 },
            "Least estimated improvement that is worth a recommendation, as a part of 1",
        )
        .or("0.15"),
        Setting::new(
            "AUTO_APPLY_OPTIMIZATIONS",
            Kind::Boolean,
            "Whether recommendations of high and critical priority are applied without asking",
        )
        .or("false"),
        Setting::new(
            "JUDGED_CHANGES",
            Kind::Choice(&JudgedChanges::CHOICES),
            "Which changes are judged, and taken back unless they are better",
        )
        .or("all"),
        Setting::new(
            "AB_TESTS",
            Kind::Choice(&["auto", "never"]),
            "Whether a change goes to half of the instances first, where a service reports which variant it had",
        )
        .or("auto"),
        Setting::new(
            "ON_INCONCLUSIVE",
            Kind::Choice(&["rollback", "keep"]),
            "What becomes of a change of which nobody can say whether it is better",
        )
        .or("rollback"),
    ],
};
