//! The brute force: every wait split by asking, of each elementary piece of time, who had it. Written from the prose on
//! top of `core/src/latency/run_log.rs` and `engine.rs`, sharing no code with them; quadratic, and proud of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ghostsched_core::latency::engine::{Event, Leaving};
use ghostsched_core::latency::{GROUP_IDLE, GROUP_REST, GROUP_UNKNOWN, Kind, Parts};

/// How many stretches a log remembers.
const REMEMBERED: usize = 1024;

/// A stretch of one group on a CPU. It ends where the next begins.
#[derive(Clone, Copy, Debug)]
struct Had {
    from: u64,
    group: u32,
    clock_from: Option<u64>,
    clock_until: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    had: Vec<Had>,
    /// Who has it since when, as whom; none before the first switch.
    running: Option<(u32, u64, u32)>,
}

#[derive(Clone, Debug, Default)]
struct Life {
    group: Option<u32>,
    running_since: Option<u64>,
    queued: Option<u64>,
    asleep: Option<(u64, Kind)>,
    /// The wait's earlier stretches, and its beginning.
    before: Parts,
    began: Option<u64>,
    clock: u64,
    /// The CPU whose clock that is; `Some(None)` = of the one it goes to; `None` = of none yet.
    clock_cpu: Option<Option<u32>>,
}

impl Life {
    /// What its group's clock on a CPU showed when it was queued there; what it shows now if that is not known.
    fn clock_at(&self, cpu: u32, now: u64) -> u64 {
        match self.clock_cpu {
            Some(None) => self.clock,
            Some(Some(of)) if of == cpu => self.clock,
            _ => now,
        }
    }
}

/// A wait by the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub tid: u32,
    pub now_ns: u64,
    pub group: u32,
    pub parts: Parts,
}

/// All the oracle finds out. Durations of spells by group and kind, in the order they end.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub waits: Vec<Found>,
    pub spells: BTreeMap<(u32, usize), Vec<u64>>,
    pub matrix: BTreeMap<(u32, u32), u64>,
    pub throttled_on: BTreeMap<u32, u64>,
    lanes: HashMap<u32, Lane>,
    lives: HashMap<u32, Life>,
}

impl Oracle {
    pub fn new(events: &[(u64, Event)], groups: u32) -> Self {
        let mut oracle = Self::default();
        for (now_ns, event) in events {
            oracle.tell(*now_ns, event, groups);
        }
        oracle
    }

    fn tell(&mut self, now: u64, event: &Event, groups: u32) {
        let fold = |group: u32| if group < groups { group } else { GROUP_REST };
        match *event {
            Event::Wakeup { cpu, tid, clock_ns } => {
                let life = self.lives.entry(tid).or_default();
                let waits = life.queued.is_some() || life.began.is_some();
                if !waits && life.running_since.is_none() {
                    life.queued = Some(now);
                    life.clock = clock_ns;
                    life.clock_cpu = Some(Some(cpu));
                }
            }
            Event::Migrate {
                from,
                tid,
                group,
                queued_ns,
                from_clock_ns,
                to_clock_ns,
                limbo_waits,
            } => {
                let mut life = self.lives.remove(&tid).unwrap_or_default();
                life.group = Some(fold(group));
                if let Some(start) = queued_ns.or(life.queued) {
                    let parts = self.split(
                        from,
                        fold(group),
                        (start, life.clock_at(from, from_clock_ns)),
                        (now, from_clock_ns),
                    );
                    add(&mut life.before, &parts);
                    life.began = life.began.or(Some(start));
                    life.queued = limbo_waits.then_some(now);
                    life.clock = to_clock_ns;
                    life.clock_cpu = Some(None);
                }
                self.lives.insert(tid, life);
            }
            Event::Exit { tid } => {
                self.lives.remove(&tid);
            }
            Event::Switch {
                cpu,
                prev,
                prev_arrived_ns,
                ..
            } => {
                let lane = self.lanes.entry(cpu).or_default();
                if let Some((running, since, _)) = lane.running
                    && running != prev
                {
                    self.missed(now, cpu, prev, prev_arrived_ns, since);
                }
                self.switch(now, event, fold);
            }
        }
    }

    /// Rule 5.
    fn missed(&mut self, now: u64, cpu: u32, prev: u32, arrived: Option<u64>, since: u64) {
        let life = if prev == 0 { None } else { self.lives.get_mut(&prev) };
        let known = arrived.filter(|&at| life.is_some() && since < at && at < now);
        let group = match (&life, prev) {
            (_, 0) => GROUP_IDLE,
            (Some(life), _) => life.group.unwrap_or(GROUP_REST),
            (None, _) => GROUP_REST,
        };
        if let Some(life) = life {
            *life = Life {
                group: life.group,
                running_since: known,
                clock: life.clock,
                clock_cpu: life.clock_cpu,
                ..Life::default()
            };
        }
        let lane = self.lanes.entry(cpu).or_default();
        if let Some(last) = lane.had.last_mut() {
            last.clock_until = None;
        }
        lane.had.push(Had {
            from: since,
            group: GROUP_UNKNOWN,
            clock_from: None,
            clock_until: None,
        });
        if let Some(at) = known {
            lane.had.push(Had {
                from: at,
                group,
                clock_from: None,
                clock_until: None,
            });
        }
        lane.running = Some((prev, since, group));
    }

