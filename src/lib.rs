//! Aftercall: a SIP/RTP endpoint that takes a call at hang-up, asks the caller how it went, and keeps the scored
//! answers.
//!
//! # The map
//!
//! Data flows one way. In reading order:
//!
//! | module | what it knows | IO |
//! | --- | --- | --- |
//! | [`domain`] | the words that everyone shares: agents, keys, answers, the facts of a call | none |
//! | [`config`] | files to checked types; every fault names file, line and key | reads once |
//! | [`selection`] | who is surveyed, and why not | none |
//! | [`sip`] | signalling: a protocol core without IO, and the sockets around it | sockets |
//! | [`media`] | RTP, keys, talk, prompts on the wire; few threads own all legs | sockets, threads |
//! | [`speech`] | grammars, where speech begins and ends, what was said; recognisers in processes of their own | processes |
//! | [`prompts`] | recordings, loaded and encoded once | reads once |
//! | [`dialogue`] | surveys as data, and the conversation as a machine | none |
//! | [`scoring`] | CSAT, NPS, CES, FCR from value histograms, each with its interval; how two periods differ | none |
//! | [`store`] | the journal, the rows made from it, and who may see what of it ([`store::rules`]) | database |
//! | [`call`] | one task per call that joins the parts and decides nothing | channels |
//! | [`story`] | each fact of a call as a line for people | none |
//! | [`access`] | who may come in: people and their sessions, bearer tokens | database |
//! | [`outgoing`] | messages to other systems: webhooks and mail, until they are delivered or given up | sockets |
//! | [`api`] | results and running calls for other systems | - |
//! | [`ui`] | the dashboard: pages over what each role may see, in two languages | - |
//! | [`web`] | the listener of both, and who is signed in | sockets |
//! | [`app`] | builds everything, drains on SIGTERM, reloads on SIGHUP | signals |
//! | [`caller`] | the other side: a scripted caller, on another SIP library | sockets |
//! | [`cli`] | one thin file per subcommand | terminal |
//! | [`private`] | files and folders for their owner alone | files |
//! | [`priority`] | which threads come first on the cores | system calls |
//!
//! `domain` and `config` know nobody; `selection`, `sip`, `media`, `speech`, `dialogue` and `scoring` are strangers to
//! each other; `call` and `store` meet them. A test reads the sources and checks these arrows.
//!
//! # What holds everywhere
//!
//! - An answer is on disk before the caller hears what follows it.
//! - A caller's number exists only as [`domain::CallerNumber`], which cannot be printed or written; what is kept is a
//!   keyed hash. No number, name or transcript is in a log or a metric.
//! - A caller's voice is kept only where the survey says so, and sealed under a key of its own.
//! - Nobody sees results but through [`store::rules`], which knows their role, writes each look to a chained audit log
//!   first, and shows sums over whole groups of at least five calls; operators on the machine see everything.
//! - Whatever happens to a recogniser, the keys work.
//! - Pure modules take `now` as an argument. Whoever reads a clock owns a socket, a task or a terminal.
//! - Every queue, table and buffer has a bound, and says what happens at it.
//! - What strangers send is refused before it costs memory.
//!
//! # One call, walked through
//!
//! A PBX sends INVITE. [`sip`] finds its trunk, counts it against limits, reads the offer and the context, and hands
//! out an [`sip::Incoming`]. [`call::run`] asks [`selection`]; says no with a 603, or opens a leg in [`media`], writes
//! *offered*, *decided* and *answered* to the [`store`], and answers. With the ACK the [`dialogue`] begins: it asks for
//! prompts by name, the leg plays them and reports keys, [`speech`] reports what was said, the dialogue turns both into
//! answers, and each answer is written before the next prompt starts. At the end it hangs up; the leg gives its
//! figures, the last fact is written, and the roll-ups that reports read were made in the same transactions.

pub mod access;
pub mod api;
pub mod app;
pub mod call;
pub mod caller;
pub mod cli;
pub mod config;
pub mod dialogue;
pub mod domain;
#[doc(hidden)]
pub mod fuzz;
pub mod health;
pub mod media;
pub mod observe;
pub mod outgoing;
pub mod priority;
pub mod private;
pub mod prompts;
pub mod scoring;
pub mod selection;
pub mod sip;
pub mod speech;
pub mod store;
pub mod story;
pub mod ui;
pub mod web;
