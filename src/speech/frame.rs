//! What the service and a recogniser process say to each other: frames over a pair of Unix stream sockets.
//!
//! Every frame is a length (u32, of what follows), a kind (u8) and a body; all numbers are little-endian. The process
//! speaks first: [`FromWorker::Hello`] with [`MAGIC`] and [`VERSION`], then [`FromWorker::Ready`] when its model is
//! loaded or [`FromWorker::Unfit`]. From there on the service opens streams under numbers of its own, which it never
//! uses twice in a process's life, feeds them audio, and ends each with [`ToWorker::Finish`], which is answered by
//! exactly one [`FromWorker::Heard`] or [`FromWorker::Failed`], or with [`ToWorker::Drop`], which is not answered.
//! [`ToWorker::Ping`] is answered at once, whatever the recognisers do.
//!
//! Neither side trusts the other: lengths, counts and texts are bounded, and anything else is [`Garbage`], after which
//! the connection is over.

mod body;

use crate::domain::HeardWord;
pub use body::Body;

/// The first bytes that a process says.
pub const MAGIC: [u8; 4] = *b"ACSP";
/// The version of this format. Both programs are installed together, so another version is refused.
pub const VERSION: u16 = 2;
/// Longest frame, kind included: a grammar of thousands of phrases, or four seconds of audio.
pub const FRAME_MAX: usize = 256 * 1024;
/// Most samples in one [`ToWorker::Audio`].
pub const SAMPLES_MAX: usize = 32_000;
/// Most phrases in one vocabulary, and words in one result or question.
pub const ITEMS_MAX: usize = 8_192;
/// Longest phrase or word, in bytes.
pub const TEXT_MAX: usize = 1_024;

/// Bytes that are no frame of this format. It says nothing of what they were: they may be a caller's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a frame of this format")]
pub struct Garbage;

/// From the service to a recogniser process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToWorker {
    /// Begin an utterance.
    Open {
        /// Its number.
        stream: u32,
        /// Whether nobody waits for it on the line.
        background: bool,
        /// What may be heard; `None` is anything that the model knows.
        phrases: Option<Vec<String>>,
    },
    /// Samples at 8 kHz.
    Audio {
        /// The utterance.
        stream: u32,
        /// At most [`SAMPLES_MAX`].
        samples: Vec<i16>,
    },
    /// The utterance is over: say what it was.
    Finish {
        /// The utterance.
        stream: u32,
    },
    /// Nobody wants to know any more.
    Drop {
        /// The utterance.
        stream: u32,
    },
    /// Are you there?
    Ping {
        /// Comes back.
        nonce: u32,
    },
    /// Which of these words does the model not know?
    Lookup {
        /// The words.
        words: Vec<String>,
    },
}

/// From a recogniser process to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// The first frame.
    Hello {
        /// [`VERSION`] of the process.
        version: u16,
    },
    /// The model is loaded.
    Ready {
        /// Its unknown word.
        unknown: String,
        /// What keeps the process from files, network and other processes.
        confined: Confined,
    },
    /// The model cannot be used; the process ends.
    Unfit(Unfit),
    /// What one utterance was.
    Heard {
        /// The utterance.
        stream: u32,
        /// Its words, in order.
        words: Vec<HeardWord>,
    },
    /// One utterance cannot be heard; others can.
    Failed {
        /// The utterance.
        stream: u32,
        /// Why.
        why: Failure,
    },
    /// Answer to a ping.
    Pong {
        /// As asked.
        nonce: u32,
        /// For how long the slowest step of a live utterance has been running, in ms.
        live_ms: u32,
        /// The same of background utterances.
        background_ms: u32,
    },
    /// Answer to a lookup: the words that the model does not know.
    Missing {
        /// The words.
        words: Vec<String>,
    },
}

/// What a process has put between itself and the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confined {
    /// Version of the Landlock rules that hold, [`Self::LANDLOCK`] at most: no files but the model; 0 for none.
    pub landlock: u8,
    /// The system call filter holds: nothing but what hearing takes.
    pub calls: bool,
}

impl Confined {
    /// The version of the rules that are asked for.
    pub const LANDLOCK: u8 = 6;

