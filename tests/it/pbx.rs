//! The files for the PBX in front, `deploy/pbx`: what they refer to is there, and the INVITEs that they make are taken as meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::caller::call;
use crate::harness::{App, config, repository};

fn file(path: &str) -> String {
    let path = repository("deploy/pbx").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Sections of a file of Asterisk, in order, each with its lines; comments are left out. A name may stand twice.
fn sections(text: &str) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().map(|line| line.split(';').next().unwrap_or_default().trim()) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            all.push((name.to_owned(), Vec::new()));
        } else if !line.is_empty() {
            all.last_mut().expect("a section before the first line").1.push(line.to_owned());
        }
    }
    all
}

fn settings(lines: &[String]) -> BTreeMap<&str, &str> {
    lines
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

/// One line of a dialplan: its label, and the application with its arguments.
#[derive(Debug)]
struct Step {
    label: Option<String>,
    app: String,
}

/// Contexts, extensions, steps.
type Dialplan = BTreeMap<String, BTreeMap<String, Vec<Step>>>;

fn dialplan() -> (Dialplan, BTreeMap<String, String>) {
    let (mut plan, mut globals) = (Dialplan::new(), BTreeMap::new());
    for (name, lines) in sections(&file("asterisk/extensions.conf")) {
        if name == "globals" {
            for (key, value) in settings(&lines) {
                globals.insert(key.to_owned(), value.to_owned());
            }
            continue;
        }
        let context = plan.entry(name).or_default();
        let mut extension = String::new();
        for line in lines {
            let (kind, rest) = line.split_once("=>").unwrap_or_else(|| panic!("no => in {line:?}"));
            let mut rest = rest.trim();
            if kind.trim() == "exten" {
                let (number, more) = rest.split_once(',').expect("an extension and its priority");
                (extension, rest) = (number.to_owned(), more);
                assert!(rest.starts_with("1,"), "begins at 1: {line}");
            } else {
                assert!(kind.trim() == "same" && rest.starts_with('n'), "{line}");
            }
            let (priority, app) = rest.split_once(',').expect("a priority and an application");
            let label = priority.split_once('(').map(|(_, label)| label.trim_end_matches(')').to_owned());
            context.entry(extension.clone()).or_default().push(Step { label, app: app.to_owned() });
        }
    }
    (plan, globals)
}

/// What stands between the brackets of an application of this name.
fn arguments<'a>(app: &'a str, name: &str) -> Option<&'a str> {
    app.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

/// Every application within a step: what `ExecIf` would do, too.
fn apps(step: &Step) -> &str {
    arguments(&step.app, "ExecIf").and_then(|inner| inner.split_once('?')).map_or(&step.app, |(_, app)| app)
}

#[test]
fn the_dialplan_refers_to_what_is_there_and_lets_nobody_wait() {
    let (plan, globals) = dialplan();
    let there = |context: &str, extension: &str| {
        assert!(plan.get(context).is_some_and(|it| it.contains_key(extension)), "{context},{extension}");
    };
    let (mut dialled, mut surveys) = (0, 0);
    for (extension, steps) in plan.values().flatten() {
        let labels: BTreeSet<&str> = steps.iter().filter_map(|step| step.label.as_deref()).collect();
        let last = &steps.last().expect("a step").app;
        assert!(last.starts_with("Hangup(") || last == "Return()", "{extension} ends in {last}");
        for (at, step) in steps.iter().enumerate() {
            if let Some((_, label)) = arguments(&step.app, "GotoIf").and_then(|it| it.split_once("]?")) {
                assert!(labels.contains(label), "{extension}: no {label}");
            }
            if let Some(to) = arguments(&step.app, "Gosub") {
                let parts: Vec<&str> = to.split(',').collect();
                there(parts[0], parts[1]);
                let next = &steps[at + 1].app;
                assert_eq!(next, "Hangup(16)", "after a survey that was refused");
                surveys += 1;
            }
            if let Some(queue) = arguments(&step.app, "Queue") {
                let (name, options) = queue.split_once(',').expect("options");
                assert!(options.starts_with('c'), "the caller goes on when the agent hangs up: {options}");
                assert!(
                    steps[at + 1].app.starts_with("GotoIf($[\"${QUEUESTATUS}\" != \"CONTINUE\"]?"),
                    "{name}"
                );
                let queues = sections(&file("asterisk/queues.conf"));
                let (_, lines) = queues.iter().find(|(section, _)| section == name).expect("the queue");
                assert_eq!(settings(lines)["setinterfacevar"], "yes");
                assert_eq!(settings(lines)["setqueueentryvar"], "yes");
                let members: Vec<&str> =
                    lines.iter().filter_map(|line| line.strip_prefix("member =>")).collect();
                assert!(!members.is_empty() && members.iter().all(|it| it.split(',').nth(2).is_some()));
            }
            if let Some(dial) = arguments(&step.app, "Dial") {
                let parts: Vec<&str> = dial.split(',').collect();
                assert!(parts[1].parse::<u32>().is_ok(), "{dial} waits without end");
                if let Some((_, place)) = dial.split_once("b(") {
                    let place: Vec<&str> = place.split(')').next().unwrap_or_default().split('^').collect();
                    there(place[0], place[1]);
                } else {
                    assert!(parts[2].contains('g'), "nothing after {dial}");
                    assert!(steps[at + 1].app.contains("\"${DIALSTATUS}\" != \"ANSWER\""), "{dial}");
                }
                dialled += 1;
            }
        }
    }
    assert_eq!((dialled, surveys), (2, 3));
    let text = file("asterisk/extensions.conf");
    for context in text.split("__TRANSFER_CONTEXT=").skip(1).filter_map(|rest| rest.split(')').next()) {
        there(context, "777");
    }
    // The users that are dialled are known to the configuration that is shipped.
    let shipped = aftercall::config::read(&repository("config/aftercall.toml")).expect("the configuration");
    assert!(shipped.trunk[0].surveys.contains_key(&globals["SURVEY"]));
    assert!(shipped.trunk[0].agent_users.contains(&globals["SURVEY_NOW"]));
}

