//! Any bytes to every reader, whole and in two pieces: no panic, and the same is seen. The first byte says where
//! the pieces are cut.
#![no_main]

#[path = "../../tests/it/order.rs"]
#[allow(dead_code)]
mod order;

use libfuzzer_sys::fuzz_target;
use skep_agents::{
    Adapter, Permission,
    command::{self, Rules},
};

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let (first, second) = bytes.split_at(bytes.len() * usize::from(*cut) / 256);
    let names = ["claude", "codex", "codex-server", "acp", "pi"];
    let named = names.iter().filter_map(|name| Adapter::named(name));
    let rules = [command::AIDER, command::GEMINI, command::OPENCODE];
    let by_rules = rules.iter().filter_map(|rules| Rules::parse(rules).ok());
    for adapter in named.chain(by_rules.map(Adapter::Command)) {
        let mut whole = order::dialogue(&adapter, Permission::All);
        let mut seen = whole.read(bytes);
        seen.extend(whole.end());
        let mut pieces = order::dialogue(&adapter, Permission::All);
        let mut same = pieces.read(first);
        same.extend(pieces.read(second));
        same.extend(pieces.end());
        assert_eq!(seen, same);
        assert_eq!(whole.to_write(), pieces.to_write());
    }
});
