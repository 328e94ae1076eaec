//! Words that a recogniser may hear instead of an answer, so that it need not take a stranger's word for one.

use std::collections::BTreeSet;

/// Least distance of a distractor's spelling from every word of the answers, in thousandths of the longer one.
const SPELLING_PM: usize = 600;
/// The same for the rough spelling of its sound.
const SOUND_PM: usize = 500;

/// Those of the words that look and sound unlike every word of the answers, at most so many of them.
///
/// A word that sounds like an answer ("for", "ate") halves the confidence of the answer itself; one that does not
/// catches what is no answer. `others` are the words that may stand around an answer ("please", "I'd say"): a distractor
/// is none of them and none that sounds the same, but may be nearer to them, or hardly a word would be left.
pub(super) fn choose(
    words: &[String],
    answers: &BTreeSet<&str>,
    others: &BTreeSet<&str>,
    count_max: usize,
) -> Vec<String> {
    let answers: Vec<(&str, String)> = answers.iter().map(|answer| (*answer, sound(answer))).collect();
    let sounds: BTreeSet<String> = others.iter().map(|other| sound(other)).collect();
    let apart = |word: &String| {
        if others.contains(word.as_str()) || sounds.contains(&sound(word)) {
            return false;
        }
        let code = sound(word);
        answers.iter().all(|(answer, answer_code)| {
            !answer.contains(word.as_str())
                && far(word, answer, SPELLING_PM)
                && far(&code, answer_code, SOUND_PM)
                && (code.len() > 3 || !code.ends_with(last(answer_code)))
        })
    };
    words.iter().filter(|word| apart(word)).take(count_max).cloned().collect()
}

/// The words, those first that look and sound most like a word of the answers.
///
/// They are what an answer can be mistaken for: one that is still heard among them needs no other witness, and a word
/// unlike all answers costs time and tells nothing.
pub(super) fn nearest_first(words: &[&String], answers: &BTreeSet<&str>) -> Vec<String> {
    let answers: Vec<(&str, String)> = answers.iter().map(|answer| (*answer, sound(answer))).collect();
    let apart_pm = |one: &str, other: &str| {
        let longer = one.chars().count().max(other.chars().count()).max(1);
        edits(one, other) * 1000 / longer
    };
    let distance = |word: &String| {
        let code = sound(word);
        let one = |(answer, its_code): &(&str, String)| apart_pm(word, answer) + apart_pm(&code, its_code);
        answers.iter().map(one).min().unwrap_or(usize::MAX)
    };
    let mut nearest: Vec<String> = words.iter().copied().cloned().collect();
    nearest.sort_by_cached_key(distance);
    nearest
}

fn far(one: &str, other: &str, apart_pm: usize) -> bool {
    let longer = one.chars().count().max(other.chars().count());
    edits(one, other) * 1000 >= longer * apart_pm
}

fn last(code: &str) -> char {
    code.chars().next_back().unwrap_or('\0')
}

/// A rough spelling of the sound, after Soundex and Metaphone: voiced and unvoiced consonants are one, vowels are one,
/// doubled letters are one, silent ones are gone.
fn sound(word: &str) -> String {
    let word =
        word.replace("tion", "xn").replace("ph", "f").replace("gh", "").replace("kn", "n").replace("wr", "r");
    let mut code = String::new();
    for (at, letter) in word.chars().enumerate() {
        let class = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'à'..='ö' | 'ø'..='ÿ' => 'a',
            'h' | 'w' if at > 0 => continue,
            'b' | 'p' => 'p',
            'd' | 't' => 't',
            'c' | 'g' | 'j' | 'k' | 'q' => 'k',
            'f' | 'v' => 'f',
            's' | 'z' | 'x' | 'ß' => 's',
            'l' | 'r' => 'r',
            other => other,
        };
        if class.is_alphabetic() && last(&code) != class {
            code.push(class);
        }
    }
    // A final e is mostly silent.
    if code.len() > 2 && word.ends_with('e') && code.ends_with('a') {
        code.pop();
    }
    code
}

/// Levenshtein's distance.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_like_an_answer_is_left_out() {
        let words: Vec<String> = "for four ate tree sick too hour window company fine heaven table knee nose"
            .split(' ')
            .map(str::to_owned)
            .collect();
        let answers =
            BTreeSet::from(["four", "eight", "three", "six", "two", "one", "nine", "seven", "five", "no"]);
        let none = BTreeSet::new();
        assert_eq!(choose(&words, &answers, &none, 10), ["window", "company", "table"]);
        assert_eq!(choose(&words, &answers, &none, 2).len(), 2);
        let around = BTreeSet::from(["double", "please"]);
        assert_eq!(
            choose(&words, &answers, &around, 10),
            ["window", "company"],
            "no homophone of what stands around"
        );
    }

    #[test]
    fn the_nearest_are_what_an_answer_can_be_mistaken_for() {
        let words = ["window", "table", "tree", "tin", "company", "fine"].map(str::to_owned);
        let words: Vec<&String> = words.iter().collect();
        let answers = BTreeSet::from(["three", "ten", "five"]);
        let nearest = nearest_first(&words, &answers);
        assert_eq!(nearest[..3], ["tree", "tin", "fine"].map(str::to_owned));
        assert_eq!(nearest.len(), words.len());
    }

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
