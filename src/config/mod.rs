//! The configuration: read once, refused loudly; one file per section, with units and ranges.

pub mod media;
