//! The configuration files that the daemons are started with.

use std::fmt::Write;
use std::path::Path;

use super::fleet::Fleet;

/// Hard failures in a row that make health-monitor act.
pub(super) const FALL: u32 = 3;

/// Silent answers in a row that make health-monitor act: one more, as a busy service must not be restarted.
pub(super) const FALL_SOFT: u32 = 4;

/// health-monitor's file as YAML. Short intervals, so that nobody has to wait; everything else is as in production.
pub(super) fn of_health_monitor(fleet: &Fleet, program: &Path, port: u16) -> String {
    let directory = quoted(fleet.directory());
    let program = quoted(program);
    let data = quoted(&fleet.directory().join("health-monitor"));
    let mut yaml = format!(
        "\
bind_address: 127.0.0.1:{port}
data_dir: {data}
health_check_interval: 1
health_check_fast_interval: 0.5
health_check_timeout: 1
max_failures_before_recovery: {FALL}
max_soft_failures_before_recovery: {FALL_SOFT}
passes_before_healthy: 2
start_period: 2
recovery_timeout: 5
verification_timeout: 20
elasticsearch_enabled: false
recovery_backend: command
recovery_command:
  restart: [{program}, restart, --state, {directory}, --name, \"{{service}}\"]
  inspect: [{program}, identity, --state, {directory}, --name, \"{{service}}\"]
services:
"
    );
    for member in fleet.members() {
        // Writing to a string cannot fail.
        let _ = writeln!(yaml, "  {}: {{url: \"{}\"}}", member.name(), member.url());
    }
    yaml
}

/// self-evolution's file as YAML. Usage is counted in seconds, for a story that takes no minutes.
pub(super) fn of_self_evolution(directory: &Path, port: u16) -> String {
    let data = quoted(&directory.join("self-evolution"));
    format!(
        "\
bind_address: 127.0.0.1:{port}
data_dir: {data}
analysis_bucket_seconds: 1
elasticsearch_enabled: false
"
    )
}

/// A path as a double-quoted scalar: every JSON string is one.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