#[test]
fn the_endpoint_is_watched_and_its_parts_belong_together() {
    let all = sections(&file("asterisk/pjsip.conf"));
    let of = |kind: &str| {
        let found = all.iter().find(|(_, lines)| settings(lines).get("type") == Some(&kind));
        found.map(|(name, lines)| (name.as_str(), settings(lines))).expect("a section")
    };
    let ((name, endpoint), (aor, contact), (transport, _)) = (of("endpoint"), of("aor"), of("transport"));
    assert_eq!((endpoint["aors"], endpoint["transport"]), (aor, transport));
    assert!(file("asterisk/extensions.conf").contains(&format!("@{name},")), "the dialplan dials {name}");
    assert!(dialplan().0.contains_key(endpoint["context"]), "{}", endpoint["context"]);
    for (settings, key) in [(&contact, "qualify_frequency"), (&endpoint, "rtp_timeout")] {
        assert!(settings[key].parse::<u32>().is_ok_and(|seconds| seconds > 0), "{key}");
    }
    assert_eq!((endpoint["dtmf_mode"], endpoint["send_pai"]), ("rfc4733", "yes"));
}

/// The headers that the dialplan adds where these variables are set.
fn headers(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let value = |name: &str| variables.iter().find(|(it, _)| *it == name).map_or("", |(_, value)| value);
    let mut headers = Vec::new();
    for step in &dialplan().0["aftercall-headers"]["s"] {
        let condition =
            arguments(&step.app, "ExecIf").and_then(|it| it.split_once('?')).map(|(first, _)| first);
        if let Some(condition) = condition {
            let variable = condition.strip_prefix("$[\"${").and_then(|it| it.strip_suffix("}\" != \"\"]"));
            if value(variable.expect("the one kind of condition that is used")).is_empty() {
                continue;
            }
        }
        let Some(set) = arguments(apps(step), "Set").and_then(|it| it.strip_prefix("PJSIP_HEADER(add,"))
        else {
            continue;
        };
        let (name, expression) = set.split_once(")=").expect("a header and its value");
        let variable = expression.strip_prefix("${").and_then(|it| it.strip_suffix('}')).expect("a variable");
        headers.push((name.to_owned(), value(variable).to_owned()));
    }
    headers
}

/// Each variable of a header is one that the dialplan gives to the channel it calls.
#[test]
fn headers_are_those_that_the_product_reads() {
    let (text, shipped) = (file("asterisk/extensions.conf"), repository("config/aftercall.toml"));
    let shipped = std::fs::read_to_string(shipped).expect("the configuration");
    let variables = ["AGENT", "SURVEY_QUEUE", "CALL_REF", "TALKED", "HANGUP_BY", "SURVEY_TRIGGER"];
    let all = headers(&variables.map(|name| (name, "1")));
    assert_eq!(all.len(), variables.len());
    for (name, _) in all {
        assert!(shipped.contains(&format!("\"header:{name}\"")), "{name}");
    }
    for name in variables {
        assert!(text.contains(&format!("Set(__{name}=")), "{name} does not reach the channel that is called");
    }
    let xml = file("freeswitch/survey.xml");
    for name in xml.split("sip_h_").skip(2).filter_map(|rest| rest.split('=').next()) {
        assert!(shipped.contains(&format!("\"header:{name}\"")), "{name}");
    }
}

#[test]
fn the_calls_of_the_dialplan_are_taken_as_they_are_meant() {
    let with_users =
        config().replace("language = \"en\"\n", "language = \"en\"\nagent_users = [\"survey-now\"]\n");
    let app = App::with(&with_users.replace("rule = \"all\"", "rule = { every = 1000 }"));
    let place = |user: &str, reference: &str, variables: &[(&str, &str)]| {
        let target = format!("sip:{user}@{}", app.udp);
        let mut options = Vec::new();
        for (name, value) in headers(variables).into_iter().filter(|(name, _)| name != "X-Call-Ref") {
            options.extend(["--header".to_owned(), format!("{name}: {value}")]);
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        call(&target, reference, "audio; pause 300ms; hang-up", &options).end()
    };
    let talked = [("AGENT", "anna"), ("SURVEY_QUEUE", "service"), ("TALKED", "95"), ("HANGUP_BY", "agent")];
    place("short", "queue", &talked);
    place("short", "straight", &talked[..1]);
    assert!(
        place("survey-now", "transfer", &[("AGENT", "ben"), ("SURVEY_TRIGGER", "agent")]).status.success()
    );
    // The user alone says it as well.
    assert!(place("survey-now", "bare", &[]).status.success());
    let rows = app.wait_for_calls("call_ref,agent,queue,talk_s,first_hang_up,origin", |rows| rows.len() == 4);
    let rows: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
    let wanted = [
        "queue,anna,service,95,agent,sampled",
        "straight,anna,,,,sampled",
        "transfer,ben,,,,agent",
        "bare,,,,,agent",
    ];
    assert_eq!(rows, BTreeSet::from(wanted));
}
