//! `aftercall call`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::caller::{CallPlan, CallReport, Credentials, EndedBy, Offer, parse_script};
use crate::domain::Codec;
use crate::prompts;

/// One scripted call.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Steps, parted by ';' (TIME is like 300ms, 1.5s, 2m):
  audio [TIME]      expect sound now or within TIME (10s)
  quiet [TIME]      wait for the end of a prompt: silence for TIME (300ms)
  silent TIME       expect that nothing is heard for TIME
  pause TIME        do nothing
  press KEYS [VIA]  press keys by rfc4733 (default), info or in-band
  speak FILE        play a WAV file to the far end
  mute, unmute      stop and start sending RTP
  hold [HOW]        re-INVITE: sendonly (default), inactive or zero (0.0.0.0)
  resume            re-INVITE: off hold
  codec NAME        re-INVITE with one codec: pcmu, pcma or g722
  send METHOD [N]   a request within the call, expecting status N (200)
  bye [TIME]        expect the far end to hang up within TIME (30s)
  hang-up           hang up (also at the end of the script)
  vanish            leave without a BYE

Exit codes: 0 all as expected, 1 something was not, 2 wrong command line, 3 the call did not come about.")]
pub(super) struct Args {
    /// Whom to call: `sip:user@host`, perhaps with `:port` and `;transport=tcp`.
    target: String,
    /// What to do once answered.
    #[arg(long = "do", value_name = "STEPS", default_value = "audio; bye")]
    script: String,
    /// A further header of the INVITE, "Name: value". May be given again.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// User part of From.
    #[arg(long, default_value = "caller")]
    from: String,
    /// Our address; the one that leads to the target if left out.
    #[arg(long, value_name = "IP")]
    local: Option<IpAddr>,
    /// Codecs to offer, best first.
    #[arg(long, value_delimiter = ',', default_value = "pcmu,pcma,g722")]
    codecs: Vec<String>,
    /// Clock of telephone-event in Hz: 8000 or 16000; 0 does not offer it.
    #[arg(long, default_value_t = 8000)]
    event_clock: u32,
    /// Send no offer in the INVITE.
    #[arg(long)]
    delayed_offer: bool,
    /// User and password for a challenge, user:password.
    #[arg(long, value_name = "USER:PASSWORD")]
    auth: Option<String>,
    /// Ask for a session timer of so many seconds.
    #[arg(long, value_name = "SECONDS")]
    session_expires: Option<u32>,
    /// Give up (CANCEL) when not answered after so many milliseconds.
    #[arg(long, value_name = "MS")]
    cancel_after: Option<u64>,
    /// The status that the INVITE is expected to get.
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    expect_status: u16,
    /// Expect the first sound within so many milliseconds of the INVITE.
    #[arg(long, value_name = "MS")]
    expect_sound_within: Option<u64>,
    /// The longest that the call may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    limit: u64,
    /// Print nothing but what was not as expected.
    #[arg(short, long)]
    quiet: bool,
}

/// Places the call and says what came of it.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plan = match plan(&args) {
        Ok(plan) => plan,
        Err(problem) => {
            eprintln!("aftercall call: {problem}");
            return Ok(ExitCode::from(2));
        }
    };
    let caller = match super::caller("call", &args.target, args.local).await? {
        Ok(caller) => caller,
        Err(code) => return Ok(code),
    };
    let mut report = caller.call(plan).await;
    if let Some(most) = args.expect_sound_within.map(Duration::from_millis)
        && report.first_sound.is_none_or(|first| first > most)
    {
        report.unexpected.get_or_insert_with(|| format!("no sound within {most:?} of the INVITE"));
    }
    if !args.quiet {
        print(&report);
    }
    if let Some(failure) = &report.failure {
        eprintln!("aftercall call: {failure}");
        return Ok(ExitCode::from(3));
    }
    if let Some(unexpected) = &report.unexpected {
        eprintln!("aftercall call: {unexpected}");
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &Args) -> Result<CallPlan, String> {
    let speech = |path: &PathBuf| prompts::read_speech(path).map_err(|error| error.to_string());
    let script = parse_script(&args.script, speech).map_err(|error| error.to_string())?;
    let headers = args
        .headers
        .iter()
        .map(|header| {
            let (name, value) =
                header.split_once(':').ok_or_else(|| format!("{header:?} is not \"Name: value\""))?;
            let sound = |text: &str| !text.trim().is_empty() && !text.contains(['\r', '\n']);
            if !sound(name) || !sound(value) {
                return Err(format!("{header:?} is not \"Name: value\""));
            }
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect::<Result<_, String>>()?;
    let codec = |name: &String| {
        let found = Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("{name:?} is none of pcmu, pcma, g722"))
    };
    let codecs = args.codecs.iter().map(codec).collect::<Result<_, String>>()?;
    let telephone_event_hz = match args.event_clock {
        0 => None,
        8000 | 16_000 => Some(args.event_clock),
        other => return Err(format!("--event-clock {other} is none of 0, 8000, 16000")),
    };
    let credentials = match &args.auth {
        None => None,
        Some(auth) => {
            let (user, password) = auth.split_once(':').ok_or("--auth is not USER:PASSWORD")?;
            Some(Credentials { user: user.into(), password: password.into() })
        }
    };
    Ok(CallPlan {
        from: args.from.clone(),
        headers,
        offer: Offer { codecs, telephone_event_hz, ptime_ms: 20, delayed: args.delayed_offer },
        credentials,
        session_expires: args.session_expires,
        cancel_after: args.cancel_after.map(Duration::from_millis),
        expect_status: args.expect_status,
        script,
        limit: Duration::from_secs(args.limit),
    })
}

fn print(report: &CallReport) {
    let time =
        |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{} ms", time.as_millis()));
    println!("status       {}", report.status.map_or("-".to_owned(), |status| status.to_string()));
    println!("set up after {}", time(report.setup));
    println!("first sound  {}", time(report.first_sound));
    println!("codec        {}", report.codec.map_or("-", Codec::name));
    println!(
        "heard        {} spurts in {} packets, {} lost",
        report.hearing.spurts, report.hearing.packets, report.hearing.lost
    );
    if !report.keys.is_empty() {
        println!("keys         {}", report.keys);
    }
    for reaction in &report.hearing.reactions {
        println!("reaction     {} ms from the key to silence", reaction.as_millis());
    }
    let ended_by = match report.ended_by {
        EndedBy::Us => "us",
        EndedBy::Them => "the far end",
        EndedBy::Nobody => "nobody",
    };
    println!("ended by     {ended_by} after {:.1} s", report.length.as_secs_f32());
    if let Some(reason) = &report.reason {
        println!("reason       {reason}");
    }
}
