//! What goes wrong, and how often: thrown once for each world, until everything calms down.

use crate::{
    coverage::Coverage,
    dice::Dice,
    git::{Breaks, FILES, Works},
    hosts::FolderState,
    log::Append,
    world::{Due, World},
};
use skep_core::id::Attempt;

/// Chances in a thousand. Each world has its own mixture, so that some are nearly free of one kind.
pub(crate) struct Faults {
    calm: bool,
    crash: u64,
    append: u64,
    deliver: u64,
    start: u64,
    prepare: u64,
    merge: u64,
    stall: u64,
    flake: u64,
    world: u64,
    /// The wall clock against real time.
    skew: i64,
}

impl Faults {
    pub(crate) fn throw(dice: &mut Dice, percent: u64) -> Faults {
        let mut up_to = |most: u64| {
            let often = [0, 1, 4, 10][dice.index(4)];
            most * often / 10 * percent / 100
        };
        Faults {
            calm: percent == 0,
            crash: up_to(30),
            append: up_to(60),
            deliver: up_to(200),
            start: up_to(300),
            prepare: up_to(400),
            merge: up_to(100),
            stall: up_to(60),
            flake: up_to(100),
            world: up_to(500),
            skew: 0,
        }
    }

    /// What a machine does to a swarm in a month: everything but people, and but what only they can mend.
    pub(crate) fn steady(&mut self) {
        *self = Faults {
            calm: false,
            crash: 2,
            append: 5,
            deliver: 50,
            start: 10,
            prepare: 10,
            merge: 0,
            stall: 5,
            flake: 0,
            world: 1_000,
            skew: self.skew,
        };
    }

    fn hits(&self, dice: &mut Dice, chance: u64) -> bool {
        !self.calm && chance > 0 && dice.chance(chance)
    }
    pub(crate) fn crashes(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.crash)
    }
    /// A thread that measures can be refused or die, like any other.
    pub(crate) fn measures_nothing(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.deliver)
    }
    pub(crate) fn start(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.start)
    }
    pub(crate) fn prepare(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.prepare)
    }
    pub(crate) fn merge(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.merge / 4)
    }
    pub(crate) fn target(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.merge)
    }
    pub(crate) fn stalls(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.stall)
    }
    pub(crate) fn flakes(&self, dice: &mut Dice) -> bool {
        self.hits(dice, self.flake)
    }

    pub(crate) fn append(&self, dice: &mut Dice, coverage: &mut Coverage) -> Append {
        if !self.hits(dice, self.append) {
            return Append::Done;
        }
        if dice.chance(500) {
            coverage.hit("fault: append lost");
            Append::Lost
        } else {
            coverage.hit("fault: append ambiguous");
            Append::Ambiguous
        }
    }

    pub(crate) fn append_takes(&self, dice: &mut Dice, coverage: &mut Coverage) -> u64 {
        if self.hits(dice, self.append) {
            coverage.hit("fault: append slow");
            return dice.spread(100, 30_000);
        }
        dice.of(0..=4)
    }

    /// After how long each copy of an observation arrives; none: it is lost.
    pub(crate) fn deliveries(&self, dice: &mut Dice, coverage: &mut Coverage) -> Vec<u64> {
        if !self.hits(dice, self.deliver) {
            return vec![0];
        }
        match dice.of(0..=3) {
            0 => {
                coverage.hit("fault: observation lost");
                Vec::new()
            }
            1 => {
                coverage.hit("fault: observation repeated");
                vec![0, dice.spread(1, 3_600_000)]
            }
            2 => {
                coverage.hit("fault: observation delayed");
                vec![dice.spread(100, 600_000)]
            }
            _ => {
                coverage.hit("fault: observations reordered");
                vec![dice.of(1..=200)]
            }
        }
    }

    /// How long no keeper lives after one died; the wall clock may jump meanwhile.
    pub(crate) fn down(&mut self, dice: &mut Dice, coverage: &mut Coverage) -> u64 {
        if self.hits(dice, 100) {
            let by = dice.spread(60_000, 6 * 3_600_000) as i64;
            if dice.chance(500) {
                coverage.hit("fault: clock jumps back");
                self.skew -= by;
            } else {
                coverage.hit("fault: clock jumps forward");
                self.skew += by;
            }
        }
        if self.hits(dice, 100) {
            coverage.hit("fault: keeper down for long");
            return dice.spread(60_000, 4 * 3_600_000);
        }
        dice.spread(10, 5_000)
    }
}

