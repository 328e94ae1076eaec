//! `aftercall user`: the people who sign in.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::filter::table;
use super::{Global, print};
use crate::access::{Access, AccessError, NewUser, PASSWORD_MIN, Rights, UserName};
use crate::domain::{AgentId, Role, TeamId};

/// What to do with users.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a user; the password is read from the terminal or from standard input. Works while the service runs.
    Add {
        /// The name to sign in with.
        name: UserName,
        #[command(flatten)]
        sees: Sees,
    },
    /// List the users.
    List,
    /// Let a user sign in no more, and end their sessions.
    Disable {
        /// The name.
        name: String,
    },
    /// Let a user who was disabled sign in again.
    Enable {
        /// The name.
        name: String,
    },
    /// Give a user another role, agent or teams, all of them as named here; their sessions end.
    Change {
        /// The name.
        name: String,
        #[command(flatten)]
        sees: Sees,
    },
    /// Give a user another password, and end their sessions.
    Password {
        /// The name.
        name: String,
    },
    /// Print a link that signs a user in once, within ten minutes.
    Link {
        /// The name.
        name: String,
    },
}

/// What somebody sees.
#[derive(Debug, clap::Args)]
struct Sees {
    /// What they see: agent, supervisor, quality, admin.
    #[arg(long, value_parser = role)]
    role: Role,
    /// For the role of agent: which agent they are, as the PBX names them.
    #[arg(long)]
    agent: Option<AgentId>,
    /// For a supervisor: a team whose agents they see; any number of these, none for all.
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<TeamId>,
}

impl From<Sees> for Rights {
    fn from(Sees { role, agent, teams }: Sees) -> Self {
        Self { role, agent, teams }
    }
}

fn role(text: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::as_str).join(", ");
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("one of {names}"))
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let access = Access::open(&global.data).await?;
    let done = match args.command {
        Command::Add { name, sees } => {
            let rights = Rights::from(sees);
            match rights.check() {
                Ok(()) => {
                    let password = read_password()?;
                    super::on_record(global, "user_add", format!("{name} {rights}")).await?;
                    access.add_user(NewUser { name, password, rights }).await
                }
                wrong => wrong,
            }
        }
        Command::List => {
            let mut list = table();
            list.set_header(["name", "role", "agent", "teams", "state"]);
            for user in access.users().await? {
                let teams: Vec<String> = user.viewer.teams.iter().map(ToString::to_string).collect();
                list.add_row([
                    user.name,
                    user.viewer.role.as_str().to_owned(),
                    user.viewer.agent.map(|agent| agent.to_string()).unwrap_or_default(),
                    teams.join(" "),
                    (if user.disabled { "disabled" } else { "good" }).to_owned(),
                ]);
            }
            print(&format!("{list}\n"))?;
            Ok(())
        }
        Command::Disable { name } => change(global, &access, &name, Step::Disable).await?,
        Command::Enable { name } => change(global, &access, &name, Step::Enable).await?,
        Command::Change { name, sees } => change(global, &access, &name, Step::Rights(sees.into())).await?,
        Command::Password { name } => change(global, &access, &name, Step::Password).await?,
        Command::Link { name } => change(global, &access, &name, Step::Link).await?,
    };
    access.close().await;
    use AccessError::{AgentRole, NoUser, Password, Provider, SameUser, Teams};
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error @ (NoUser | SameUser | Password | AgentRole | Teams | Provider)) => {
            eprintln!("aftercall user: {error}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is done with a user.
enum Step {
    Disable,
    Enable,
    Rights(Rights),
    Password,
    Link,
}

/// Does something with a user that there is, once it is on record. What is wrong with it is no fault of the machine.
async fn change(
    global: &Global,
    access: &Access,
    name: &str,
    step: Step,
) -> anyhow::Result<Result<(), AccessError>> {
    let checked = match &step {
        Step::Rights(rights) => rights.check(),
        _ => Ok(()),
    };
    if let Err(wrong) = checked.and(access.named(name).await.map(|_| ())) {
        return Ok(Err(wrong));
    }
    Ok(match step {
        Step::Disable => {
            super::on_record(global, "user_disable", name.to_owned()).await?;
            access.disable_user(name).await
        }
        Step::Enable => {
            super::on_record(global, "user_enable", name.to_owned()).await?;
            access.enable_user(name).await
        }
        Step::Rights(rights) => {
            super::on_record(global, "user_change", format!("{name} {rights}")).await?;
            access.change_user(name, rights).await
        }
        Step::Password => {
            let password = read_password()?;
            super::on_record(global, "user_password", name.to_owned()).await?;
            access.set_password(name, password).await
        }
        Step::Link => {
            super::on_record(global, "user_link", name.to_owned()).await?;
            match access.add_link(name).await {
                Ok(secret) => Ok(print(&format!("{}/sign-in/once?token={secret}\n", address(global)?))?),
                Err(error) => Err(error),
            }
        }
    })
}

/// Where browsers find the dashboard, as the configuration says.
fn address(global: &Global) -> anyhow::Result<String> {
    let web = match crate::config::read(&global.config) {
        Ok(config) => config.web,
        Err(crate::config::ConfigError::Unreadable { .. }) => crate::config::WebConfig::default(),
        Err(error) => return Err(error.into()),
    };
    Ok(match (web.public_url, web.listen) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(listen)) => format!("http://{listen}"),
        (None, None) => String::new(),
    })
}

/// One line: from the terminal without showing it, asked for twice; else from standard input.
fn read_password() -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return line();
    }
    let before = tcgetattr(&stdin).context("the terminal")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("the terminal")?;
    let ask = |what: &str| {
        eprint!("{what}: ");
        std::io::stderr().flush()?;
        let line = line();
        eprintln!();
        line
    };
    let first = ask(&format!("Password, at least {PASSWORD_MIN} characters"));
    let second = first.is_ok().then(|| ask("Again"));
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("the terminal")?;
    let first = first?;
    if let Some(second) = second {
        anyhow::ensure!(first == second?, "the two are not the same");
    }
    Ok(first)
}

fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
