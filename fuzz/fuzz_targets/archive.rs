#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reestr_checks::check("archive", bytes);
});
