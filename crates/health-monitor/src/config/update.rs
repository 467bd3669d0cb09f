//! What the step `update_configuration` of a service changes.

use shared::config::{Faults, Group};
use shared::platform::kubernetes::KubernetesUpdate;
use shared::platform::kubernetes::workload::is_name;
use shared::platform::{Edit, FileUpdate, PlatformSettings, Update, Variables};

/// The update of a service; none where it has none, or after a fault.
pub(super) fn of(service: &Group, faults: &mut Faults) -> Option<Update> {
    let group = service.sections.get("configuration_update")?;
    let has_variables = group.words("set").is_some() || group.words("remove").is_some();
    let update = match (has_variables, group.text("file")) {
        (true, Some(_)) => Err("changes variables or a file, not both: set and remove, or file"),
        (false, None) => Err("changes nothing: give set or remove, or file"),
        (true, None) => return variables(group, faults),
        (false, Some(path)) => file(group, path),
    };
    match update {
        Ok(update) => Some(update),
        // A value that cannot be read has its fault already.
        Err(_) if !group.refused.is_empty() => None,
        Err(reason) => {
            faults.push(service.fault("configuration_update", reason));
            None
        }
    }
}

fn variables(group: &Group, faults: &mut Faults) -> Option<Update> {
    let mut variables = Variables {
        remove: group.words("remove").map(<[String]>::to_vec).unwrap_or_default(),
        ..Variables::default()
    };
    for (number, word) in group.words("set").unwrap_or_default().iter().enumerate() {
        match word.split_once('=').filter(|(name, _)| !name.is_empty()) {
            Some((name, value)) => variables.set.push((name.to_owned(), value.to_owned())),
            // What stands there may be a secret, so it is told by its place.
            None => faults.push(group.fault("set", format!("entry {} is not NAME=value", number + 1))),
        }
    }
    let is_wrong = |name: &&String| name.is_empty() || name.contains('=');
    if let Some(name) = variables.remove.iter().find(is_wrong) {
        faults.push(group.fault("remove", format!("{name:?} is not the name of a variable")));
    }
    Some(Update::Variables(variables))
}

fn file(group: &Group, path: &str) -> Result<Update, &'static str> {
    use secrecy::ExposeSecret;
    let content = group.secret("content").map(|content| {
        let content = content.expose_secret();
        // The layers of the configuration take white space away at the end.
        if content.ends_with('\n') { content.to_owned() } else { format!("{content}\n") }
    });
    let edit = match (content, group.words("replace")) {
        (Some(content), None) => Edit::Content(content),
        (None, Some(words)) => Edit::Replacements(
            words
                .iter()
                .map(|word| word.split_once(" => ").filter(|(from, _)| !from.is_empty()))
                .map(|pair| pair.map(|(from, to)| (from.to_owned(), to.to_owned())))
                .collect::<Option<_>>()
                .ok_or("has an entry of replace that is not OLD => NEW")?,
        ),
        (Some(_), Some(_)) => return Err("gives the file a whole content or replaces texts in it, not both"),
        (None, None) => return Err("says nothing of the file: give content or replace"),
    };
    Ok(Update::File(FileUpdate { path: path.to_owned(), edit }))
}

/// Gives the update to the means of the service.
pub(super) fn attach(service: &Group, update: Update, platform: &mut PlatformSettings, faults: &mut Faults) {
    if let Update::File(file) = &update
        && let Err(invalid) = file.check()
    {
        return faults.push(service.fault("configuration_update.file", invalid.to_string()));
    }
    let group = service.sections.get("configuration_update");
    let config_map = group.and_then(|group| group.text("config_map"));
    if let Some(name) = config_map.filter(|name| !is_name(name)) {
        let reason = format!("{name:?} cannot be the name of a ConfigMap");
        return faults.push(service.fault("configuration_update.config_map", reason));
    }
    if config_map.is_some() && !matches!(platform, PlatformSettings::Kubernetes(_)) {
        let reason = "names a ConfigMap, which only kubernetes can change";
        return faults.push(service.fault("configuration_update", reason));
    }
    match (platform, update) {
        (PlatformSettings::Docker(docker), update) => docker.update = Some(update),
        (PlatformSettings::Kubernetes(kubernetes), Update::Variables(variables)) => {
            let config_map = config_map.map(str::to_owned);
            kubernetes.update = Some(KubernetesUpdate { config_map, variables });
        }
        (PlatformSettings::Kubernetes(_), Update::File(_)) => {
            let reason =
                "changes a file, which kubernetes cannot; it can have variables and ConfigMaps changed";
            faults.push(service.fault("configuration_update", reason));
        }
        (PlatformSettings::Command(command), Update::File(file)) => command.update = Some(file),
        (PlatformSettings::Command(_), Update::Variables(_)) => {
            let reason =
                "sets variables, which only docker and kubernetes can; a command can have a file changed";
            faults.push(service.fault("configuration_update", reason));
        }
        // Whether a step wants it is checked with the steps.
        (PlatformSettings::Webhook(_) | PlatformSettings::None, _) => {}
    }
}
