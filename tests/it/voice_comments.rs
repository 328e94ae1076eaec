//! Comments to text: a caller's own words, heard after the call by a model with an open vocabulary.

use std::path::{Path, PathBuf};

use crate::harness::site::Site;
use crate::harness::{App, repository, story, tells};
use crate::voice::{bye, listening, press, say, speaker};

/// What callers say in `maybe`: "Well, it was raining the whole afternoon, and then the bus was late."
const KEY_WORDS: &str = "key_words = { opening = [\"after\"], price = [\"expensive\"] }";

/// A file of models with the one that we ship, asked for anything that it knows.
fn open_models(folder: &Path) -> PathBuf {
    let shipped = repository("config/speech-models.toml");
    let text = std::fs::read_to_string(shipped).expect("the models as shipped");
    let own = text.rfind("[[model]]").map(|at| &text[at..]).expect("a model");
    let built_in = repository("grammars/en/model");
    let open = own
        .replace("dir = \"../grammars/en/model\"", &format!("dir = \"{}\"", built_in.display()))
        .replace("rate = 8000", "rate = 8000\nopen_vocabulary = true");
    assert!(open.contains("open_vocabulary") && open.contains(&*built_in.to_string_lossy()), "{open}");
    let file = folder.join("models.toml");
    std::fs::write(&file, open).expect("a file of models");
    file
}

#[test]
fn a_comment_becomes_text_that_quality_can_read_and_key_words_that_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = open_models(folder.path()).display().to_string();
    let shipped = repository("config/speech-models.toml").display().to_string();
    let ears = listening().replace(&shipped, &models);
    let config = ears.replace("[speech]\n", &format!("[speech]\n{KEY_WORDS}\n"));
    let site = Site::of(App::with(&format!("{config}\n[web]\nlisten = \"127.0.0.1:0\"\n")));
    site.app.wait_for_page("/readyz", "speech: en ready");
    speaker(&site.app, "words", "says", &[press("3"), say("maybe.bm_george"), bye()]).well();
    site.app.wait_for_story("transcribed");
    let told = story(&site.app, "says");
    let over = told.find("ended by").expect("an end");
    assert!(Some(over) < told.find("transcribed"), "the call was not over:\n{told}");
    assert!(!site.app.log().contains("the whole"), "what was said is in the log:\n{}", site.app.log());
    let id = site.app.calls("id").remove(0);
    site.add("kim", &["quality"]);
    let page = site.post(&format!("/calls/{id}"), &site.sign_in("kim"), "reason=complaint+12").text();
    let said = page.split("<blockquote>").nth(1).and_then(|rest| rest.split("</blockquote>").next());
    let said = said.unwrap_or_else(|| panic!("no text on {page}"));
    tells(&told, &["comment at comment, ", "the comment was transcribed; key words: opening"]);
    assert!(said.contains("after"), "{said}");
    assert!(said.contains("class=\"unsure\"") && said.contains("%</small>"), "how sure is not shown: {said}");
}
