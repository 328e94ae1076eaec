//! What the caller hears: a queue of prompts cut into frames, with silence between them, so that the stream never
//! stops.

use std::collections::VecDeque;
use std::sync::Arc;

use super::prompt::{Prompt, fill_silence};
use crate::domain::{Codec, PlayId};

/// Plays that may wait behind one another. One more is refused, and reported as done at once so that nobody waits
/// for it.
pub const PLAYS_MAX: usize = 16;

/// How often a play runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Once; then it is done.
    Once,
    /// Over and over, until it is stopped. What waits behind it waits for that.
    Forever,
}

/// One order to play prompts in a row.
#[derive(Clone, Debug)]
pub struct Play {
    /// Its name.
    pub id: PlayId,
    /// What to play.
    pub prompts: Vec<Arc<Prompt>>,
    /// How often.
    pub times: Times,
}

#[derive(Debug)]
struct Playing {
    play: Play,
    /// The prompt that sounds now, beside its place in the play: one step to its octets fifty times a second.
    now: Option<Arc<Prompt>>,
    prompt: usize,
    octet: usize,
}

/// Fills frames from the queue.
#[derive(Debug, Default)]
pub struct Player {
    current: Option<Playing>,
    queue: VecDeque<Play>,
    /// Plays whose last octet is in the frame filled last: done when that frame has been heard.
    ending: VecDeque<PlayId>,
    done: VecDeque<PlayId>,
}

impl Player {
    /// Puts a play at the end of the queue.
    pub fn play(&mut self, play: Play) {
        let silent = play.prompts.iter().all(|prompt| prompt.octets(Codec::Pcmu).is_empty());
        if silent || usize::from(self.current.is_some()) + self.queue.len() >= PLAYS_MAX {
            self.done.push_back(play.id);
        } else if self.current.is_none() {
            self.current = Some(Playing::new(play));
        } else {
            self.queue.push_back(play);
        }
    }

    /// Drops what plays and what waits. The next frame is silent; the plays dropped are not reported.
    pub fn stop(&mut self) {
        self.current = None;
        self.queue.clear();
    }

    /// Whether a prompt plays.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.current.is_some()
    }

    /// Fills the next frame.
    pub fn fill(&mut self, codec: Codec, mut frame: &mut [u8]) {
        self.done.append(&mut self.ending);
        while let Some(playing) = &mut self.current {
            let taken = playing.fill(codec, frame);
            frame = &mut frame[taken..];
            if playing.is_over() {
                self.ending.push_back(playing.play.id);
                self.current = self.queue.pop_front().map(Playing::new);
            } else if frame.is_empty() {
                return;
            }
        }
        fill_silence(codec, frame);
    }

    /// A play that has been heard to its end.
    pub fn poll_done(&mut self) -> Option<PlayId> {
        self.done.pop_front()
    }
}

impl Playing {
    fn new(play: Play) -> Self {
        Self { now: play.prompts.first().cloned(), play, prompt: 0, octet: 0 }
    }

    /// Fills as much of the frame as there is; a play without end fills all of it.
    fn fill(&mut self, codec: Codec, frame: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < frame.len() {
            let Some(prompt) = &self.now else { break };
            let rest = prompt.octets(codec).get(self.octet..).unwrap_or_default();
            let taken = rest.len().min(frame.len() - filled);
            frame[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
            self.octet += taken;
            if taken == rest.len() {
                self.next_prompt();
            }
        }
        filled
    }

    fn next_prompt(&mut self) {
        self.octet = 0;
        self.prompt += 1;
        if self.prompt == self.play.prompts.len() && self.play.times == Times::Forever {
            self.prompt = 0;
        }
        self.now = self.play.prompts.get(self.prompt).cloned();
    }

    fn is_over(&self) -> bool {
        self.now.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(sample: i16, ms: usize) -> Arc<Prompt> {
        Arc::new(Prompt::new("p", "", &vec![sample; ms * 8], &vec![sample; ms * 16]))
    }

    /// The frames of 20 ms as one letter for each 10 ms: the first prompt `a`, the second `b`, silence `.`.
    fn heard(player: &mut Player, frames: usize) -> String {
        let mut text = String::new();
        for _ in 0..frames {
            let mut frame = [0; 160];
            player.fill(Codec::Pcmu, &mut frame);
            for half in frame.chunks(80) {
                text.push(if half[40] == 0xff {
                    '.'
                } else if half[40] & 0x80 == 0 {
                    'b'
                } else {
                    'a'
                });
            }
            while let Some(PlayId(id)) = player.poll_done() {
                text.push_str(&format!("<{id}>"));
            }
        }
        text
    }

    fn play(id: u32, prompts: Vec<Arc<Prompt>>, times: Times) -> Play {
        Play { id: PlayId(id), prompts, times }
    }

    #[test]
    fn plays_follow_each_other_and_are_done_when_heard() {
        let (a, b) = (prompt(8000, 50), prompt(-8000, 30));
        let mut player = Player::default();
        player.play(play(1, vec![a.clone(), b.clone()], Times::Once));
        player.play(play(2, vec![b], Times::Once));
        assert_eq!(heard(&mut player, 7), "aaaaabbbbb<1>b...<2>");
        assert!(!player.is_playing());
    }

    #[test]
    fn a_loop_has_no_end_until_it_is_stopped() {
        let mut player = Player::default();
        player.play(play(1, vec![prompt(8000, 10), prompt(-8000, 20)], Times::Forever));
        assert_eq!(heard(&mut player, 4), "abbabbab");
        player.stop();
        assert_eq!(heard(&mut player, 1), "..");
    }

    #[test]
    fn nothing_to_play_is_done_at_once() {
        let mut player = Player::default();
        player.play(play(1, vec![], Times::Forever));
        player.play(play(2, vec![prompt(1, 0)], Times::Forever));
        assert_eq!(player.poll_done(), Some(PlayId(1)));
        assert_eq!(player.poll_done(), Some(PlayId(2)));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut player = Player::default();
        let a = prompt(8000, 20);
        for id in 0..=PLAYS_MAX as u32 {
            player.play(play(id, vec![a.clone()], Times::Once));
        }
        assert_eq!(player.poll_done(), Some(PlayId(PLAYS_MAX as u32)));
        assert_eq!(player.poll_done(), None);
    }
}
