//! What `deploy/` ships.

use aftercall::config::{Config, parse_text};

use crate::harness::repository;

#[test]
fn the_container_is_built_from_all_that_cargo_reads() {
    let recipe = std::fs::read_to_string(repository("deploy/Dockerfile")).expect("the recipe");
    let copied: Vec<&str> = recipe
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .flat_map(str::split_whitespace)
        .collect();
    let mut read = 0;
    for file in std::fs::read_dir(repository(".")).expect("the top level") {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        if [".toml", ".rs", ".lock"].iter().any(|end| name.ends_with(end)) && !name.starts_with('.') {
            assert!(copied.contains(&name.as_str()), "{name} is not copied");
            read += 1;
        }
    }
    assert!(read >= 2, "only {read} files were found");
    assert!(
        copied.iter().all(|path| path.starts_with('/')
            || path.starts_with("--")
            || path.starts_with("./")
            || repository(path).exists()),
        "{copied:?}"
    );
}

/// A line of the example configuration that stands behind this mark, when it is a section or a key.
fn behind<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(mark)?;
    let key = |rest: &str| {
        let name = rest.split_once(" = ").map_or("", |(name, _)| name);
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    (rest.starts_with('[') || key(rest)).then_some(rest)
}

fn read(text: &str) -> Config {
    parse_text(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// What is commented out with one mark changes nothing when it is read; what has two is an example, and can be read.
#[test]
fn what_is_commented_out_in_the_configuration_is_the_default() {
    let text = std::fs::read_to_string(repository("config/aftercall.toml")).expect("the configuration");
    let shipped = format!("{:?}", read(&text));
    let lines: Vec<&str> = text.lines().collect();
    let (mut checked, mut wrong, mut section) = (0, Vec::new(), None);
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with('[') {
            section = None;
        }
        let Some(rest) = behind(line, "# ") else { continue };
        if rest.starts_with('[') {
            section = Some(at);
            continue;
        }
        let uncommented: Vec<&str> = lines
            .iter()
            .enumerate()
            .map(|(n, line)| if n == at || Some(n) == section { line.trim_start_matches("# ") } else { line })
            .collect();
        let same = parse_text(&uncommented.join("\n")).is_ok_and(|config| format!("{config:?}") == shipped);
        if !same {
            wrong.push(format!("line {}: {rest}", at + 1));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "not the default:\n{}", wrong.join("\n"));
    assert!(checked > 60, "{checked}");
    let examples: Vec<&str> = lines.iter().map(|line| line.strip_prefix("## ").unwrap_or(line)).collect();
    let with = format!("{:?}", read(&examples.join("\n")));
    assert!(with != shipped && text.lines().filter(|line| behind(line, "## ").is_some()).count() > 20);
}
