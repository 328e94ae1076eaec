//! The `aftercall` program: flags in, exit code out.

/// Calls make and drop many small things on one thread that another one made: here this costs less than glibc's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    aftercall::cli::run()
}
