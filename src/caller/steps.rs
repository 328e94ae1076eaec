//! A call from its INVITE to its report, step by step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsip::{Method, Response};

use super::call::Call;
use super::message;
use super::phone::Phone;
use super::plan::{CallPlan, CallReport, EndedBy, KeyVia, Step};
use super::target::Target;
use super::transport::Endpoint;
use crate::domain::Digit;

/// How often conditions on what is heard are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The longest time for an answer within the dialog.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a caller who has been told goodbye stays to repeat its answer.
const LINGER: Duration = Duration::from_millis(200);

/// Why a script stopped before its end.
enum Stop {
    /// Something was not as expected.
    Unexpected(String),
    /// The call is over; what was left to do is void.
    Over,
}

pub(super) async fn run(endpoint: &Arc<Endpoint>, target: &Target, plan: CallPlan) -> CallReport {
    let begun = Instant::now();
    let mut report = CallReport {
        call_id: String::new(),
        status: None,
        setup: None,
        first_sound: None,
        codec: None,
        hearing: super::Hearing::default(),
        keys: String::new(),
        ended_by: EndedBy::Nobody,
        reason: None,
        length: Duration::ZERO,
        unexpected: None,
        failure: None,
    };
    let phone = match Phone::open(endpoint.local.ip()).await {
        Ok(phone) => phone,
        Err(error) => {
            report.failure = Some(format!("no RTP socket: {error}"));
            return report;
        }
    };
    let mut runner =
        Runner { call: Call::new(endpoint, target, &plan, phone), until: begun + plan.limit, report };
    runner.report.call_id = runner.call.dialog.call_id.clone();
    runner.place(&plan, begun).await;
    let Runner { call, mut report, .. } = runner;
    report.hearing = call.phone.hearing();
    report.first_sound = report.hearing.first_sound.map(|at| at.saturating_duration_since(begun));
    report.codec = call.remote.as_ref().map(|remote| remote.codec);
    report.ended_by = call.ended_by;
    report.reason = call.reason;
    report
}

struct Runner {
    call: Call,
    until: Instant,
    report: CallReport,
}

impl Runner {
    async fn place(&mut self, plan: &CallPlan, begun: Instant) {
        let Some(response) = self.set_up(plan, begun).await else { return };
        let code = response.status_code.code();
        self.report.status = Some(code);
        self.report.setup = Some(begun.elapsed());
        if code != plan.expect_status {
            self.report.unexpected =
                Some(format!("the call was answered {code}, not {}", plan.expect_status));
        }
        if code >= 300 {
            return;
        }
        let answered = Instant::now();
        for (number, step) in plan.script.iter().enumerate() {
            match self.step(step).await {
                Ok(()) => {}
                Err(Stop::Over) => {
                    let rest = &plan.script[number..];
                    // A far end that hangs up is only right where the script says so.
                    if !rest.iter().any(|step| matches!(step, Step::Bye(_) | Step::HangUp))
                        || self.call.broken.is_some()
                    {
                        self.unexpected(format!("the call ended before step {} of the script", number + 1));
                    }
                    break;
                }
                Err(Stop::Unexpected(what)) => {
                    self.unexpected(format!("step {}: {what}", number + 1));
                    break;
                }
            }
            if matches!(step, Step::Vanish) {
                self.report.length = answered.elapsed();
                return;
            }
        }
        self.report.length = answered.elapsed();
        self.finish().await;
    }

    /// From the INVITE to its final response.
    async fn set_up(&mut self, plan: &CallPlan, begun: Instant) -> Option<Response> {
        let mut invite = self.call.invite(plan, None).await;
        let mut cancel_at = plan.cancel_after.map(|after| begun + after);
        let mut challenged = false;
        loop {
            if let Some(response) = self.call.take_answer(&Method::Invite) {
                let authorization = plan
                    .credentials
                    .as_ref()
                    .filter(|_| !challenged)
                    .and_then(|credentials| message::authorize(&invite, &response, credentials));
                let Some(authorization) = authorization else { return Some(response) };
                challenged = true;
                invite = self.call.invite(plan, Some(authorization)).await;
            }
            let now = Instant::now();
            if let Some(broken) = &self.call.broken {
                self.report.failure = Some(broken.clone());
                return None;
            }
            if now >= self.until {
                self.report.failure = Some("the call was not answered in time".into());
                return None;
            }
            if cancel_at.is_some_and(|at| at <= now) && self.call.is_proceeding() {
                cancel_at = None;
                self.call.cancel(&invite).await;
            }
            self.call.pump(self.until.min(now + LOOK)).await;
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Audio(within) => {
                let heard = self.wait(*within, |call, now| call.phone.hearing().is_sounding(now)).await?;
                expect(heard, || format!("nothing was heard within {within:?}"))
            }
            Step::Quiet { quiet, within } => {
                let before = self.call.phone.hearing();
                let known = if before.is_sounding(Instant::now()) { 0 } else { before.spurts };
                let quiet_now = |call: &Call, now| {
                    let hearing = call.phone.hearing();
                    hearing.spurts > known && hearing.quiet_for(*quiet, now)
                };
                let heard = self.wait(*within, quiet_now).await?;
                expect(heard, || format!("no prompt came to its end within {within:?}"))
            }
            Step::Silent(length) => {
                let heard = self.wait(*length, |call, now| call.phone.hearing().is_sounding(now)).await?;
                expect(!heard, || "something was heard".to_owned())
            }
            Step::Pause(length) => self.wait(*length, |_, _| false).await.map(drop),
            Step::Press(digits, via) => self.press(digits, *via).await,
            Step::Speak(samples) => {
                self.call.phone.speak(samples.clone()).await;
                self.sent_to_the_end().await
            }
            Step::Mute(on) => {
                self.call.phone.mute(*on).await;
                Ok(())
            }
            Step::Hold(hold) => {
                self.call.hold = Some(*hold);
                self.reinvite().await
            }
            Step::Resume => {
                self.call.hold = None;
                self.reinvite().await
            }
            Step::Recode(codec) => {
                self.call.offer.codecs = vec![*codec];
                self.reinvite().await
            }
            Step::Send { method, status } => {
                self.call.send(*method, None).await;
                let code = self.answer(method).await?;
                expect(code == *status, || format!("{method} was answered {code}, not {status}"))
            }
            Step::Bye(within) => {
                let deadline = self.deadline(*within);
                while !self.call.is_over() && Instant::now() < deadline {
                    self.call.pump(deadline).await;
                }
                expect(self.call.ended_by == EndedBy::Them, || {
                    format!("the far end did not hang up within {within:?}")
                })
            }
            Step::HangUp => {
                self.hang_up().await;
                Ok(())
            }
            Step::Vanish => {
                self.call.phone.mute(true).await;
                Ok(())
            }
        }
    }

