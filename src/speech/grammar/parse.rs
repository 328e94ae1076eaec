//! One grammar file's text to its rules: W3C Speech Recognition Grammar Specification 1.0, XML form.
//!
//! Supported: `rule`, `one-of`, `item` (with `repeat`), `ruleref` (same folder; special NULL and VOID), `token`,
//! `tag` (SISR 1.0 string literals), `example`; `meta` and `metadata` are passed over. Everything else of the
//! standard is refused by name, so that no grammar quietly means less than it says.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use super::fault::{GrammarFault as Fault, NAMESPACE};
use crate::domain::Meaning;

/// The namespace of `xml:lang` and `xml:base`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Largest grammar file in bytes.
pub(super) const FILE_MAX: usize = 256 * 1024;
/// Most elements, texts and comments of a file.
const NODES_MAX: u32 = 20_000;
/// Deepest nesting.
const DEPTH_MAX: usize = 32;
/// Highest number in `repeat`.
const REPEAT_MAX: u8 = 4;

/// A fault and its line.
pub(super) type Found = (u32, Fault);

/// The rules of one file.
#[derive(Debug)]
pub(super) struct Rules {
    /// The rule that the file stands for. A file without one only lends its public rules to others.
    pub(super) root: Option<String>,
    pub(super) rules: BTreeMap<String, Rule>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) line: u32,
    pub(super) public: bool,
    pub(super) body: Expansion,
    /// Phrases that must be in it, with their lines.
    pub(super) examples: Vec<(u32, String)>,
}

/// A legal rule expansion (SRGS §2).
#[derive(Debug)]
pub(super) enum Expansion {
    /// One after the other.
    Sequence(Vec<Expansion>),
    /// One of them.
    OneOf(Vec<Expansion>),
    /// From so many times to so many.
    Repeat(Box<Expansion>, u8, u8),
    /// One word.
    Word(String),
    /// What it means.
    Tag(Meaning),
    /// Another rule: `(file, rule)`, each `None` where it goes without saying.
    Reference { line: u32, file: Option<String>, rule: Option<String> },
    /// Never matches (SRGS §2.2.3, VOID).
    Void,
}

/// Reads one file's text. `language` is that of its folder.
///
/// # Errors
/// All faults that can be seen without other files.
pub(super) fn parse(text: &str, language: &str) -> Result<Rules, Vec<Found>> {
    if text.len() > FILE_MAX {
        return Err(vec![(0, Fault::Large { max: FILE_MAX })]);
    }
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => vec![(doctype_line(text), Fault::Doctype)],
        error => vec![(error.pos().row, Fault::Xml(error.to_string()))],
    })?;
    let mut reader = Reader { document: &document, faults: Vec::new() };
    let rules = reader.grammar(language);
    match rules {
        Some(rules) if reader.faults.is_empty() => Ok(rules),
        _ => Err(reader.faults),
    }
}

/// The line of the document type, from 1.
fn doctype_line(text: &str) -> u32 {
    let before = text.split("<!DOCTYPE").next().unwrap_or_default();
    u32::try_from(before.matches('\n').count()).map_or(0, |lines| lines.saturating_add(1))
}

/// A word as recognisers spell it, in lower case; `None` when it cannot be one. Digits are not: models spell numbers
/// out. Quotes and brackets never pass, because they break the list that libvosk is given.
pub(super) fn word(text: &str) -> Option<String> {
    let joins = |c: char| matches!(c, '\'' | '-');
    let fine = text.chars().all(|c| c.is_alphabetic() || joins(c)) && text.chars().any(char::is_alphabetic);
    (fine && text.chars().count() <= 32).then(|| text.replace('’', "'").to_lowercase())
}

/// The words of a text, with the typographic apostrophe made plain.
fn words(text: &str) -> impl Iterator<Item = (Option<String>, String)> + '_ {
    text.split_whitespace().map(|raw| {
        let raw = raw.replace('’', "'");
        (word(&raw), raw)
    })
}

/// What a tag stands for: a reserved literal or an answer's label.
fn meaning(tag: &str) -> Option<Meaning> {
    match tag {
        "*repeat*" => Some(Meaning::Repeat),
        "*skip*" => Some(Meaning::Skip),
        "*stop*" => Some(Meaning::Stop),
        label => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let fine = (1..=32).contains(&label.len()) && label.chars().all(plain);
            fine.then(|| Meaning::Answer(label.to_owned()))
        }
    }
}

struct Reader<'a, 'input> {
    document: &'a Document<'input>,
    faults: Vec<Found>,
}

