use shared::order::Action;

use super::*;
use crate::domain::ladder::Step;

const WEBHOOK: (&str, &str) = ("RECOVERY_WEBHOOK_URL", "https://hooks.example.com/x");

fn steps(yaml: &str, variables: &[(&str, &str)]) -> Vec<Step> {
    config(yaml, variables).policy.services[0].steps.to_vec()
}

fn of_web(steps: &str) -> String {
    format!("services: {{web: {{url: 'http://web', steps: {steps}}}}}")
}

#[test]
fn without_steps_a_service_is_only_restarted() {
    assert_eq!(steps("", &[]), [Step::new(Action::Restart)]);
}

#[test]
fn a_step_may_say_how_often_and_for_how_long() {
    let written = steps(&of_web("[restart, Restart x3 within 90, webhook within 0.5]"), &[WEBHOOK]);
    let restart = Step::new(Action::Restart);
    let patient = Step { attempts: 3, within: Some(Duration::from_secs(90)), ..restart };
    let webhook = Step { within: Some(Duration::from_millis(500)), ..Step::new(Action::Webhook) };
    assert_eq!(written, [restart, patient, webhook]);
}

#[test]
fn the_steps_of_all_are_words_with_commas_and_a_service_has_its_own() {
    let variables = [("RECOVERY_STEPS", "restart x2, webhook"), WEBHOOK];
    let of_all = [Step { attempts: 2, ..Step::new(Action::Restart) }, Step::new(Action::Webhook)];
    assert_eq!(steps("", &variables), of_all);
    assert_eq!(steps(&of_web("[restart]"), &variables), [Step::new(Action::Restart)]);
}

#[test]
fn a_webhook_that_is_a_step_is_no_backend() {
    let variables = [("RECOVERY_STEPS", "restart, webhook"), WEBHOOK];
    let config = config("", &variables);
    let first = &config.policy.services[0];
    assert_eq!(first.target.to_string(), "docker:api-gateway");
    assert_eq!(
        first.escalation.as_ref().map(ToString::to_string).as_deref(),
        Some("webhook:hooks.example.com")
    );
    assert!(config.escalations.contains_key(&first.name));
}

#[test]
fn what_is_wrong_with_a_step_is_said_with_the_way_out() {
    for (wrong, said) in [
        ("[reboot]", "names no action; there are restart"),
        ("[restart x0]", "x1 to x10"),
        ("[restart twice]", "restart x2 within 90"),
        ("[restart within]", "needs a number of seconds"),
        ("[restart within NaN]", "needs a number of seconds"),
    ] {
        let faults = faults(&of_web(wrong), &[]);
        assert!(faults.contains(said) && faults.contains("services.web.steps"), "{faults}");
    }
    let of_all = faults("", &[("RECOVERY_STEPS", "restart,,")]);
    assert!(
        of_all.contains("RECOVERY_STEPS") && of_all.ends_with("1 fault; nothing was started"),
        "{of_all}"
    );
}

#[test]
fn a_step_that_its_backend_cannot_do_is_a_fault() {
    let none = "services: {web: {url: 'http://web', recovery_backend: none, steps: [restart]}}";
    assert!(faults(none, &[]).contains("recovery_backend is none"));
    let command =
        "services: {web: {url: 'http://web', recovery_command: {restart: [x]}, steps: [restart, recreate]}}";
    let refused = faults(command, &[]);
    assert!(refused.contains("the step recreate cannot be done by a command"), "{refused}");
    assert!(refused.contains("choose another recovery_backend"), "{refused}");
    let unset = faults(&of_web("[restart, webhook]"), &[]);
    assert!(unset.contains("the step webhook needs RECOVERY_WEBHOOK_URL"), "{unset}");
}

/// What is wrong with this update of a service that is healed by the given means.
fn update_fault(means: &str, update: &str) -> String {
    let yaml = format!(
        "services: {{web: {{url: 'http://web', {means}, steps: [update_configuration], configuration_update: {update}}}}}"
    );
    faults(&yaml, &[])
}

#[test]
fn an_update_changes_variables_or_a_file_and_says_how() {
    let docker = "recovery_backend: docker";
    for (wrong, said) in [
        ("{}", "changes nothing: give set or remove, or file"),
        ("{set: [A=1], file: /etc/app.conf}", "not both: set and remove, or file"),
        ("{set: [hunter2]}", "entry 1 is not NAME=value"),
        ("{remove: ['A=1']}", "is not the name of a variable"),
        ("{file: /etc/app.conf}", "give content or replace"),
        ("{file: /etc/app.conf, content: x, replace: ['a => b']}", "not both"),
        ("{file: /etc/app.conf, replace: [hunter2]}", "not OLD => NEW"),
        ("{file: etc/../app.conf, content: x}", "must be an absolute path"),
    ] {
        let faults = update_fault(docker, wrong);
        assert!(faults.contains(said) && faults.contains("configuration_update"), "{wrong}: {faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    let command = update_fault("recovery_command: {restart: [x]}", "{set: [A=1]}");
    assert!(command.contains("only docker and kubernetes can"), "{command}");
    let unsaid = faults(&of_web("[update_configuration]"), &[]);
    assert!(unsaid.contains("needs configuration_update of this service"), "{unsaid}");
}

#[test]
fn the_values_of_an_update_are_not_shown() {
    let yaml = "services: {web: {url: 'http://web', steps: [update_configuration], configuration_update: {set: [KEY=hunter2]}}}";
    let loading = load_with(yaml, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(!format!("{:?}", loading.effective).contains("hunter2"));
    let web = &loading.config.platforms[&ServiceName::new("web").unwrap()];
    assert!(!format!("{web:?}").contains("hunter2"), "{web:?}");
    let PlatformSettings::Docker(docker) = web else { panic!("not Docker") };
    let Some(shared::platform::Update::Variables(variables)) = &docker.update else { panic!("no variables") };
    assert_eq!(variables.set, [("KEY".to_owned(), "hunter2".to_owned())]);
}
