use std::os::unix::ffi::OsStringExt;

use super::*;

#[test]
fn a_secret_is_in_no_fault_whatever_is_wrong_with_it() {
    let values = ["hunter2: hunter2", "*hunter2", "'hunter2'x", "\"hunter2", "!!binary hunter2%", "@hunter2"];
    let more = ["[hunter2]", "{hunter2: 1}", "!!int hunter2", "\"\\qhunter2\"", "|hunter2", "&hunter2"];
    for value in values.into_iter().chain(more) {
        let loaded = given().yaml(format!("name: x\napi_token: {value}\n")).load();
        assert!(!loaded.faults.to_string().contains("hunter2"), "{value}: {}", loaded.faults);
        assert!(!format!("{loaded:?}").contains("hunter2"), "{value}: {loaded:?}");
    }
    let fault = given().variable("TARGET_URL", "ftp://host/hunter2").fault();
    assert!(!format!("{fault:?} {fault}").contains("hunter2"));
}

#[test]
fn hostile_files_are_refused_without_harm() {
    let bomb: String =
        (1..9).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9))).collect();
    let hostile: [Vec<u8>; 10] = [
        format!("a0: &a0 [x, x, x, x, x]\n{bomb}").into(),
        "[".repeat(500_000).into(),
        "a: {".repeat(200_000).into(),
        "- ".repeat(500_000).into(),
        vec![b'x'; 10 << 20],
        b"name: a\nname: b\n".to_vec(),
        b"name: \xff\xfe\n".to_vec(),
        b"a: &a [*a]\n".to_vec(),
        b"name: a\n---\nname: b\n".to_vec(),
        b"- a list\n".to_vec(),
    ];
    for content in hostile {
        let fault = given().yaml(&content).fault();
        assert!(fault.to_string().len() < 600, "{fault}");
    }
    let missing = Sources { file: Some("/no/such/file".into()), ..Sources::default() };
    assert!(load(&TABLE, &missing, |_| {}).faults.to_string().contains("cannot be read"));
    assert!(given().yaml("services: {a: , b: , c: , d: }").fault().reason.contains("at most 3"));
}

#[test]
fn a_hundred_faults_are_kept_and_the_rest_counted() {
    let yaml: String = (0..500).map(|n| format!("unknown{n}: 1\n")).collect();
    let faults = given().yaml(yaml).load().faults;
    assert_eq!((faults.count(), faults.iter().count()), (500, 100));
    assert!(faults.to_string().ends_with("… and 400 more\n\n500 faults; nothing was started"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let loaded = given().yaml("\"\\e[31mred\": 1\ncheck_interval: \"\\e[31m\"\n").load();
    assert!(!loaded.faults.to_string().contains('\u{1b}'));
}

#[test]
fn variables_that_are_not_utf_8_matter_only_when_they_are_ours() {
    let bytes = || OsString::from_vec(vec![0xff]);
    given().variable("SOMETHING_ELSE", bytes()).root();
    assert_eq!(given().variable("NAME", bytes()).fault().reason, "must be UTF-8 text");
}