impl<'a, 'input> Reader<'a, 'input> {
    fn line(&self, node: Node<'a, 'input>) -> u32 {
        self.document.text_pos_at(node.range().start).row
    }

    fn fault(&mut self, node: Node<'a, 'input>, fault: Fault) {
        let line = self.line(node);
        self.faults.push((line, fault));
    }

    fn grammar(&mut self, language: &str) -> Option<Rules> {
        let top = self.document.root_element();
        if !top.has_tag_name((NAMESPACE, "grammar")) {
            self.fault(top, Fault::NotAGrammar);
            return None;
        }
        self.attributes(top, &["version", "mode", "root", "tag-format"]);
        if top.attribute("version") != Some("1.0") {
            self.fault(top, Fault::Version);
        }
        let same = |is: &str| {
            is.eq_ignore_ascii_case(language)
                || is.split('-').next().is_some_and(|main| main.eq_ignore_ascii_case(language))
        };
        if !top.attribute((XML, "lang")).is_some_and(same) {
            self.fault(top, Fault::Language(language.to_owned()));
        }
        match top.attribute("mode") {
            None | Some("voice") => {}
            Some("dtmf") => self.fault(top, Fault::Dtmf),
            Some(other) => self.fault(top, Fault::Mode(other.to_owned())),
        }
        if top.attribute("tag-format") != Some("semantics/1.0-literals") {
            self.fault(top, Fault::TagFormat);
        }
        let mut rules = BTreeMap::new();
        for child in top.children() {
            if let Some("rule") = self.element(child, "grammar", &["rule"]) {
                self.rule(child, &mut rules);
            }
        }
        let root = top.attribute("root").map(str::to_owned);
        if root.as_ref().is_some_and(|root| !rules.contains_key(root)) {
            self.fault(top, Fault::NoRoot);
        }
        Some(Rules { root, rules })
    }

    fn rule(&mut self, node: Node<'a, 'input>, rules: &mut BTreeMap<String, Rule>) {
        self.attributes(node, &["id", "scope"]);
        let id = node.attribute("id").unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || !id.chars().all(plain) || matches!(id, "NULL" | "VOID" | "GARBAGE") {
            self.fault(node, Fault::RuleName(id.to_owned()));
        }
        let public = match node.attribute("scope") {
            None | Some("private") => false,
            Some("public") => true,
            Some(other) => {
                self.fault(node, Fault::Scope(other.to_owned()));
                false
            }
        };
        let mut examples = Vec::new();
        let mut parts = Vec::new();
        for child in node.children() {
            if child.has_tag_name((NAMESPACE, "example")) {
                self.attributes(child, &[]);
                let text: Vec<String> =
                    words(&text_of(child)).map(|(word, raw)| word.unwrap_or(raw)).collect();
                examples.push((self.line(child), text.join(" ")));
            } else {
                self.part(child, "rule", 1, &mut parts);
            }
        }
        let rule = Rule { line: self.line(node), public, body: Expansion::Sequence(parts), examples };
        if rules.insert(id.to_owned(), rule).is_some() {
            self.fault(node, Fault::SameRule(id.to_owned()));
        }
    }

    /// Reads what may stand in a rule or an item.
    fn part(&mut self, node: Node<'a, 'input>, within: &str, depth: usize, parts: &mut Vec<Expansion>) {
        if depth > DEPTH_MAX {
            return self.fault(node, Fault::Deep { max: DEPTH_MAX });
        }
        if node.is_text() {
            return self.words(node, node.text().unwrap_or_default(), parts);
        }
        match self.element(node, within, &["item", "one-of", "ruleref", "token", "tag"]) {
            Some("item") => parts.push(self.item(node, depth)),
            Some("one-of") => {
                self.attributes(node, &[]);
                let mut choices = Vec::new();
                for child in node.children() {
                    if child.is_text() {
                        if child.text().is_some_and(|text| !text.trim().is_empty()) {
                            self.fault(child, Fault::Text("one-of".to_owned()));
                        }
                    } else if let Some("item") = self.element(child, "one-of", &["item"]) {
                        choices.push(self.item(child, depth + 1));
                    }
                }
                parts.push(Expansion::OneOf(choices));
            }
            Some("ruleref") => parts.extend(self.reference(node)),
            Some("token") => {
                self.attributes(node, &[]);
                self.words(node, &text_of(node), parts);
            }
            Some("tag") => {
                self.attributes(node, &[]);
                let text = text_of(node);
                match meaning(text.trim()) {
                    Some(meaning) => parts.push(Expansion::Tag(meaning)),
                    None => self.fault(node, Fault::Tag(text.trim().to_owned())),
                }
            }
            _ => {}
        }
    }

