//! The commands that `docs/operations.md` publishes.

/// The page, relative to this package.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");

/// The commands of the first block below a heading, in order, without comments. A loop is one command.
pub(super) fn commands(heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, below) =
        page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading} in the page"));
    let (_, block) = below.split_once("```bash\n").expect("a block of commands");
    let (block, _) = block.split_once("\n```").expect("the end of the block");
    let (mut commands, mut is_open) = (Vec::<String>::new(), false);
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match commands.last_mut().filter(|_| is_open) {
            Some(command) => {
                command.push('\n');
                command.push_str(line);
            }
            None => commands.push(line.to_owned()),
        }
        is_open = (is_open || line.starts_with("for ")) && line != "done";
    }
    commands
}

/// The text from a heading to the next one.
pub(super) fn chapter(heading: &str) -> String {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, below) =
        page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading} in the page"));
    below.split("\n#").next().unwrap_or_default().to_owned()
}
