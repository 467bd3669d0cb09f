use std::io::Write;

use super::*;

struct Log {
    directory: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn follow(&self, position: Option<&Position>) -> (Tail, bool) {
        Tail::open(&self.path("log"), true, position).unwrap()
    }
}

/// What comes until nothing comes for long: text, `|` between files, `~` where one was cut.
fn all(tail: &mut Tail) -> String {
    let (mut text, mut idle, mut buffer) = (String::new(), 0, [0; 64]);
    while idle < 2 * LINGER {
        let step = tail.step(&mut buffer).unwrap();
        idle = if step == Step::Idle { idle + 1 } else { 0 };
        match step {
            Step::Read(length) => text += std::str::from_utf8(&buffer[..length]).unwrap(),
            Step::NextFile => text.push('|'),
            Step::Cut => text.push('~'),
            Step::Idle => {}
            Step::End => return text + "$",
        }
    }
    text
}

#[test]
fn a_file_is_read_to_its_end() {
    let log = Log::new();
    log.append("log", "one\ntwo");
    let (mut tail, _) = Tail::open(&log.path("log"), false, None).unwrap();
    assert_eq!(all(&mut tail), "one\ntwo$");
    assert!(Tail::open(&log.path("other"), false, None).is_err());
}

#[test]
fn a_file_that_does_not_exist_yet_is_waited_for_and_followed() {
    let log = Log::new();
    let (mut tail, _) = log.follow(None);
    assert_eq!(all(&mut tail), "");
    log.append("log", "one\n");
    assert_eq!(all(&mut tail), "one\n");
    log.append("log", "two\n");
    assert_eq!(all(&mut tail), "two\n");
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_next() {
    let log = Log::new();
    log.append("log", "one\n");
    let (mut tail, _) = log.follow(None);
    assert_eq!(all(&mut tail), "one\n");
    log.rename("log", "log.1");
    assert_eq!(all(&mut tail), "");
    log.append("log.1", "two\n");
    log.append("log", "three\n");
    let mut buffer = [0; 64];
    assert_eq!(tail.step(&mut buffer).unwrap(), Step::Read(4), "what the server still writes");
    assert_eq!(tail.step(&mut buffer).unwrap(), Step::Idle, "it may not have been told yet");
    log.append("log.1", "late\n");
    assert_eq!(all(&mut tail), "late\n|three\n");
}

#[test]
fn several_rotations_while_one_file_is_read_lose_none() {
    let log = Log::new();
    log.append("log", "one\n");
    let (mut tail, _) = log.follow(None);
    let mut buffer = [0; 2];
    for number in 1..=5 {
        tail.step(&mut buffer[..0]).unwrap();
        log.rename("log", &format!("log.{number}"));
        log.append("log", &format!("{number}\n"));
    }
    assert_eq!(all(&mut tail), "one\n|1\n|2\n|3\n|4\n|5\n");
}

#[test]
fn what_is_left_of_a_renamed_file_is_still_at_its_place_there() {
    let log = Log::new();
    log.append("log", "half");
    let (mut tail, _) = log.follow(None);
    let mut buffer = [0; 64];
    tail.step(&mut buffer).unwrap();
    let inode = tail.inode();
    log.rename("log", "log.1");
    log.append("log", "other\n");
    while tail.step(&mut buffer).unwrap() == Step::Idle {}
    assert_eq!(tail.inode(), inode, "its last line is handed out now");
    let position = tail.position(4).unwrap();
    assert_eq!(tail.step(&mut buffer).unwrap(), Step::Read(6));
    assert_ne!(tail.inode(), inode);
    let (mut tail, is_found) = log.follow(Some(&position));
    assert!(is_found);
    assert_eq!(all(&mut tail), "|other\n");
}

#[test]
fn a_file_that_was_cut_begins_anew_even_if_it_has_grown_beyond_where_it_was() {
    for behind in ["b\n", "cccccccccccccccccccccccc\n"] {
        let log = Log::new();
        log.append("log", "aaaaaa\n");
        let (mut tail, _) = log.follow(None);
        assert_eq!(all(&mut tail), "aaaaaa\n");
        File::options().write(true).truncate(true).open(log.path("log")).unwrap();
        log.append("log", behind);
        assert_eq!(all(&mut tail), format!("~{behind}"));
    }
}

#[test]
fn a_position_is_found_again_in_the_same_and_in_the_renamed_file() {
    let log = Log::new();
    log.append("log", "one\ntwo\n");
    let (mut tail, _) = log.follow(None);
    all(&mut tail);
    let position = tail.position(4).unwrap();
    let (mut tail, is_found) = log.follow(Some(&position));
    assert!(is_found);
    assert_eq!(all(&mut tail), "two\n");
    log.rename("log", "log.1");
    log.append("log", "three\n");
    let (mut tail, is_found) = log.follow(Some(&position));
    assert!(is_found);
    assert_eq!(all(&mut tail), "two\n|three\n");
}

#[test]
fn a_position_in_what_is_gone_begins_the_present_file_and_says_so() {
    let log = Log::new();
    log.append("log", "one\ntwo\n");
    let (mut tail, _) = log.follow(None);
    all(&mut tail);
    let position = tail.position(4).unwrap();
    File::options().write(true).truncate(true).open(log.path("log")).unwrap();
    log.append("log", "three\nfour\nfive\n");
    let (mut tail, is_found) = log.follow(Some(&position));
    assert!(!is_found, "the inode is the same, the file is not");
    assert_eq!(all(&mut tail), "three\nfour\nfive\n");
    fs::remove_file(log.path("log")).unwrap();
    let (mut tail, is_found) = log.follow(Some(&position));
    assert!(!is_found);
    assert_eq!(all(&mut tail), "");
}
