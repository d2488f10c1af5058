//! How workers, agents and models do, and who is told (G-6).

use crate::swarm::Swarm;
use crate::words::served;
use skep_core::{
    event::Event,
    fault::ErrorKind,
    reputation::{Breach, Subject},
    spec::Workers,
    time::Millis,
};

// proves: G-6
#[test]
fn records_are_kept_of_whoever_had_a_part_and_breaches_are_told_once() {
    let names: Vec<String> = (0..24).map(|n| format!("t{n:02}")).collect();
    let mut t = Swarm::load_with(&names.join(" "), |p| {
        served(p);
        p.swarm.workers = Workers::Count(1);
        p.swarm.model = Some("small".into());
        (p.swarm.policy.max_retries, p.swarm.policy.model_failures) = (0, 99);
    });
    for n in 0..24 {
        let name = t.first().unwrap();
        t.pass(Millis::mins(2));
        if n < 4 {
            t.succeed(&name);
        } else {
            t.fail(&name);
        }
    }
    let small = Subject::Model("small".into());
    let record = t.state().reputation(&small.key()).unwrap();
    assert_eq!((record.succeeded, record.failed), (4, 20));
    assert_eq!(record.took(95), Some(Millis::mins(2)));
    let told = t.log.iter().filter_map(|r| match &r.event {
        Event::SloBreached {
            subject, breach, ..
        } => Some((subject.clone(), *breach)),
        _ => None,
    });
    let told: Vec<(Subject, Breach)> = told.collect();
    let wanted = [
        Subject::Agent("fake".into()),
        small,
        Subject::Worker("w1".into()),
    ];
    assert_eq!(told, wanted.map(|s| (s, Breach::Success)));
}

// proves: G-6, S-5
#[test]
fn what_a_provider_did_is_on_nobodys_record() {
    let mut t = Swarm::load_with("a", |p| {
        served(p);
        p.swarm.model = Some("small".into());
    });
    t.refused("a", ErrorKind::Auth, None);
    assert_eq!(t.state().reputations().all().count(), 0);
    assert_eq!(t.state().providers()["alpha"].strikes, 1);
}
