//! Recordings of callers, each sealed under the key of its response, in `DATA/recordings/DAY/ID.sealed`.
//!
//! A file is a sealed WAV file ([`super::seal`]) that opens only under its own name. The key lies in the database, sealed in its turn, so that erasing one row erases
//! the recordings, the transcripts and every backup of them.

use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;
use hound::{SampleFormat, WavSpec, WavWriter};

use super::seal;
use crate::domain::{CallId, LISTEN_RATE, RecordingId};

/// Largest sealed file that is read, in bytes: three minutes of sound are 2.9 MB.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// The key of one response. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseKey {
    pub(super) call: CallId,
    pub(super) key: [u8; 32],
}

impl std::fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseKey")
    }
}

impl ResponseKey {
    /// A fresh key.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(call: CallId) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { call, key })
    }

    /// Seals octets under a name; they open under no other.
    ///
    /// # Errors
    /// The system gives no random numbers, or the text is longer than the cipher takes (256 GiB).
    pub fn seal(&self, name: RecordingId, plain: &[u8]) -> io::Result<Vec<u8>> {
        seal::seal(&self.cipher(), name.0.as_bytes(), plain)
    }

    /// Opens what [`Self::seal`] sealed; `None` for anything else.
    #[must_use]
    pub fn open(&self, name: RecordingId, sealed: &[u8]) -> Option<Vec<u8>> {
        seal::open(&self.cipher(), name.0.as_bytes(), sealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key.into())
    }
}

/// Writes a recording; when it comes back, it is on disk.
///
/// # Errors
/// The disk's.
pub(super) fn write(folder: &Path, key: &ResponseKey, id: RecordingId, samples: &[i16]) -> io::Result<()> {
    let path = path_of(folder, id);
    let day = path.parent().unwrap_or(folder);
    crate::private::make_folder(day)?;
    let sealed = key.seal(id, &wav(samples)?)?;
    let mut file = tempfile_in(day, id)?;
    let written = file.1.write_all(&sealed).and_then(|()| file.1.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&file.0, &path));
    if renamed.is_err() {
        std::fs::remove_file(&file.0).ok(); // The error that matters is the one before.
    }
    renamed?;
    std::fs::File::open(day)?.sync_all()
}

/// Reads a recording back as samples at 8 kHz.
///
/// # Errors
/// The disk's; [`io::ErrorKind::InvalidData`] for a file that the key does not open.
pub(super) fn read(folder: &Path, key: &ResponseKey, id: RecordingId) -> io::Result<Vec<i16>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let path = path_of(folder, id);
    if std::fs::metadata(&path)?.len() > FILE_MAX {
        return Err(invalid("the file is too large"));
    }
    let plain = key.open(id, &std::fs::read(&path)?).ok_or_else(|| invalid("the key does not open it"))?;
    let reader = hound::WavReader::new(Cursor::new(plain)).map_err(|_| invalid("it is no WAV file"))?;
    reader.into_samples::<i16>().collect::<Result<_, _>>().map_err(|_| invalid("the WAV file is cut off"))
}

/// Samples at 8 kHz as a WAV file.
///
/// # Errors
/// More samples than a WAV file can hold.
pub fn wav(samples: &[i16]) -> io::Result<Vec<u8>> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: LISTEN_RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut out = Cursor::new(Vec::with_capacity(44 + samples.len() * 2));
    let mut writer = WavWriter::new(&mut out, spec).map_err(io::Error::other)?;
    for &sample in samples {
        writer.write_sample(sample).map_err(io::Error::other)?;
    }
    writer.finalize().map_err(io::Error::other)?;
    Ok(out.into_inner())
}

pub(super) fn path_of(folder: &Path, id: RecordingId) -> PathBuf {
    // The first 48 bits are milliseconds since 1970 (RFC 9562 §5.7).
    let ms = i64::try_from(id.0.as_u128() >> 80).unwrap_or(0);
    let day = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    folder.join(day.strftime("%Y-%m-%d").to_string()).join(format!("{id}.sealed"))
}

fn tempfile_in(day: &Path, id: RecordingId) -> io::Result<(PathBuf, std::fs::File)> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = day.join(format!("{id}.part"));
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_recording_opens_under_its_own_key_and_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = ResponseKey::new(CallId(Uuid::now_v7())).unwrap();
        let (id, other) = (RecordingId(Uuid::now_v7()), RecordingId(Uuid::now_v7()));
        let samples: Vec<i16> = (0..8000).map(|n| (n % 321) as i16 * 50).collect();
        write(folder.path(), &key, id, &samples).unwrap();
        assert_eq!(read(folder.path(), &key, id).unwrap(), samples);

        let sealed = std::fs::read(path_of(folder.path(), id)).unwrap();
        assert!(!sealed.windows(4).any(|w| w == b"RIFF"), "nothing of it can be read");
        assert!(key.open(other, &sealed).is_none());
        let stranger = ResponseKey::new(key.call).unwrap();
        assert_eq!(read(folder.path(), &stranger, id).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let files = std::fs::read_dir(path_of(folder.path(), id).parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no part is left behind");
    }
}
