//! `aftercall webhook`: messages to other systems, and those that were given up.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use uuid::Uuid;

use super::filter::table;
use super::{Global, print};
use crate::store::{MessageFilter, MessageState, replay};

/// What to do with messages.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List messages, the latest first, and what came of them.
    List {
        /// Those in this state: waiting, delivered or dead.
        #[arg(long, value_parser = ["waiting", "delivered", "dead"])]
        state: Option<String>,
        /// Those to this receiver: webhook:NAME, or mail.
        #[arg(long)]
        target: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Send again what was given up. Works at once, also while the service runs.
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Replay {
        /// This message.
        #[arg(group = "which")]
        id: Option<Uuid>,
        /// All of them.
        #[arg(long, group = "which")]
        all: bool,
    },
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { state, target, limit } => {
            let views = super::open_views(global).await?;
            let state = MessageState::ALL.into_iter().find(|known| state.as_deref() == Some(known.as_str()));
            let filter = MessageFilter { state, target, limit: Some(limit), ..MessageFilter::default() };
            let mut list = table();
            list.set_header(["id", "made", "event", "to", "state", "tries", "last", "what went wrong"]);
            let time =
                |at_us| Timestamp::from_microsecond(at_us).map(|at| at.to_string()).unwrap_or_default();
            for message in views.messages(&filter).await? {
                list.add_row([
                    message.id.to_string(),
                    time(message.made_us),
                    message.event,
                    message.target,
                    message.state.as_str().to_owned(),
                    message.attempts.to_string(),
                    message.tried_us.map(time).unwrap_or_default(),
                    message.error,
                ]);
            }
            views.close().await;
            print(&format!("{list}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay { id, all: _ } => {
            super::open_views(global).await?.close().await;
            let which = id.map_or_else(|| "all".to_owned(), |id| id.to_string());
            super::on_record(global, "replay", which).await?;
            let now_us = Timestamp::now().as_microsecond();
            let replayed = replay(&super::store_config(global)?, &global.data, id, now_us).await?;
            print(&format!("{replayed} messages are sent again\n"))?;
            Ok(if replayed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
