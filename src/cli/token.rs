//! `aftercall token`: bearer tokens of the API.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use super::filter::table;
use super::{Global, print};
use crate::access::{Access, AccessError, Scopes};

/// What to do with tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it, once. It works at once, also while the service runs.
    Add {
        /// A name to know it by.
        name: String,
        /// What it may do: reports:read, responses:read, live:read, reservations:write, decisions:ask, triggers:write,
        /// tasks:read, tasks:write, tasks:number, webhooks:read, webhooks:write.
        #[arg(long, default_value = "reports:read")]
        scopes: Scopes,
        /// For how long it is good.
        #[arg(long, default_value_t = 90, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: u16,
    },
    /// List the tokens.
    List,
    /// Make a token worthless, at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let access = Access::open(&global.data).await?;
    let code = match args.command {
        Command::Add { name, scopes, days } => {
            super::on_record(global, "token_add", format!("{name} {scopes} for {days} days")).await?;
            let good_for = Duration::from_secs(u64::from(days) * 86_400);
            match access.add_token(&name, &scopes, good_for).await {
                Ok(token) => {
                    print(&format!("{token}\n"))?;
                    ExitCode::SUCCESS
                }
                Err(error @ AccessError::SameName) => {
                    eprintln!("aftercall token: {error}");
                    ExitCode::FAILURE
                }
                Err(error) => return Err(error.into()),
            }
        }
        Command::List => {
            let mut list = table();
            list.set_header(["name", "scopes", "until", "state"]);
            for token in access.tokens().await? {
                let over = token.expires < jiff::Timestamp::now();
                let state = if token.revoked {
                    "revoked"
                } else if over {
                    "over"
                } else {
                    "good"
                };
                list.add_row([
                    token.name,
                    token.scopes.to_string(),
                    token.expires.to_string(),
                    state.to_owned(),
                ]);
            }
            print(&format!("{list}\n"))?;
            ExitCode::SUCCESS
        }
        Command::Revoke { name } => {
            super::on_record(global, "token_revoke", name.clone()).await?;
            if access.revoke_token(&name).await? {
                ExitCode::SUCCESS
            } else {
                eprintln!("aftercall token: there is no good token of that name");
                ExitCode::FAILURE
            }
        }
    };
    access.close().await;
    Ok(code)
}
