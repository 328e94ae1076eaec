//! Lists of recordings: one a line, tab-separated: WAV file, grammar, and the answer that is said, or `-` for none.

use std::path::{Path, PathBuf};

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The list's file and line.
    pub(super) place: String,
    pub(super) wav: PathBuf,
    pub(super) grammar: String,
    /// `None`: what is said is no answer.
    pub(super) expected: Option<String>,
}

/// Reads a list. Paths in it are relative to its folder; `-` in a grammar's name counts as `_`.
///
/// # Errors
/// It cannot be read, or a line has not three columns.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    use anyhow::Context as _;
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut rows = parse(&text, folder).map_err(|line| {
        anyhow::anyhow!(
            "{}:{line}: a line is FILE.wav, grammar and answer, with tabs between",
            path.display()
        )
    })?;
    rows.iter_mut().for_each(|row| row.place = format!("{}:{}", path.display(), row.place));
    Ok(rows)
}

/// The rows, or the number of the first line that is none.
fn parse(text: &str, folder: &Path) -> Result<Vec<Row>, usize> {
    let mut rows = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [wav, grammar, expected] = columns[..] else { return Err(number) };
        if wav.is_empty() || grammar.is_empty() || expected.is_empty() {
            return Err(number);
        }
        rows.push(Row {
            place: number.to_string(),
            wav: folder.join(wav),
            grammar: grammar.replace('-', "_"),
            expected: (expected != "-").then(|| expected.to_owned()),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_bad_lines_named() {
        let rows = parse("# comment\n\na.wav\tscale-0-10\t8\nb/c.wav\tyes_no\t-\n", Path::new("/x")).unwrap();
        assert_eq!(rows[0].wav, Path::new("/x/a.wav"));
        assert_eq!((rows[0].grammar.as_str(), rows[0].expected.as_deref()), ("scale_0_10", Some("8")));
        assert_eq!(rows[1].expected, None);
        assert_eq!(parse("a.wav\tyes_no\n", Path::new("")), Err(1));
        assert_eq!(rows[1].place, "4");
        assert_eq!(parse("a\tb\tc\n\t\t\n", Path::new("")), Ok(parse("a\tb\tc\n", Path::new("")).unwrap()));
    }
}
