//! `reestr`: all of it is in the library of this crate, where tests reach the parsers of outside bytes.

/// Takes a seventh off the server's time under load (`docs/decisions/0037-allocator.md`).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    reestr_cli::main()
}