    /// What nothing holds on this kernel; `None` when everything is held twice, or by what is there.
    #[must_use]
    pub fn not_held(self) -> Option<&'static str> {
        match (self.landlock, self.calls) {
            (0, false) => Some(
                "this kernel has neither Landlock nor system call filters: a recogniser that was taken over could do \
                 whatever the service can",
            ),
            (_, false) => Some(
                "this kernel has no system call filters (seccomp): a recogniser that was taken over could reach the \
                 network, other processes and their limits, and modes of files",
            ),
            (0, true) => Some(
                "this kernel has no Landlock: a model that takes its recogniser over while it is loaded could read \
                 files that the service can read",
            ),
            (_, true) => None,
        }
    }

    /// What is held once where newer kernels hold it twice.
    #[must_use]
    pub fn held_once(self) -> Option<&'static str> {
        match (self.landlock, self.calls) {
            (0, _) | (_, false) | (Self::LANDLOCK.., true) => None,
            (1 | 2, true) => {
                Some("the cutting of files, ports, the control of devices, signals and abstract sockets")
            }
            (3, true) => Some("ports, the control of devices, signals and abstract sockets"),
            (4, true) => Some("the control of devices, signals and abstract sockets"),
            (5, true) => Some("signals and abstract sockets"),
        }
    }
}

/// Why a model cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The library refused the model's folder.
    #[error("the library cannot load the model")]
    NotLoaded,
    /// The unknown word, as configured or as usual, is not in the model.
    #[error("the model has no unknown word")]
    NoUnknown,
}

/// Why one utterance cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its vocabulary is empty or has a word that the model does not know.
    Vocabulary,
    /// The library gave no recogniser, refused the audio or made no sense.
    Library,
    /// More audio came than could wait.
    Behind,
}

/// A message that can be framed.
pub trait Message: Sized {
    /// Its kind, and its body after it.
    fn write(&self, out: &mut Vec<u8>);
    /// From a kind and a body.
    ///
    /// # Errors
    /// It is none.
    fn read(body: &mut Body<'_>) -> Result<Self, Garbage>;
}

/// Appends one frame.
pub fn write(message: &impl Message, out: &mut Vec<u8>) {
    framed(out, |out| message.write(out));
}

/// Appends [`ToWorker::Audio`] without a copy of the samples before; as many frames as it takes.
pub fn write_audio(stream: u32, samples: &[i16], out: &mut Vec<u8>) {
    for part in samples.chunks(SAMPLES_MAX) {
        framed(out, |out| audio(stream, part, out));
    }
}

fn framed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - at - 4).expect("a frame is bounded by what goes in");
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

fn audio(stream: u32, samples: &[i16], out: &mut Vec<u8>) {
    out.push(2);
    out.extend_from_slice(&stream.to_le_bytes());
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&u16::try_from(end).expect("TEXT_MAX fits").to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..end]);
}

fn put_texts(texts: &[String], out: &mut Vec<u8>) {
    let texts = &texts[..texts.len().min(ITEMS_MAX)];
    out.extend_from_slice(&u16::try_from(texts.len()).expect("ITEMS_MAX fits").to_le_bytes());
    texts.iter().for_each(|text| put_text(text, out));
}

impl Message for ToWorker {
    fn write(&self, out: &mut Vec<u8>) {
        let mut numbered = |kind: u8, number: u32| {
            out.push(kind);
            out.extend_from_slice(&number.to_le_bytes());
        };
        match self {
            Self::Open { stream, background, phrases } => {
                numbered(1, *stream);
                out.push(u8::from(*background));
                out.push(u8::from(phrases.is_some()));
                put_texts(phrases.as_deref().unwrap_or_default(), out);
            }
            Self::Audio { stream, samples } => audio(*stream, samples, out),
            Self::Finish { stream } => numbered(3, *stream),
            Self::Drop { stream } => numbered(4, *stream),
            Self::Ping { nonce } => numbered(5, *nonce),
            Self::Lookup { words } => {
                out.push(6);
                put_texts(words, out);
            }
        }
    }

