//! Who is surveyed: every rule by example, and "every Nth" for any sequence of calls.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;

use super::*;
use crate::config::Checked;
use crate::domain::CallerNumber;

const KEY: &[u8] = b"sixteen bytes or more";

fn config(toml: &str) -> SelectionConfig {
    let config: SelectionConfig = toml::from_str(toml).unwrap();
    config.check().unwrap();
    config
}

fn surveys() -> Vec<(SurveyId, SurveyVersion)> {
    ["service", "short"].map(|name| (name.parse().unwrap(), SurveyVersion(1))).to_vec()
}

fn lists() -> Lists {
    Lists::new([hash(66)], [hash(77)], KEY)
}

fn hash(n: u8) -> CallerHash {
    CallerHash([n; 32])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn selector(toml: &str) -> Selector {
    let now = at("2026-11-23T10:00:00Z");
    Selector::new(config(toml), surveys(), lists(), SelectionState::default(), 7, now).unwrap()
}

fn call(queue: &str, agent: &str) -> CallContext {
    CallContext { queue: queue.parse().ok(), agent: agent.parse().ok(), ..CallContext::default() }
}

/// Decides for calls of agents `anna`, `bob`.. in queue `sales`, one a second, and lists the reasons.
#[track_caller]
fn check(toml: &str, now: &str, calls: &[(CallContext, u8)], reasons: &[DecisionReason]) {
    let mut selector = selector(toml);
    for (i, ((context, caller), reason)) in calls.iter().zip(reasons).enumerate() {
        let now = at(now) + SignedDuration::from_secs(i.try_into().unwrap());
        let decision = selector.decide(context, Some(hash(*caller)), now);
        assert_eq!(decision.reason, *reason, "call {i}");
    }
    assert_eq!(calls.len(), reasons.len());
}

const MONDAY: &str = "2026-11-23T10:00:00Z";

#[test]
fn short_talks_do_not_count() {
    let talked = |s| CallContext { talk: Some(Duration::from_secs(s)), ..call("sales", "anna") };
    let calls = [(talked(9), 1), (talked(10), 2), (call("sales", "anna"), 3)];
    use DecisionReason::{All, TalkTooShort};
    check("rule = 'all'\ntalk_min = '10s'", MONDAY, &calls, &[TalkTooShort, All, All]);
}

#[test]
fn hours_are_those_of_the_time_zone() {
    let toml = "rule = 'all'\ntime_zone = 'Europe/Amsterdam'\n\
        hours = [{ days = ['mon'], from = '09:00', to = '17:00' }, { days = ['mon'], from = '23:00', to = '00:00' }]";
    let one = [(call("sales", "anna"), 1)];
    use DecisionReason::{All, OutsideHours};
    check(toml, "2026-11-23T07:59:59Z", &one, &[OutsideHours]);
    check(toml, "2026-11-23T08:00:00Z", &one, &[All]);
    check(toml, "2026-11-23T16:00:00Z", &one, &[OutsideHours]);
    check(toml, "2026-11-23T22:30:00Z", &one, &[All]);
    check(toml, "2026-11-24T10:00:00Z", &one, &[OutsideHours]);
}

#[test]
fn a_caller_is_left_alone_for_the_window() {
    let mut selector = selector("rule = 'all'\nsame_caller_window = '1day'\nsame_caller_max = 2");
    let mut decide =
        |caller, now: &str| selector.decide(&call("sales", "anna"), Some(hash(caller)), at(now)).reason;
    assert_eq!(decide(1, "2026-11-23T10:00:00Z"), DecisionReason::All);
    assert_eq!(decide(1, "2026-11-24T09:59:59Z"), DecisionReason::SameCaller);
    assert_eq!(decide(1, "2026-11-24T10:00:00Z"), DecisionReason::All);
    assert_eq!(decide(2, "2026-11-24T10:00:01Z"), DecisionReason::All);
    assert_eq!(decide(3, "2026-11-24T10:00:02Z"), DecisionReason::All); // Only two are remembered.
    assert_eq!(decide(1, "2026-11-24T10:00:03Z"), DecisionReason::All);
    assert_eq!(decide(3, "2026-11-24T10:00:04Z"), DecisionReason::SameCaller);
}

#[test]
fn caps_hold_for_a_day_and_agents_do_not_use_them_up() {
    let toml = "rule = 'all'\ncap_total = 4\ncap_queue = 3\ncap_agent = 2";
    let by_agent = CallContext { trigger: Trigger::Agent, ..call("sales", "anna") };
    let calls = [
        (by_agent.clone(), 1),
        (call("sales", "anna"), 1),
        (by_agent, 1),
        (call("sales", "anna"), 1),
        (call("sales", "anna"), 1),
        (call("sales", "bob"), 1),
        (call("sales", "carl"), 1),
        (call("care", "carl"), 1),
        (call("care", "carl"), 1),
    ];
    use DecisionReason::{AgentTrigger, All, CapAgent, CapQueue, CapTotal};
    let reasons = [AgentTrigger, All, AgentTrigger, All, CapAgent, All, CapQueue, All, CapTotal];
    check(toml, MONDAY, &calls, &reasons);
    let mut selector = selector("rule = 'all'\ncap_total = 1\ntime_zone = 'Europe/Amsterdam'");
    let mut reason = |now: &str| selector.decide(&call("sales", "anna"), None, at(now)).reason;
    assert_eq!(reason("2026-11-23T22:59:58Z"), All);
    assert_eq!(reason("2026-11-23T22:59:59Z"), CapTotal);
    assert_eq!(reason("2026-11-23T23:00:00Z"), All); // Midnight in Amsterdam.
}

#[test]
fn origins_and_lists() {
    let mut selector = selector("rule = 'none'");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY).unwrap();
    mac.update(b"c1");
    let token = CallerHash(mac.finalize().into_bytes().into()).to_string();
    let sales = || call("sales", "anna");
    let with_token = |token: &str| CallContext {
        mystery_token: Some(token.into()),
        call_ref: "c1".parse().ok(),
        ..sales()
    };
    let listed_and_sent = CallContext { trigger: Trigger::Agent, ..sales() };
    use DecisionReason::{AgentTrigger, DoNotSurvey, MysteryCaller, NoRule, TestCall, UnknownSurvey};
    for (context, caller, origin, reason) in [
        (CallContext { trigger: Trigger::Test, ..sales() }, 66, Origin::Test, TestCall),
        (sales(), 77, Origin::Mystery, MysteryCaller),
        (with_token(&token), 1, Origin::Mystery, MysteryCaller),
        (with_token(&"0".repeat(64)), 1, Origin::Sampled, NoRule),
        (with_token("nonsense"), 1, Origin::Sampled, NoRule),
        (listed_and_sent, 66, Origin::Agent, DoNotSurvey),
        (CallContext { trigger: crate::domain::Trigger::Agent, ..sales() }, 1, Origin::Agent, AgentTrigger),
        (sales(), 66, Origin::Sampled, DoNotSurvey),
        (CallContext { survey: "other".parse().ok(), ..sales() }, 1, Origin::Sampled, UnknownSurvey),
    ] {
        let decision = selector.decide(&context, Some(hash(caller)), at(MONDAY));
        assert_eq!((decision.origin, decision.reason), (origin, reason), "{context:?}");
        let chosen = matches!(reason, TestCall | MysteryCaller | AgentTrigger);
        assert_eq!(decision.survey.is_some(), chosen);
    }
}

