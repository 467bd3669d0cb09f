use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::clock::Timestamp;

fn id(number: u64) -> OrderId {
    OrderId::at(Timestamp::from_micros(1_614_292_930_000_000), number)
}

fn replacing(path: &Path, from: &str, to: &str) -> FileUpdate {
    let path = path.to_str().unwrap().to_owned();
    FileUpdate { path, edit: Edit::Replacements(vec![(from.into(), to.into())]) }
}

/// A directory with `app.conf`, reached without a symbolic link.
fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap();
    let file = folder.path().join("app.conf");
    fs::write(&file, "threads = 8\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    (folder, file)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_change_keeps_mode_and_owner_and_the_previous_version_beside() {
    let (folder, file) = folder();
    let before = fs::metadata(&file).unwrap();
    let update = replacing(&file, "8", "4");
    update.apply(id(1)).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "threads = 4\n");
    let after = fs::metadata(&file).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    let kept = format!(".app.conf.kept-{}", id(1));
    assert_eq!(names(folder.path()), [kept.as_str(), "app.conf"]);
    assert_eq!(fs::metadata(folder.path().join(kept)).unwrap().ino(), before.ino());
    assert_eq!(update.examine(id(1)), Ok(Standing::Complete));
    update.keep(id(1)).unwrap();
    assert_eq!(names(folder.path()), ["app.conf"]);
    assert_eq!(update.examine(id(1)), Ok(Standing::Untouched));
}

#[test]
fn what_is_put_back_is_the_file_that_was_there() {
    let (folder, file) = folder();
    let inode = fs::metadata(&file).unwrap().ino();
    let update = replacing(&file, "8", "4");
    update.apply(id(1)).unwrap();
    let change = update.change(id(1)).unwrap();
    assert_eq!(update.revert(id(1), Some(&change)), Ok(PutBack::Done));
    assert_eq!(fs::read_to_string(&file).unwrap(), "threads = 8\n");
    assert_eq!((fs::metadata(&file).unwrap().ino(), names(folder.path())), (inode, vec!["app.conf".into()]));
    assert_eq!(update.revert(id(1), Some(&change)), Ok(PutBack::Done), "a second time changes nothing");
}

#[test]
fn a_file_that_somebody_else_has_changed_since_is_left_alone() {
    let (folder, file) = folder();
    let update = replacing(&file, "8", "4");
    update.apply(id(1)).unwrap();
    let change = update.change(id(1));
    fs::write(&file, "threads = 16\n").unwrap();
    for recorded in [change.as_ref(), None] {
        let PutBack::Superseded(reason) = update.revert(id(1), recorded).unwrap() else { panic!("put back") };
        assert!(
            reason.contains("somebody else has changed") && reason.contains(".app.conf.kept-"),
            "{reason}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "threads = 16\n");
    assert_eq!(names(folder.path()).len(), 2, "the version before is still there");
}

#[test]
fn a_change_that_was_interrupted_before_the_exchange_is_undone_by_looking() {
    let (folder, file) = folder();
    let kept = folder.path().join(format!(".app.conf.kept-{}", id(1)));
    fs::write(folder.path().join(format!(".app.conf.new-{}", id(1))), "half").unwrap();
    fs::hard_link(&file, kept).unwrap();
    let update = replacing(&file, "8", "4");
    assert_eq!(update.examine(id(1)), Ok(Standing::Partial));
    assert_eq!(update.revert(id(1), None), Ok(PutBack::Done));
    assert_eq!(
        (fs::read_to_string(&file).unwrap(), names(folder.path())),
        ("threads = 8\n".into(), vec!["app.conf".into()])
    );
}

#[test]
fn no_symbolic_link_is_followed() {
    let (folder, file) = folder();
    let link = folder.path().join("link.conf");
    symlink(&file, &link).unwrap();
    let refused = replacing(&link, "8", "4").apply(id(1)).unwrap_err();
    assert!(refused.contains("symbolic link"), "{refused}");
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::rename(&file, real.join("app.conf")).unwrap();
    symlink(&real, folder.path().join("way")).unwrap();
    let refused = replacing(&folder.path().join("way/app.conf"), "8", "4").apply(id(1)).unwrap_err();
    assert!(refused.contains("way on the way is no directory, or a symbolic link"), "{refused}");
    assert_eq!(fs::read_to_string(real.join("app.conf")).unwrap(), "threads = 8\n");
}

#[test]
fn what_cannot_be_changed_is_said_and_leaves_nothing_behind() {
    let (folder, file) = folder();
    let missing = replacing(&file, "hunter2", "x").apply(id(1)).unwrap_err();
    assert!(missing.contains("replacement 1") && !missing.contains("hunter2"), "{missing}");
    let path = file.to_str().unwrap().to_owned();
    let same = FileUpdate { path, edit: Edit::Content("threads = 8\n".into()) };
    assert!(same.apply(id(1)).unwrap_err().contains("this content already"));
    let nowhere = replacing(&folder.path().join("nowhere.conf"), "8", "4").apply(id(1)).unwrap_err();
    assert!(nowhere.contains("it is not there"), "{nowhere}");
    assert!(replacing(folder.path(), "8", "4").apply(id(1)).unwrap_err().contains("no regular file"));
    assert_eq!(names(folder.path()), ["app.conf"]);
}

#[test]
fn only_a_plain_absolute_path_is_taken() {
    for path in ["app.conf", "/", "/etc/../app.conf", "/etc/./app.conf", "/etc//app.conf", "/etc/app/", ""] {
        assert!(replacing(Path::new(path), "8", "4").check().is_err(), "{path}");
    }
    assert!(replacing(Path::new("/etc/app.conf"), "8", "4").check().is_ok());
}
