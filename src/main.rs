//! The `aftercall` program: flags, and on to the library.

fn main() {}
