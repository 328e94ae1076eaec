//! From an archive or a folder to a model's own folder, whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::super::installed::is_model;
use super::{FetchError, Refusal};

/// The most that a model may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Files and folders.
    pub entries_max: usize,
    /// Bytes, unpacked.
    pub bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries_max: 10_000, bytes_max: 4 << 30 }
    }
}

/// A model that is on disk and not yet in its place: its folder is removed unless it is moved there.
#[derive(Debug)]
pub struct Draft {
    at: PathBuf,
    folder: PathBuf,
    name: String,
}

impl Draft {
    fn new(folder: &Path, name: &str) -> Result<Self, FetchError> {
        fs::create_dir_all(folder).map_err(FetchError::disk(folder))?;
        let target = folder.join(name);
        if target.exists() {
            return Err(FetchError::AlreadyThere(target));
        }
        let draft = folder.join(format!(".{name}.{}", std::process::id()));
        fs::create_dir(&draft).map_err(FetchError::disk(&draft))?;
        Ok(Self { at: draft, folder: folder.to_owned(), name: name.to_owned() })
    }

    fn write(&self, name: &Path, from: &mut impl Read) -> Result<(), FetchError> {
        let path = self.at.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.map_err(FetchError::disk(&path))?;
        let mut file = File::create_new(&path).map_err(FetchError::disk(&path))?;
        io::copy(from, &mut file).and_then(|_| file.sync_all()).map_err(FetchError::disk(&path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    fn whole(self) -> Result<Self, FetchError> {
        if is_model(&self.at) { Ok(self) } else { Err(FetchError::Archive(Refusal::NoModel)) }
    }

    /// Puts the model, all of which is on disk now, under its name.
    ///
    /// # Errors
    /// The disk's; nothing is left behind then.
    pub fn keep(self) -> Result<PathBuf, FetchError> {
        let (at, folder) = (&self.at, &self.folder);
        sync_folders(at).map_err(FetchError::disk(at))?;
        let target = folder.join(&self.name);
        fs::rename(at, &target).map_err(FetchError::disk(&target))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(FetchError::disk(folder))?;
        Ok(target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Moved to its place, or gone with its disk.
        let _moved = fs::remove_dir_all(&self.at);
    }
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

/// A relative path made of plain names.
fn inside(name: &Path) -> bool {
    name.components().count() > 0 && name.components().all(|part| matches!(part, Component::Normal(_)))
}

/// The official archives hold one folder with everything in it: its name, where that is so.
fn common_top<'a>(mut names: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    let first = names.next()?;
    let top = first.components().next()?;
    let below = |name: &Path| name.components().next() == Some(top) && name.components().count() > 1;
    (below(first) && names.all(below)).then(|| PathBuf::from(top.as_os_str()))
}

/// Unpacks an archive, to be kept as the model `name` under `folder`.
///
/// # Errors
/// The archive is refused, or the disk fails; nothing is left behind then.
pub fn unpack(archive: &Path, folder: &Path, name: &str, bounds: Bounds) -> Result<Draft, FetchError> {
    let draft = Draft::new(folder, name)?;
    let file = File::open(archive).map_err(FetchError::disk(archive))?;
    let refused = FetchError::Archive;
    let listed = file.try_clone().map_err(FetchError::disk(archive))?;
    let mut zip = ZipArchive::new(file).map_err(|_| refused(Refusal::Damaged))?;
    // The reader of archives drops all files of one name but the last, so they are counted where they are listed.
    let listed = in_directory(listed, zip.central_directory_start()).map_err(FetchError::disk(archive))?;
    if listed != zip.len() {
        return Err(refused(Refusal::Twice));
    }
    let files = names(&mut zip, bounds).map_err(refused)?;
    let top = common_top(files.keys().map(PathBuf::as_path));
    // What an archive says of its sizes may be a lie, so what really comes out is counted too.
    let mut left = bounds.bytes_max;
    for (path, index) in &files {
        let entry = zip.by_index(*index).map_err(|_| refused(Refusal::Damaged))?;
        let mut counted = Counted { reader: entry, left: &mut left, refusal: None };
        let short = top.as_ref().and_then(|top| path.strip_prefix(top).ok()).unwrap_or(path);
        let written = draft.write(short, &mut counted);
        match counted.refusal {
            Some(refusal) => return Err(refused(refusal)),
            None => written?,
        }
    }
    draft.whole()
}

/// How many files the central directory of an archive lists (APPNOTE.TXT 4.3.12), names that come twice counted twice.
fn in_directory(archive: File, start: u64) -> io::Result<usize> {
    const SIGNATURE: [u8; 4] = *b"PK\x01\x02";
    let mut reader = io::BufReader::new(archive);
    reader.seek(io::SeekFrom::Start(start))?;
    let (mut count, mut header) = (0, [0; 46]);
    while reader.read_exact(&mut header).is_ok() && header[..4] == SIGNATURE {
        let length = |at: usize| i64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        reader.seek_relative(length(28) + length(30) + length(32))?;
        count += 1;
    }
    Ok(count)
}

/// Every file of an archive by its path, once each of them is known to be harmless.
fn names(zip: &mut ZipArchive<File>, bounds: Bounds) -> Result<BTreeMap<PathBuf, usize>, Refusal> {
    if zip.len() > bounds.entries_max {
        return Err(Refusal::TooMany);
    }
    let (mut files, mut bytes) = (BTreeMap::new(), 0_u64);
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|_: ZipError| Refusal::Damaged)?;
        let path = PathBuf::from(entry.name());
        if !inside(&path) || entry.name().contains(['\\', '\0']) {
            return Err(Refusal::Outside);
        }
        let kind = entry.unix_mode().map_or(0, |mode| mode & libc::S_IFMT);
        if entry.is_dir() {
            continue;
        }
        if ![0, libc::S_IFREG].contains(&kind) {
            return Err(Refusal::NotAFile);
        }
        bytes = bytes.saturating_add(entry.size());
        if bytes > bounds.bytes_max {
            return Err(Refusal::TooLarge);
        }
        if files.insert(path, index).is_some() {
            return Err(Refusal::Twice);
        }
    }
    Ok(files)
}

/// Counts what is read, and tells a damaged archive from a disk that fails.
struct Counted<'a, R> {
    reader: R,
    left: &'a mut u64,
    refusal: Option<Refusal>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let mut refuse = |refusal| {
            self.refusal = Some(refusal);
            io::Error::from(io::ErrorKind::InvalidData)
        };
        let count = self.reader.read(piece).map_err(|_| refuse(Refusal::Damaged))?;
        match self.left.checked_sub(count as u64) {
            Some(left) => *self.left = left,
            None => return Err(refuse(Refusal::TooLarge)),
        }
        Ok(count)
    }
}

