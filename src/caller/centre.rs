//! The people of a simulated contact centre: agents with their quality, callers with their answers and manners.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::Voices;
use super::plan::{CallPlan, KeyVia, Step};
use super::simulate::{Behaviour, Profile, Simulation};
use crate::domain::Digit;

/// The silence after which a caller takes the question to be over.
const QUESTION_OVER: Duration = Duration::from_millis(900);
/// The longest that a prompt may take.
const PROMPT_MAX: Duration = Duration::from_secs(60);
/// The longest wait for the service to hang up.
const GOODBYE_MAX: Duration = Duration::from_secs(90);

struct Agent {
    name: String,
    queue: String,
    /// 0-1: what callers think of them follows it, with noise.
    quality: f64,
}

pub(super) struct Centre<'a> {
    simulation: &'a Simulation,
    agents: Vec<Agent>,
}

impl<'a> Centre<'a> {
    pub(super) fn new(simulation: &'a Simulation, random: &mut StdRng) -> Self {
        let agents = (0..simulation.agents.max(1))
            .map(|number| Agent {
                name: format!("agent-{:02}", number + 1),
                queue: match simulation.queues.len() {
                    0 => "service".into(),
                    queues => simulation.queues[usize::from(number) % queues].clone(),
                },
                quality: random.random_range(0.45..0.95),
            })
            .collect();
        Self { simulation, agents }
    }

    pub(super) fn draw(&self, number: u32, random: &mut StdRng) -> (Behaviour, CallPlan) {
        let simulation = self.simulation;
        let agent = &self.agents[random.random_range(0..self.agents.len())];
        let triggered = random.random_bool(simulation.triggered.clamp(0.0, 1.0));
        let talk_s = (30.0 * 20f64.powf(random.random_range(0.0..1.0))) as u32;
        let mut headers = vec![
            ("X-Agent-Id".into(), agent.name.clone()),
            ("X-Queue".into(), agent.queue.clone()),
            ("X-Call-Ref".into(), format!("sim-{}-{number:05}", simulation.seed)),
            ("X-Talk-Seconds".into(), talk_s.to_string()),
            ("X-Hangup-By".into(), if random.random_bool(0.7) { "caller" } else { "agent" }.into()),
        ];
        if triggered {
            headers.push(("X-Survey-Trigger".into(), "agent".into()));
        }
        if simulation.test {
            headers.push(("X-Aftercall-Test".into(), "1".into()));
        }
        headers.extend(simulation.headers.iter().cloned());
        let behaviour = simulation.mix.draw(random);
        let answers = answers(simulation.profile, agent.quality, random);
        let plan = CallPlan {
            from: format!("+3120{:07}", random.random_range(0..10_000_000)),
            headers,
            script: match behaviour {
                Behaviour::Speak => spoken(&simulation.voices, simulation.profile, &answers, random),
                _ => script(behaviour, simulation.profile, &answers, random),
            },
            limit: Duration::from_secs(300),
            ..CallPlan::default()
        };
        (behaviour, plan)
    }
}

/// The keys for each question in turn.
fn answers(profile: Profile, quality: f64, random: &mut StdRng) -> Vec<String> {
    let mut felt = || (quality + random.random_range(-0.25..0.25)).clamp(0.0, 1.0);
    match profile {
        Profile::Service => {
            let effort = 5 - (felt() * 4.0).round() as u32;
            // People who would recommend at all tend to say eight and up.
            let recommend = (felt().sqrt() * 10.0).round() as u32;
            let mut keys = vec![effort.to_string()];
            if effort >= 4 {
                keys.push(random.random_range(1..=4).to_string());
            }
            let resolved = random.random_bool(0.3 + 0.65 * quality);
            keys.push(if resolved { "1" } else { "2" }.into());
            keys.push(recommend.to_string());
            keys
        }
        Profile::Short => vec![(1 + (felt() * 4.0).round() as u32).to_string()],
        Profile::Callback => {
            let satisfied = 1 + (felt() * 4.0).round() as u32;
            let wanted = random.random_bool(0.6);
            let call_back = (satisfied <= 2).then(|| if wanted { "1" } else { "2" }.to_owned());
            std::iter::once(satisfied.to_string()).chain(call_back).collect()
        }
        // The first key chooses the language.
        Profile::Mood => vec!["1".into(), (3 - (felt() * 2.0).round() as u32).to_string()],
    }
}

