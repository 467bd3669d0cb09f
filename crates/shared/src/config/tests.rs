use std::ffi::OsString;

use secrecy::ExposeSecret;

use super::*;

mod hostile;

const CHAPTERS: &[Chapter] = &[Chapter {
    heading: "General",
    settings: &[
        Setting::new("CHECK_INTERVAL", Kind::Seconds { min: 0.1, max: 60.0 }, "Interval")
            .formerly("DAEMON_INTERVAL")
            .or("30"),
        Setting::new("NAME", Kind::Text, "Name"),
        Setting::new("API_TOKEN", Kind::Text, "Token").secret(),
        Setting::new("TARGET_URL", Kind::Url, "Target").host_only(),
    ],
}];

const MEMBER: &[Chapter] = &[Chapter {
    heading: "Service",
    settings: &[
        Setting::new("interval", Kind::Seconds { min: 0.1, max: 60.0 }, "Interval")
            .inherits("CHECK_INTERVAL"),
        Setting::new("restart", Kind::Words, "Command"),
    ],
}];

const TABLE: Section = Section {
    key: "",
    doc: "Test",
    chapters: CHAPTERS,
    sections: &[Section {
        key: "services",
        doc: "Services",
        chapters: MEMBER,
        sections: &[],
        members_at_most: Some(3),
    }],
    members_at_most: None,
};

/// What is read from; the directory lives as long as the sources.
#[derive(Default)]
struct Given {
    sources: Sources,
    directory: Option<tempfile::TempDir>,
}

impl Given {
    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.insert(key.into(), value.into());
        self
    }

    fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn named_file(mut self, variable: &str, content: &[u8]) -> Self {
        let path = self.write("secret", content);
        self.sources.environment.push((variable.into(), path.into()));
        self
    }

    fn yaml(mut self, content: impl AsRef<[u8]>) -> Self {
        self.sources.file = Some(self.write("config.yaml", content.as_ref()));
        self
    }

    /// A file in the folder of credentials.
    fn credential(mut self, name: &str, content: &[u8]) -> Self {
        let path = self.write(name, content);
        let folder = path.parent().unwrap().into();
        self.sources.environment.push(("CREDENTIALS_DIRECTORY".into(), folder));
        self
    }

    fn write(&mut self, name: &str, content: &[u8]) -> std::path::PathBuf {
        let directory = self.directory.get_or_insert_with(|| tempfile::tempdir().unwrap());
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self) -> Loaded {
        load(&TABLE, &self.sources, |_| {})
    }

    fn root(&self) -> Group {
        let loaded = self.load();
        assert!(loaded.faults.is_empty(), "{}", loaded.faults);
        loaded.root
    }

    fn faults(&self) -> Vec<Fault> {
        self.load().faults.iter().cloned().collect()
    }

    fn fault(&self) -> Fault {
        let faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    }
}

fn given() -> Given {
    Given::default()
}

#[test]
fn the_stronger_layer_wins() {
    let seconds = |given: &Given| given.root().seconds("CHECK_INTERVAL").unwrap().as_secs();
    let layers = given();
    assert_eq!(seconds(&layers), 30);
    let layers = layers.yaml("check_interval: 4\n");
    assert_eq!(seconds(&layers), 4);
    let layers = layers.variable("DAEMON_INTERVAL", "3");
    assert_eq!(seconds(&layers), 3);
    let layers = layers.variable("CHECK_INTERVAL", "2");
    assert_eq!(seconds(&layers), 2);
    let layers = layers.flag("CHECK_INTERVAL", "1");
    assert_eq!(seconds(&layers), 1);
}

#[test]
fn every_value_knows_where_it_came_from() {
    let root = given()
        .yaml("\nname: x\nservices:\n  web:\n    interval: 5\n  api:\n")
        .variable("CHECK_INTERVAL", "2")
        .root();
    assert_eq!(root.origin("CHECK_INTERVAL").to_string(), "environment variable CHECK_INTERVAL");
    assert!(root.origin("NAME").to_string().ends_with("config.yaml\", line 2"));
    let services = &root.members["services"];
    assert!(services[0].group.origin("interval").to_string().ends_with("line 5"));
    assert_eq!(services[1].group.origin("interval"), Origin::Inherited("CHECK_INTERVAL"));
    assert_eq!(services[1].group.seconds("interval").unwrap().as_secs(), 2);
}

#[test]
fn an_empty_variable_and_a_key_without_value_are_not_set() {
    let root = given().yaml("name:\ncheck_interval: ''\n").variable("NAME", " ").root();
    assert_eq!(root.text("NAME"), None);
    assert_eq!(root.origin("CHECK_INTERVAL"), Origin::Default);
    given().yaml("").root();
    given().yaml("# nothing but a comment\n").root();
}

#[test]
fn a_secret_can_come_from_a_file_without_the_line_end() {
    let root = given().named_file("API_TOKEN_FILE", b"  hunter2\n").root();
    assert_eq!(root.secret("API_TOKEN").unwrap().expose_secret(), "hunter2");
    assert!(!format!("{root:?}").contains("hunter2"));
}

#[test]
fn a_secret_that_is_given_twice_is_a_fault() {
    let fault = given().variable("API_TOKEN", "hunter2").named_file("API_TOKEN_FILE", b"x").fault();
    assert!(fault.reason.contains("given twice"), "{fault}");
    assert!(!fault.to_string().contains("hunter2"));
}

