//! Where the configuration lies when none is named: these commands hear recordings from any folder, without a service.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::Global;

/// Where the configuration is looked for in a folder, unless it is named.
const DEFAULT: &str = "config/aftercall.toml";
/// Where an installed service has it.
const INSTALLED: &str = "/etc/aftercall/config/aftercall.toml";
/// Where the library lies below the folder of the configuration's folder, and where an installed service has it.
const LIBRARY: &str = "var/speech/libvosk.so";
const LIBRARY_INSTALLED: &str = "/var/lib/aftercall/speech/libvosk.so";

/// The options with a configuration that is there: the one that was named, or the one in this folder, or that of the installed
/// service, or the one that the program was built beside.
///
/// # Errors
/// None was named, and there is none.
pub(super) fn found(global: &Global) -> anyhow::Result<Global> {
    let named = global.config != Path::new(DEFAULT);
    if named || global.config.is_file() {
        return Ok(global.clone());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let Some(config) = elsewhere(&program) else {
        bail!(
            "there is no {DEFAULT} in this folder, no {INSTALLED}, and none above {}: name one by --config FILE",
            program.display()
        );
    };
    eprintln!("aftercall speech: no {DEFAULT} here; {} is used", config.display());
    Ok(Global { config, ..global.clone() })
}

fn elsewhere(program: &Path) -> Option<PathBuf> {
    let beside = program.ancestors().skip(1).map(|folder| folder.join(DEFAULT));
    std::iter::once(PathBuf::from(INSTALLED)).chain(beside).find(|file| file.is_file())
}

/// The library, where it lies neither in the data folder nor below this one.
pub(super) fn library(config: &Path) -> Option<PathBuf> {
    let top = config.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    [top.join(LIBRARY), LIBRARY_INSTALLED.into()].into_iter().find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_found_above_the_program_and_its_library_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("target/release/aftercall");
        let (config, library_file) = (dir.path().join(DEFAULT), dir.path().join(LIBRARY));
        if !Path::new(INSTALLED).is_file() {
            assert_eq!(elsewhere(&program), None);
        }
        for file in [&config, &library_file] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        if !Path::new(INSTALLED).is_file() {
            assert_eq!(elsewhere(&program), Some(config.clone()));
        }
        assert_eq!(library(&config), Some(library_file));
    }
}