    fn item(&mut self, node: Node<'a, 'input>, depth: usize) -> Expansion {
        self.attributes(node, &["repeat"]);
        let mut parts = Vec::new();
        for child in node.children() {
            self.part(child, "item", depth + 1, &mut parts);
        }
        let body = Expansion::Sequence(parts);
        let Some(repeat) = node.attribute("repeat") else { return body };
        if repeat.trim_end().ends_with('-') {
            self.fault(node, Fault::Endless(repeat.to_owned()));
            return body;
        }
        let (low, high) = repeat.split_once('-').unwrap_or((repeat, repeat));
        match (low.trim().parse::<u8>(), high.trim().parse::<u8>()) {
            (Ok(low), Ok(high)) if low <= high && high <= REPEAT_MAX => {
                Expansion::Repeat(Box::new(body), low, high)
            }
            _ => {
                self.fault(node, Fault::Repeat { is: repeat.to_owned(), max: REPEAT_MAX });
                body
            }
        }
    }

    fn reference(&mut self, node: Node<'a, 'input>) -> Option<Expansion> {
        self.attributes(node, &["uri", "special", "type"]);
        if let Some(kind) = node.attribute("type").filter(|kind| *kind != "application/srgs+xml") {
            let attribute = format!("type={kind:?}");
            self.fault(node, Fault::Attribute { element: "ruleref".to_owned(), attribute });
        }
        match (node.attribute("uri"), node.attribute("special")) {
            (None, Some("NULL")) => Some(Expansion::Sequence(Vec::new())),
            (None, Some("VOID")) => Some(Expansion::Void),
            (None, Some(special)) => {
                self.fault(node, Fault::Special(special.to_owned()));
                None
            }
            (Some(uri), None) => {
                let (file, rule) = uri.split_once('#').unwrap_or((uri, ""));
                let name = file.strip_suffix(".grxml");
                let outside = |name: &str| name.is_empty() || name.contains(['/', '\\', ':', '%']);
                let known = match name {
                    Some(name) => !outside(name) && uri.contains('#') != rule.is_empty(),
                    None => file.is_empty() && !rule.is_empty(),
                };
                if !known {
                    self.fault(node, Fault::Uri(uri.to_owned()));
                    return None;
                }
                let rule = (!rule.is_empty()).then(|| rule.to_owned());
                Some(Expansion::Reference { line: self.line(node), file: name.map(str::to_owned), rule })
            }
            _ => {
                self.fault(node, Fault::Reference);
                None
            }
        }
    }

    fn words(&mut self, node: Node<'a, 'input>, text: &str, parts: &mut Vec<Expansion>) {
        for (word, raw) in words(text) {
            match word {
                Some(word) => parts.push(Expansion::Word(word)),
                None => self.fault(node, Fault::Word { word: raw }),
            }
        }
    }

    /// The name of an element that may stand here; what may not is noted, what says nothing is passed over.
    fn element(
        &mut self,
        node: Node<'a, 'input>,
        within: &str,
        known: &[&'static str],
    ) -> Option<&'static str> {
        if node.is_text() {
            if node.text().is_some_and(|text| !text.trim().is_empty()) {
                self.fault(node, Fault::Text(within.to_owned()));
            }
            return None;
        }
        if !node.is_element() {
            return None;
        }
        let name = node.tag_name();
        if name.namespace() != Some(NAMESPACE) {
            self.fault(node, Fault::Element(name.name().to_owned()));
            return None;
        }
        if within == "grammar" && matches!(name.name(), "meta" | "metadata") {
            return None;
        }
        let found = known.iter().copied().find(|known| *known == name.name());
        if found.is_none() {
            self.fault(node, Fault::Element(name.name().to_owned()));
        }
        found
    }

    /// Notes the attributes that an element may not have.
    fn attributes(&mut self, node: Node<'a, 'input>, known: &[&str]) {
        for attribute in node.attributes() {
            let top = node.tag_name().name() == "grammar";
            let fault = match (attribute.namespace(), attribute.name()) {
                (Some(XML), "base") => Fault::Base,
                (Some(XML), "lang") if !top => Fault::InnerLanguage,
                (Some(_), _) => continue,
                (None, "weight" | "repeat-prob") => Fault::Weight,
                (None, name) if known.contains(&name) => continue,
                (None, name) => Fault::Attribute {
                    element: node.tag_name().name().to_owned(),
                    attribute: name.to_owned(),
                },
            };
            self.fault(node, fault);
        }
    }
}

/// All text of an element.
fn text_of(node: Node<'_, '_>) -> String {
    node.children().filter(|child| child.is_text()).filter_map(|child| child.text()).collect()
}
