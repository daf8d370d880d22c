//! `reestr`: all of it is in the library of this crate, where tests reach the parsers of outside bytes.

/// Entries, rows and JSON are many small pieces that one thread makes and another gives back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    reestr_cli::main()
}
