//! The recogniser program: one model, many utterances, nothing else. The service starts it, and it is the only program
//! that needs libvosk.so. Standard input is its socket to the service; see `aftercall::speech::frame`.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use aftercall::domain::HeardWord;
use aftercall::speech::frame::{Confined, FromWorker, Unfit, VERSION};
use aftercall::speech::worker::resample::Doubler;
use aftercall::speech::worker::{Ear, Engine, Refused, Stopped, sandbox, serve, tell};
use clap::Parser;
use vosk::{CompleteResult, DecodingState, LogLevel, Model, Recognizer};

/// Unknown words of models, the commonest first.
const UNKNOWN: [&str; 4] = ["[unk]", "<UNK>", "<unk>", "[UNK]"];

/// Started by the service, not by hand.
#[derive(Debug, Parser)]
#[command(name = "aftercall-speech", version)]
struct Args {
    /// Folder of the model.
    #[arg(long)]
    model: PathBuf,
    /// Rate that the model hears at.
    #[arg(long, default_value_t = 8_000)]
    rate: u32,
    /// Its unknown word; found out by default.
    #[arg(long)]
    unknown: Option<String>,
    /// Recognising threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Most memory, in MiB.
    #[arg(long, default_value_t = 1024)]
    memory_max_mib: u64,
    /// How far to step back behind other programs.
    #[arg(long, default_value_t = 0)]
    nice: i32,
    /// Instead of hearing: give everything up, then say what still works that must not.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "deeds")]
    probe: Option<Attempts>,
}

/// How much a probe tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Attempts {
    /// What can be tried anywhere.
    Deeds,
    /// Every system call too.
    All,
    /// A call by the rules of another processor, at which the kernel ends the process.
    Foreign,
}

fn main() -> ExitCode {
    // The library quotes what it heard when it makes no sense of itself: a panic says where, and nothing more.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            eprintln!("aftercall-speech: panic at {}:{}", place.file(), place.line());
        }
    }));
    let args = Args::parse();
    if sandbox::limit(args.memory_max_mib, args.nice).is_err() {
        return ExitCode::FAILURE;
    }
    vosk::set_log_level(LogLevel::Error);
    let probing = args.probe.map(|attempts| (attempts, sandbox::Probe::new()));
    let confined = sandbox::confine_to_model(&args.model);
    if let Some((attempts, from)) = probing {
        return probe(sandbox::close_calls(sandbox::close_files(confined)), attempts, from);
    }
    let Ok((input, output)) = sockets() else { return ExitCode::FAILURE };
    let stopped = run(&args, confined, input, output);
    leave(u8::from(stopped != Stopped::Closed))
}

/// Ends without the library's own clean-up, which does not expect that threads still hear.
#[expect(unsafe_code, reason = "the standard library runs exit handlers")]
fn leave(code: u8) -> ExitCode {
    // SAFETY: ends the process at once; nothing of ours needs a destructor.
    unsafe { libc::_exit(i32::from(code)) }
}

fn sockets() -> std::io::Result<(UnixStream, UnixStream)> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    Ok((socket.try_clone()?, socket))
}

fn run(args: &Args, confined: Confined, input: UnixStream, output: UnixStream) -> Stopped {
    let output = Mutex::new(output);
    tell(&output, &FromWorker::Hello { version: VERSION });
    let (engine, unknown) = match load(args) {
        Ok(loaded) => loaded,
        Err(why) => {
            tell(&output, &FromWorker::Unfit(why));
            return Stopped::Closed;
        }
    };
    let confined = sandbox::close_files(confined);
    let output = output.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    serve(input, output, engine, &unknown, args.threads.max(1), || sandbox::close_calls(confined))
}

fn load(args: &Args) -> Result<(Vosk, String), Unfit> {
    let mut model = Model::new(args.model.to_string_lossy()).ok_or(Unfit::NotLoaded)?;
    let unknown = match &args.unknown {
        Some(word) => model.find_word(word).map(|_| word.clone()),
        None => UNKNOWN.into_iter().find(|word| model.find_word(word).is_some()).map(str::to_owned),
    };
    Ok((Vosk { model, rate: args.rate }, unknown.ok_or(Unfit::NoUnknown)?))
}

