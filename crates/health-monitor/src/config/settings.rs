//! The table of settings: the one source of flags, variables, file keys, schema and documentation.

mod notifications;
mod services;

use shared::config::foundation::{ACCESS, DURABILITY, JOURNAL_MAX_BYTES, LEADERSHIP, OUTPUT};
use shared::config::{Chapter, Kind, Section, Setting};

use self::notifications::{NOTIFICATIONS, PER_CHANNEL};
pub(super) use self::services::PER_SERVICE;
use self::services::RECOVERY_COMMAND;

const TENTH_TO_A_DAY: Kind = Kind::Seconds { min: 0.1, max: 86_400.0 };
const UP_TO_A_DAY: Kind = Kind::Seconds { min: 0.0, max: 86_400.0 };
const UP_TO_TEN_MINUTES: Kind = Kind::Seconds { min: 0.05, max: 600.0 };
const COUNT: Kind = Kind::Whole { min: 1, max: 1_000 };
const MODE: Kind = Kind::Choice(&["enforce", "dry_run", "observe"]);
const BACKEND: Kind = Kind::Choice(&["auto", "docker", "kubernetes", "webhook", "command", "none"]);

/// Most services that one daemon watches.
pub const MAX_SERVICES: usize = 20_000;

/// Everything that can be set. Keys are the names of the environment variables.
pub const SETTINGS: Section = Section {
    key: "",
    doc: "Configuration of health-monitor",
    chapters: &[
        DAEMON,
        PROBING,
        HEALING,
        GUARDS,
        RECOVERY,
        NOTIFICATIONS,
        ACCESS,
        LEADERSHIP,
        OUTPUT,
        SERVICES,
    ],
    sections: &[RECOVERY_COMMAND, PER_CHANNEL, PER_SERVICE],
    members_at_most: None,
};

const DAEMON: Chapter = Chapter {
    heading: "Daemon",
    settings: &[
        Setting::new("BIND_ADDRESS", Kind::Address, "Address and port that the API listens on")
            .or("0.0.0.0:5006"),
        Setting::new("DATA_DIR", Kind::Text, "Directory of the journal").or("data/health-monitor"),
        DURABILITY,
        JOURNAL_MAX_BYTES,
    ],
};

const PROBING: Chapter = Chapter {
    heading: "Probing",
    settings: &[
        Setting::new("HEALTH_CHECK_INTERVAL", TENTH_TO_A_DAY, "Time between two probes of a service")
            .formerly("DAEMON_CHECK_INTERVAL")
            .or("30"),
        Setting::new(
            "HEALTH_CHECK_TIMEOUT",
            UP_TO_TEN_MINUTES,
            "How long one probe may take; never longer than the interval",
        )
        .or("10"),
        Setting::new(
            "HEALTH_CHECK_FAST_INTERVAL",
            TENTH_TO_A_DAY,
            "Time between two probes while a service is suspect or rising; never longer than the interval",
        )
        .or("5"),
        Setting::new(
            "MAX_FAILURES_BEFORE_RECOVERY",
            COUNT,
            "Consecutive hard failures (refused, reset, 5xx) that make a service unhealthy",
        )
        .or("3"),
        Setting::new(
            "MAX_SOFT_FAILURES_BEFORE_RECOVERY",
            COUNT,
            "Consecutive failures, soft ones (accepted, then silent) included, that make a service unhealthy",
        )
        .or_derived("2 x MAX_FAILURES_BEFORE_RECOVERY"),
        Setting::new("PASSES_BEFORE_HEALTHY", COUNT, "Consecutive passes that make a service healthy again")
            .or("2"),
        Setting::new(
            "START_PERIOD",
            UP_TO_A_DAY,
            "After an instance has changed, failures are not counted for this long or until the first pass",
        )
        .or("30"),
    ],
};

const HEALING: Chapter = Chapter {
    heading: "Healing",
    settings: &[
        Setting::new(
            "HEALING_MODE",
            MODE,
            "Whether services are healed (enforce), decisions are only recorded (dry_run), or neither (observe)",
        )
        .or("enforce"),
        Setting::new(
            "RESPECT_OPERATOR_STOP",
            Kind::Boolean,
            "Whether a container is left alone after somebody has stopped it through the Docker Engine",
        )
        .or("false"),
        Setting::new(
            "RECOVERY_TIMEOUT",
            UP_TO_A_DAY,
            "Least time between two recovery attempts of one service; doubles with each further attempt",
        )
        .or("60"),
        Setting::new("RECOVERY_TIMEOUT_MAX", UP_TO_A_DAY, "Where the doubling of RECOVERY_TIMEOUT ends")
            .or_derived("900, or RECOVERY_TIMEOUT where that is longer"),
        Setting::new(
            "MAX_RECOVERIES_PER_HOUR",
            COUNT,
            "Attempts within an hour after which a service is quarantined",
        )
        .or("5"),
        Setting::new(
            "VERIFICATION_TIMEOUT",
            TENTH_TO_A_DAY,
            "How long a service may take to be healthy again after the action was accepted",
        )
        .or_derived("120; in Kubernetes 600"),
        Setting::new(
            "STABLE_AFTER",
            UP_TO_A_DAY,
            "Verified health that lasts this long clears attempts and back-off",
        )
        .or("600"),
    ],
};

