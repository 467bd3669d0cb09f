//! What a container is made of, so that it can be made anew: pure, from its inspection.

use std::collections::HashMap;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, MountPoint,
    NetworkingConfig,
};

use crate::platform::Variables;

/// The label of a container that we made: the identity of the recovery.
pub(super) const RECOVERY_LABEL: &str = "health-monitor.recovery";

/// Swarm's label for a container that it made for a task.
const TASK_LABEL: &str = "com.docker.swarm.task.id";

/// How many digits of an identity Docker gives out as a host name and an alias.
const SHORT_ID: usize = 12;

/// A network, and how it is joined.
type Endpoint = (String, EndpointSettings);

/// How to make a container like another one.
#[derive(Debug)]
pub(super) struct Blueprint {
    /// What the engine is asked to create.
    pub(super) body: ContainerCreateBody,
    /// Networks beside the first; engines before 25 take one at the creation.
    pub(super) further: Vec<Endpoint>,
}

/// Why this container cannot be made anew with the old one kept, if it cannot.
pub(super) fn refusal(old: &ContainerInspectResponse) -> Option<&'static str> {
    let host = old.host_config.as_ref();
    if old.config.is_none() || host.is_none() {
        Some("the engine does not tell its configuration")
    } else if host.and_then(|host| host.auto_remove) == Some(true) {
        Some("it is removed as soon as it stops (--rm), so the old one cannot be kept")
    } else if old
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref())
        .is_some_and(|l| l.contains_key(TASK_LABEL))
    {
        Some(
            "it is a task of a Swarm service, and Swarm itself replaces what stops; use docker service update --force",
        )
    } else {
        None
    }
}

impl Blueprint {
    /// The same container again, from this image, with these variables changed.
    pub(super) fn of(
        old: ContainerInspectResponse,
        image: &str,
        recovery: &str,
        variables: &Variables,
    ) -> Self {
        let id = old.id.unwrap_or_default();
        let short = id.get(..SHORT_ID).unwrap_or(&id).to_owned();
        let config = old.config.unwrap_or_default();
        let mut host = old.host_config.unwrap_or_default();
        keep_volumes(&mut host, old.mounts.unwrap_or_default());
        host.links = host.links.map(|links| links.iter().map(|link| as_written(link)).collect());
        let mode = host.network_mode.clone().unwrap_or_default();
        let networks = old.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let (first, further) = endpoints(networks, &mode, &short);
        let mut body = body(config, variables);
        body.image = Some(image.to_owned());
        body.labels.get_or_insert_default().insert(RECOVERY_LABEL.into(), recovery.into());
        let shares_network = mode.starts_with("container:");
        // The engine made this name up, or it is that of the container whose network is shared.
        if shares_network || body.hostname.as_deref() == Some(short.as_str()) {
            body.hostname = None;
        }
        if shares_network {
            body.domainname = None;
            body.exposed_ports = None;
        }
        body.host_config = Some(host);
        body.networking_config =
            first.map(|first| NetworkingConfig { endpoints_config: Some(HashMap::from([first])) });
        Self { body, further }
    }
}

fn body(config: ContainerConfig, variables: &Variables) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: config.hostname,
        domainname: config.domainname,
        user: config.user,
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        exposed_ports: config.exposed_ports,
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        env: Some(variables.applied_to(config.env.unwrap_or_default())),
        cmd: config.cmd,
        healthcheck: config.healthcheck,
        args_escaped: config.args_escaped,
        image: config.image,
        volumes: config.volumes,
        working_dir: config.working_dir,
        entrypoint: config.entrypoint,
        network_disabled: config.network_disabled,
        on_build: config.on_build,
        labels: config.labels,
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        shell: config.shell,
        host_config: None,
        networking_config: None,
    }
}

