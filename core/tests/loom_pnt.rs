//! PNT rings in every interleaving: each thread that was pushed ends in exactly one place. A ring has two slots here.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --package ghostsched-core --test loom_pnt`
#![cfg(loom)]

use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::pnt::{Hierarchy, Kind, MoveError, NotHeld, Path, Ring, Task};
use loom::sync::Arc;
use loom::thread;

fn task(number: u64) -> Task {
    Task {
        gtid: Gtid::from_bits(number),
        // Fields depend on the number, so that a torn read shows.
        data: number + 100,
        time_ns: number,
        barrier: number as u32,
        run_flags: number as u32 + 7,
    }
}

/// Pops and completes; which thread it was.
fn pop(ring: &Ring, cpu: u32) -> Option<u64> {
    let claim = ring.pop(cpu)?;
    let number = claim.task().gtid.bits();
    assert_eq!(claim.task(), task(number), "torn");
    claim.complete();
    Some(number)
}

fn drain(ring: &Ring) -> Vec<u64> {
    std::iter::from_fn(|| pop(ring, 9)).collect()
}

/// The threads of all places together are 1 to `count`, each once.
fn each_once(places: impl IntoIterator<Item = u64>, count: u64) {
    let mut all: Vec<u64> = places.into_iter().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=count).collect::<Vec<_>>());
}

/// Bounds the search where three threads meet: enough to find every mutation that was tried.
fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

#[test]
fn push_against_pop_loses_nothing_and_doubles_nothing() {
    for kind in [Kind::Single, Kind::Shared, Kind::Earliest] {
        model(4, move || {
            let ring = Arc::new(Ring::new(kind));
            let cpu = thread::spawn({
                let ring = ring.clone();
                move || (0..2).filter_map(|_| pop(&ring, 1)).collect::<Vec<_>>()
            });
            let mut pushed = 0;
            for number in 1..=3 {
                if ring.push_any(&task(pushed + 1)).is_ok() {
                    pushed += 1;
                }
                assert!(number < 3 || pushed >= 2);
            }
            let popped = cpu.join().unwrap();
            assert!(kind != Kind::Single || popped.is_sorted(), "first in, first out");
            each_once(popped.into_iter().chain(drain(&ring)), pushed);
        });
    }
}

#[test]
fn two_cpus_pop_two_threads() {
    for kind in [Kind::Single, Kind::Earliest] {
        model(3, move || {
            let ring = Arc::new(Ring::new(kind));
            (1..=2).for_each(|number| _ = ring.push_any(&task(number)).unwrap());
            let cpu = |cpu| {
                let ring = ring.clone();
                thread::spawn(move || pop(&ring, cpu))
            };
            let (one, other) = (cpu(1), cpu(2));
            let (one, other) = (one.join().unwrap(), other.join().unwrap());
            // Work conservation: neither finds nothing beside a thread that it could have run.
            each_once(one.into_iter().chain(other), 2);
        });
    }
}

#[test]
fn a_slow_cpu_hides_no_thread_of_the_next_lap() {
    model(3, || {
        let ring = Arc::new(Ring::new(Kind::Single));
        ring.push(&task(1)).unwrap();
        let slow = thread::spawn({
            let ring = ring.clone();
            move || pop(&ring, 1)
        });
        let mut popped: Vec<u64> = pop(&ring, 2).into_iter().collect();
        let mut pushed = 1;
        for _ in 0..2 {
            if ring.push(&task(pushed + 1)).is_ok() {
                pushed += 1;
                popped.extend(pop(&ring, 2));
            }
        }
        popped.extend(slow.join().unwrap());
        popped.extend(drain(&ring));
        each_once(popped, pushed);
    });
}

#[test]
fn push_pop_and_revoke_end_in_one_place() {
    for kind in [Kind::Single, Kind::Shared, Kind::Earliest] {
        model(4, move || {
            let ring = Arc::new(Ring::new(kind));
            let cpu = thread::spawn({
                let ring = ring.clone();
                move || pop(&ring, 1)
            });
            let first = ring.push_any(&task(1)).unwrap();
            let revoked = match ring.revoke(first) {
                Ok(found) => {
                    assert_eq!(found, task(1));
                    Some(1)
                }
                Err(NotHeld::Claimed(1) | NotHeld::Gone) => None,
                Err(other) => panic!("{other:?}"),
            };
            // The slot may be used again at once: the old ticket does not name the new push.
            let pushed = (0..2).filter(|number| ring.push_any(&task(2 + number)).is_ok()).count() as u64;
            assert!(ring.revoke(first).is_err(), "the old ticket has revoked the new push");
            let popped = cpu.join().unwrap();
            assert!(revoked.is_none() || popped != Some(1));
            each_once(popped.into_iter().chain(revoked).chain(drain(&ring)), 1 + pushed);
        });
    }
}

