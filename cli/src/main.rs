//! `reestr`: all of it is in the library of this crate, where tests reach the parsers of outside bytes.

fn main() -> std::process::ExitCode {
    reestr_cli::main()
}
