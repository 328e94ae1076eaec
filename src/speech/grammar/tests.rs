use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::load::{Source, compile};
use super::*;

fn en() -> Language {
    "en".parse().unwrap()
}

fn answer(label: &str) -> Option<Meaning> {
    Some(Meaning::Answer(label.to_owned()))
}

/// A file around some rules, of which `a` is the root.
fn file(rules: &str) -> String {
    format!(
        "<grammar version=\"1.0\" xmlns=\"{NAMESPACE}\" xml:lang=\"en\" root=\"a\" tag-format=\"semantics/1.0-literals\">\n{rules}\n</grammar>"
    )
}

fn build(files: &[(&str, &str)]) -> Result<Grammars, Vec<String>> {
    let source = |(name, text): &(&str, &str)| Source {
        name: (*name).to_owned(),
        path: PathBuf::from(format!("{name}.grxml")),
        text: (*text).to_owned(),
    };
    let sources: Vec<Source> = files.iter().map(source).collect();
    let grammars =
        compile(&en(), &sources).map_err(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let set = LanguageSet { grammars, distractors: vec!["window".to_owned(), "for".to_owned()] };
    Ok(Grammars { languages: BTreeMap::from([(en(), set)]) })
}

fn shipped() -> Grammars {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grammars");
    Grammars::load(&folder).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// The only fault of a grammar with these rules.
fn fault(rules: &str) -> String {
    let faults = build(&[("g", &file(rules))]).expect_err(rules);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

#[test]
fn every_way_through_is_a_phrase() {
    let text = file(
        r##"<rule id="a" scope="public">
             <example>um four please</example>
             <item repeat="0-1"> um </item>
             <ruleref uri="#n"/>
             <item repeat="0-1"><one-of><item>please</item><item><token>thanks</token></item></one-of></item>
           </rule>
           <rule id="n"><one-of>
             <item>Four<tag>4</tag></item>
             <item>I'd say five<tag> 5 </tag></item>
           </one-of></rule>"##,
    );
    let grammars = build(&[("g", &text)]).unwrap();
    assert_eq!(grammars.phrases(&en(), "g").count(), 12);
    assert_eq!(grammars.read(&en(), "g", &["um", "four", "please"]), answer("4"));
    assert_eq!(grammars.read(&en(), "g", &["i'd", "say", "five"]), answer("5"));
    assert_eq!(grammars.read(&en(), "g", &["five"]), None);
    assert_eq!(grammars.read(&en(), "g", &["four", "four"]), None);
    assert_eq!(grammars.read(&"nl".parse().unwrap(), "g", &["four"]), None);
    assert_eq!(grammars.read(&"en-GB".parse().unwrap(), "g", &["four"]), answer("4"));
    assert_eq!(grammars.meanings(&en(), "g").unwrap(), [answer("4").unwrap(), answer("5").unwrap()]);
}

#[test]
fn commands_join_every_grammar_and_give_way_to_its_own_words() {
    let own = file(
        r##"<rule id="a"><one-of><item>repeat<tag>again</tag></item><item>no<tag>no</tag></item></one-of></rule>"##,
    );
    let commands = file(
        r##"<rule id="a"><one-of><item>repeat<tag>*repeat*</tag></item><item>skip<tag>*skip*</tag></item></one-of></rule>"##,
    );
    let grammars = build(&[("g", &own), (COMMANDS, &commands)]).unwrap();
    assert_eq!(grammars.read(&en(), "g", &["repeat"]), answer("again"));
    assert_eq!(grammars.read(&en(), "g", &["skip"]), Some(Meaning::Skip));
    assert_eq!(grammars.read(&en(), COMMANDS, &["repeat"]), Some(Meaning::Repeat));
}

#[test]
fn rules_of_another_file_are_taken_when_public() {
    let main = |uri: &str| file(&format!(r##"<rule id="a"><ruleref uri="{uri}"/></rule>"##));
    let other =
        file(r##"<rule id="a" scope="public">one<tag>1</tag></rule><rule id="b">two<tag>2</tag></rule>"##);
    for uri in ["o.grxml", "o.grxml#a"] {
        let grammars = build(&[("g", &main(uri)), ("o", &other)]).unwrap();
        assert_eq!(grammars.read(&en(), "g", &["one"]), answer("1"));
    }
    let faults = build(&[("g", &main("o.grxml#b")), ("o", &other)]).unwrap_err();
    assert_eq!(faults, ["g.grxml:2: rule b is private to its file"]);
}

#[test]
fn each_fault_is_named_with_its_line() {
    let word = r##"<rule id="a">one<tag>1</tag></rule>"##;
    for (rules, expected) in [
        ("\n<rule id=\"a\">one</rule>", "g.grxml:3: \"one\" means nothing: it has no tag"),
        ("<rule id=\"a\">one<tag>1</tag><ruleref uri=\"#a\"/></rule>", "rule a leads back to itself"),
        (
            "<rule id=\"a\"><item repeat=\"0-\">one</item><tag>1</tag></rule>",
            "repeat=\"0-\" has no upper end",
        ),
        ("<rule id=\"a\"><item repeat=\"9\">one</item><tag>1</tag></rule>", "repeat is a number or a range"),
        ("<rule id=\"a\"><item weight=\"2\">one</item><tag>1</tag></rule>", "weights are not supported"),
        (
            "<rule id=\"a\"><item repeat-prob=\"0.5\">one</item><tag>1</tag></rule>",
            "weights are not supported",
        ),
        (
            "<rule id=\"a\">one<tag>1</tag><ruleref special=\"GARBAGE\"/></rule>",
            "special=\"GARBAGE\" is not supported",
        ),
        ("<rule id=\"a\">one<tag>out = 1;</tag></rule>", "a tag is 1-32 letters"),
        ("<rule id=\"a\">4<tag>4</tag></rule>", "\"4\" is no word: write words in letters"),
        ("<rule id=\"a\">say \"one\"<tag>1</tag></rule>", "is no word"),
        ("<rule id=\"a\">[unk]<tag>1</tag></rule>", "is no word"),
        ("<rule id=\"a\"><tag>1</tag></rule>", "an empty phrase would mean"),
        ("<rule id=\"a\"><ruleref special=\"VOID\"/></rule>", "g.grxml:2: has no phrase"),
        ("<rule id=\"a\"><ruleref uri=\"#b\"/></rule>", "there is no rule b"),
        ("<rule id=\"a\"><ruleref uri=\"b.grxml\"/></rule>", "there is no grammar b in this folder"),
        ("<rule id=\"a\"><ruleref uri=\"../b.grxml\"/></rule>", "uri is `#rule`"),
        ("<rule id=\"a\"><ruleref uri=\"http://x/b.grxml\"/></rule>", "uri is `#rule`"),
        (
            "<rule id=\"a\"><one-of xml:lang=\"nl\"><item>een<tag>1</tag></item></one-of></rule>",
            "one language per file",
        ),
        ("<lexicon uri=\"x\"/><rule id=\"a\">one<tag>1</tag></rule>", "<lexicon> is not supported"),
        ("<tag>1</tag><rule id=\"a\">one<tag>1</tag></rule>", "<tag> is not supported"),
        (
            "<rule id=\"a\"><one-of><item>one<tag>1</tag></item><item>one<tag>2</tag></item></one-of></rule>",
            "\"one\" has two meanings",
        ),
        ("<rule id=\"a\">one<tag>1</tag><example>two</example></rule>", "the example \"two\" is no phrase"),
        ("<rule id=\"b\">one<tag>1</tag></rule>", "g.grxml:1: root names one"),
        ("<rule id=\"a\" dur=\"3\">one<tag>1</tag></rule>", "<rule> takes no dur here"),
        ("text<rule id=\"a\">one<tag>1</tag></rule>", "text does not belong in <grammar>"),
    ] {
        let found = fault(rules);
        assert!(found.contains(expected), "{rules}\n{found}");
    }
    for (from, to, expected) in [
        ("semantics/1.0-literals", "semantics/1.0", "tag-format is"),
        ("root=", "mode=\"dtmf\" root=", "mode=\"dtmf\" is not for speech"),
        ("xml:lang=\"en\"", "xml:lang=\"nl\"", "xml:lang is needed"),
        ("root=", "xml:base=\"http://x/\" root=", "xml:base is not supported"),
        ("version=\"1.0\"", "version=\"2.0\"", "version is"),
        (NAMESPACE, "http://example.org/", "the document is no <grammar>"),
        ("</grammar>", "", "never closed"),
    ] {
        let faults = build(&[("g", &file(word).replacen(from, to, 1))]).unwrap_err();
        assert!(faults[0].contains(expected), "{to}: {faults:?}");
    }
}

#[test]
fn what_grows_without_end_is_stopped() {
    let many =
        "<item repeat=\"0-1\"><one-of><item>a</item><item>b</item><item>c</item></one-of></item>".repeat(9);
    assert!(fault(&format!("<rule id=\"a\">{many}<tag>1</tag></rule>")).contains("more than 2000 phrases"));
    let long = "one ".repeat(13);
    assert!(fault(&format!("<rule id=\"a\">{long}<tag>1</tag></rule>")).contains("more than 12 words"));
    let deep = format!("{}one{}", "<item>".repeat(40), "</item>".repeat(40));
    assert!(fault(&format!("<rule id=\"a\">{deep}<tag>1</tag></rule>")).contains("nested more than 32 deep"));
}

#[test]
fn a_model_is_asked_only_for_what_it_knows() {
    let text = file(
        r##"<rule id="a"><one-of><item>zero<tag>0</tag></item><item>nought<tag>0</tag></item>
           <item>four<tag>4</tag></item></one-of></rule>"##,
    );
    let grammars = build(&[("g", &text)]).unwrap();
    let lexicon = |missing: &[&str], distractors_max| Lexicon {
        missing: Arc::new(missing.iter().map(|word| (*word).to_owned()).collect()),
        distractors_max,
    };
    let list = |lexicon: &Lexicon| match grammars.vocabulary(&en(), "g", lexicon) {
        Some(Vocabulary::Phrases(list)) => list.join(","),
        other => format!("{other:?}"),
    };
    assert_eq!(list(&lexicon(&[], 0)), "four,nought,zero");
    assert_eq!(list(&lexicon(&["nought"], 9)), "four,zero,window", "no homophone of four");
    assert_eq!(list(&lexicon(&["four"], 0)), "None");
    let fit = grammars.fit(&en(), "g", &lexicon(&["four", "nought"], 0)).unwrap();
    assert_eq!((fit.phrases, fit.lost.len(), fit.usable()), (1, 2, false));
    assert_eq!(fit.unsayable, [answer("4").unwrap()]);
    assert!(grammars.words(&en()).contains("window"));
}

#[test]
fn the_shipped_grammars_understand_what_people_say() {
    let grammars = shipped();
    for (language, grammar, said, meaning) in [
        ("en", "scale_0_10", "four", "4"),
        ("en", "scale_0_10", "a four", "4"),
        ("en", "scale_0_10", "four please", "4"),
        ("en", "scale_0_10", "i'd say seven", "7"),
        ("en", "scale_0_10", "um four", "4"),
        ("en", "scale_0_10", "oh", "0"),
        ("en", "scale_0_10", "nought", "0"),
        ("en", "scale_0_10", "ten out of ten", "10"),
        ("en", "scale_1_5", "five out of five", "5"),
        ("en", "yes_no", "yeah", "yes"),
        ("en", "yes_no", "yep", "yes"),
        ("en", "yes_no", "nope", "no"),
        ("en", "yes_no", "no thanks", "no"),
        ("en", "agreement_7", "somewhat agree", "5"),
        ("en", "agreement_5", "a four", "4"),
        ("en", "effort_5", "very hard", "5"),
        ("en", "mood", "i'm happy", "1"),
        ("en", "why", "repeat", "repeat"),
        ("en", "why", "i was passed on to someone else", "passed_on"),
        ("nl", "scale_0_10", "ik zou zeggen een zeven", "7"),
        ("nl", "scale_1_5", "een", "1"),
        ("nl", "yes_no", "nee dank u", "no"),
        ("nl", "agreement_5", "helemaal mee eens", "5"),
        ("nl", "effort_5", "heel makkelijk", "1"),
        ("nl", "why", "doorverbonden", "passed_on"),
        ("de", "scale_0_10", "zwo", "2"),
        ("fr", "yes_no", "oui merci", "yes"),
        ("es", "scale_1_10", "un siete", "7"),
        ("pt", "scale_1_7", "três", "3"),
        ("en", "scale_0_10", "i'd say four please", "4"),
        ("en", "scale_0_10", "i'd say ten out of ten please", "10"),
        ("en", "scale_0_10", "it's four", "4"),
        ("en", "scale_0_10", "that's four", "4"),
        ("en", "scale_0_10", "definitely a ten", "10"),
        ("en", "scale_0_10", "naught", "0"),
        ("nl", "scale_0_10", "een acht graag", "8"),
        ("nl", "scale_0_10", "een zeven alstublieft", "7"),
        ("nl", "scale_0_10", "acht alsjeblieft", "8"),
        ("nl", "scale_0_10", "een zeven denk ik", "7"),
        ("nl", "scale_0_10", "een zesje", "6"),
        ("nl", "scale_0_10", "tien op tien", "10"),
        ("de", "scale_0_10", "eine acht bitte", "8"),
        ("de", "scale_0_10", "ne acht", "8"),
        ("de", "scale_0_10", "ich gebe acht", "8"),
        ("de", "effort_5", "sehr leicht", "1"),
        ("fr", "scale_0_10", "je mettrais un huit", "8"),
        ("fr", "scale_0_10", "une note de huit", "8"),
        ("fr", "effort_5", "très difficile", "5"),
        ("es", "scale_0_10", "diez sobre diez", "10"),
        ("es", "scale_0_10", "yo diría un ocho", "8"),
        ("es", "scale_0_10", "un ocho por favor", "8"),
        ("es", "effort_5", "cuatro", "4"),
        ("pt", "scale_0_10", "um oito por favor", "8"),
        ("pt", "scale_0_10", "dou nota dez", "10"),
        ("pt", "effort_5", "fácil", "2"),
    ] {
        let words: Vec<&str> = said.split(' ').collect();
        assert_eq!(grammars.read(&language.parse().unwrap(), grammar, &words), answer(meaning), "{said}");
    }
    for (language, said, meaning) in [
        ("en", "repeat", Meaning::Repeat),
        ("en", "say that again", Meaning::Repeat),
        ("en", "skip this question", Meaning::Skip),
        ("en", "stop", Meaning::Stop),
        ("nl", "nog een keer", Meaning::Repeat),
        ("nl", "overslaan", Meaning::Skip),
        ("nl", "ik wil stoppen", Meaning::Stop),
        ("pt-BR", "mais uma vez", Meaning::Repeat),
        ("en", "again", Meaning::Repeat),
        ("en", "sorry", Meaning::Repeat),
        ("de", "bitte noch einmal", Meaning::Repeat),
        ("fr", "vous pouvez répéter s'il vous plaît", Meaning::Repeat),
        ("es", "repita la pregunta", Meaning::Repeat),
        ("pt", "pode repetir a pergunta", Meaning::Repeat),
    ] {
        let words: Vec<&str> = said.split(' ').collect();
        assert_eq!(grammars.read(&language.parse().unwrap(), "yes_no", &words), Some(meaning), "{said}");
    }
    assert_eq!(grammars.read(&en(), "scale_1_5", &["seven"]), None);
}

#[test]
fn every_shipped_grammar_means_all_its_answers() {
    let grammars = shipped();
    let count = |language: &str, grammar: &str| {
        grammars
            .meanings(&language.parse().unwrap(), grammar)
            .map(|meanings| meanings.iter().filter(|meaning| matches!(meaning, Meaning::Answer(_))).count())
    };
    for language in ["en", "nl", "de", "fr", "es", "pt"] {
        for (grammar, answers) in
            [("scale_0_10", 11), ("scale_1_5", 5), ("scale_1_7", 7), ("scale_1_10", 10), ("yes_no", 2)]
        {
            assert_eq!(count(language, grammar), Some(answers), "{language} {grammar}");
        }
        let all = grammars.meanings(&language.parse().unwrap(), "yes_no").unwrap();
        assert!(
            all.contains(&Meaning::Repeat) && all.contains(&Meaning::Skip) && all.contains(&Meaning::Stop)
        );
        assert_eq!(count(language, "parts"), None, "only lends its rules");
        assert_eq!(
            (count(language, "confirm"), count(language, "effort_5")),
            (Some(2), Some(5)),
            "{language}"
        );
    }
    for language in ["en", "nl"] {
        for (grammar, answers) in
            [("agreement_5", 5), ("agreement_7", 7), ("effort_5", 5), ("mood", 3), ("why", 4)]
        {
            assert_eq!(count(language, grammar), Some(answers), "{language} {grammar}");
        }
    }
}

#[test]
fn what_answers_is_that_right_is_understood() {
    let grammars = shipped();
    for (language, said, meaning) in [
        ("en", "right/that's right/that is correct/yes", "yes"),
        ("en", "wrong/that's wrong/nah/no", "no"),
        ("nl", "ja klopt/juist/correct/inderdaad/ja", "yes"),
        ("nl", "klopt niet/dat klopt niet/fout/nee", "no"),
        ("de", "das stimmt/richtig/ja richtig/ja genau/ja", "yes"),
        ("de", "stimmt nicht/falsch/nö/nein", "no"),
        ("fr", "c'est juste/c'est ça/exact/exactement/oui", "yes"),
        ("fr", "c'est faux/non", "no"),
        ("es", "correcto/es correcto/eso es/así es/vale/sí", "yes"),
        ("es", "incorrecto/no", "no"),
        ("pt", "certo/está certo/correto/sim", "yes"),
        ("pt", "errado/não", "no"),
    ] {
        let language: Language = language.parse().unwrap();
        for phrase in said.split('/') {
            let words: Vec<&str> = phrase.split(' ').collect();
            assert_eq!(grammars.read(&language, "confirm", &words), answer(meaning), "{phrase}");
        }
        for (phrase, meaning) in grammars.phrases(&language, "yes_no") {
            let words: Vec<&str> = phrase.split(' ').collect();
            assert_eq!(grammars.read(&language, "confirm", &words).as_ref(), Some(meaning), "{phrase}");
        }
    }
}

#[test]
fn every_language_has_distractors_that_are_no_word_of_its_answers() {
    let grammars = shipped();
    for language in ["en", "nl", "de", "fr", "es", "pt"] {
        let language: Language = language.parse().unwrap();
        let set = grammars.set(&language).unwrap();
        let words: BTreeSet<&String> = set.distractors.iter().collect();
        assert!(words.len() >= 400, "{language}: {}", words.len());
        assert_eq!(words.len(), set.distractors.len(), "{language}: each word once");
        let lexicon = Lexicon { distractors_max: 400, ..Lexicon::default() };
        assert_eq!(grammars.few_distractors(&language, &lexicon), None);
        for name in grammars.names(&language) {
            let grammar = set.grammars.get(name).unwrap();
            // The English list also serves as witness, whose words may be near to what stands around an answer.
            let own: BTreeSet<&str> = grammar.phrases.keys().flat_map(|phrase| phrase.split(' ')).collect();
            let shared: Vec<&&String> = words.iter().filter(|word| own.contains(word.as_str())).collect();
            assert!(language == en() || shared.is_empty(), "{language} {name}: {shared:?}");
            let Some(Vocabulary::Phrases(list)) = grammars.vocabulary(&language, name, &lexicon) else {
                panic!("{language} {name}");
            };
            let chosen = list.len() - grammar.phrases.len();
            assert!(name == COMMANDS || chosen >= 90, "{language} {name}: {chosen}");
        }
    }
}

#[test]
fn too_few_distractors_are_told() {
    let text = file(r##"<rule id="a">four<tag>4</tag></rule>"##);
    let grammars = build(&[("g", &text)]).unwrap();
    let few = |missing: &[&str], wanted| {
        let missing = Arc::new(missing.iter().map(|word| (*word).to_owned()).collect());
        let lexicon = Lexicon { missing, distractors_max: wanted };
        grammars.few_distractors(&en(), &lexicon).map(|few| few.to_string())
    };
    assert_eq!(few(&[], 0), None);
    assert_eq!(few(&[], 2), None);
    assert!(few(&["for"], 2).unwrap().starts_with("has 1 distractors and wants 2: "));
    assert!(few(&["for", "window"], 2).unwrap().starts_with("has no distractors and wants 2: "));
}

#[test]
fn a_document_type_is_refused_by_name() {
    let text = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE grammar PUBLIC \"-//W3C//DTD GRAMMAR 1.0//EN\" \"http://www.w3.org/TR/speech-grammar/grammar.dtd\">\n{}",
        file("<rule id=\"a\">one<tag>1</tag></rule>")
    );
    let faults = build(&[("g", &text)]).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("g.grxml:2: <!DOCTYPE> is not supported"), "{faults:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(build(&[("g", &text)]).is_err());
    }

    #[test]
    fn no_rules_make_it_panic(parts in proptest::collection::vec(0..12usize, 0..30)) {
        const PARTS: [&str; 12] = [
            "<item>", "</item>", "<one-of>", "</one-of>", "word ", "<tag>1</tag>", "<ruleref uri=\"#a\"/>",
            "<item repeat=\"0-2\">", "<rule id=\"a\">", "</rule>", "<token>x</token>", "<ruleref special=\"NULL\"/>",
        ];
        let rules: String = parts.iter().map(|part| PARTS[*part]).collect();
        if let Ok(grammars) = build(&[("g", &file(&format!("<rule id=\"a\">{rules}</rule>")))]) {
            for (phrase, meaning) in grammars.phrases(&en(), "g") {
                let words: Vec<&str> = phrase.split(' ').collect();
                prop_assert_eq!(grammars.read(&en(), "g", &words), Some(meaning.clone()));
            }
        }
    }
}