/// Volumes without a name of their own would be new and empty; they are mounted by the name that the engine gave.
fn keep_volumes(host: &mut HostConfig, mounts: Vec<MountPoint>) {
    let binds = host.binds.clone().unwrap_or_default();
    let is_bound = |target: &str| {
        let target = target.trim_end_matches('/');
        let by_bind = binds
            .iter()
            .any(|bind| bind.split(':').nth(1).is_some_and(|bound| bound.trim_end_matches('/') == target));
        let by_mount = host.mounts.iter().flatten().any(|mount| {
            mount.source.as_deref().is_some_and(|source| !source.is_empty())
                && mount.target.as_deref().is_some_and(|bound| bound.trim_end_matches('/') == target)
        });
        by_bind || by_mount
    };
    let mut anonymous = Vec::new();
    for mount in mounts {
        let (Some(name), Some(target)) = (mount.name, mount.destination) else { continue };
        if mount.typ.as_deref() == Some("volume") && !is_bound(&target) {
            let mode = if mount.rw == Some(false) { ":ro" } else { "" };
            anonymous.push((format!("{name}:{target}{mode}"), target));
        }
    }
    if let Some(mounts) = &mut host.mounts {
        // The same target cannot be given twice.
        mounts.retain(|mount| !anonymous.iter().any(|(_, target)| mount.target.as_ref() == Some(target)));
    }
    if !anonymous.is_empty() {
        host.binds.get_or_insert_default().extend(anonymous.into_iter().map(|(bind, _)| bind));
    }
}

/// An engine tells a link as `/db:/web/alias` and takes it as `db:alias`.
fn as_written(link: &str) -> String {
    let (other, alias) = link.split_once(':').unwrap_or((link, link));
    let alias = alias.rsplit('/').next().unwrap_or(alias);
    format!("{}:{alias}", other.trim_start_matches('/'))
}