/// Copies a folder, to be kept as the model `name` under `folder`.
///
/// # Errors
/// It is no model, or the disk fails; nothing is left behind then.
pub fn adopt(from: &Path, folder: &Path, name: &str, bounds: Bounds) -> Result<Draft, FetchError> {
    let draft = Draft::new(folder, name)?;
    let (mut entries, mut left) = (0, bounds.bytes_max);
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let here = from.join(&relative);
        for entry in fs::read_dir(&here).map_err(FetchError::disk(&here))? {
            let entry = entry.map_err(FetchError::disk(&here))?;
            let (path, name) = (entry.path(), relative.join(entry.file_name()));
            entries += 1;
            if entries > bounds.entries_max {
                return Err(FetchError::Archive(Refusal::TooMany));
            }
            let kind = entry.file_type().map_err(FetchError::disk(&path))?;
            if kind.is_dir() {
                open.push(name);
            } else if kind.is_file() {
                let reader = File::open(&path).map_err(FetchError::disk(&path))?;
                let mut counted = Counted { reader, left: &mut left, refusal: None };
                let written = draft.write(&name, &mut counted);
                match counted.refusal {
                    Some(refusal) => return Err(FetchError::Archive(refusal)),
                    None => written?,
                }
            } else {
                return Err(FetchError::Archive(Refusal::NotAFile));
            }
        }
    }
    draft.whole()
}
