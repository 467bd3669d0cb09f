use crate::domain::notification::alarm::AlarmSeverity;
use crate::domain::notification::channel::{ChannelKind, ChannelPolicy};

use super::*;

/// The channels in a few words.
fn channels(yaml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let word = |one: &ChannelPolicy| format!("{} {}", one.name, one.kind.as_str());
    config(yaml, variables).policy.notifications.channels.iter().map(word).collect()
}

#[test]
fn nobody_is_told_unless_somebody_is_named() {
    assert!(channels("", &[]).is_empty());
}

#[test]
fn each_kind_has_a_channel_by_a_variable_of_its_own() {
    let variables = [
        ("NOTIFY_WEBHOOK_URL", "https://hooks.example/x"),
        ("NOTIFY_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("NOTIFY_SLACK_URL", "https://chat.example/services/T0/B0"),
        ("NOTIFY_ALERTMANAGER_URL", "http://127.0.0.1:9093/alerts/"),
        ("NOTIFY_REMINDER", "0"),
    ];
    assert_eq!(channels("", &variables), ["webhook webhook", "slack slack", "alertmanager alertmanager"]);
    let config = config("", &variables);
    let is_local =
        |kind| config.policy.notifications.channels.iter().find(|one| one.kind == kind).unwrap().is_local;
    assert!(is_local(ChannelKind::Alertmanager) && !is_local(ChannelKind::Slack));
    assert!(config.policy.notifications.channels.iter().all(|one| one.reminder.is_none()));
    assert!(!format!("{config:?}").contains("services/T0"), "an address is shown");
}

#[test]
fn the_file_names_any_number_of_channels_and_what_they_hear() {
    let directory = tempfile::tempdir().unwrap();
    let (url, key) = (directory.path().join("url"), directory.path().join("key"));
    std::fs::write(&url, "https://chat.example/services/T0/B0\n").unwrap();
    std::fs::write(&key, "signing key\n").unwrap();
    let yaml = format!(
        "notify_reminder: 600
notifications:
  team:
    kind: slack
    url_file: {}
    services: ['shop-*', payments]
    severities: [critical]
    send_resolved: false
  pager: {{kind: webhook, url: 'http://pager', secret_file: {}, reminder: 60}}
",
        url.display(),
        key.display()
    );
    let config = config(&yaml, &[]);
    let [team, pager] = config.policy.notifications.channels.as_slice() else { panic!("not two") };
    assert_eq!((team.services.len(), team.severities.as_slice()), (2, &[AlarmSeverity::Critical][..]));
    assert!(!team.sends_resolved && pager.sends_resolved);
    let seconds = |one: &ChannelPolicy| one.reminder.map(|every| every.as_secs());
    assert_eq!((seconds(team), seconds(pager)), (Some(600), Some(60)));
    assert!(config.receivers[&pager.name].secret.is_some());
}

#[test]
fn every_fault_of_the_channels_is_told_at_once_without_a_secret() {
    let yaml = "
notifications:
  Team: {kind: slack, url: 'http://chat'}
  nowhere: {kind: webhook}
  twice: {kind: webhook, url: 'http://a/s3cret', url_file: /b}
  unread: {kind: webhook, url_file: /does/not/exist}
  mute: {url: 'http://a'}
  signed: {kind: slack, url: 'http://a', secret: hunter2}
  unsound: {kind: webhook, url: 'http://a', secret: 'whsec_hunter2!'}
  strange: {kind: webhook, url: 'http://a', services: ['a b'], severities: [loud]}
  asked: {kind: alertmanager, url: 'http://a/?token=t0ken'}
  webhook: {kind: webhook, url: 'http://a'}
";
    let faults =
        faults(yaml, &[("NOTIFY_WEBHOOK_URL", "http://b/s3cret"), ("NOTIFY_SLACK_URL", "ftp://c/s3cret")]);
    // Without the places in the file, in one line.
    let faults =
        faults.lines().map(|line| line.split(" (").next().unwrap().trim()).collect::<Vec<_>>().join(" ");
    for part in [
        "notifications.Team",
        "notifications.nowhere.url is required, or url_file",
        "notifications.twice.url_file = \"/b\" is set beside url",
        "the file cannot be read",
        "notifications.mute.kind is required: webhook, slack or alertmanager",
        "notifications.signed.secret is for the kind webhook",
        "notifications.unsound its secret begins with whsec_, but what follows is not base64",
        "\"a b\" is no name of a service",
        "\"loud\" is unknown: there are warning and critical",
        "notifications.asked.url must be the address of the Alertmanager, without a query",
        "NOTIFY_WEBHOOK_URL names the channel webhook that the file has too",
        "NOTIFY_SLACK_URL must begin with http:// or https://",
    ] {
        assert!(faults.contains(part), "{part} is missing:\n{faults}");
    }
    for secret in ["s3cret", "hunter2", "t0ken"] {
        assert!(!faults.contains(secret), "{secret} is shown:\n{faults}");
    }
}