#[test]
fn queues_have_their_own_rules() {
    let mut selector = selector(
        "rule = 'none'\n[[queue]]\nmatch = 'vip'\nrule = 'all'\nsurvey = 'short'\n\
         [[queue]]\nmatch = 'sales-*'\nrule = { share = 1.0 }\n[[queue]]\nmatch = 'x*'\nrule = { share = 0.0 }",
    );
    for (queue, survey, reason) in [
        ("vip", Some("short"), DecisionReason::All),
        ("sales-nl", Some("service"), DecisionReason::Drawn),
        ("xyz", None, DecisionReason::NotDrawn),
        ("care", None, DecisionReason::NoRule),
    ] {
        let decision = selector.decide(&call(queue, "anna"), None, at(MONDAY));
        let named = decision.survey.map(|(id, _)| id.to_string());
        assert_eq!((named.as_deref(), decision.reason), (survey, reason), "{queue}");
    }
}

#[test]
fn a_share_is_about_that_share_and_repeats_with_its_seed() {
    let draws = || {
        let mut selector = selector("rule = { share = 0.3 }\nseed = 42");
        let decide = |_| selector.decide(&call("sales", "anna"), None, at(MONDAY)).survey.is_some();
        (0..2000).map(decide).collect::<Vec<_>>()
    };
    let chosen = draws().into_iter().filter(|&is| is).count();
    assert!((540..660).contains(&chosen), "{chosen} of 2000");
    assert_eq!(draws(), draws());
}

#[test]
fn lists_are_read_and_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("never.txt");
    std::fs::write(&path, format!("# asked us not to\n+31 20 123 4567 # shop\n\n{}\n", hash(5))).unwrap();
    let config = SelectionConfig { do_not_survey: Some(path.clone()), ..SelectionConfig::default() };
    let fake = |number: &CallerNumber| hash(number.expose().len().try_into().unwrap());
    let lists = Lists::load(&config, &fake, KEY, &crate::domain::Numbering::default()).unwrap();
    assert!(lists.never(Some(hash(12))) && lists.never(Some(hash(5))) && !lists.never(Some(hash(6))));
    std::fs::write(&path, "+31201234567\nanonymous\n").unwrap();
    let error =
        Lists::load(&config, &fake, KEY, &crate::domain::Numbering::default()).unwrap_err().to_string();
    assert!(error.ends_with("never.txt:2: neither a number nor a caller hash"), "{error}");
}

