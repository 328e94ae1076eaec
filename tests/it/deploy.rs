//! What `deploy/` ships.

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