fn script(behaviour: Behaviour, profile: Profile, answers: &[String], random: &mut StdRng) -> Vec<Step> {
    let press =
        |keys: &str| Step::Press(keys.chars().filter_map(Digit::from_char).collect(), KeyVia::Rfc4733);
    let heard = Step::Quiet { quiet: QUESTION_OVER, within: PROMPT_MAX };
    let mut think = |from_ms, to_ms| Step::Pause(Duration::from_millis(random.random_range(from_ms..to_ms)));
    let mut steps = Vec::new();
    let answer = |steps: &mut Vec<Step>, keys: &str, pause: Step| {
        steps.extend([heard.clone(), pause, press(keys)]);
    };
    match behaviour {
        Behaviour::Answer => answers.iter().for_each(|keys| answer(&mut steps, keys, think(100, 1500))),
        Behaviour::WrongKey => {
            let wrong = if profile == Profile::Service { "7" } else { "8" };
            answer(&mut steps, wrong, think(100, 800));
            answers.iter().for_each(|keys| answer(&mut steps, keys, think(100, 1200)));
        }
        Behaviour::BargeIn => {
            // The first question is heard; after that this caller knows the way.
            for (number, keys) in answers.iter().enumerate() {
                match number {
                    0 => answer(&mut steps, keys, think(50, 300)),
                    _ => steps.extend([Step::Audio(Duration::from_secs(10)), think(800, 2000), press(keys)]),
                }
                steps.push(think(400, 500));
            }
        }
        Behaviour::Refuse => answer(&mut steps, "9", think(100, 800)),
        Behaviour::Silent | Behaviour::Speak => {}
        Behaviour::Leave => {
            let before = answers.len().saturating_sub(1);
            for keys in answers.iter().take(before / 2) {
                answer(&mut steps, keys, think(100, 800));
            }
            steps.extend([think(1500, 6000), Step::HangUp]);
            return steps;
        }
    }
    steps.push(Step::Bye(GOODBYE_MAX));
    steps
}

/// Somebody who says the answers, each when a prompt has ended.
fn spoken(voices: &Voices, profile: Profile, answers: &[String], random: &mut StdRng) -> Vec<Step> {
    let voice = random.random_range(0..voices.count().max(1));
    let heard = Step::Quiet { quiet: QUESTION_OVER, within: PROMPT_MAX };
    let mut steps = Vec::new();
    for (number, keys) in answers.iter().enumerate() {
        let is_yes_no = match profile {
            Profile::Service => number + 2 == answers.len(),
            Profile::Callback => number == 1,
            Profile::Short | Profile::Mood => false,
        };
        let word = if is_yes_no { yes_or_no(keys) } else { number_word(keys) };
        let pause = Step::Pause(Duration::from_millis(random.random_range(100..900)));
        let Some(said) = voices.say(voice, word) else { continue };
        steps.extend([heard.clone(), pause, Step::Speak(said)]);
    }
    steps.push(Step::Bye(GOODBYE_MAX));
    steps
}

fn yes_or_no(keys: &str) -> &'static str {
    if keys == "1" { "yes" } else { "no" }
}

fn number_word(keys: &str) -> &'static str {
    const WORDS: [&str; 11] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    keys.parse().ok().and_then(|number: usize| WORDS.get(number).copied()).unwrap_or("zero")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_seed_decides_everything() {
        let simulation = Simulation::default();
        let draw = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let centre = Centre::new(&simulation, &mut random);
            (0..50).map(|number| format!("{:?}", centre.draw(number, &mut random))).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn answers_fit_their_questions_and_follow_quality() {
        let mut random = StdRng::seed_from_u64(3);
        let mean = |quality, random: &mut StdRng| {
            let mut sum = 0;
            for _ in 0..500 {
                let keys = answers(Profile::Service, quality, random);
                let effort: u32 = keys[0].parse().unwrap();
                assert_eq!(keys.len(), if effort >= 4 { 4 } else { 3 });
                assert!((1..=5).contains(&effort));
                sum += keys.last().unwrap().parse::<u32>().unwrap();
            }
            f64::from(sum) / 500.0
        };
        assert!(mean(0.9, &mut random) > mean(0.4, &mut random) + 2.0);
        for _ in 0..100 {
            let keys = answers(Profile::Callback, 0.3, &mut random);
            let satisfied: u32 = keys[0].parse().unwrap();
            assert_eq!(keys.len(), if satisfied <= 2 { 2 } else { 1 }, "who is not satisfied is asked more");
        }
    }
}