#[test]
fn a_caller_known_by_a_former_hash_is_the_same_caller() {
    let fresh = selector;
    let mut selector = fresh("rule = 'all'\nsame_caller_window = '30 days'");
    let reason = |caller, selector: &mut Selector| {
        selector.decide(&call("s", "a"), Some(hash(caller)), at(MONDAY)).reason
    };
    assert_eq!(reason(1, &mut selector), DecisionReason::All);
    selector.recognise(hash(2), &[hash(1), hash(66)]);
    assert_eq!(reason(2, &mut selector), DecisionReason::DoNotSurvey, "66 is listed");
    selector.recognise(hash(3), &[hash(2)]);
    assert_eq!(reason(4, &mut selector), DecisionReason::All);
    let mut other = fresh("rule = 'all'\nsame_caller_window = '30 days'");
    assert_eq!(reason(1, &mut other), DecisionReason::All);
    other.recognise(hash(2), &[hash(1)]);
    assert_eq!(reason(2, &mut other), DecisionReason::SameCaller);
}

#[test]
fn one_response_for_a_conversation() {
    let mut selector = selector("rule = 'all'\nsame_call_window = '1h'");
    let named = |agent: &str| CallContext { call_ref: "C-1".parse().ok(), ..call("sales", agent) };
    let name = (named("anna").call_ref.unwrap(), named("anna").agent);
    let reason =
        |selector: &mut Selector, agent: &str, now| selector.decide(&named(agent), None, at(now)).reason;
    let later = "2026-12-16T10:59:00Z";
    selector.begin(name.clone());
    assert_eq!(reason(&mut selector, "anna", MONDAY), DecisionReason::SameCall, "one goes on");
    assert_eq!(reason(&mut selector, "bob", MONDAY), DecisionReason::All, "of another agent");
    selector.end(name.clone(), false, at(MONDAY));
    assert_eq!(reason(&mut selector, "anna", MONDAY), DecisionReason::All, "the first brought no answer");
    // One takes the other's place: the end of the first does not free what goes on.
    selector.begin(name.clone());
    selector.begin(name.clone());
    selector.end(name.clone(), false, at(MONDAY));
    assert_eq!(reason(&mut selector, "anna", MONDAY), DecisionReason::SameCall, "the second goes on");
    selector.end(name.clone(), true, at(MONDAY));
    selector.begin(name.clone());
    selector.end(name, false, at(MONDAY));
    assert_eq!(reason(&mut selector, "anna", MONDAY), DecisionReason::SameCall, "the answer stays known");
    let sent = CallContext { trigger: crate::domain::Trigger::Agent, ..named("anna") };
    assert_eq!(selector.decide(&sent, None, at(MONDAY)).reason, DecisionReason::SameCall);
    assert_eq!(reason(&mut selector, "anna", later), DecisionReason::All, "the window is over");
}

#[derive(Clone, Debug)]
enum Step {
    Sampled(u8),
    ByAgent(u8),
    Trial,
    TooShort(u8),
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u8..3).prop_map(Step::Sampled),
        2 => (0u8..3).prop_map(Step::ByAgent),
        1 => Just(Step::Trial),
        2 => (0u8..3).prop_map(Step::TooShort),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn exactly_one_in_n_whatever_else_happens(n in 1u64..9, seed: u64, steps in proptest::collection::vec(any_step(), 0..300)) {
        let toml = format!("rule = {{ every = {n} }}\ntalk_min = '10s'");
        let make = |state, seed| Selector::new(config(&toml), surveys(), lists(), state, seed, at(MONDAY)).unwrap();
        let mut selector = make(SelectionState::default(), seed);
        let mut counts: BTreeMap<QueueId, u64> = BTreeMap::new();
        let mut outcomes: BTreeMap<u8, Vec<bool>> = BTreeMap::new();
        for step in steps {
            let queue = |q: u8| call(&format!("q{q}"), "anna");
            let context = match step {
                Step::Sampled(q) => queue(q),
                Step::ByAgent(q) => CallContext { trigger: Trigger::Agent, ..queue(q) },
                Step::Trial => CallContext { trigger: Trigger::Test, ..queue(0) },
                Step::TooShort(q) => CallContext { talk: Some(Duration::from_secs(1)), ..queue(q) },
                Step::Restart => {
                    // The store keeps the largest count of each queue.
                    let counts = counts.iter().map(|(queue, n)| (Some(queue.clone()), *n)).collect();
                    selector = make(SelectionState { counts, ..SelectionState::default() }, seed ^ 1);
                    continue;
                }
            };
            let decision = selector.decide(&context, None, at(MONDAY));
            if let (Some(count), Some(queue)) = (decision.count, context.queue) {
                counts.insert(queue, count);
            }
            if let Step::Sampled(q) = step {
                outcomes.entry(q).or_default().push(decision.survey.is_some());
            } else {
                prop_assert_eq!(decision.count, None);
            }
        }
        for chosen in outcomes.values() {
            for window in chosen.windows(usize::try_from(n).unwrap()) {
                prop_assert_eq!(window.iter().filter(|&&is| is).count(), 1);
            }
        }
    }
}