    fn switch(&mut self, now: u64, event: &Event, fold: impl Fn(u32) -> u32) {
        let Event::Switch {
            cpu,
            prev,
            leaving,
            prev_clock_ns,
            next,
            next_group,
            next_queued_ns,
            next_clock_ns,
            ..
        } = *event
        else {
            return;
        };
        let group = if next == 0 { GROUP_IDLE } else { fold(next_group) };
        if next != 0 {
            let life = self.lives.remove(&next).unwrap_or_default();
            // Rule 1; a wait that was sent on and is not known to be queued again ends here all the same.
            let queued = next_queued_ns.or(life.queued).or(life.began.map(|_| now));
            if let Some(start) = queued {
                let mut parts = self.split(
                    cpu,
                    group,
                    (start, life.clock_at(cpu, next_clock_ns)),
                    (now, next_clock_ns),
                );
                add(&mut parts, &life.before);
                self.waits.push(Found {
                    tid: next,
                    now_ns: now,
                    group,
                    parts,
                });
            }
            if let Some((left, kind)) = life.asleep {
                let until = life.began.or(queued).unwrap_or(now);
                self.spells
                    .entry((group, kind as usize))
                    .or_default()
                    .push(until.saturating_sub(left));
            }
            let arrived = Life {
                group: Some(group),
                running_since: Some(now),
                clock: next_clock_ns,
                clock_cpu: Some(Some(cpu)),
                ..Life::default()
            };
            self.lives.insert(next, arrived);
        }
        if prev != 0 {
            let running = self.lanes.get(&cpu).and_then(|lane| lane.running);
            let life = self.lives.entry(prev).or_default();
            if let (Some(since), Some((_, _, group))) = (life.running_since, running) {
                self.spells
                    .entry((group, Kind::On as usize))
                    .or_default()
                    .push(now.saturating_sub(since));
                *self.throttled_on.entry(group).or_default() += prev_clock_ns.saturating_sub(life.clock);
            }
            life.running_since = None;
            life.clock = prev_clock_ns;
            life.clock_cpu = Some(Some(cpu));
            match leaving {
                Leaving::Runnable => life.queued = Some(now),
                Leaving::Sleep => life.asleep = Some((now, Kind::Sleep)),
                Leaving::Block => life.asleep = Some((now, Kind::Block)),
            }
        }
        let lane = self.lanes.entry(cpu).or_default();
        // Consecutive spells of one group are one stretch.
        if lane.had.last().map(|last| last.group) != Some(group) {
            if let Some(last) = lane.had.last_mut() {
                last.clock_until = Some(prev_clock_ns);
            }
            lane.had.push(Had {
                from: now,
                group,
                clock_from: Some(next_clock_ns),
                clock_until: None,
            });
        }
        lane.running = Some((next, now, group));
    }

    /// `[start, end)` of a wait of `group` on a CPU, with its throttle clock at both ends.
    fn split(&mut self, cpu: u32, group: u32, (start, clock): (u64, u64), (end, end_clock): (u64, u64)) -> Parts {
        let mut parts = Parts::default();
        if start >= end {
            return parts;
        }
        let empty = Lane::default();
        let lane = self.lanes.get(&cpu).unwrap_or(&empty);
        let kept = &lane.had[lane.had.len().saturating_sub(REMEMBERED)..];
        // (from, until, stretch) of all that reach into the wait.
        let reaching: Vec<(u64, u64, Had)> = kept
            .iter()
            .enumerate()
            .map(|(i, had)| (had.from, kept.get(i + 1).map_or(end, |next| next.from), *had))
            .filter(|&(_, until, _)| until > start)
            .collect();
        // The gaps between own stretches, and how much of each one's beginning was throttled.
        let mut edges = vec![(start, Some(clock))];
        for (from, until, had) in reaching.iter().filter(|(_, _, had)| had.group == group) {
            edges.push(((*from).max(start), had.clock_from));
            edges.push((*until, had.clock_until));
        }
        edges.push((end, Some(end_clock)));
        let mut throttled: Vec<(u64, u64)> = Vec::new();
        for gap in edges.chunks(2) {
            let (from, until) = (gap[0].0, gap[1].0);
            if let (Some(before), Some(after)) = (gap[0].1, gap[1].1)
                && after > clock
            {
                throttled.push((from, from + after.saturating_sub(before).min(until - from)));
            }
        }
        let mut cuts: BTreeSet<u64> = [start, end].into();
        cuts.extend(reaching.iter().flat_map(|&(from, until, _)| [from, until]));
        cuts.extend(throttled.iter().flat_map(|&(from, until)| [from, until]));
        let cuts: Vec<u64> = cuts.into_iter().filter(|&at| at >= start && at <= end).collect();
        for piece in cuts.windows(2) {
            let (at, ns) = (piece[0], piece[1] - piece[0]);
            let owner = reaching
                .iter()
                .find(|&&(from, until, _)| from <= at && at < until)
                .map(|(_, _, had)| had.group);
            if owner == Some(group) {
                parts.same_ns += ns;
            } else if throttled.iter().any(|&(from, until)| from <= at && at < until) {
                parts.throttled_ns += ns;
            } else {
                match owner {
                    Some(GROUP_IDLE) => parts.idle_ns += ns,
                    Some(GROUP_UNKNOWN) | None => parts.unattributed_ns += ns,
                    Some(other) => {
                        parts.other_ns += ns;
                        *self.matrix.entry((group, other)).or_default() += ns;
                    }
                }
            }
        }
        parts
    }
}

fn add(to: &mut Parts, from: &Parts) {
    to.same_ns += from.same_ns;
    to.other_ns += from.other_ns;
    to.idle_ns += from.idle_ns;
    to.throttled_ns += from.throttled_ns;
    to.unattributed_ns += from.unattributed_ns;
}
