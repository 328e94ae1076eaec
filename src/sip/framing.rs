//! Where one message ends and the next begins on a stream (RFC 3261 §18.3, §20.14). It looks at nothing but the head's
//! end and its Content-Length: what a message means is judged later, so one that is odd inside does not cost the
//! connection, and what is not framed is never taken for a message.

use bytes::{Bytes, BytesMut};

/// Largest message, head and body together.
pub(super) const MESSAGE_MAX: usize = 64 * 1024;

/// What a stream brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// One whole message.
    Message(Bytes),
    /// The keep-alive of RFC 5626 §4.4.1: a double CRLF between messages, which wants a single one back.
    Ping,
    /// The framing is lost. The connection can only be closed.
    Broken {
        /// The head of the message in which it was lost, where there is one that can be answered.
        head: Option<Bytes>,
        /// The answer to it.
        code: u16,
    },
    /// The far end speaks TLS.
    Tls,
}

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub(super) struct Framer {
    buffer: BytesMut,
    /// Octets of the buffer in which no end of a head was found.
    searched: usize,
    /// Head and body of the message that is on its way, in octets.
    needed: Option<usize>,
    over: bool,
}

impl Framer {
    /// Takes what was read.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        if !self.over {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// Whether a message has begun and not ended. A lone line end is a keep-alive of those who send no more.
    pub(super) fn is_partial(&self) -> bool {
        self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    /// The next whole thing. After [`Framed::Broken`] or [`Framed::Tls`] there is none.
    pub(super) fn poll(&mut self) -> Option<Framed> {
        if self.over {
            return None;
        }
        if self.needed.is_none() {
            let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if self.buffer.starts_with(b"\r\n\r\n") {
                drop(self.buffer.split_to(4));
                return Some(Framed::Ping);
            }
            // A lone CRLF may be the first half of a ping.
            if blank > 0 && blank < self.buffer.len() {
                drop(self.buffer.split_to(blank));
            }
            // A TLS record of the type handshake (RFC 8446 §5.1).
            if self.buffer.starts_with(&[0x16, 0x03]) {
                return self.end(Framed::Tls);
            }
            let from = self.searched.saturating_sub(3);
            let Some(end) = self.buffer[from..].windows(4).position(|w| w == b"\r\n\r\n") else {
                self.searched = self.buffer.len();
                return (self.searched > MESSAGE_MAX).then(|| self.broken(None, 413)).flatten();
            };
            let head = from + end + 4;
            match content_length(&self.buffer[..head]) {
                Some(length) if head.saturating_add(length) <= MESSAGE_MAX => {
                    self.needed = Some(head + length)
                }
                Some(_) => return self.broken(Some(head), 413),
                None => return self.broken(Some(head), 400),
            }
        }
        let needed = self.needed.filter(|needed| *needed <= self.buffer.len())?;
        (self.needed, self.searched) = (None, 0);
        Some(Framed::Message(self.buffer.split_to(needed).freeze()))
    }

    fn broken(&mut self, head: Option<usize>, code: u16) -> Option<Framed> {
        let head = head.map(|head| self.buffer.split_to(head).freeze());
        self.end(Framed::Broken { head, code })
    }

    fn end(&mut self, last: Framed) -> Option<Framed> {
        self.over = true;
        self.buffer = BytesMut::new();
        Some(last)
    }
}

/// The one Content-Length of a head; `None` where there is none, or where it cannot be read or contradicts itself. On a
/// stream it has to be there (RFC 3261 §18.3).
fn content_length(head: &[u8]) -> Option<usize> {
    let mut found = None;
    let mut lines = head.split(|&b| b == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        // A line that begins with a blank goes on with the one before (RFC 3261 §7.3.1).
        let mut whole = line.trim_ascii_end().to_vec();
        while let Some(more) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t'))) {
            whole.push(b' ');
            whole.extend_from_slice(more.trim_ascii());
        }
        let Some(colon) = whole.iter().position(|&b| b == b':') else { continue };
        let name = whole[..colon].trim_ascii_end();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let value = std::str::from_utf8(whole[colon + 1..].trim_ascii()).ok()?;
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let length: usize = value.parse().ok().filter(|_| digits)?;
        if found.is_some_and(|before| before != length) {
            return None;
        }
        found = Some(length);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: &str = "INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n";

    fn all(bytes: &[u8], step: usize) -> Vec<Framed> {
        let (mut framer, mut out) = (Framer::default(), Vec::new());
        for chunk in bytes.chunks(step.max(1)) {
            framer.push(chunk);
            out.extend(std::iter::from_fn(|| framer.poll()));
        }
        out
    }

    #[test]
    fn whole_messages_before_a_broken_one_count_and_nothing_after_it() {
        let good = format!("{INFO}Content-Length: 4\r\n\r\nbody");
        let inside = format!("{INFO}l: none\r\n\r\nINVITE sip:x@y SIP/2.0\r\nContent-Length: 0\r\n\r\n");
        let bytes = [good.as_bytes(), b"\r\n\r\n", inside.as_bytes()].concat();
        for step in [1, 7, 1000] {
            let framed = all(&bytes, step);
            assert_eq!(framed[0], Framed::Message(Bytes::copy_from_slice(good.as_bytes())), "{step}");
            assert_eq!(framed[1], Framed::Ping, "{step}");
            assert!(
                matches!(&framed[2..], [Framed::Broken { head: Some(head), code: 400 }] if head.ends_with(b"none\r\n\r\n")),
                "{step}: {framed:?}"
            );
        }
    }

    #[test]
    fn folded_lines_are_one_header() {
        let folded = format!("{INFO}Subject: x\r\n Content-Length: 5\r\nContent-Length:\r\n 0\r\n\r\n");
        assert!(matches!(all(folded.as_bytes(), 9)[..], [Framed::Message(_)]));
    }

    #[test]
    fn a_lone_line_end_begins_no_message() {
        let mut framer = Framer::default();
        framer.push(b"\r\n");
        assert_eq!((framer.poll(), framer.is_partial()), (None, false));
        framer.push(b"OPT");
        assert_eq!((framer.poll(), framer.is_partial()), (None, true));
    }

    #[test]
    fn what_cannot_be_framed_is_told_apart() {
        let long = format!("{INFO}Content-Length: 70000\r\n\r\n");
        assert!(matches!(all(long.as_bytes(), 99)[..], [Framed::Broken { head: Some(_), code: 413 }]));
        let twice = format!("{INFO}Content-Length: 1\r\nl: 2\r\n\r\nx");
        assert!(matches!(all(twice.as_bytes(), 99)[..], [Framed::Broken { head: Some(_), code: 400 }]));
        assert_eq!(all(&[0x16, 3, 1, 2, 0, 1, 0, 1], 2), [Framed::Tls]);
        assert_eq!(all(&vec![b'x'; 70_000], 4000), [Framed::Broken { head: None, code: 413 }]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1..20_usize) {
            let good = format!("{INFO}Content-Length: {}\r\n\r\n", bytes.len());
            let stream = [good.as_bytes(), &bytes, good.as_bytes(), &bytes].concat();
            prop_assert_eq!(all(&stream, step), all(&stream, stream.len()));
            prop_assert_eq!(all(&stream, step).len(), 2);
        }
    }
}
