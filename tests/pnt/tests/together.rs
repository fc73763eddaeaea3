//! The C half and the Rust half of the PNT rings on the same memory: the same answers one after the other, and nothing lost or
//! doubled when they meet.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::Mapping;
use ghostsched_core::shared::pnt::{Hierarchy, Kind, MoveError, NoPush, NotHeld, Path, Ring, SlotState, Task, Ticket};
use ghostsched_core::sync;
use ghostsched_pnt_native as c;
use proptest::collection::vec;
use proptest::prelude::*;

const KINDS: [Kind; 3] = [Kind::Single, Kind::Shared, Kind::Earliest];

fn task(number: u64) -> Task {
    Task {
        gtid: Gtid::from_bits(number),
        data: !number,
        time_ns: number.wrapping_mul(0x9e37_79b9) % 1000,
        barrier: number as u32 ^ 0x55,
        run_flags: number as u32 & 0x1fff,
    }
}

fn number(found: Task) -> u64 {
    let number = found.gtid.bits();
    assert_eq!(found, task(number), "torn");
    number
}

/// A push by either half.
fn push(ring: &Ring, in_c: bool, what: Task) -> Result<u64, bool> {
    match (in_c, ring.kind()) {
        (true, Some(Kind::Single)) => c::push(ring, what).map_err(|answer| answer == -1),
        (true, _) => c::push_shared(ring, what).map_err(|answer| answer == -1),
        (false, _) => ring
            .push_any(&what)
            .map(Ticket::number)
            .map_err(|answer| answer == NoPush::Full),
    }
}

/// Pops by either half and ends it by `how`; which thread it was.
fn pop(ring: &Ring, in_c: bool, how: u8) -> Option<u64> {
    if in_c {
        let claim = c::pop(ring, 5)?;
        match how {
            0 => c::complete(ring, &claim),
            1 => c::fail(ring, &claim, -7),
            _ => c::put_back(ring, &claim),
        }
        Some(number(claim.task()))
    } else {
        let claim = ring.pop(5)?;
        let popped = number(claim.task());
        match how {
            0 => claim.complete(),
            1 => claim.fail(-7),
            _ => claim.put_back(),
        }
        Some(popped)
    }
}

fn failures(ring: &Ring, in_c: bool) -> Vec<u64> {
    if in_c {
        c::failures(ring).iter().map(|failure| number(failure.task())).collect()
    } else {
        ring.failures().map(|failure| number(failure.task)).collect()
    }
}

/// What revoking found, in the words of the Rust half.
fn revoke(ring: &Ring, in_c: bool, ticket: u64) -> Result<(), NotHeld> {
    if !in_c {
        return ring.revoke(Ticket::from_number(ticket)).map(|_| ());
    }
    match c::revoke(ring, ticket) {
        c::READY => Ok(()),
        0x7fff_fffe => Err(NotHeld::Gone),
        0x7fff_fffc => Err(NotHeld::Held),
        code if code < 0 => Err(NotHeld::Failed(code)),
        cpu => Err(NotHeld::Claimed(cpu as u32)),
    }
}

