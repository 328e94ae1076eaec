//! What a frame holds, value by value; each is bounded as it is read.

use super::{Garbage, ITEMS_MAX, SAMPLES_MAX, TEXT_MAX};
use crate::domain::HeardWord;

/// What is left of a frame.
#[derive(Debug)]
pub struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Garbage> {
        let (taken, left) = self.0.split_at_checked(count).ok_or(Garbage)?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbage> {
        self.take(N)?.try_into().map_err(|_| Garbage)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Garbage> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Garbage> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Garbage> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Garbage> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Garbage),
        }
    }

    pub(super) fn count(&mut self) -> Result<usize, Garbage> {
        let count = usize::from(self.u16()?);
        if count <= ITEMS_MAX { Ok(count) } else { Err(Garbage) }
    }

    pub(super) fn text(&mut self) -> Result<String, Garbage> {
        let length = usize::from(self.u16()?);
        if length > TEXT_MAX {
            return Err(Garbage);
        }
        std::str::from_utf8(self.take(length)?).map(str::to_owned).map_err(|_| Garbage)
    }

    pub(super) fn texts(&mut self) -> Result<Vec<String>, Garbage> {
        (0..self.count()?).map(|_| self.text()).collect()
    }

    pub(super) fn samples(&mut self) -> Result<Vec<i16>, Garbage> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.len() % 2 == 1 || bytes.len() > 2 * SAMPLES_MAX {
            return Err(Garbage);
        }
        Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    pub(super) fn word(&mut self) -> Result<HeardWord, Garbage> {
        let (word, confidence_pm) = (self.text()?, self.u16()?);
        let (start_ms, end_ms) = (self.u32()?, self.u32()?);
        // It is shown to people, on terminals too: a process that was taken over must not write to those.
        let plain = !word.is_empty() && !word.chars().any(|c| c.is_control() || c.is_whitespace());
        if !plain || confidence_pm > 1000 || start_ms > end_ms {
            return Err(Garbage);
        }
        Ok(HeardWord { word, confidence_pm, start_ms, end_ms })
    }
}
