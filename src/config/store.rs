//! `[store]`: where and how answers are kept.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Checked, Fault};

/// Where and how answers are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The database file; a relative path is under the data folder.
    pub file: PathBuf,
    /// The secret that caller hashes and sealed dialogs depend on: a file of at least 32 bytes, readable by the service
    /// alone. It is made at the first start. A relative path is under the data folder. Whoever loses it can no longer
    /// tell that an old and a new call came from one caller.
    pub secret_file: PathBuf,
    /// This node's number, carried in every id: 0-65535, and different on every node of a cluster.
    pub node: u16,
    /// Free space on the disk, in MiB, below which new calls are refused: 1 or more.
    pub free_min_mib: u64,
    /// Largest database, in MiB; none by default. A full one refuses new calls like a full disk.
    pub size_max_mib: Option<u32>,
    /// Writes that may wait for the disk: 16-65536. More callers than that wait for a place.
    pub queue_max: usize,
    /// Writes that share one transaction: 1-4096.
    pub group_max: usize,
    /// The time zone whose days sums by day are of; those of before when there is none. It is that of `[policy]`, or of
    /// `[selection]` where the policy names none.
    #[serde(skip)]
    pub day_zone: Option<String>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            file: "aftercall.db".into(),
            secret_file: "secret.key".into(),
            node: 1,
            free_min_mib: 200,
            size_max_mib: None,
            queue_max: 4096,
            group_max: 512,
            day_zone: None,
        }
    }
}

impl Checked for StoreConfig {
    fn check(&self) -> Result<(), Fault> {
        if self.file.as_os_str().is_empty() {
            return Err(Fault::new("file", "names no file"));
        }
        if self.secret_file.as_os_str().is_empty() {
            return Err(Fault::new("secret_file", "names no file"));
        }
        if self.free_min_mib == 0 {
            return Err(Fault::new("free_min_mib", "is 1 or more"));
        }
        if self.size_max_mib == Some(0) {
            return Err(Fault::new("size_max_mib", "is 1 or more"));
        }
        if !(16..=65_536).contains(&self.queue_max) {
            return Err(Fault::new("queue_max", "is 16-65536"));
        }
        if !(1..=4096).contains(&self.group_max) {
            return Err(Fault::new("group_max", "is 1-4096"));
        }
        Ok(())
    }
}
