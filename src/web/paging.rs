//! Lists in pages.

/// Cuts rows, of which one more was asked for, to a page; whether there is another page.
pub fn cut<T>(rows: &mut Vec<T>, limit: u32) -> bool {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    more
}
