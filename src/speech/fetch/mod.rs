//! Getting a model: a download that can go on where it stopped, a checksum, and an unpacking that trusts nothing.
//!
//! Whatever goes wrong, the models that were there before are there after. A model is under its name only when all of
//! it is on disk.

mod download;
mod unpack;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use self::download::download;
pub use self::unpack::{Bounds, Draft, adopt, unpack};

/// What tells a model that was wanted from one that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its archive has this SHA-256, in hexadecimal.
    Sha256(String),
    /// Nothing: the operator trusts the source.
    Trust,
}

/// Why there is no new model.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is there.
    #[error("{} is there already; remove that folder to get it anew", .0.display())]
    AlreadyThere(PathBuf),
    /// The server cannot be reached, or stopped sending.
    #[error(
        "{what}; {}. On a machine without internet, fetch {url} elsewhere and use --from FILE",
        if *.kept { "what came so far is kept, run the same command again to go on" } else { "nothing came" }
    )]
    Network {
        /// What was fetched.
        url: String,
        /// What happened.
        what: String,
        /// Whether something came before that lies there for the next try.
        kept: bool,
    },
    /// The server has something else for us.
    #[error(
        "{url}: the server answered {status}. Try again later; if it stays so, its publisher may have moved it: look for \
             it there, and use --from FILE"
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// Its answer.
        status: String,
    },
    /// More or less came than there should be.
    #[error("the archive has {found} bytes instead of {expected}; it was not unpacked")]
    Size {
        /// As configured.
        expected: u64,
        /// As it came.
        found: u64,
    },
    /// It is not the archive that was wanted.
    #[error(
        "the archive's SHA-256 is {found}, not {expected}; it was not unpacked. If its publisher has replaced it, \
             give the new sum with --sha256"
    )]
    Hash {
        /// As configured.
        expected: String,
        /// As it came.
        found: String,
    },
    /// The archive is broken, or made to do harm.
    #[error("the archive was refused: {0}")]
    Archive(Refusal),
    /// The model does not work on this machine.
    #[error("the model does not work on this machine and was not put in its place: {0}")]
    Unfit(super::check::Fault),
    /// The disk, or the folder.
    #[error("{}: {source}", path.display())]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl FetchError {
    fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Disk { path: path.to_owned(), source }
    }
}

/// What is wrong with an archive or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read as one.
    #[error("it is no ZIP archive, or a damaged one")]
    Damaged,
    /// A name that is absolute, goes upwards, or cannot be one.
    #[error("a file in it would be written outside of the model's folder")]
    Outside,
    /// Links, devices and the like.
    #[error("there is something in it that is neither a file nor a folder")]
    NotAFile,
    /// Two files of one name.
    #[error("there are two files of one name in it")]
    Twice,
    /// Too many of them.
    #[error("there are too many files in it")]
    TooMany,
    /// Unpacked it would be too large.
    #[error("unpacked it is larger than a model may be")]
    TooLarge,
    /// It is something else.
    #[error("there is no final.mdl in it: it is no model")]
    NoModel,
}

/// Checks a file against what it should be.
///
/// # Errors
/// It is something else, or cannot be read.
pub fn prove(file: &Path, bytes: Option<u64>, proof: &Proof) -> Result<(), FetchError> {
    let mut reader = File::open(file).map_err(FetchError::disk(file))?;
    let found = reader.metadata().map_err(FetchError::disk(file))?.len();
    if let Some(expected) = bytes.filter(|&expected| expected != found) {
        return Err(FetchError::Size { expected, found });
    }
    let Proof::Sha256(expected) = proof else { return Ok(()) };
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match reader.read(&mut piece).map_err(FetchError::disk(file))? {
            0 => break,
            count => hash.update(&piece[..count]),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(FetchError::Hash { expected: expected.clone(), found })
    }
}

#[cfg(test)]
mod tests;