impl World {
    /// What a clock on the wall shows.
    pub(crate) fn wall(&self) -> u64 {
        self.now.saturating_add_signed(self.faults.skew)
    }

    /// From now on nothing goes wrong but what agents do by themselves.
    pub(crate) fn calm(&mut self) {
        self.note(|| "faults end".into());
        self.faults.calm = true;
        self.goodwill();
    }

    /// Something happens to the world outside.
    pub(crate) fn fault(&mut self) {
        if self.faults.calm {
            return;
        }
        if self.options.days > 0 {
            match self.dice.of(0..=39) {
                0 => self.host_boots(),
                1..=34 => self.crash_keeper("crash: at any moment"),
                35..=37 => self.one_dies("fault: shim killed", World::shim_dies),
                _ => self.one_dies("fault: agent killed", World::agent_dies),
            }
            let later = self.dice.of(30_000..=570_000);
            return self.after(later, Due::Fault);
        }
        if self.dice.chance(self.faults.world) {
            match self.dice.of(0..=9) {
                0 => self.host_boots(),
                1..=2 => self.crash_keeper("crash: at any moment"),
                3..=4 => self.one_dies("fault: shim killed", World::shim_dies),
                5..=6 => self.one_dies("fault: agent killed", World::agent_dies),
                7 => self.user_moves_integration(),
                _ => self.user_moves_target(),
            }
        }
        let later = self.dice.spread(500, 1_800_000);
        self.after(later, Due::Fault);
    }

    fn one_dies(&mut self, what: &'static str, how: fn(&mut World, Attempt)) {
        let running = |s: &FolderState| matches!(s, FolderState::Running { .. });
        let folders = self.hosts.folders.iter();
        let all: Vec<Attempt> = folders
            .filter(|(_, f)| running(&f.state))
            .map(|(a, _)| *a)
            .collect();
        if let Some(attempt) = self.dice.pick(&all).copied() {
            self.coverage.hit(what);
            how(self, attempt);
            if self.dice.chance(700)
                && let Some(seen) = self.look_at(attempt)
            {
                self.observe(seen);
            }
        }
    }

    fn host_boots(&mut self) {
        self.coverage.hit("fault: host boots");
        self.note(|| "the host boots".into());
        self.hosts.boots += 1;
        let all: Vec<Attempt> = self.hosts.folders.keys().copied().collect();
        for attempt in all {
            self.shim_dies(attempt);
        }
        self.crash_keeper("crash: host boots");
    }

    fn user_commit(&mut self, on: &skep_core::id::Oid) -> skep_core::id::Oid {
        let breaks = if self.dice.chance(150) {
            Breaks::Alone
        } else {
            Breaks::No
        };
        let mut mends = Works::default();
        if self.dice.chance(300) {
            mends = self.repo.commit(on).works.clone();
        }
        let work = self.repo.new_work(breaks, mends);
        let file = self.dice.index(FILES);
        let commit = self.repo.write(on, work, &[file], None);
        self.audit.user_works.add(work);
        commit
    }

    fn user_moves_integration(&mut self) {
        if self.dice.chance(150) {
            // To where it was before something landed: what only it held is for the reflog.
            if let Some(base) = self.repo.commit(&self.repo.integration).base.clone() {
                self.coverage.hit("fault: integration branch moved back");
                self.note(|| format!("a user moves the integration branch back to {base:?}"));
                self.repo.integration = base;
            }
            return;
        }
        self.coverage.hit("fault: integration branch moved on");
        self.note(|| "a user commits to the integration branch".into());
        self.repo.integration = self.user_commit(&self.repo.integration.clone());
    }

    fn user_moves_target(&mut self) {
        self.coverage.hit("fault: target branch moved on");
        self.note(|| "a user commits to the target branch".into());
        self.repo.target = self.user_commit(&self.repo.target.clone());
    }
}