    async fn press(&mut self, digits: &[Digit], via: KeyVia) -> Result<(), Stop> {
        for &digit in digits {
            self.report.keys.push(digit.as_char());
            match via {
                KeyVia::Rfc4733 => self.call.phone.key(digit).await,
                KeyVia::InBand => self.call.phone.tone(digit).await,
                KeyVia::Info => {
                    self.call.phone.note_press();
                    let body = format!("Signal={digit}\r\nDuration=100\r\n");
                    self.call.send(Method::Info, Some(("application/dtmf-relay", body))).await;
                    let code = self.answer(&Method::Info).await?;
                    expect(code == 200, || format!("INFO was answered {code}"))?;
                }
            }
            self.sent_to_the_end().await?;
        }
        Ok(())
    }

    async fn sent_to_the_end(&mut self) -> Result<(), Stop> {
        let sent = self.wait(Duration::from_secs(120), |call, _| !call.phone.is_busy()).await?;
        expect(sent, || "the audio could not be sent".to_owned())
    }

    async fn reinvite(&mut self) -> Result<(), Stop> {
        self.call.reinvite().await;
        let code = self.answer(&Method::Invite).await?;
        expect(code == 200, || format!("the re-INVITE was answered {code}"))
    }

    /// The status of the final response to a request just sent.
    async fn answer(&mut self, method: &Method) -> Result<u16, Stop> {
        let deadline = self.deadline(ANSWER_MAX);
        loop {
            if let Some(response) = self.call.take_answer(method) {
                return Ok(response.status_code.code());
            }
            if self.call.is_over() {
                return Err(Stop::Over);
            }
            if Instant::now() >= deadline {
                return Err(Stop::Unexpected(format!("{method} was not answered")));
            }
            self.call.pump(deadline).await;
        }
    }

    /// Serves the call until the condition holds. False when it did not within the time.
    async fn wait(&mut self, within: Duration, done: impl Fn(&Call, Instant) -> bool) -> Result<bool, Stop> {
        let deadline = self.deadline(within);
        loop {
            let now = Instant::now();
            if self.call.is_over() {
                return Err(Stop::Over);
            }
            if done(&self.call, now) {
                return Ok(true);
            }
            if now >= deadline {
                return Ok(false);
            }
            self.call.pump(deadline.min(now + LOOK)).await;
        }
    }

    fn deadline(&self, within: Duration) -> Instant {
        self.until.min(Instant::now() + within)
    }

    /// Leaves no call behind.
    async fn finish(&mut self) {
        if let Some(broken) = self.call.broken.clone() {
            self.report.failure = Some(broken);
            return;
        }
        if !self.call.is_over() {
            self.hang_up().await;
        }
        // The answer to the far end's BYE may get lost.
        let linger = Instant::now() + LINGER;
        while self.call.ended_by == EndedBy::Them && self.call.broken.is_none() && Instant::now() < linger {
            self.call.pump(linger).await;
        }
    }

    async fn hang_up(&mut self) {
        if self.call.is_over() {
            return;
        }
        self.call.send(Method::Bye, None).await;
        let deadline = Instant::now() + ANSWER_MAX;
        while self.call.take_answer(&Method::Bye).is_none() && self.call.broken.is_none() {
            if Instant::now() >= deadline {
                self.unexpected("BYE was not answered".to_owned());
                break;
            }
            self.call.pump(deadline).await;
        }
        if self.call.ended_by == EndedBy::Nobody {
            self.call.ended_by = EndedBy::Us;
        }
    }

    fn unexpected(&mut self, what: String) {
        self.report.unexpected.get_or_insert(what);
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Unexpected(otherwise())) }
}
