//! Tables for spreadsheets (CSV, RFC 4180).

use serde::Deserialize;

/// What stands between the cells of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// `,`, as RFC 4180 has it.
    #[default]
    Comma,
    /// `;`, as spreadsheets of countries with a decimal comma expect it.
    Semicolon,
    /// A tabulator.
    Tab,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// What stands between cells.
    pub separator: Separator,
    /// Whether it begins with a byte order mark, by which Excel knows UTF-8.
    pub bom: bool,
}

impl Style {
    /// What the file begins with.
    #[must_use]
    pub fn head(self) -> Vec<u8> {
        if self.bom { "\u{feff}".into() } else { Vec::new() }
    }

    /// Rows as text, without the head.
    ///
    /// # Errors
    /// Rows of different lengths.
    pub fn lines<R: IntoIterator<Item: AsRef<[u8]>>>(
        self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Vec<u8>, csv::Error> {
        let separator = match self.separator {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        };
        let mut writer = csv::WriterBuilder::new();
        let mut writer =
            writer.delimiter(separator).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        for row in rows {
            writer.write_record(row)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

/// A cell that no spreadsheet takes for a formula, nor for several cells of which one is a formula: a file may be opened
/// with another separator than it was written with (OWASP, "CSV Injection"). Numbers are written by us and need none.
#[must_use]
pub fn guard(cell: &str) -> String {
    let mut guarded = String::with_capacity(cell.len() + 1);
    // At the begin of what some program may take for a cell.
    let mut begins = true;
    for c in cell.chars() {
        if begins && is_formula(c) {
            guarded.push('\'');
        }
        guarded.push(c);
        begins = match c {
            ',' | ';' | '\t' | '\r' | '\n' => true,
            ' ' | '"' | '\u{a0}' => begins,
            _ => false,
        };
    }
    guarded
}

/// Whether a formula begins so; some languages' spreadsheets take the wide forms too.
fn is_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_none() {
        for formula in ["=1+2", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", " =1", "\"=1", "＝1"] {
            let guarded = guard(formula);
            assert!(guarded.contains('\'') && guarded.replace('\'', "") == formula, "{guarded:?}");
        }
        assert_eq!(guard("a;=1+2"), "a;'=1+2", "opened with another separator it would be a cell");
        assert_eq!(guard("a\";  \"@x"), "a\";  \"'@x");
        for plain in ["", "anna", "a-b", "a=b", "1e5", "007", "Müller, Jürgen", "a; b"] {
            assert_eq!(guard(plain), plain);
        }
    }

    #[test]
    fn a_table_is_written_as_it_is_asked_for() {
        let rows = [["a", "b;c"], ["d,e", "\"f"]];
        let text = |style: Style| String::from_utf8(style.lines(rows).unwrap()).unwrap();
        assert_eq!(text(Style::default()), "a,b;c\r\n\"d,e\",\"\"\"f\"\r\n");
        let excel = Style { separator: Separator::Semicolon, bom: true };
        assert_eq!(text(excel), "a;\"b;c\"\r\nd,e;\"\"\"f\"\r\n");
        assert_eq!((excel.head(), Style::default().head()), (vec![0xef, 0xbb, 0xbf], vec![]));
    }
}