const GUARDS: Chapter = Chapter {
    heading: "Guards across services",
    settings: &[
        Setting::new(
            "OWN_NETWORK_GUARD",
            Kind::Boolean,
            "Whether nothing is counted or done while most witnesses of our own network cannot be reached",
        )
        .or("true"),
        Setting::new(
            "SENTINELS",
            Kind::Text,
            "Witnesses of our own network as host:port, separated by commas; services are asked beside them",
        )
        .or_derived("name servers, Elasticsearch, Docker Engine, API server of the cluster, unless on this host"),
        Setting::new(
            "STORM_GUARD",
            Kind::Boolean,
            "Whether services are healed one at a time when half of them, and three, go down within a minute",
        )
        .or("true"),
        Setting::new("MAX_CONCURRENT_RECOVERIES", COUNT, "Recoveries under way at most").or("2"),
        Setting::new(
            "MAX_RECOVERIES_PER_TEN_MINUTES",
            COUNT,
            "Actions within ten minutes after which nothing more is done until a person resets the budget",
        )
        .or("10"),
        Setting::new(
            "MAX_FLEET_PERCENT",
            Kind::Whole { min: 1, max: 100 },
            "Part of the services that is acted upon at most within ten minutes, where there are four or more",
        )
        .unit("percent")
        .or("30"),
    ],
};

const RECOVERY: Chapter = Chapter {
    heading: "Means of recovery",
    settings: &[
        Setting::new(
            "RECOVERY_STEPS",
            Kind::Text,
            "What is done, step by step, as long as it does not help: restart x2 within 90, webhook",
        )
        .or_derived("restart; in Kubernetes restart, recreate"),
        Setting::new(
            "RECOVERY_BACKEND",
            BACKEND,
            "How services are restarted; auto takes what is configured, else Kubernetes in a cluster and Docker elsewhere",
        )
        .or("auto"),
        Setting::new("DOCKER_HOST", Kind::Text, "Docker Engine: unix:///path or tcp://host:port")
            .or_derived("the usual socket"),
        Setting::new(
            "DOCKER_LABELS",
            Kind::Boolean,
            "Whether containers are watched that ask for it by their labels",
        )
        .or("true"),
        Setting::new(
            "DOCKER_LABELS_GRACE",
            UP_TO_A_DAY,
            "How long a service is still watched after the container is gone whose labels name it",
        )
        .or("60"),
        Setting::new("COMPOSE_PROJECT_NAME", Kind::Text, "Compose project that the services belong to")
            .or_derived("whichever single project has the service"),
        Setting::new(
            "RECOVERY_STOP_TIMEOUT",
            Kind::Seconds { min: 0.0, max: 3_600.0 },
            "How long a container may take to stop before it is killed",
        )
        .or("10"),
        Setting::new("KUBECONFIG", Kind::Text, "File that says how the API server of a cluster is reached")
            .or_derived("the ServiceAccount of the pod"),
        Setting::new(
            "KUBERNETES_NAMESPACE",
            Kind::Text,
            "Namespace of the workloads for which none is named",
        )
        .or_derived("that of the pod, or of the context"),
        Setting::new(
            "KUBERNETES_SERVICE_HOST",
            Kind::Text,
            "API server, as Kubernetes tells every pod; that it is set means that the daemon runs in a cluster",
        ),
        Setting::new("RECOVERY_WEBHOOK_URL", Kind::Url, "Where restart orders are posted").host_only(),
        Setting::new("RECOVERY_WEBHOOK_SECRET", Kind::Text, "Key that signs the restart orders").secret(),
        Setting::new(
            "RECOVERY_COMMAND_TIMEOUT",
            Kind::Seconds { min: 0.1, max: 3_600.0 },
            "How long a recovery command may take before it is killed",
        )
        .or("60"),
    ],
};

const SERVICES: Chapter = Chapter {
    heading: "Services",
    settings: &[
        Setting::new("API_GATEWAY_URL", Kind::Url, "Address of api-gateway").or("http://api-gateway:8000"),
        Setting::new("IMAGE_SERVICE_URL", Kind::Url, "Address of image-generation")
            .or("http://image-generation:5000"),
        Setting::new("VIDEO_SERVICE_URL", Kind::Url, "Address of video-generation")
            .or("http://video-generation:5001"),
        Setting::new("CRYPTO_SERVICE_URL", Kind::Url, "Address of crypto-prediction")
            .or("http://crypto-prediction:5002"),
        Setting::new("ORCHESTRATOR_URL", Kind::Url, "Address of orchestrator").or("http://orchestrator:5003"),
        Setting::new("FRAUD_SERVICE_URL", Kind::Url, "Address of fraud-detection")
            .or("http://fraud-detection:5004"),
        Setting::new("AUTO_SCALER_URL", Kind::Url, "Address of auto-scaler").or("http://auto-scaler:5005"),
    ],
};

/// The services that are watched when the file names none, each with the setting of its URL.
pub(super) const DEFAULT_SERVICES: [(&str, &str); 7] = [
    ("api-gateway", "API_GATEWAY_URL"),
    ("image-generation", "IMAGE_SERVICE_URL"),
    ("video-generation", "VIDEO_SERVICE_URL"),
    ("crypto-prediction", "CRYPTO_SERVICE_URL"),
    ("orchestrator", "ORCHESTRATOR_URL"),
    ("fraud-detection", "FRAUD_SERVICE_URL"),
    ("auto-scaler", "AUTO_SCALER_URL"),
];
