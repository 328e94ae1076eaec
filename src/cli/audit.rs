//! `aftercall audit`: who looked at what.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;

use super::Global;
use super::filter::table;
use crate::access::Access;
use crate::store::{AuditLine, Chain, Privacy};

/// Lines shown when nothing says how many.
const LIMIT: u32 = 50;

/// What to do with the log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print lines of the log.
    List {
        /// From this line on; the last ones otherwise.
        #[arg(long, value_name = "LINE")]
        from: Option<i64>,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = LIMIT)]
        limit: u32,
    },
    /// Check that no line was changed, removed or put in. Prints the last hash: keep it elsewhere.
    Verify {
        /// A hash printed earlier: the line that it belongs to must still be there.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
}

/// Prints or checks.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let views = super::open_views(global).await?;
    let code = match args.command {
        Command::List { from, limit } => {
            super::print(&lines(&views.audit(from, limit).await?, &names(global).await?))?;
            ExitCode::SUCCESS
        }
        Command::Verify { head } => match views.verify_audit(&privacy(global)?, head.as_deref()).await? {
            Chain::Whole(head) if head.seq == 0 => {
                super::print("The audit log is empty.\n")?;
                ExitCode::SUCCESS
            }
            Chain::Whole(head) => {
                super::print(&format!(
                    "{} lines, each follows from the one before, under the key of this installation.\n\
                     The head, to be kept elsewhere:\n{}\n",
                    head.seq, head.hash
                ))?;
                ExitCode::SUCCESS
            }
            Chain::Broken { seq, what } => {
                super::print(&format!("The chain is broken: line {seq} {what}.\n"))?;
                ExitCode::from(1)
            }
        },
    };
    views.close().await;
    Ok(code)
}

/// The secret of this installation, under which the log is chained.
fn privacy(global: &Global) -> anyhow::Result<Privacy> {
    let secret = global.data.join(&super::store_config(global)?.secret_file);
    Privacy::load(&secret)
        .with_context(|| format!("the log is chained under {}, which cannot be read", secret.display()))
}

/// What users and tokens are called, by the ids that the log knows them by.
async fn names(global: &Global) -> anyhow::Result<HashMap<String, String>> {
    if !Access::is_there(&global.data) {
        return Ok(HashMap::new());
    }
    let access = Access::open(&global.data).await?;
    let (users, tokens) = (access.users().await?, access.tokens().await?);
    access.close().await;
    let users = users.into_iter().map(|user| (user.viewer.user.0.to_string(), user.name));
    let tokens = tokens.into_iter().map(|token| (token.id.to_string(), format!("token {}", token.name)));
    Ok(users.chain(tokens).collect())
}

fn lines(lines: &[AuditLine], names: &HashMap<String, String>) -> String {
    if lines.is_empty() {
        return "The audit log is empty.\n".into();
    }
    let mut table = table();
    table.set_header(["line", "when", "user", "role", "what", "of", "reason"]);
    for line in lines {
        let at = Timestamp::from_microsecond(line.at_us).unwrap_or(Timestamp::UNIX_EPOCH);
        let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let seq = line.seq.to_string();
        let (user, scope) = (names.get(&line.user).unwrap_or(&line.user), line.readable_scope());
        table.add_row([&seq, &at, user, &line.role, &line.what, &scope, &line.reason]);
    }
    format!("{table}\n")
}
