extern crate std;

use std::vec::Vec;

use super::*;
use crate::abi::Outcome;

fn task(number: u64) -> Task {
    Task {
        gtid: Gtid::from_bits(number),
        data: number * 3,
        time_ns: number * 7,
        barrier: number as u32,
        run_flags: 0x400,
    }
}

const KINDS: [Kind; 3] = [Kind::Single, Kind::Shared, Kind::Earliest];

#[test]
fn what_is_pushed_is_popped_in_order() {
    for kind in KINDS {
        let ring = Ring::new(kind);
        for round in 0..10 {
            let numbers = round * 40..round * 40 + 40;
            for number in numbers.clone() {
                ring.push_any(&task(number)).unwrap();
            }
            assert_eq!(ring.waiting(), 40);
            for number in numbers {
                let claim = ring.pop(3).unwrap();
                assert_eq!(claim.task(), task(number), "{kind:?}");
                claim.complete();
            }
            assert!(ring.pop(3).is_none());
        }
    }
}

#[test]
fn a_full_ring_says_so_until_there_is_room() {
    for kind in KINDS {
        let ring = Ring::new(kind);
        for number in 0..SLOTS as u64 {
            ring.push_any(&task(number)).unwrap();
        }
        assert_eq!(ring.push_any(&task(99)), Err(NoPush::Full));
        let claim = ring.pop(0).unwrap();
        assert_eq!(ring.push_any(&task(99)), Err(NoPush::Full), "it is claimed, not free");
        claim.complete();
        ring.push_any(&task(99)).unwrap();
        assert_eq!(ring.push_any(&task(99)), Err(NoPush::Full));
    }
}

#[test]
fn each_ring_has_its_push() {
    let single = Ring::new(Kind::Single);
    assert_eq!(single.push_shared(&task(1)), Err(NoPush::WrongKind { kind: 1 }));
    let shared = Ring::new(Kind::Shared);
    assert_eq!(shared.push(&task(1)), Err(NoPush::WrongKind { kind: 2 }));
    shared.kind.store(0, Ordering::Relaxed);
    assert_eq!(shared.push_any(&task(1)), Err(NoPush::WrongKind { kind: 0 }));
    assert!(shared.pop(0).is_none());
}

#[test]
fn the_earliest_deadline_comes_first() {
    let ring = Ring::new(Kind::Earliest);
    for number in [5, 1, 9, 3] {
        ring.push_shared(&task(number)).unwrap();
    }
    let mut order = Vec::new();
    while let Some(claim) = ring.pop(0) {
        order.push(claim.task().gtid.bits());
        claim.complete();
    }
    assert_eq!(order, [1, 3, 5, 9]);
}

#[test]
fn a_ticket_names_one_push_for_ever() {
    for kind in KINDS {
        let ring = Ring::new(kind);
        let first = ring.push_any(&task(1)).unwrap();
        assert_eq!(ring.revoke(first), Ok(task(1)));
        assert_eq!(ring.revoke(first), Err(NotHeld::Gone));
        assert!(ring.pop(0).is_none());
        // The same slot again, a lap later, is another push.
        let later: Vec<Ticket> = (0..SLOTS as u64)
            .map(|number| ring.push_any(&task(number)).unwrap())
            .collect();
        assert_eq!(ring.revoke(first), Err(NotHeld::Gone));
        let claim = ring.pop(2).unwrap();
        assert_eq!(ring.revoke(claim.ticket()), Err(NotHeld::Claimed(2)));
        let ticket = claim.ticket();
        claim.fail(Outcome::TargetStale.number());
        assert_eq!(ring.revoke(ticket), Err(NotHeld::Failed(Outcome::TargetStale.number())));
        assert!(later.contains(&ticket));
    }
}

#[test]
fn a_failure_is_told_once_and_frees_its_slot() {
    let ring = Ring::new(Kind::Single);
    for number in 0..SLOTS as u64 {
        ring.push(&task(number)).unwrap();
    }
    for _ in 0..SLOTS {
        ring.pop(0).unwrap().fail(Outcome::CpuUnavailable.number());
    }
    assert_eq!(ring.push(&task(0)), Err(NoPush::Full));
    let some: Vec<u64> = ring
        .failures()
        .take(5)
        .map(|failure| failure.task.gtid.bits())
        .collect();
    let rest: Vec<u64> = ring.failures().map(|failure| failure.task.gtid.bits()).collect();
    assert_eq!([some, rest].concat(), (0..SLOTS as u64).collect::<Vec<_>>());
    assert_eq!(ring.failures().count(), 0);
    ring.push(&task(0)).unwrap();
}

