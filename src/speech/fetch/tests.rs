use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

const MODEL: [(&str, &[u8]); 3] = [
    ("small/am/final.mdl", b"network"),
    ("small/conf/mfcc.conf", b"--x=1\n"),
    ("small/graph/Gr.fst", b"words"),
];

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn sum(bytes: &[u8]) -> Proof {
    Proof::Sha256(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect())
}

/// What the server has, and what it is asked for.
struct Shelf {
    bytes: Vec<u8>,
    /// Bytes after which the first answer breaks off.
    breaks_after: Option<usize>,
    ranges: Vec<Option<String>>,
}

type Shared = Arc<Mutex<Shelf>>;

async fn serve(State(shelf): State<Shared>, headers: HeaderMap) -> Response {
    let mut shelf = shelf.lock().unwrap();
    let range = headers.get(header::RANGE).map(|range| range.to_str().unwrap().to_owned());
    shelf.ranges.push(range.clone());
    let from = range.map_or(0, |range| range["bytes=".len()..range.len() - 1].parse().unwrap());
    let total = shelf.bytes.len();
    if from >= total {
        return Response::builder().status(StatusCode::RANGE_NOT_SATISFIABLE).body(Body::empty()).unwrap();
    }
    let status = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_RANGE, format!("bytes {from}-{}/{total}", total - 1))
        .header(header::CONTENT_LENGTH, total - from);
    let bytes = shelf.bytes[from..].to_vec();
    let body = match shelf.breaks_after.take() {
        None => Body::from(bytes),
        Some(count) => {
            let pieces =
                [Ok(bytes[..count].to_vec()), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
            // Between the two the first one gets out.
            Body::from_stream(Pieces(pieces.into_iter(), false))
        }
    };
    response.body(body).unwrap()
}

/// A stream of pieces with a pause before each, so that each is sent alone.
struct Pieces<I>(I, bool);

impl<I: Iterator + Unpin> futures_core::Stream for Pieces<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        self.1 = !self.1;
        if self.1 {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(self.0.next())
    }
}

async fn server(bytes: Vec<u8>, breaks_after: Option<usize>) -> (String, Shared) {
    let shelf = Arc::new(Mutex::new(Shelf { bytes, breaks_after, ranges: Vec::new() }));
    let router =
        axum::Router::new().route("/model.zip", axum::routing::get(serve)).with_state(Arc::clone(&shelf));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/model.zip", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, shelf)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_model_is_fetched_and_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = archive(&MODEL);
    let (url, _) = server(bytes.clone(), None).await;
    let to = dir.path().join("small.zip");
    let mut seen = (0, None);
    let total = bytes.len() as u64;
    download(&url, &to, Some(total), &sum(&bytes), |done, of| seen = (done, of)).await.unwrap();
    assert_eq!(seen, (total, Some(total)));
    let at = unpack(&to, dir.path(), "en-small", Bounds::default()).unwrap().keep().unwrap();
    assert_eq!(at, dir.path().join("en-small"));
    assert_eq!(std::fs::read(at.join("am/final.mdl")).unwrap(), b"network");
    assert_eq!(std::fs::read(at.join("conf/mfcc.conf")).unwrap(), b"--x=1\n");
    assert_eq!(files(dir.path()), ["en-small", "small.zip"]);
    let again = unpack(&to, dir.path(), "en-small", Bounds::default());
    assert!(matches!(again, Err(FetchError::AlreadyThere(_))));
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = archive(&[("am/final.mdl", &[7; 300_000]), ("noise", &noise(200_000))]);
    let (url, shelf) = server(bytes.clone(), Some(100_000)).await;
    let to = dir.path().join("small.zip");
    let part = dir.path().join("small.zip.part");
    let total = Some(bytes.len() as u64);
    let broken = download(&url, &to, total, &sum(&bytes), |_, _| ()).await.unwrap_err();
    assert!(
        matches!(broken, FetchError::Network { .. }) && broken.to_string().contains("so far is kept"),
        "{broken}"
    );
    let kept = std::fs::metadata(&part).unwrap().len();
    assert!(kept > 0 && kept <= 100_000, "{kept}");
    download(&url, &to, total, &sum(&bytes), |_, _| ()).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), bytes);
    assert_eq!(shelf.lock().unwrap().ranges, [None, Some(format!("bytes={kept}-"))]);
    assert_eq!(files(dir.path()), ["small.zip"]);

    // All of it lies there, but the last step was missed; the size is not known.
    std::fs::rename(&to, &part).unwrap();
    download(&url, &to, None, &sum(&bytes), |_, _| ()).await.unwrap();
    assert_eq!(files(dir.path()), ["small.zip"]);
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(next).collect()
}