#[test]
fn producers_share_a_ring() {
    for kind in [Kind::Shared, Kind::Earliest] {
        model(3, move || {
            let ring = Arc::new(Ring::new(kind));
            let push = |number| {
                let ring = ring.clone();
                thread::spawn(move || ring.push_shared(&task(number)).is_ok())
            };
            let (one, other) = (push(1), push(2));
            let popped = pop(&ring, 1);
            assert!(one.join().unwrap() && other.join().unwrap(), "there is room for both");
            each_once(popped.into_iter().chain(drain(&ring)), 2);
        });
    }
}

#[test]
fn each_failure_is_told_once() {
    model(4, || {
        let ring = Arc::new(Ring::new(Kind::Single));
        (1..=2).for_each(|number| _ = ring.push(&task(number)).unwrap());
        let cpu = thread::spawn({
            let ring = ring.clone();
            move || (0..2).for_each(|_| ring.pop(1).unwrap().fail(-5))
        });
        let mut told: Vec<u64> = ring
            .failures()
            .map(|failure| {
                assert_eq!((failure.task, failure.code), (task(failure.task.gtid.bits()), -5));
                failure.task.gtid.bits()
            })
            .collect();
        // A slot that was freed can be filled while the other still fails.
        let pushed = ring.push(&task(3)).is_ok();
        cpu.join().unwrap();
        told.extend(ring.failures().map(|failure| failure.task.gtid.bits()));
        told.extend(drain(&ring));
        each_once(told, 2 + u64::from(pushed));
    });
}

#[test]
fn a_thread_that_is_moved_is_in_one_ring() {
    for kind in [Kind::Single, Kind::Earliest] {
        model(4, move || {
            let rings = Arc::new([Ring::new(kind), Ring::new(Kind::Shared)]);
            let ticket = rings[0].push_any(&task(1)).unwrap();
            rings[0].push_any(&task(2)).unwrap();
            let cpu = thread::spawn({
                let rings = rings.clone();
                move || {
                    pop(&rings[0], 1)
                        .into_iter()
                        .chain(pop(&rings[1], 1))
                        .collect::<Vec<_>>()
                }
            });
            match rings[0].move_to(ticket, &rings[1]) {
                Ok(_) | Err(MoveError::NotHeld(NotHeld::Claimed(1) | NotHeld::Gone)) => {}
                Err(other) => panic!("{other:?}"),
            }
            let popped = cpu.join().unwrap();
            each_once(popped.into_iter().chain(drain(&rings[0])).chain(drain(&rings[1])), 2);
        });
    }
}

#[test]
fn what_is_put_back_is_found_again() {
    for kind in [Kind::Single, Kind::Earliest] {
        model(4, move || {
            let ring = Arc::new(Ring::new(kind));
            ring.push_any(&task(1)).unwrap();
            let cpu = thread::spawn({
                let ring = ring.clone();
                move || {
                    if let Some(claim) = ring.pop(1) {
                        claim.put_back();
                    }
                    pop(&ring, 1)
                }
            });
            ring.push_any(&task(2)).unwrap();
            let popped = pop(&ring, 2);
            let other = cpu.join().unwrap();
            each_once(popped.into_iter().chain(other).chain(drain(&ring)), 2);
        });
    }
}

#[test]
fn a_cpu_that_looks_outwards_finds_what_the_agent_moves_outwards() {
    model(4, || {
        let rings = Arc::new([Ring::new(Kind::Single), Ring::new(Kind::Shared)]);
        let paths = Arc::new([Path::new()]);
        Hierarchy::new(&rings[..], &paths[..]).set_path(0, &[0, 1]).unwrap();
        rings[0].push(&task(1)).unwrap();
        let cpu = thread::spawn({
            let (rings, paths) = (rings.clone(), paths.clone());
            move || {
                Hierarchy::new(&rings[..], &paths[..]).pop(0).map(|(_, claim)| {
                    let number = claim.task().gtid.bits();
                    claim.complete();
                    number
                })
            }
        });
        let moved = Hierarchy::new(&rings[..], &paths[..]).move_overdue(0, 1000, 0, |moved| {
            assert_eq!((moved.task, moved.from, moved.to), (task(1), 0, 1));
        });
        let popped = cpu.join().unwrap();
        assert!(moved == 1 || popped == Some(1));
        each_once(popped.into_iter().chain(drain(&rings[0])).chain(drain(&rings[1])), 1);
    });
}

#[test]
fn a_look_is_of_one_push() {
    model(4, || {
        let ring = Arc::new(Ring::new(Kind::Single));
        ring.push(&task(1)).unwrap();
        let watcher = thread::spawn({
            let ring = ring.clone();
            move || {
                for seen in ring.watch() {
                    assert_eq!(seen.task, task(seen.task.gtid.bits()), "fields of two pushes");
                }
            }
        });
        pop(&ring, 1);
        ring.push(&task(2)).unwrap();
        pop(&ring, 1);
        ring.push(&task(3)).unwrap();
        watcher.join().unwrap();
    });
}