/// The endpoint for the creation, and those to be connected after it, without what the engine assigned itself.
fn endpoints(
    networks: HashMap<String, EndpointSettings>,
    mode: &str,
    short: &str,
) -> (Option<Endpoint>, Vec<Endpoint>) {
    let is_private = matches!(mode, "host" | "none") || mode.starts_with("container:");
    if is_private {
        return (None, Vec::new());
    }
    let mut wanted: Vec<_> = networks
        .into_iter()
        .map(|(network, had)| {
            let aliases = had.aliases.map(|mut aliases| {
                aliases.retain(|alias| alias != short);
                aliases
            });
            let endpoint = EndpointSettings {
                ipam_config: had.ipam_config,
                links: had.links,
                aliases: aliases.filter(|aliases| !aliases.is_empty()),
                driver_opts: had.driver_opts,
                gw_priority: had.gw_priority,
                ..EndpointSettings::default()
            };
            (network, endpoint)
        })
        .collect();
    // The network of the mode comes first: it gives the container its way out.
    wanted.sort_by(|(a, _), (b, _)| (a != mode, a).cmp(&(b != mode, b)));
    let mut wanted = wanted.into_iter();
    (wanted.next(), wanted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn old(json: &str) -> ContainerInspectResponse {
        serde_json::from_str(json).unwrap()
    }

    fn again(json: &str, variables: &Variables) -> Blueprint {
        Blueprint::of(old(json), "image:1", "r-1", variables)
    }

    #[test]
    fn configuration_and_labels_are_kept_and_a_made_up_host_name_is_not() {
        let json = format!(
            r#"{{"Id": "{ID}", "Config": {{"Hostname": "0123456789ab", "User": "app", "Env": ["A=1", "B=2"], "Cmd": ["x"],
                "Labels": {{"com.docker.compose.service": "web"}}, "StopSignal": "SIGINT"}},
                "HostConfig": {{"NetworkMode": "host", "Privileged": true, "RestartPolicy": {{"Name": "always"}}}}}}"#
        );
        let Blueprint { body, further } = again(&json, &Variables::default());
        assert_eq!((body.hostname, body.user.as_deref()), (None, Some("app")));
        assert_eq!(body.env.unwrap(), ["A=1", "B=2"]);
        assert_eq!((body.cmd.unwrap(), body.stop_signal.as_deref()), (vec!["x".to_owned()], Some("SIGINT")));
        let labels = body.labels.unwrap();
        assert_eq!((&*labels["com.docker.compose.service"], &*labels[RECOVERY_LABEL]), ("web", "r-1"));
        assert_eq!(
            (body.host_config.unwrap().privileged, body.image.as_deref()),
            (Some(true), Some("image:1"))
        );
        assert!(further.is_empty() && body.networking_config.is_none());
    }

    #[test]
    fn volumes_without_a_name_of_their_own_are_mounted_again() {
        let json = format!(
            r#"{{"Id": "{ID}", "Config": {{"Volumes": {{"/data": {{}}}}}},
                "HostConfig": {{"Binds": ["named:/named", "/etc/app:/etc/app:ro"]}},
                "Mounts": [{{"Type": "volume", "Name": "named", "Destination": "/named", "RW": true}},
                    {{"Type": "bind", "Source": "/etc/app", "Destination": "/etc/app", "RW": false}},
                    {{"Type": "volume", "Name": "f00", "Destination": "/data", "RW": true}},
                    {{"Type": "volume", "Name": "f01", "Destination": "/ro", "RW": false}}]}}"#
        );
        let binds = again(&json, &Variables::default()).body.host_config.unwrap().binds.unwrap();
        assert_eq!(binds, ["named:/named", "/etc/app:/etc/app:ro", "f00:/data", "f01:/ro:ro"]);
    }

    #[test]
    fn every_network_is_joined_again_with_its_aliases_and_fixed_addresses() {
        let json = format!(
            r#"{{"Id": "{ID}", "Config": {{}}, "HostConfig": {{"NetworkMode": "shop", "Links": ["/db:/web/database"]}},
                "NetworkSettings": {{"Networks": {{
                    "back": {{"Aliases": ["0123456789ab"], "IPAddress": "10.0.0.9", "MacAddress": "02:42"}},
                    "shop": {{"Aliases": ["web", "0123456789ab"], "IPAMConfig": {{"IPv4Address": "10.1.0.5"}}}}}}}}}}"#
        );
        let Blueprint { body, further } = again(&json, &Variables::default());
        let first = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(first["shop"].aliases.as_deref(), Some(&["web".to_owned()][..]));
        let fixed = first["shop"].ipam_config.as_ref().unwrap();
        assert_eq!(fixed.ipv4_address.as_deref(), Some("10.1.0.5"));
        assert_eq!(further, [("back".to_owned(), EndpointSettings::default())]);
        assert_eq!(body.host_config.unwrap().links.unwrap(), ["db:database"]);
    }

    #[test]
    fn in_the_network_of_another_container_neither_host_name_nor_ports_are_given() {
        let json = format!(
            r#"{{"Id": "{ID}", "Config": {{"Hostname": "other", "ExposedPorts": {{"80/tcp": {{}}}}}},
                "HostConfig": {{"NetworkMode": "container:abc"}}}}"#
        );
        let body = again(&json, &Variables::default()).body;
        assert_eq!((body.hostname, body.exposed_ports), (None, None));
    }

    #[test]
    fn variables_are_set_and_removed_and_nothing_else_changes() {
        let json =
            format!(r#"{{"Id": "{ID}", "Config": {{"Env": ["A=1", "B=2", "C"]}}, "HostConfig": {{}}}}"#);
        let variables = Variables {
            set: vec![("B".into(), "3=3".into()), ("D".into(), String::new())],
            remove: vec!["A".into()],
        };
        assert_eq!(again(&json, &variables).body.env.unwrap(), ["C", "B=3=3", "D="]);
    }

    #[test]
    fn a_container_that_removes_itself_is_not_recreated() {
        let json = r#"{"Config": {}, "HostConfig": {"AutoRemove": true}}"#;
        assert!(refusal(&old(json)).unwrap().contains("--rm"));
        assert_eq!(refusal(&old(r#"{"Config": {}, "HostConfig": {}}"#)), None);
    }
    #[test]
    fn a_task_of_a_swarm_is_left_to_the_swarm_and_its_command_is_named() {
        let json = r#"{"Config": {"Labels": {"com.docker.swarm.task.id": "t1"}}, "HostConfig": {}}"#;
        let reason = refusal(&old(json)).unwrap();
        assert!(reason.contains("Swarm") && reason.contains("docker service update --force"), "{reason}");
    }
}