#[tokio::test]
async fn what_is_not_the_archive_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = archive(&MODEL);
    let (url, _) = server(bytes.clone(), None).await;
    let to = dir.path().join("small.zip");
    let total = bytes.len() as u64;
    let wrong = download(&url, &to, Some(total), &sum(b"other"), |_, _| ()).await.unwrap_err();
    assert!(matches!(wrong, FetchError::Hash { .. }), "{wrong}");
    let long = download(&url, &to, Some(total - 1), &sum(&bytes), |_, _| ()).await.unwrap_err();
    assert!(matches!(long, FetchError::Size { .. }), "{long}");
    assert!(files(dir.path()).is_empty(), "{:?}", files(dir.path()));
    let nothing = download(&url.replace("model", "other"), &to, None, &Proof::Trust, |_, _| ()).await;
    assert!(matches!(nothing, Err(FetchError::Refused { ref status, .. }) if status.starts_with("404")));
    let nobody = download("http://127.0.0.1:1/x", &to, None, &Proof::Trust, |_, _| ()).await.unwrap_err();
    assert!(matches!(nobody, FetchError::Network { kept: false, .. }), "{nobody}");
    assert!(nobody.to_string().contains("nothing came") && !nobody.to_string().contains("kept"), "{nobody}");
    let no_folder = dir.path().join("missing/small.zip");
    let disk = download(&url, &no_folder, None, &Proof::Trust, |_, _| ()).await;
    assert!(matches!(disk, Err(FetchError::Disk { .. })));
    // A server that ends early and says nothing of it: the size tells.
    let short = download(&url, &to, Some(total + 1), &sum(&bytes), |_, _| ()).await.unwrap_err();
    assert!(matches!(short, FetchError::Network { .. }), "{short}");
}

#[test]
fn two_files_of_one_name_are_refused() {
    let files: [(&str, &[u8]); 3] = [("am/final.mdl", b"network"), ("a.conf", b"one"), ("b.conf", b"two")];
    let mut bytes = archive(&files);
    assert_eq!(refused(&bytes, Bounds::default()), None);
    while let Some(at) = bytes.windows(6).position(|name| name == b"b.conf") {
        bytes[at] = b'a';
    }
    assert_eq!(refused(&bytes, Bounds::default()), Some(Refusal::Twice));
}

/// Unpacks bytes, and checks that nothing is left behind when they are refused.
fn refused(bytes: &[u8], bounds: Bounds) -> Option<Refusal> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.zip");
    std::fs::write(&file, bytes).unwrap();
    let folder = dir.path().join("a/speech");
    let refusal = match unpack(&file, &folder, "small", bounds) {
        Ok(_) => None,
        Err(FetchError::Archive(refusal)) => Some(refusal),
        Err(other) => panic!("{other}"),
    };
    if refusal.is_some() {
        assert!(files(&folder).is_empty(), "{:?}", files(&folder));
        assert_eq!(files(dir.path()), ["a", "model.zip"]);
    }
    refusal
}

#[test]
fn an_archive_made_to_do_harm_is_refused() {
    let all = Bounds::default();
    let good = archive(&MODEL);
    assert_eq!(refused(&good, all), None);
    assert_eq!(refused(&archive(&[("final.mdl", b"flat")]), all), None);
    for name in ["../up", "/etc/up", "small/../../up", "..\\up", "small/..", "C:\\up"] {
        let bad = archive(&[MODEL[0], (name, b"x")]);
        assert_eq!(refused(&bad, all), Some(Refusal::Outside), "{name}");
    }
    assert_eq!(refused(b"no archive", all), Some(Refusal::Damaged));
    assert_eq!(refused(&good[..good.len() / 2], all), Some(Refusal::Damaged));
    assert_eq!(refused(&archive(&[("readme", b"x")]), all), Some(Refusal::NoModel));
    assert_eq!(refused(&good, Bounds { entries_max: 2, ..all }), Some(Refusal::TooMany));

    let mut zip = ZipWriter::new(std::io::Cursor::new(archive(&MODEL)));
    zip = ZipWriter::new_append(zip.finish().unwrap()).unwrap();
    zip.add_symlink("small/link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert_eq!(refused(&zip.finish().unwrap().into_inner(), all), Some(Refusal::NotAFile));
}

#[test]
fn a_bomb_is_refused_whatever_it_says_of_itself() {
    let small = Bounds { bytes_max: 1 << 20, ..Bounds::default() };
    let bomb = archive(&[MODEL[0], ("small/bomb", &vec![0; 8 << 20])]);
    assert!(bomb.len() < 100_000);
    assert_eq!(refused(&bomb, small), Some(Refusal::TooLarge));

    // The same, with a size of one byte written wherever its size stands.
    let (truth, mut lie) = ((8_u32 << 20).to_le_bytes(), bomb);
    let places: Vec<_> = (0..lie.len() - 4).filter(|&at| lie[at..at + 4] == truth).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        lie[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    assert!(matches!(refused(&lie, small), Some(Refusal::TooLarge | Refusal::Damaged)));
}

#[test]
fn a_damaged_file_in_an_archive_is_found() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("am/final.mdl", stored).unwrap();
    zip.write_all(b"network network network").unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    let at = bytes.windows(7).position(|window| window == b"network").unwrap();
    bytes[at] ^= 1;
    assert_eq!(refused(&bytes, Bounds::default()), Some(Refusal::Damaged));
}

#[test]
fn a_folder_is_taken_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (from, folder) = (dir.path().join("from"), dir.path().join("speech"));
    for (name, bytes) in MODEL {
        let file = from.join(name.strip_prefix("small/").unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    let at = adopt(&from, &folder, "small", Bounds::default()).unwrap().keep().unwrap();
    assert_eq!(std::fs::read(at.join("graph/Gr.fst")).unwrap(), b"words");
    std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
    let linked = adopt(&from, &folder, "other", Bounds::default());
    assert!(matches!(linked, Err(FetchError::Archive(Refusal::NotAFile))));
    assert_eq!(files(&folder), ["small"]);
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let no_folder = adopt(&from, &dir.path().join("file"), "small", Bounds::default());
    assert!(matches!(no_folder, Err(FetchError::Disk { .. })));
}
