//! Trunks on the page of operations: what comes in by each, how it goes, and what was refused.

use std::collections::BTreeMap;

use super::words::Tongue;
use crate::call::RunningCall;
use crate::config::TrunkConfig;
use crate::store::rules::Line;

/// One trunk, or all sources that belong to none.
pub(super) struct Trunk {
    pub(super) name: String,
    pub(super) sources: String,
    /// What is known of its calls; none of strangers' come in.
    pub(super) calls: Option<Calls>,
    pub(super) refused: Vec<String>,
}

/// How its calls go.
pub(super) struct Calls {
    pub(super) up: usize,
    pub(super) last: u32,
    pub(super) failed: u32,
    pub(super) loss: String,
    pub(super) late: u64,
    pub(super) jitter: String,
}

/// What was refused since the start: by trunk, how often with which code.
type Refused<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a str)>>;

/// The configured trunks, and strangers where some were refused.
pub(super) fn list(
    tr: Tongue,
    trunks: &[TrunkConfig],
    running: &[RunningCall],
    lines: &BTreeMap<String, Line>,
    metrics: &str,
) -> Vec<Trunk> {
    let refused = refused(metrics);
    let said = |trunk: &str| {
        let of = refused.get(trunk).into_iter().flatten();
        of.map(|(code, count)| format!("{count} × {code} {}", tr.t(why(code)))).collect::<Vec<_>>()
    };
    let known = trunks.iter().map(|trunk| {
        let sources: Vec<String> = trunk.sources.iter().map(ToString::to_string).collect();
        let up = running.iter().filter(|call| call.trunk == trunk.name).count();
        let line = lines.get(trunk.name.as_str()).cloned().unwrap_or_default();
        Trunk {
            sources: sources.join(", "),
            calls: Some(Calls::new(tr, up, &line)),
            refused: said(trunk.name.as_str()),
            name: trunk.name.to_string(),
        }
    });
    let strangers = Trunk {
        name: tr.t("strangers"),
        sources: String::new(),
        calls: None,
        refused: if trunks.iter().any(|trunk| trunk.name.as_str() == TrunkConfig::UNKNOWN) {
            vec![]
        } else {
            said(TrunkConfig::UNKNOWN)
        },
    };
    known.chain((!strangers.refused.is_empty()).then_some(strangers)).collect()
}

impl Calls {
    fn new(tr: Tongue, up: usize, line: &Line) -> Self {
        let percent = |loss| format!("{}\u{a0}%", tr.number(loss, 2));
        Self {
            up,
            last: line.calls,
            failed: line.failed,
            loss: line.loss_percent().map_or_else(|| "\u{2013}".to_owned(), percent),
            late: line.late,
            jitter: format!("{}\u{a0}ms", tr.number(f64::from(line.jitter_us_max) / 1000.0, 1)),
        }
    }
}

/// What a code of a refusal means here.
fn why(code: &str) -> &'static str {
    match code {
        "400" | "413" | "416" => "refused-malformed",
        "401" => "refused-password",
        "403" => "refused-source",
        "405" | "406" | "415" | "420" | "501" | "505" => "refused-unsupported",
        "422" => "refused-interval",
        "481" => "refused-no-call",
        "488" => "refused-offer",
        "503" => "refused-full",
        _ => "refused-moment",
    }
}

/// Reads the refusals from the metrics in the Prometheus text format. Names of trunks need no escapes there.
fn refused(metrics: &str) -> Refused<'_> {
    let mut all = Refused::new();
    for line in metrics.lines() {
        let Some((labels, count)) =
            line.strip_prefix("aftercall_sip_refused_total{").and_then(|rest| rest.split_once("} "))
        else {
            continue;
        };
        let label = |name: &str| {
            let of = |pair: &&str| pair.split_once("=\"").is_some_and(|(is, _)| is == name);
            labels.split("\",").find(of)?.split_once("=\"").map(|(_, value)| value.trim_end_matches('"'))
        };
        if let (Some(trunk), Some(code)) = (label("trunk"), label("code")) {
            all.entry(trunk).or_default().push((code, count));
        }
    }
    all.values_mut().for_each(|list| list.sort_unstable());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_by_trunk_with_their_reasons() {
        let metrics = "# TYPE aftercall_sip_refused_total counter\n\
                       aftercall_sip_refused_total{code=\"503\",trunk=\"pbx\"} 7\n\
                       aftercall_sip_refused_total{code=\"488\",trunk=\"pbx\"} 1\n\
                       aftercall_sip_refused_total{code=\"403\",trunk=\"unknown\"} 9\naftercall_sip_calls 3\n";
        let trunk = |name: &str| -> TrunkConfig {
            toml::from_str(&format!("name = \"{name}\"\nsources = [\"10.0.0.0/8\"]")).unwrap()
        };
        let of = |tr, metrics| {
            let all = list(tr, &[trunk("pbx"), trunk("spare")], &[], &BTreeMap::new(), metrics);
            all.into_iter().map(|one| (one.name, one.refused)).collect::<Vec<_>>()
        };
        let [pbx, spare, strangers] = &of(Tongue::English, metrics)[..] else { panic!("three rows") };
        let said = ["1 × 488 no offer that fits", "7 × 503 full, closed or too fast"].map(str::to_owned);
        assert_eq!((pbx.0.as_str(), &pbx.1[..]), ("pbx", &said[..]));
        assert_eq!((spare.0.as_str(), spare.1.len()), ("spare", 0));
        assert_eq!(strangers.1, ["9 × 403 no source of a trunk"]);
        assert_eq!(of(Tongue::English, "").len(), 2, "strangers have a row where there were some");
        for code in ["400", "401", "403", "405", "422", "481", "488", "503", "491"] {
            assert!(Tongue::ALL.iter().all(|tr| tr.t(why(code)) != why(code)), "{code}");
        }
    }
}
