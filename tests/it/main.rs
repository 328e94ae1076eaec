//! Whole-application tests: the real program on real sockets, driven from outside.

mod ahead;
mod api;
mod arrows;
mod browser;
mod caller;
mod comments;
mod conformance;
mod follow_up;
mod harness;
mod operations;
mod peers;
mod receivers;
mod scenario;
mod seeds;
mod sip_behaviour;
mod speech_eval;
mod speech_fetch;
mod speech_workers;
mod survey;
mod torture;
mod voice;
mod voice_chaos;
mod voice_comments;
mod voice_rescore;
mod web;
mod web_client;
