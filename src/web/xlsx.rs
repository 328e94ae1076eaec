//! A spreadsheet of any length: rows go to disk as they come, and memory stays what it was.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::exports::{CHUNKS_MAX, Cell, Columns, Pages};
use crate::store::StoreError;

/// The media type of spreadsheets (Office Open XML).
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Rows of a sheet: what the format allows, less the header.
const ROWS_MAX: u32 = 1_048_575;
/// Spreadsheets that are put together at once; more are told to come again.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
/// The column of times, which shows nothing where it is too narrow.
const TIMES: u16 = 1;
/// Octets of a chunk.
const CHUNK: usize = 64 * 1024;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// As many are put together as may be at once.
    #[error("other spreadsheets are being made")]
    Busy,
    /// It cannot be put together.
    #[error("a spreadsheet cannot be made: {0}")]
    Failed(String),
}

/// What went wrong with one.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("rows: {0}")]
    Rows(#[from] StoreError),
    #[error("sheet: {0}")]
    Sheet(#[from] XlsxError),
    #[error("file: {0}")]
    File(#[from] std::io::Error),
}

/// Writes all rows into a file that has no name and goes with its last reader. It may be large and tells of calls, so it
/// lies where the database does.
///
/// # Errors
/// [`SheetError`].
pub async fn write_sheet(columns: Columns, rows: Pages, scratch: PathBuf) -> Result<File, SheetError> {
    let _one = AT_ONCE.try_acquire().map_err(|_| SheetError::Busy)?;
    let written = tokio::task::spawn_blocking(move || fill(&columns, rows, &scratch)).await;
    written
        .map_err(|fault| SheetError::Failed(fault.to_string()))?
        .map_err(|fault| SheetError::Failed(fault.to_string()))
}

/// A table of a page as a spreadsheet; its first row is the head.
///
/// # Errors
/// [`SheetError::Failed`].
pub fn small_sheet(rows: Vec<Vec<Cell>>) -> Result<Vec<u8>, SheetError> {
    let made = || {
        let mut book = Workbook::new();
        let (bold, time) = (Format::new().set_bold(), Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"));
        let sheet = book.add_worksheet();
        for (row, cells) in (0..ROWS_MAX).zip(rows) {
            for (column, cell) in (0..).zip(cells) {
                match cell {
                    Cell::Text(name) if row == 0 => {
                        sheet.write_string_with_format(row, column, name, &bold)?;
                    }
                    cell => put(sheet, (row, column), cell, &time)?,
                }
            }
        }
        sheet.set_freeze_panes(1, 0)?;
        book.save_to_buffer()
    };
    made().map_err(|fault: XlsxError| SheetError::Failed(fault.to_string()))
}

fn fill(columns: &Columns, mut rows: Pages, scratch: &Path) -> Result<File, Fault> {
    let mut book = Workbook::new();
    book.set_tempdir(scratch)?;
    let (bold, time) = (Format::new().set_bold(), Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"));
    let mut page = rows.blocking_recv().transpose()?.unwrap_or_default().into_iter();
    loop {
        let sheet = book.add_worksheet_with_constant_memory()?;
        for (column, name) in (0..).zip(columns.names()) {
            sheet.write_string_with_format(0, column, name, &bold)?;
        }
        sheet.set_column_width(TIMES, 19)?;
        sheet.set_freeze_panes(1, 0)?;
        let mut row = 1;
        while row <= ROWS_MAX {
            let Some(call) = page.next() else {
                match rows.blocking_recv().transpose()? {
                    Some(next) => page = next.into_iter(),
                    None => break,
                }
                continue;
            };
            for (column, cell) in (0..).zip(columns.cells(&call)) {
                put(sheet, (row, column), cell, &time)?;
            }
            row += 1;
        }
        if row <= ROWS_MAX {
            break;
        }
    }
    let mut file = tempfile::tempfile_in(scratch)?;
    book.save_to_writer(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Writes one cell as what it is. A text is a text whatever it begins with: the cell has that type, and programs that
/// join tables by it want it unchanged.
fn put(sheet: &mut Worksheet, (row, column): (u32, u16), cell: Cell, time: &Format) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => drop(sheet.write_string(row, column, text)?),
        #[expect(clippy::cast_precision_loss, reason = "versions and ratings are small")]
        Cell::Number(number) => drop(sheet.write_number(row, column, number as f64)?),
        Cell::Decimal(number) => drop(sheet.write_number(row, column, number)?),
        Cell::Truth(truth) => drop(sheet.write_boolean(row, column, truth)?),
        Cell::Time(us) => drop(sheet.write_number_with_format(row, column, serial(us), time)?),
    }
    Ok(())
}

/// A time as spreadsheets count it: days since the last one of 1899.
fn serial(us: i64) -> f64 {
    /// From there to 1970.
    const EPOCH: f64 = 25_569.0;
    const DAY_US: f64 = 86_400_000_000.0;
    #[expect(clippy::cast_precision_loss, reason = "53 bits hold the microseconds of 285 years")]
    let us = us as f64;
    EPOCH + us / DAY_US
}

/// The file, a chunk at a time.
pub fn sheet_chunks(mut file: File) -> impl Stream<Item = std::io::Result<Bytes>> {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = file.read(&mut chunk);
            let end = !matches!(read, Ok(n) if n > 0);
            let chunk = match read {
                Ok(0) => return,
                Ok(n) => {
                    chunk.truncate(n);
                    Ok(Bytes::from(chunk))
                }
                Err(error) => Err(error),
            };
            if sender.blocking_send(chunk).is_err() || end {
                return;
            }
        }
    });
    ReceiverStream::new(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_put_together_in_the_folder_for_it_and_leaves_nothing_there() {
        let folder = tempfile::tempdir().unwrap();
        let none = || mpsc::channel(1).1;
        let columns = Columns::default();
        assert!(fill(&columns, none(), &folder.path().join("gone")).is_err(), "not anywhere else");
        let mut file = fill(&columns, none(), folder.path()).unwrap();
        let mut begin = [0; 2];
        file.read_exact(&mut begin).unwrap();
        assert_eq!(begin, *b"PK");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn texts_are_kept_as_they_are() {
        let rows =
            || vec![vec![Cell::Text("+31201234567".into()), Cell::Text("=1+2".into()), Cell::Decimal(4.25)]];
        let mut sheet = zip::ZipArchive::new(std::io::Cursor::new(small_sheet(rows()).unwrap())).unwrap();
        let mut text = String::new();
        sheet.by_name("xl/sharedStrings.xml").unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains("<t>+31201234567</t>") && text.contains("<t>=1+2</t>"), "{text}");
        text.clear();
        sheet.by_name("xl/worksheets/sheet1.xml").unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains("t=\"s\"") && text.contains("<v>4.25</v>") && !text.contains("<f>"), "{text}");
    }

    #[test]
    fn times_are_those_of_spreadsheets() {
        let noon: jiff::Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(serial(noon.as_microsecond()), 46_348.5);
    }
}
