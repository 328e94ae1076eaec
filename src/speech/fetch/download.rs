//! One file over HTTP, with what came before a break kept for the next try.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::{FetchError, Proof, prove};

/// Without a byte for so long a download is broken off.
const STALLED: Duration = Duration::from_secs(30);
const CONNECT_MAX: Duration = Duration::from_secs(15);

/// Downloads to `to`, checks it, and returns its place. What came before a break lies beside it as `.part`.
/// `progress` is told how much there is, and of how much where that is known.
///
/// # Errors
/// What went wrong, and what to do. An archive that is not the one wanted is thrown away.
pub async fn download(
    url: &str,
    to: &Path,
    bytes: Option<u64>,
    proof: &Proof,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<(), FetchError> {
    let part = PathBuf::from(format!("{}.part", to.display()));
    let have = tokio::fs::metadata(&part).await.map_or(0, |meta| meta.len());
    if bytes.is_none_or(|bytes| have != bytes) {
        let have = if bytes.is_some_and(|bytes| have > bytes) { 0 } else { have };
        let broken =
            |what: String, came: u64| FetchError::Network { url: url.to_owned(), what, kept: came > 0 };
        let network = |error: &reqwest::Error| broken(words(error), have);
        let client = Client::builder().connect_timeout(CONNECT_MAX).read_timeout(STALLED).build();
        let client = client.map_err(|error| network(&error))?;
        let mut request = client.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let mut response = request.send().await.map_err(|error| network(&error))?;
        let from = match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, have) => have,
            StatusCode::OK => 0,
            // There is nothing after what we have: either it is all there, or it is of another file.
            StatusCode::RANGE_NOT_SATISFIABLE => {
                if let Err(wrong) = prove(&part, bytes, proof) {
                    throw_away(&part).await?;
                    return Err(wrong);
                }
                return keep(&part, to).await;
            }
            status => return Err(FetchError::Refused { url: url.to_owned(), status: status.to_string() }),
        };
        let total = bytes.or_else(|| response.content_length().map(|left| left + from));
        let mut file = open(&part, from).await.map_err(FetchError::disk(&part))?;
        progress(from, total);
        let received = receive(&mut response, &mut file, from, bytes, |done| progress(done, total)).await;
        // What came is kept whatever happened then, for the next try to go on from.
        file.flush().await.map_err(FetchError::disk(&part))?;
        drop(file);
        let done = match received {
            Ok(done) => done,
            Err(Broken::Network(error)) => {
                let came = tokio::fs::metadata(&part).await.map_or(0, |meta| meta.len());
                return Err(broken(words(&error), came));
            }
            Err(Broken::Disk(error)) => return Err(FetchError::disk(&part)(error)),
        };
        if let Some(expected) = bytes.filter(|&expected| done > expected) {
            throw_away(&part).await?;
            return Err(FetchError::Size { expected, found: done });
        }
        if let Some(expected) = total.filter(|&expected| done < expected) {
            let what = format!("the connection ended after {done} of {expected} bytes");
            return Err(broken(what, done));
        }
    }
    let (its, size, proof) = (part.clone(), bytes, proof.clone());
    let proven = tokio::task::spawn_blocking(move || prove(&its, size, &proof)).await;
    if let Err(wrong) = proven.expect("checking a file does not panic") {
        throw_away(&part).await?;
        return Err(wrong);
    }
    keep(&part, to).await
}

enum Broken {
    Network(reqwest::Error),
    Disk(std::io::Error),
}

/// Writes what comes, until it ends or is more than it should be; how much is there then.
async fn receive(
    response: &mut Response,
    file: &mut File,
    from: u64,
    bytes: Option<u64>,
    mut progress: impl FnMut(u64),
) -> Result<u64, Broken> {
    let mut done = from;
    while bytes.is_none_or(|expected| done <= expected) {
        let Some(piece) = response.chunk().await.map_err(Broken::Network)? else { break };
        file.write_all(&piece).await.map_err(Broken::Disk)?;
        done += piece.len() as u64;
        progress(done);
    }
    Ok(done)
}

async fn open(part: &Path, from: u64) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true);
    let file = if from > 0 { options.append(true) } else { options.truncate(true) }.open(part).await?;
    Ok(file)
}

async fn keep(part: &Path, to: &Path) -> Result<(), FetchError> {
    tokio::fs::rename(part, to).await.map_err(FetchError::disk(to))
}

async fn throw_away(part: &Path) -> Result<(), FetchError> {
    tokio::fs::remove_file(part).await.map_err(FetchError::disk(part))
}

/// Whether a partial answer is the part that was asked for.
fn begins_at(response: &Response, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    start == Some(from)
}

/// An error with its causes: reqwest's own text leaves out the interesting one.
fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
