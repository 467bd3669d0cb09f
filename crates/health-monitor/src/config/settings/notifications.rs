//! The settings of notifications: one channel of each kind by variables, any number of them in the file.

use shared::config::{Chapter, Kind, Section, Setting};

use super::UP_TO_A_DAY;

/// Channels in the file at most.
const MAX_CHANNELS: usize = 20;

pub(super) const NOTIFICATIONS: Chapter = Chapter {
    heading: "Notifications",
    settings: &[
        Setting::new(
            "NOTIFY_AFTER",
            UP_TO_A_DAY,
            "How long an incident lasts before people are told, unless a person is needed at once",
        )
        .or("60"),
        Setting::new("NOTIFY_REMINDER", UP_TO_A_DAY, "Time between two reminders while it lasts; 0 = none")
            .or("1800"),
        Setting::new("NOTIFY_WEBHOOK_URL", Kind::Url, "Where the channel webhook posts signed JSON")
            .host_only(),
        Setting::new(
            "NOTIFY_WEBHOOK_SECRET",
            Kind::Text,
            "Key that signs the messages of the channel webhook",
        )
        .secret(),
        Setting::new(
            "NOTIFY_SLACK_URL",
            Kind::Url,
            "Incoming webhook of Slack, Mattermost or Rocket.Chat, for the channel slack",
        )
        .host_only(),
        Setting::new(
            "NOTIFY_ALERTMANAGER_URL",
            Kind::Url,
            "Address of an Alertmanager, for the channel alertmanager",
        )
        .host_only(),
    ],
};

pub(super) const PER_CHANNEL: Section = Section {
    key: "notifications",
    doc: "Further channels by name, and who is told of what through them",
    chapters: &[Chapter {
        heading: "Channels",
        settings: &[
            Setting::new(
                "kind",
                Kind::Choice(&["webhook", "slack", "alertmanager"]),
                "What it speaks: signed JSON, text for a chat program, or alerts",
            )
            .or_derived("required"),
            Setting::new("url", Kind::Url, "Where it posts to")
                .host_only()
                .or_derived("this or url_file is required"),
            Setting::new("url_file", Kind::Text, "File that holds the URL, which is often a secret"),
            Setting::new("secret", Kind::Text, "Key that signs its messages, for the kind webhook").secret(),
            Setting::new("secret_file", Kind::Text, "File that holds that key"),
            Setting::new("services", Kind::Words, "Services that it tells of, * for any letters")
                .or_derived("all services"),
            Setting::new("severities", Kind::Words, "Severities that it tells of: warning, critical")
                .or_derived("all severities"),
            Setting::new("send_resolved", Kind::Boolean, "Whether it tells of the end too").or("true"),
            Setting::new("reminder", UP_TO_A_DAY, "Time between two reminders; 0 = none")
                .inherits("NOTIFY_REMINDER"),
        ],
    }],
    sections: &[],
    members_at_most: Some(MAX_CHANNELS),
};
