//! Beginning again: from the files of a log to a state.

use crate::{
    fake::Fake,
    table::{Row, Table, short},
    world::{Swarm, World},
};
use skep_host::{keeper, site::Site};
use std::{io::Read, time::Instant};

/// Tasks of one plan; the log holds one plan after the other.
const TASKS: usize = 1_000;

pub(crate) fn fold(table: &mut Table) {
    for events in [100_000, 1_000_000] {
        let world = World::new();
        let site = world.site();
        site.create().unwrap();
        fill(&site, events);
        let raw = read(&site);
        let began = Instant::now();
        let (state, _) = keeper::fold(&site).unwrap();
        let folded = began.elapsed().as_secs_f64() * 1e3;
        let whole = up(&world, state.seq());
        // The first keeper left a snapshot.
        let again = up(&world, state.seq());
        let bound = events as f64 / 100.0;
        for (what, took) in [
            ("fold", folded),
            ("keeper up without a snapshot:", whole),
            ("keeper up again:", again),
        ] {
            table.row(&Row {
                what: &format!("{what} {events} events"),
                skep: format!("{} ms", short(took)),
                beside: format!("reading the file {} ms", short(raw)),
                ratio: took / raw,
                aim: &format!("< {} s", bound / 1e3),
                met: took < bound,
            });
        }
    }
}

/// Milliseconds until a keeper answers.
fn up(world: &World, seq: u64) -> f64 {
    let began = Instant::now();
    let swarm = Swarm::start(&world.root());
    let answer = swarm.handle.query(|state, _| state.seq());
    assert_eq!(swarm.runtime.block_on(answer).unwrap(), seq);
    let took = began.elapsed().as_secs_f64() * 1e3;
    swarm.stop();
    took
}

fn fill(site: &Site, events: u64) {
    let mut fake = Fake::new(&site.log());
    while fake.seq() < events {
        fake.load(64, TASKS);
        fake.run();
    }
}

/// Milliseconds to read the database's bytes.
fn read(site: &Site) -> f64 {
    let began = Instant::now();
    let mut file = std::fs::File::open(site.log()).unwrap();
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer).unwrap() > 0 {}
    began.elapsed().as_secs_f64() * 1e3
}