    fn read(body: &mut Body<'_>) -> Result<Self, Garbage> {
        Ok(match body.u8()? {
            1 => {
                let (stream, background, closed) = (body.u32()?, body.flag()?, body.flag()?);
                let phrases = body.texts()?;
                if closed == phrases.is_empty() {
                    return Err(Garbage);
                }
                Self::Open { stream, background, phrases: closed.then_some(phrases) }
            }
            2 => Self::Audio { stream: body.u32()?, samples: body.samples()? },
            3 => Self::Finish { stream: body.u32()? },
            4 => Self::Drop { stream: body.u32()? },
            5 => Self::Ping { nonce: body.u32()? },
            6 => Self::Lookup { words: body.texts()? },
            _ => return Err(Garbage),
        })
    }
}

impl Message for FromWorker {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello { version } => {
                out.push(101);
                out.extend_from_slice(&MAGIC);
                out.extend_from_slice(&version.to_le_bytes());
            }
            Self::Ready { unknown, confined } => {
                out.push(102);
                put_text(unknown, out);
                out.extend_from_slice(&[confined.landlock, u8::from(confined.calls)]);
            }
            Self::Unfit(why) => out.extend_from_slice(&[103, *why as u8]),
            Self::Heard { stream, words } => {
                let words = &words[..words.len().min(ITEMS_MAX)];
                out.push(104);
                out.extend_from_slice(&stream.to_le_bytes());
                out.extend_from_slice(&u16::try_from(words.len()).expect("ITEMS_MAX fits").to_le_bytes());
                for word in words {
                    put_text(&word.word, out);
                    out.extend_from_slice(&word.confidence_pm.to_le_bytes());
                    out.extend_from_slice(&word.start_ms.to_le_bytes());
                    out.extend_from_slice(&word.end_ms.to_le_bytes());
                }
            }
            Self::Failed { stream, why } => {
                out.push(105);
                out.extend_from_slice(&stream.to_le_bytes());
                out.push(*why as u8);
            }
            Self::Pong { nonce, live_ms, background_ms } => {
                out.push(106);
                for number in [nonce, live_ms, background_ms] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
            Self::Missing { words } => {
                out.push(107);
                put_texts(words, out);
            }
        }
    }

    fn read(body: &mut Body<'_>) -> Result<Self, Garbage> {
        Ok(match body.u8()? {
            101 => {
                if body.take(4)? != MAGIC {
                    return Err(Garbage);
                }
                Self::Hello { version: body.u16()? }
            }
            102 => Self::Ready {
                unknown: body.text()?,
                confined: Confined { landlock: body.u8()?, calls: body.flag()? },
            },
            103 => Self::Unfit(match body.u8()? {
                0 => Unfit::NotLoaded,
                1 => Unfit::NoUnknown,
                _ => return Err(Garbage),
            }),
            104 => {
                let (stream, count) = (body.u32()?, body.count()?);
                let words = (0..count).map(|_| body.word()).collect::<Result<_, _>>()?;
                Self::Heard { stream, words }
            }
            105 => Self::Failed {
                stream: body.u32()?,
                why: match body.u8()? {
                    0 => Failure::Vocabulary,
                    1 => Failure::Library,
                    2 => Failure::Behind,
                    _ => return Err(Garbage),
                },
            },
            106 => Self::Pong { nonce: body.u32()?, live_ms: body.u32()?, background_ms: body.u32()? },
            107 => Self::Missing { words: body.texts()? },
            _ => return Err(Garbage),
        })
    }
}

/// Puts frames together from whatever pieces they arrive in.
#[derive(Default)]
pub struct Reader {
    bytes: Vec<u8>,
    read: usize,
}

impl Reader {
    /// Takes what arrived.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.read));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// The bytes are no frames; nothing after them can be understood either.
    pub fn poll_message<M: Message>(&mut self) -> Result<Option<M>, Garbage> {
        let bytes = &self.bytes[self.read..];
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Garbage)?;
        if length > FRAME_MAX {
            return Err(Garbage);
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let mut body = Body::new(frame);
        let message = M::read(&mut body)?;
        if !body.is_empty() {
            return Err(Garbage);
        }
        self.read += 4 + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests;