#[test]
fn what_one_half_formats_the_other_uses() {
    for kind in KINDS {
        let ring = Ring::new(Kind::Single);
        c::init(&ring, kind);
        assert_eq!(ring.kind(), Some(kind));
        push(&ring, false, task(1)).unwrap();
        assert_eq!(pop(&ring, true, 0), Some(1));
        push(&ring, true, task(2)).unwrap();
        assert_eq!(pop(&ring, false, 0), Some(2));
        let wrong = if kind == Kind::Single {
            c::push_shared(&ring, task(3))
        } else {
            c::push(&ring, task(3))
        };
        assert_eq!(wrong, Err(-2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// One after the other the two halves answer alike: two rings, one used by C and one by Rust.
    #[test]
    fn both_halves_do_the_same(
        kind in prop::sample::select(&KINDS),
        start in prop_oneof![Just(0_u32), Just(u32::MAX - 1), any::<u32>()],
        operations in vec((0..9_u8, any::<u64>()), 0..400),
    ) {
        let memory: Vec<sync::AtomicU64> = (0..2 * 4288 / 8 + 8).map(|_| sync::AtomicU64::new(0)).collect();
        let aligned = (0..8).find(|&at| (&raw const memory[at]).addr().is_multiple_of(64)).unwrap() * 8;
        let rings = Mapping::over(&memory).view::<Ring>(aligned, 2).unwrap();
        for (ring, base) in rings.iter().zip([aligned / 8, aligned / 8 + 536]) {
            ring.format(kind);
            for slot in 0..64 {
                memory[base + 24 + slot * 8].store(u64::from(start) << 32 | 0x7fff_fffe, Ordering::Relaxed);
            }
            for hint in [8, 16] {
                memory[base + hint].store(u64::from(start) << 6, Ordering::Relaxed);
            }
        }
        let other = [Ring::new(Kind::Shared), Ring::new(Kind::Shared)];
        let mut tickets = Vec::new();
        for (operation, argument) in operations {
            let ticket = tickets.get(argument as usize % tickets.len().max(1)).copied().unwrap_or(argument);
            match operation {
                0..=3 => {
                    let answers = [true, false].map(|in_c| push(&rings[usize::from(in_c)], in_c, task(argument)));
                    prop_assert_eq!(answers[0], answers[1]);
                    tickets.extend(answers[0]);
                }
                4 | 5 => {
                    let how = (argument % 8) as u8;
                    let popped = [true, false].map(|in_c| pop(&rings[usize::from(in_c)], in_c, how.saturating_sub(5)));
                    prop_assert_eq!(popped[0], popped[1]);
                }
                6 => prop_assert_eq!(revoke(&rings[1], true, ticket), revoke(&rings[0], false, ticket)),
                7 => prop_assert_eq!(failures(&rings[1], true), failures(&rings[0], false)),
                _ => {
                    let (found, moved) = c::move_to(&rings[1], ticket, &other[1]);
                    match rings[0].move_to(Ticket::from_number(ticket), &other[0]) {
                        Ok(new) => prop_assert_eq!((found, moved), (c::READY, new.number() as i64)),
                        Err(MoveError::NoPush(_)) => prop_assert_eq!((found, moved), (c::READY, -1)),
                        Err(MoveError::NotHeld(_)) => prop_assert!(found != c::READY),
                    }
                }
            }
            let seen: Vec<(u64, Task)> = rings[0].watch().map(|seen| (seen.ticket.number(), seen.task)).collect();
            let seen_by_c: Vec<(u64, Task)> = c::watch(&rings[1]).iter().map(|seen| (seen.ticket, seen.task())).collect();
            prop_assert_eq!(seen, seen_by_c);
        }
    }

    /// Any words at all: both halves end, and give the same answers.
    #[test]
    fn any_memory_gives_the_same_answers(words in vec(prop_oneof![
        3 => any::<u64>(),
        6 => (0..4_u64, 0x7fff_fff8..0x8000_0004_u64).prop_map(|(lap, state)| lap << 32 | state),
        2 => 0..300_u64,
    ], 536), kind in 0..5_u32) {
        let both = [0, 1].map(|_| (0..544).map(|_| sync::AtomicU64::new(0)).collect::<Vec<_>>());
        let rings = both.each_ref().map(|memory| {
            let aligned = (0..8).find(|&at| (&raw const memory[at]).addr().is_multiple_of(64)).unwrap();
            for (to, &from) in memory[aligned..].iter().zip(&words) {
                to.store(from, Ordering::Relaxed);
            }
            memory[aligned].store(u64::from(kind), Ordering::Relaxed);
            &Mapping::over(memory).view::<Ring>(aligned * 8, 1).unwrap()[0]
        });
        for round in 0..4 {
            prop_assert_eq!(push(rings[0], true, task(round)), push(rings[1], false, task(round)));
            let popped = [c::pop(rings[0], 3).map(|claim| claim.ticket()), rings[1].pop(3).map(|claim| {
                let ticket = claim.ticket().number();
                std::mem::forget(claim); // as C leaves it
                ticket
            })];
            prop_assert_eq!(popped[0], popped[1]);
            prop_assert_eq!(c::failures(rings[0]).len(), rings[1].failures().count());
            prop_assert_eq!(c::watch(rings[0]).len(), rings[1].watch().count());
        }
    }
}

/// Pushers, poppers, an agent that revokes, moves and takes failures: half of each in C, half in Rust, on the same rings.
fn meet(kind: Kind, pushers: u64, poppers: u32, count: u64) {
    let rings = [Ring::new(kind), Ring::new(Kind::Shared)];
    let pushing = AtomicU64::new(pushers);
    let ended = Mutex::new(Vec::new());
    let end = |mut own: Vec<u64>| ended.lock().unwrap().append(&mut own);
    thread::scope(|scope| {
        for pusher in 0..pushers {
            let (rings, pushing, end) = (&rings, &pushing, &end);
            scope.spawn(move || {
                let mut own = Vec::new();
                for index in 0..count {
                    let what = task(1 + pusher * count + index);
                    let ticket = loop {
                        match push(&rings[0], index % 2 == pusher % 2, what) {
                            Ok(ticket) => break ticket,
                            Err(full) => assert!(full),
                        }
                        // The one producer of a ring is also the one that takes its failures.
                        own.extend(failures(&rings[0], index % 2 == 0));
                        thread::yield_now();
                    };
                    match index % 16 {
                        3 if revoke(&rings[0], index % 32 < 16, ticket).is_ok() => own.push(1 + pusher * count + index),
                        7 => _ = rings[0].move_to(Ticket::from_number(ticket), &rings[1]),
                        11 => _ = c::move_to(&rings[0], ticket, &rings[1]),
                        _ => {}
                    }
                }
                pushing.fetch_sub(1, Ordering::Relaxed);
                end(own);
            });
        }
        for popper in 0..poppers {
            let (rings, pushing, end) = (&rings, &pushing, &end);
            scope.spawn(move || {
                let (mut own, mut turn) = (Vec::new(), 0_u64);
                loop {
                    let last = pushing.load(Ordering::Relaxed) == 0;
                    let mut idle = true;
                    for ring in rings {
                        turn += 1;
                        let how = match turn % 23 {
                            5 => 1,
                            9 => 2,
                            _ => 0,
                        };
                        if let Some(popped) = pop(ring, (turn + u64::from(popper)) % 2 == 0, how) {
                            idle = false;
                            if how == 0 {
                                own.push(popped);
                            }
                        }
                    }
                    if idle {
                        if last {
                            break;
                        }
                        thread::yield_now();
                    }
                }
                end(own);
            });
        }
    });
    let mut all = ended.into_inner().unwrap();
    for ring in &rings {
        all.extend(failures(ring, true));
        while let Some(popped) = pop(ring, false, 0) {
            all.push(popped);
        }
    }
    all.sort_unstable();
    assert_eq!(all.len() as u64, pushers * count, "{kind:?}: lost or doubled");
    assert!(all.iter().copied().eq(1..=pushers * count), "{kind:?}: lost or doubled");
}

#[test]
fn one_producer_and_many_cpus_lose_nothing() {
    meet(Kind::Single, 1, 3, 100_000);
}

#[test]
fn many_producers_and_many_cpus_lose_nothing() {
    meet(Kind::Shared, 3, 3, 40_000);
}

#[test]
fn deadlines_of_many_producers_are_kept_and_nothing_is_lost() {
    meet(Kind::Earliest, 2, 2, 20_000);
}

#[test]
fn both_halves_look_through_the_same_path() {
    let rings: Vec<Ring> = (0..4).map(|_| Ring::new(Kind::Shared)).collect();
    let paths = [Path::new(), Path::new()];
    let hierarchy = Hierarchy::new(&rings, &paths);
    hierarchy.set_path(1, &[1, 2, 3]).unwrap();
    for (ring, number) in [(3, 4), (0, 9), (2, 3), (1, 2)] {
        rings[ring].push_any(&task(number)).unwrap();
    }
    for (ring, expected) in [(1, 2), (2, 3), (3, 4)] {
        let claim = c::pop_path(&rings, &paths[1], 1).unwrap();
        assert_eq!((claim.ring, number(claim.task())), (ring, expected));
        c::put_back(&rings[ring as usize], &claim);
        let (found, claim) = hierarchy.pop(1).unwrap();
        assert_eq!((found, number(claim.task())), (ring, expected));
        claim.complete();
    }
    assert!(c::pop_path(&rings, &paths[1], 1).is_none() && c::pop_path(&rings, &paths[0], 1).is_none());
}

/// Somebody writes anything anywhere, all the time, while both halves work.
#[test]
fn memory_that_changes_meanwhile_does_no_harm() {
    let memory: Vec<sync::AtomicU64> = (0..544).map(|_| sync::AtomicU64::new(0)).collect();
    let aligned = (0..8)
        .find(|&at| (&raw const memory[at]).addr().is_multiple_of(64))
        .unwrap();
    let ring = &Mapping::over(&memory).view::<Ring>(aligned * 8, 1).unwrap()[0];
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let (mut popped, mut rounds) = (0_u32, 0_u32);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 0x9e37_79b9_7f4a_7c15_u64;
            while !done.load(Ordering::Relaxed) {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let (at, value) = ((random >> 40) as usize % 536, random.rotate_left(20));
                let value = match random >> 33 & 7 {
                    0 => value,
                    1 => value % 200,
                    _ => ((value % 4) << 32) | (0x7fff_fff8 + value % 12),
                };
                memory[aligned + at].store(value, Ordering::Relaxed);
                memory[aligned].store(1 + random % 3, Ordering::Relaxed);
            }
        });
        while popped < 10_000 && start.elapsed() < Duration::from_secs(20) {
            rounds += 1;
            let in_c = rounds % 2 == 0;
            let _ = push(ring, in_c, task(1));
            let found = if in_c {
                c::pop(ring, 1).map(|claim| c::complete(ring, &claim)).is_some()
            } else {
                ring.pop(1).map(|claim| claim.complete()).is_some()
            };
            popped += u32::from(found);
            if rounds % 64 == 0 {
                let _ = (c::failures(ring), ring.failures().count());
                assert!(c::watch(ring).len() <= 64 && ring.watch().count() <= 64);
                assert!(ring.watch().all(|seen| seen.state != SlotState::Empty));
                let _ = c::move_one(ring, ring);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(popped >= 1000, "{popped} of {rounds}: the test tests nothing");
}