fn probe(confined: Confined, attempts: Attempts, from: sandbox::Probe) -> ExitCode {
    println!("landlock: {}", confined.landlock);
    println!("calls: {}", if confined.calls { "confined" } else { "open" });
    if attempts == Attempts::Foreign {
        // A closed process does not come back from this.
        let worked = sandbox::foreign_call_worked();
        println!("{}: make a call of another processor", if worked { "escaped" } else { "refused" });
        return ExitCode::from(u8::from(worked));
    }
    let mut tried = from.deeds();
    // Without the filter it is known already that no call is refused.
    if confined.calls {
        tried.extend(from.calls());
        if attempts == Attempts::All {
            tried.extend(from.numbers());
        }
    }
    for one in &tried {
        println!("{}: {}", if one.refused { "refused" } else { "escaped" }, one.name);
    }
    ExitCode::from(u8::from(tried.iter().any(|one| !one.refused)))
}

struct Vosk {
    model: Model,
    rate: u32,
}

impl Engine for Vosk {
    type Ear = VoskEar;

    fn knows(&mut self, word: &str) -> bool {
        self.model.find_word(word).is_some()
    }

    fn ear(&mut self, phrases: Option<&[String]>) -> Option<VoskEar> {
        let rate = f32::from(u16::try_from(self.rate).ok()?);
        let mut recogniser = match phrases {
            None => Recognizer::new(&self.model, rate),
            Some([]) => None,
            Some(phrases) => Recognizer::new_with_grammar(&self.model, rate, phrases),
        }?;
        recogniser.set_words(true);
        let doubler = if self.rate == 16_000 { Some(Doubler::new()?) } else { None };
        Some(VoskEar { recogniser, doubler, words: Vec::new() })
    }
}

struct VoskEar {
    recogniser: Recognizer,
    doubler: Option<Doubler>,
    words: Vec<HeardWord>,
}

impl VoskEar {
    fn accept(&mut self, samples: &[i16]) -> Result<(), Refused> {
        match self.recogniser.accept_waveform(samples) {
            Ok(DecodingState::Running) => Ok(()),
            // Without this its look for the end of speech takes longer with every sample.
            Ok(DecodingState::Finalized) => keep(self.recogniser.result(), &mut self.words),
            Ok(DecodingState::Failed) | Err(_) => Err(Refused),
        }
    }
}

fn keep(result: CompleteResult<'_>, words: &mut Vec<HeardWord>) -> Result<(), Refused> {
    let result = result.single().ok_or(Refused)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the casts saturate")]
    let heard = |word: vosk::Word<'_>| {
        let ms = |seconds: f32| (f64::from(seconds) * 1000.0).round() as u32;
        let start_ms = ms(word.start);
        HeardWord {
            word: word.word.to_owned(),
            confidence_pm: ((word.conf * 1000.0).round() as u16).min(1000),
            start_ms,
            end_ms: ms(word.end).max(start_ms),
        }
    };
    words.extend(result.result.into_iter().map(heard));
    Ok(())
}

impl Ear for VoskEar {
    fn hear(&mut self, samples: &[i16]) -> Result<(), Refused> {
        let Some(doubler) = &mut self.doubler else { return self.accept(samples) };
        let mut wide = Vec::with_capacity(2 * samples.len());
        doubler.double(samples, &mut wide);
        self.accept(&wide)
    }

    fn finish(mut self) -> Result<Vec<HeardWord>, Refused> {
        if let Some(doubler) = &mut self.doubler {
            let mut wide = Vec::new();
            doubler.flush(&mut wide);
            self.accept(&wide)?;
        }
        keep(self.recogniser.final_result(), &mut self.words)?;
        Ok(self.words)
    }
}
