#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| builder_tests::fuzz::console::run(input));