#[test]
fn a_secret_may_lie_in_the_folder_of_credentials_and_need_not() {
    let given_there = given().credential("API_TOKEN", b"hunter2\n");
    let root = given_there.root();
    assert_eq!(root.secret("API_TOKEN").unwrap().expose_secret(), "hunter2");
    let origin = root.origin("API_TOKEN").to_string();
    assert!(origin.ends_with("named by environment variable CREDENTIALS_DIRECTORY"), "{origin}");
    let own = given_there.variable("API_TOKEN", "stronger").root();
    assert_eq!(own.secret("API_TOKEN").unwrap().expose_secret(), "stronger");
    let others = given().credential("SOMETHING_ELSE", b"x").credential("NAME", b"no secret").root();
    assert!(others.secret("API_TOKEN").is_none() && others.text("NAME").is_none());
    assert!(given().credential("API_TOKEN", b" ").fault().reason.contains("empty"));
}

#[test]
fn a_credential_that_comes_later_is_seen_when_everything_is_read_anew() {
    let mut later = given().credential("SOMETHING_ELSE", b"x");
    assert!(later.root().secret("API_TOKEN").is_none());
    later.write("API_TOKEN", b"hunter2");
    assert!(later.root().secret("API_TOKEN").is_none(), "the same sources give the same");
    later.sources = later.sources.anew();
    assert!(later.root().secret("API_TOKEN").is_some());
}

#[test]
fn a_secret_file_that_cannot_be_used_is_a_fault() {
    let reason = |content: &[u8]| given().named_file("API_TOKEN_FILE", content).fault().reason;
    assert!(reason(b" \n").contains("empty"));
    assert!(reason(&[0xff]).contains("UTF-8"));
    assert!(reason(&vec![b'x'; 70_000]).contains("at most"));
    assert!(given().variable("API_TOKEN_FILE", "/no/such/file").fault().reason.contains("cannot be read"));
    let public = given().variable("NAME_FILE", "/no/such/file").root();
    assert_eq!(public.text("NAME"), None);
}

#[test]
fn all_faults_are_reported_at_once_with_where_they_came_from() {
    let faults = given()
        .yaml("check_interval: 61\nservices:\n  web: {interval: x, restart: sleep}\n")
        .variable("CHECK_INTERVAL", "soon")
        .flag("CHECK_INTERVAL", "0")
        .faults();
    let origins: Vec<String> =
        faults.iter().map(|fault| fault.origin.as_ref().unwrap().to_string()).collect();
    assert_eq!(faults.len(), 5);
    assert!(origins[0].ends_with("line 1") && origins[1].ends_with("line 3"));
    assert_eq!(origins[3..], ["environment variable CHECK_INTERVAL", "flag --check-interval"]);
    assert_eq!(faults[1].key, "services.web.interval");
}

#[test]
fn an_unknown_key_is_a_fault_that_names_the_near_one_and_not_the_value() {
    let fault = given().yaml("api_tokn: hunter2\n").fault();
    assert_eq!(fault.suggestion.as_deref(), Some("did you mean \"api_token\"?"));
    assert!(!fault.to_string().contains("hunter2"));
    let fault = given().yaml("services: {web: {intervall: 3}}").fault();
    assert_eq!(fault.key, "services.web.intervall");
    assert_eq!(fault.suggestion.as_deref(), Some("did you mean \"interval\"?"));
}

#[test]
fn numbers_and_booleans_are_not_taken_for_text() {
    for value in ["1.10", "yes", "12345678"] {
        let fault = given().yaml(format!("name: {value}")).fault();
        assert_eq!(fault.suggestion.as_deref(), Some("put the value in quotes"));
    }
    let root = given().yaml("name: 0123").root();
    assert_eq!(root.text("NAME"), Some("0123"));
}

#[test]
fn a_command_is_a_list_of_words() {
    let yaml = |restart: &str| given().yaml(format!("services: {{web: {{restart: {restart}}}}}"));
    let root = yaml("[systemctl, restart, '{service}']").root();
    assert_eq!(root.members["services"][0].group.words("restart").unwrap()[1], "restart");
    for bad in ["systemctl restart web", "[]", "['']", "[sleep, 5]", "[\"a\\0b\"]", "{a: b}", "~"] {
        yaml(bad).fault();
    }
    let many = format!("[{}]", "x,".repeat(300));
    assert!(yaml(&many).fault().reason.contains("at most"));
}

#[test]
fn a_slip_in_a_variable_is_a_warning() {
    let warnings = |name: &str| given().variable(name, "1").load().warnings;
    assert_eq!(
        warnings("CHEK_INTERVAL")[0].to_string(),
        "environment variable CHEK_INTERVAL: is not read; did you mean CHECK_INTERVAL?"
    );
    assert_eq!(warnings("check_interval"), []);
    assert_eq!(warnings("DAEMON_INTERVAL"), []);
    assert_eq!(warnings("PATH"), []);
}

#[test]
fn keys_are_listed_for_the_documentation() {
    let keys = TABLE.documented_keys();
    assert_eq!(keys[0], "CHECK_INTERVAL");
    assert_eq!(keys[4..], ["services.<name>.interval", "services.<name>.restart"]);
}
