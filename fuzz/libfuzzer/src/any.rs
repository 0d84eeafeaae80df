//! libFuzzer on the target that `STATOR_FUZZ` names. One binary for all, as linking takes longer than building the rest.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{env, sync::OnceLock};

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = env::var("STATOR_FUZZ").unwrap_or_default();
        let Some(target) = stator_fuzz::target(&name) else { panic!("STATOR_FUZZ={name} names no target") };
        TARGET.get_or_init(|| target.run);
    },
    |input: &[u8]| {
        if let Some(run) = TARGET.get() {
            run(input);
        }
    }
);
