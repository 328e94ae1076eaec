//! Sound for `<audio>`: WAV files, whole or the part of them that a player asks for.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// A WAV file, or the one range of it that is asked for (RFC 9110 §14.2). Some players ask for the first octets before
/// they take anything, and all of them do to jump ahead.
pub(super) fn wav(headers: &HeaderMap, audio: Vec<u8>) -> Response {
    let kind = (header::CONTENT_TYPE, "audio/wav".to_owned());
    let takes = (header::ACCEPT_RANGES, "bytes".to_owned());
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    match asked.and_then(|asked| range(asked, audio.len())) {
        None => ([kind, takes], audio).into_response(),
        Some(None) => {
            let all = [(header::CONTENT_RANGE, format!("bytes */{}", audio.len()))];
            (StatusCode::RANGE_NOT_SATISFIABLE, all).into_response()
        }
        Some(Some((first, last))) => {
            let part = (header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", audio.len()));
            let octets = audio[first..=last].to_vec();
            (StatusCode::PARTIAL_CONTENT, [kind, takes, part], octets).into_response()
        }
    }
}

/// The first and the last octet of a `Range`: `None` for what is to be answered as if it were not there, `Some(None)`
/// for a range that lies outside.
fn range(asked: &str, len: usize) -> Option<Option<(usize, usize)>> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    if last.contains(',') {
        return None;
    }
    let end = len.checked_sub(1);
    Some(match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), _) if first >= len => None,
        (Ok(first), Ok(last)) if last < first => return None,
        (Ok(first), Ok(last)) => end.map(|end| (first, last.min(end))),
        (Ok(first), Err(_)) if last.is_empty() => end.map(|end| (first, end)),
        (Err(_), Ok(0)) if first.is_empty() => None,
        (Err(_), Ok(many)) if first.is_empty() => end.map(|end| (len.saturating_sub(many), end)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (asked, octets) in [
            ("bytes=0-1", Some(Some((0, 1)))),
            ("bytes=5-", Some(Some((5, 9)))),
            ("bytes=5-500", Some(Some((5, 9)))),
            ("bytes=-3", Some(Some((7, 9)))),
            ("bytes=-30", Some(Some((0, 9)))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=5-4", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(range(asked, 10), octets, "{asked}");
        }
        assert_eq!(range("bytes=0-", 0), Some(None));
        let mut headers = HeaderMap::new();
        assert_eq!(wav(&headers, vec![0; 10]).status(), StatusCode::OK);
        headers.insert(header::RANGE, "bytes=2-4".parse().unwrap());
        let part = wav(&headers, vec![0; 10]);
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 2-4/10");
    }
}
