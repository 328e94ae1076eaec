//! A survey asks a question only after some answers. What an attacker finds out of it who looks at everything, always.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::tests::*;
use super::*;
use crate::domain::*;
use crate::store::Batch;

/// One call of a survey that asks why, and for a comment, only those who found it hard.
#[derive(Clone, Debug)]
struct Call {
    taken: Taken,
    hard: bool,
    left: Left,
}

/// When its caller leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    BeforeAll,
    BeforeTheLast,
    AtTheEnd,
}

fn call() -> impl Strategy<Value = Call> {
    let of = |names: &'static [&'static str]| proptest::sample::select(names);
    let taken = (of(&["anna", "ben", ""]), of(&["sales", "care"]), of(&["short", "short", "long"]), 0i64..20)
        .prop_map(|(agent, queue, survey, hours)| Taken { agent, queue, survey, hours });
    let left =
        prop_oneof![1 => Just(Left::BeforeAll), 2 => Just(Left::BeforeTheLast), 7 => Just(Left::AtTheEnd)];
    (taken, any::<bool>(), left).prop_map(|(taken, hard, left)| Call { taken, hard, left })
}

fn answer(question: &str, kind: QuestionKind, value: AnswerValue) -> [Fact; 2] {
    let question: QuestionId = question.parse().unwrap();
    let scale = (kind == QuestionKind::Ces).then_some(Scale { min: 1, max: 5, better: Better::Lower });
    let answer = Answer {
        question: question.clone(),
        kind,
        scale,
        value,
        given_by: GivenBy::Key,
        keys: vec![],
        ambiguous: false,
        attempt: 1,
        barge_in: false,
        took_ms: 900,
    };
    [Fact::Asked { question, attempt: 1, keys_only: false }, Fact::Answer(answer)]
}

/// The facts of a call, and those that come after its end. With `named` the first answer is a label of its own and the only
/// one, so that a distribution tells exactly who is in it.
fn facts_of(number: usize, call: &Call, named: bool) -> (Vec<Fact>, Vec<Fact>) {
    let mut facts = facts(number, &call.taken, Origin::Sampled);
    let (mut end, mut after) = (facts.split_off(2).split_off(2), Vec::new());
    let asked =
        |question: &str| Fact::Asked { question: question.parse().unwrap(), attempt: 1, keys_only: false };
    match (call.left, named) {
        (Left::BeforeAll, _) => facts.push(asked("effort")),
        (_, true) => {
            let name = AnswerValue::Choice(format!("r{number}"));
            facts.extend(answer("effort", QuestionKind::Menu, name));
        }
        (left, false) => {
            let effort = AnswerValue::Rating(if call.hard { 5 } else { 1 });
            facts.extend(answer("effort", QuestionKind::Ces, effort));
            if call.hard {
                facts.extend(answer("why", QuestionKind::Menu, AnswerValue::Choice("passed_on".into())));
                let recording = RecordingId(Uuid::from_u128(number as u128));
                let (question, language) = ("words".parse().unwrap(), "en".parse().unwrap());
                facts.push(Fact::Comment { question, recording, length_ms: 900, cut: false, language });
                let (outcome, key_words) = (Transcription::Done, vec!["price".to_owned()]);
                after.push(Fact::Transcribed { recording, outcome, model: None, sealed: None, key_words });
            }
            if left == Left::AtTheEnd {
                facts.extend(answer("resolved", QuestionKind::Fcr, AnswerValue::YesNo(true)));
            }
        }
    }
    facts.append(&mut end);
    (facts, after)
}

async fn append(results: &Results, call: CallId, at_us: i64, facts: Vec<Fact>) {
    let entries = facts.into_iter().map(|fact| Entry { call, at_us, fact }).collect();
    results.store.append(Batch { entries, ..Batch::default() }).await.unwrap();
}

