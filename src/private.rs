//! Files and folders for their owner alone, whatever the umask says.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Of a folder.
const FOLDER: u32 = 0o700;
/// Of a file.
const FILE: u32 = 0o600;
/// What lets others in.
const OTHERS: u32 = 0o077;
/// A folder in which everybody may make files, such as `/tmp`. It is somebody else's to close.
const STICKY: u32 = 0o1000;

/// Makes a folder with those above it, where it is missing.
///
/// # Errors
/// The system's.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Makes a folder, and closes one that is there already.
///
/// # Errors
/// The system's, when it cannot be made.
pub fn folder(path: &Path) -> io::Result<()> {
    make_folder(path)?;
    tighten(path);
    Ok(())
}

/// Opens a file to write at its end, and makes it where it is missing.
///
/// # Errors
/// The system's.
pub fn file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(FILE).open(path)?;
    tighten(path);
    Ok(file)
}

/// Makes a file that must not be there yet.
///
/// # Errors
/// The system's; [`io::ErrorKind::AlreadyExists`].
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE).open(path)
}

/// Makes the file of a database where it is missing, and closes it and what SQLite keeps beside it. New files beside it
/// get the mode that it has.
///
/// # Errors
/// The system's.
pub fn database(path: &Path) -> io::Result<()> {
    drop(file(path)?);
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        tighten(Path::new(&name));
    }
    Ok(())
}

/// Closes what is there to others. What belongs to somebody else stays as it is, and the log says so.
pub fn tighten(path: &Path) {
    let Ok(found) = std::fs::metadata(path) else { return };
    let mode = found.permissions().mode();
    if mode & OTHERS == 0 {
        return;
    }
    let closed = if found.is_dir() && mode & STICKY != 0 {
        Err(io::Error::other("it is shared by all users of this machine"))
    } else {
        std::fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))
    };
    match closed {
        Ok(()) => {
            tracing::info!("{} was open to other users of this machine; it is closed now", path.display())
        }
        Err(cause) => tracing::warn!(
            "{} is open to other users of this machine and cannot be closed: {cause}",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_made_is_the_owners_and_what_was_open_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/data");
        folder(&data).unwrap();
        assert_eq!((mode(&data), mode(data.parent().unwrap())), (0o700, 0o700));
        let base = data.join("x.db");
        std::fs::write(data.join("x.db-wal"), "x").unwrap();
        for (path, open) in [(&data, 0o755), (&data.join("x.db-wal"), 0o644)] {
            std::fs::set_permissions(path, Permissions::from_mode(open)).unwrap();
        }
        folder(&data).unwrap();
        database(&base).unwrap();
        assert_eq!((mode(&data), mode(&base), mode(&data.join("x.db-wal"))), (0o700, 0o600, 0o600));
        assert!(new_file(&base).is_err());
        drop(new_file(&data.join("new")).unwrap());
        assert_eq!(mode(&data.join("new")), 0o600);

        std::fs::set_permissions(&data, Permissions::from_mode(0o1777)).unwrap();
        folder(&data).unwrap();
        assert_eq!(mode(&data), 0o1777, "a folder of everybody's is left alone");
    }
}
