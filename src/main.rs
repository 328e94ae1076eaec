//! The `aftercall` program: flags in, exit code out.

fn main() -> std::process::ExitCode {
    aftercall::cli::run()
}
