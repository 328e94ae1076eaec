//! Aftercall: a SIP/RTP endpoint that takes a call at hang-up, asks the caller how it went, and keeps the scored
//! answers.

pub mod caller;
pub mod config;
pub mod dialogue;
pub mod domain;
pub mod media;
pub mod prompts;
pub mod scoring;
pub mod selection;
pub mod sip;
pub mod store;