#[test]
fn what_is_put_back_comes_first_and_what_is_dropped_is_put_back() {
    for kind in [Kind::Single, Kind::Shared] {
        let ring = Ring::new(kind);
        for number in 1..=4 {
            ring.push_any(&task(number)).unwrap();
        }
        let claim = ring.pop(0).unwrap();
        let skip = claim.ticket().bit();
        claim.put_back();
        drop(ring.pop_except(0, skip).unwrap());
        let claim = ring.pop_except(0, skip).unwrap();
        assert_eq!(claim.task().gtid.bits(), 2);
        claim.complete();
        let mut order = Vec::new();
        while let Some(claim) = ring.pop(1) {
            order.push(claim.task().gtid.bits());
            claim.complete();
        }
        assert_eq!(order, [1, 3, 4], "{kind:?}");
    }
}

#[test]
fn a_move_loses_nothing_when_there_is_no_room() {
    let (near, far) = (Ring::new(Kind::Single), Ring::new(Kind::Shared));
    let ticket = near.push(&task(1)).unwrap();
    for number in 0..SLOTS as u64 {
        far.push_shared(&task(number + 10)).unwrap();
    }
    assert_eq!(near.move_to(ticket, &far), Err(MoveError::NoPush(NoPush::Full)));
    assert_eq!(near.waiting(), 1);
    far.pop(0).unwrap().complete();
    let moved = near.move_to(ticket, &far).unwrap();
    assert_eq!((near.waiting(), far.waiting()), (0, SLOTS));
    assert_eq!(near.move_to(ticket, &far), Err(MoveError::NotHeld(NotHeld::Gone)));
    assert_eq!(far.revoke(moved), Ok(task(1)));
}

/// A ring in which 60 to 69 wait, at positions 60 to 69, and everything before has gone.
fn used(kind: Kind) -> Ring {
    let ring = Ring::new(kind);
    (0..70).for_each(|number| {
        ring.push_any(&task(number)).unwrap();
        if number < 60 {
            ring.pop(0).unwrap().complete();
        }
    });
    ring
}

fn drain(ring: &Ring) -> Vec<u64> {
    core::iter::from_fn(|| {
        let claim = ring.pop(0)?;
        let number = claim.task().gtid.bits();
        claim.complete();
        Some(number)
    })
    .take(200)
    .collect()
}

#[test]
fn a_stale_hint_hides_nothing() {
    for kind in [Kind::Single, Kind::Shared] {
        for (head, tail) in (0..=60).flat_map(|head| [(head, 0), (head, 69), (head, head)]) {
            let ring = used(kind);
            ring.head.store(head, Ordering::Relaxed);
            ring.tail.store(tail, Ordering::Relaxed);
            ring.push_any(&task(70)).unwrap();
            assert_eq!(
                drain(&ring),
                (60..=70).collect::<Vec<_>>(),
                "{kind:?}, head {head}, tail {tail}"
            );
        }
    }
}

#[test]
fn a_hint_that_is_nonsense_doubles_nothing_and_ends() {
    for kind in [Kind::Single, Kind::Shared] {
        for hint in [61, 63, 64, 65, 70, 71, 1000, u64::MAX, u64::MAX << 32, 1 << 37] {
            let ring = used(kind);
            ring.head.store(hint, Ordering::Relaxed);
            ring.tail.store(hint, Ordering::Relaxed);
            let pushed = ring.push_any(&task(70)).is_ok();
            let mut seen = drain(&ring);
            // What such a hint hides is found by its ticket all the same.
            seen.extend(ring.watch().map(|seen| seen.task.gtid.bits()));
            seen.sort_unstable();
            assert_eq!(
                seen,
                (60..70 + u64::from(pushed)).collect::<Vec<_>>(),
                "{kind:?}, {hint}"
            );
        }
    }
}

#[test]
fn laps_wrap_around() {
    for kind in KINDS {
        let ring = Ring::new(kind);
        let last = u32::MAX - 1;
        for slot in &ring.slots {
            slot.word.store(word(last, EMPTY), Ordering::Relaxed);
        }
        let start = u64::from(last) << ORDER;
        ring.head.store(start, Ordering::Relaxed);
        ring.tail.store(start, Ordering::Relaxed);
        for number in 0..SLOTS as u64 * 4 {
            let ticket = ring.push_any(&task(number)).unwrap();
            let claim = ring.pop(0).unwrap();
            assert_eq!((claim.task(), claim.ticket()), (task(number), ticket), "{kind:?}");
            claim.complete();
        }
    }
}

#[test]
fn a_look_shows_what_is_in_it() {
    let ring = Ring::new(Kind::Single);
    (0..3).for_each(|number| _ = ring.push(&task(number)).unwrap());
    let claim = ring.pop(5).unwrap();
    let states: Vec<SlotState> = ring.watch().map(|seen| seen.state).collect();
    assert_eq!(states, [SlotState::Claimed(5), SlotState::Ready, SlotState::Ready]);
    claim.fail(-1);
    assert_eq!(ring.watch().next().unwrap().state, SlotState::Failed(-1));
    assert_eq!(
        ring.watch().map(|seen| seen.task).collect::<Vec<_>>(),
        [task(0), task(1), task(2)]
    );
}