/// Plays a history, and takes a look after each call and again after what was heard of it.
async fn play<T>(history: &[Call], named: bool, mut look: impl AsyncFnMut(&Results, Week) -> T) -> Vec<T> {
    let folder = TempDir::new().unwrap();
    let results = results(&folder).await;
    let (mut at_us, mut seen) = (START_US, Vec::new());
    for (number, one) in history.iter().enumerate() {
        at_us += one.taken.hours * HOUR_US;
        let (call, week) = (results.store.new_call_id(), Week::of_us(at_us));
        let (facts, after) = facts_of(number, one, named);
        append(&results, call, at_us, facts).await;
        seen.push(look(&results, week).await);
        append(&results, call, at_us + 1, after).await;
        seen.push(look(&results, week).await);
    }
    seen
}

/// Every view of a supervisor, as it is sent.
async fn everything(results: &Results, week: Week) -> String {
    let supervisor = viewer(Role::Supervisor);
    let mut seen = Vec::new();
    let mut see = |view: serde_json::Result<String>| seen.push(view.unwrap());
    for period in [Period::Week(week), Period::quarter_of(week)] {
        for survey in [None, "short".parse().ok()] {
            let slice = Slice { period, survey: survey.as_ref(), origin: Origin::Sampled };
            see(serde_json::to_string(&results.overview(&supervisor, slice).await.unwrap()));
            see(serde_json::to_string(&results.agents(&supervisor, slice).await.unwrap()));
            see(serde_json::to_string(&results.queues(&supervisor, slice).await.unwrap()));
            see(serde_json::to_string(&results.why(&supervisor, slice).await.unwrap()));
            see(serde_json::to_string(&results.journey(&supervisor, slice).await.unwrap()));
            see(serde_json::to_string(&results.busiest_survey(&supervisor, slice).await.unwrap()));
        }
        let (agent, queue) = ("anna".parse().unwrap(), "sales".parse().unwrap());
        see(serde_json::to_string(&results.agent(&supervisor, &agent, Slice::of(period)).await.unwrap()));
        see(serde_json::to_string(&results.queue(&supervisor, &queue, Slice::of(period)).await.unwrap()));
        see(serde_json::to_string(&results.sampling(&supervisor, period).await.unwrap()));
        see(serde_json::to_string(&results.mystery(&supervisor, period).await.unwrap()));
    }
    seen.join("\n")
}

/// Calls that count in the same sums of the first question whenever somebody looks.
async fn classes(history: &[Call]) -> Vec<Vec<usize>> {
    let periods = |week| [Period::Week(week), Period::quarter_of(week)].into();
    let asked = play(history, true, async |results, week| ask_all(results, &periods(week)).await).await;
    let shown: Vec<_> = asked.iter().flatten().collect();
    let mut classes: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
    for (number, call) in history.iter().enumerate() {
        if call.left != Left::BeforeAll {
            let name = format!("r{number}");
            let key = shown.iter().map(|population| population.contains(&name)).collect();
            classes.entry(key).or_default().push(number);
        }
    }
    classes.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]
    /// Two callers of one class could have told each other's story, and nobody who looks at everything at all times would
    /// see any difference: neither in answers nor in what was asked because of them, nor in comments and their words.
    #[test]
    fn who_of_a_class_was_asked_more_cannot_be_told(
        history in proptest::collection::vec(call(), 15..45),
        pick in any::<proptest::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let classes = classes(&history).await;
            let alike = |one: &Call, other: &Call| one.left == other.left && one.hard && !other.hard;
            let pairs: Vec<(usize, usize)> = classes
                .iter()
                .flat_map(|class| class.iter().flat_map(|one| class.iter().map(|other| (*one, *other))))
                .filter(|(one, other)| alike(&history[*one], &history[*other]))
                .collect();
            if pairs.is_empty() {
                return;
            }
            let (one, other) = pairs[pick.index(pairs.len())];
            let mut exchanged = history.clone();
            (exchanged[one].hard, exchanged[other].hard) = (false, true);
            let (seen, instead) = (play(&history, false, everything).await, play(&exchanged, false, everything).await);
            for (look, (seen, instead)) in seen.iter().zip(&instead).enumerate() {
                assert_eq!(seen, instead, "look {look}, calls {one} and {other}");
            }
        });
    }
}
