//! PNT rings on the live kernel: the Rust half in userspace and the BPF half (`bpf/c/pnt_selftest.bpf.c`, in the kernel) on
//! the same memory, that of mmapped array maps. Needs root.

#[path = "../../tests/support/skip.rs"]
mod skip;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ghostsched_bpf::Error;
use ghostsched_bpf::mapping::Mapping;
use ghostsched_bpf::object::{Object, Runner, is_privileged};
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::pnt::{
    Failure, Hierarchy, Kind, MoveError, NoPush, NotHeld, Path, Ring, SLOTS, SlotState, Task,
};

use skip::skipped;

static OBJECT: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/pnt_selftest.bpf.o"));

/// The rings that [`Bpf::load`] makes, by number.
const KINDS: [Kind; 4] = [Kind::Single, Kind::Shared, Kind::Earliest, Kind::Shared];
const SINGLE: u32 = 0;
const SHARED: u32 = 1;
const EARLIEST: u32 = 2;
const OTHER: u32 = 3;
const CPUS: u32 = 3;

const READY: u32 = 0x7fff_ffff;
const EMPTY: u32 = 0x7fff_fffe;
/// A code of a transaction, as the kernel refuses one.
const REFUSED: i32 = -5;
/// What `pnt_pop` does with what it popped.
const LATCHED: i32 = 0;
const PUT_BACK: i32 = 1;

/// The programs in the kernel, and their maps here.
struct Bpf {
    object: Object,
    rings: Mapping,
    paths: Mapping,
    taken: Mapping,
}

/// The BPF half, and the memory as the Rust half sees it. From any thread.
struct Halves<'b> {
    push: Runner<'b>,
    pop: Runner<'b>,
    revoke: Runner<'b>,
    move_next: Runner<'b>,
    taken: &'b Mapping,
    rust: Hierarchy<'b>,
}

impl Bpf {
    /// `None` after saying why it cannot be had here.
    fn load() -> Option<Self> {
        if !is_privileged() {
            skipped("needs root, or CAP_BPF and CAP_PERFMON");
            return None;
        }
        match Self::try_load() {
            Ok(bpf) => Some(bpf),
            Err(Error::Privilege(why) | Error::Unsupported(why)) => {
                skipped(&why);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn try_load() -> Result<Self, Error> {
        let mut object = Object::open("pnt_selftest", OBJECT)?;
        for (map, entries) in [("rings", KINDS.len() as u32), ("paths", CPUS), ("taken", CPUS)] {
            object.map(map)?.set_max_entries(entries)?;
        }
        object.load()?;
        let [rings, paths, taken] = ["rings", "paths", "taken"].map(|map| object.map(map)?.mapping(true));
        Ok(Self {
            rings: rings?,
            paths: paths?,
            taken: taken?,
            object,
        })
    }

    fn halves(&self) -> Halves<'_> {
        let run = |name| self.object.program(name).and_then(|one| one.runner()).expect(name);
        let rings = self.rings.shared().expect("writable").view::<Ring>(0, KINDS.len());
        let paths = self.paths.shared().expect("writable").view::<Path>(0, CPUS as usize);
        Halves {
            push: run("pnt_push"),
            pop: run("pnt_pop"),
            revoke: run("pnt_revoke"),
            move_next: run("pnt_move"),
            taken: &self.taken,
            rust: Hierarchy::new(rings.expect("rings"), paths.expect("paths")),
        }
    }
}

impl<'b> Halves<'b> {
    /// Empty rings, and each CPU looks through these.
    fn format(&self, path: &[u32]) {
        for (ring, kind) in self.rust.rings().iter().zip(KINDS) {
            ring.format(kind);
        }
        for cpu in 0..CPUS {
            self.rust.set_path(cpu, path).expect("a path");
        }
    }

    fn ring(&self, number: u32) -> &'b Ring {
        &self.rust.rings()[number as usize]
    }

    /// Whether BPF found room.
    fn push(&self, ring: u32, number: u64) -> bool {
        let Task {
            gtid,
            data,
            time_ns,
            barrier,
            run_flags,
        } = task(number);
        let last = u64::from(barrier) | u64::from(run_flags) << 32;
        let arguments = [ring.into(), gtid.bits(), data, time_ns, last];
        self.push.test_run(&arguments).expect("push") == 1
    }

    /// BPF pops for a CPU, and does with the thread what `outcome` says: which ring, and which thread.
    fn pop(&self, cpu: u32, outcome: i32) -> Option<(u32, u64)> {
        let arguments = [cpu.into(), cpu.into(), outcome as u64];
        let found = self.pop.test_run(&arguments).expect("pop") == 1;
        found.then(|| {
            // `struct gs_pnt_claim`: the task, lap, index, ring.
            let at = cpu as usize;
            let popped = Task {
                gtid: Gtid::from_bits(self.taken.u64(at, 0)),
                data: self.taken.u64(at, 8),
                time_ns: self.taken.u64(at, 16),
                barrier: self.taken.u32(at, 24),
                run_flags: self.taken.u32(at, 28),
            };
            (self.taken.u32(at, 40), number(popped))
        })
    }

    /// The state that BPF found a push in.
    fn revoke(&self, ring: u32, ticket: u64) -> u32 {
        self.revoke.test_run(&[ring.into(), ticket, 0]).expect("revoke")
    }

    /// Whether BPF moved a thread.
    fn move_next(&self, from: u32, to: u32) -> bool {
        self.move_next.test_run(&[from.into(), to.into()]).expect("move") == 1
    }

    fn is_empty(&self) -> bool {
        self.rust.watch().next().is_none()
            && (0..CPUS).all(|cpu| self.pop(cpu, LATCHED).is_none() && self.rust.pop(cpu).is_none())
    }
}

/// Thread 1, 2, 3 and so on; every field tells which. Later numbers do not mean later times.
fn task(number: u64) -> Task {
    Task {
        gtid: Gtid::from_bits(number),
        data: !number,
        time_ns: time_of(number),
        barrier: number as u32 ^ 0x55,
        run_flags: number as u32 & 0x1fff,
    }
}

fn time_of(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9) % 10_007
}

fn number(found: Task) -> u64 {
    let number = found.gtid.bits();
    assert_eq!(found, task(number), "torn");
    number
}

/// The Rust half pops for a CPU and latches.
fn pop_in_rust(ring: &Ring, cpu: u32) -> Option<u64> {
    let claim = ring.pop(cpu)?;
    let popped = number(claim.task());
    claim.complete();
    Some(popped)
}

#[test]
fn bpf_finds_nothing_in_rings_that_were_not_formatted() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    for cpu in 0..CPUS {
        halves.rust.set_path(cpu, &[0, 1, 2, 3]).unwrap();
        assert_eq!(halves.pop(cpu, LATCHED), None);
    }
    assert!(!halves.push(SINGLE, 1) && !halves.push(SHARED, 1) && !halves.push(EARLIEST, 1));
    assert_eq!(halves.ring(SINGLE).push(&task(1)), Err(NoPush::WrongKind { kind: 0 }));
}

#[test]
fn bpf_pops_what_rust_pushed_from_the_nearest_ring_outwards() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[SINGLE, SHARED, OTHER]);
    halves.rust.set_path(1, &[OTHER, SINGLE]).unwrap();
    for (ring, number) in [
        (OTHER, 5),
        (OTHER, 6),
        (SHARED, 3),
        (SHARED, 4),
        (SINGLE, 1),
        (SINGLE, 2),
    ] {
        halves.ring(ring).push_any(&task(number)).unwrap();
    }
    assert_eq!(halves.pop(1, LATCHED), Some((OTHER, 5)));
    let popped: Vec<_> = std::iter::from_fn(|| halves.pop(0, LATCHED)).collect();
    assert_eq!(popped, [(SINGLE, 1), (SINGLE, 2), (SHARED, 3), (SHARED, 4), (OTHER, 6)]);
    assert!(halves.is_empty());
    assert_eq!(halves.pop(CPUS, LATCHED), None);
}

#[test]
fn bpf_passes_over_numbers_in_a_path_that_are_no_ring() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[SINGLE, SHARED, OTHER, EARLIEST]);
    // `struct gs_pnt_path`: how many, then the rings.
    bpf.paths.set_u32(0, 0, u32::MAX);
    bpf.paths.set_u32(0, 4, KINDS.len() as u32);
    bpf.paths.set_u32(0, 8, u32::MAX);
    halves.ring(EARLIEST).push_any(&task(1)).unwrap();
    assert_eq!(halves.pop(0, LATCHED), Some((EARLIEST, 1)));
    assert_eq!(halves.pop(0, LATCHED), None);
}

#[test]
fn rust_pops_in_order_what_bpf_pushed_until_the_ring_was_full() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[SINGLE, SHARED]);
    for ring in [SINGLE, SHARED] {
        let mut first = 1;
        // More than a lap, and never again from its first slot.
        for count in [SLOTS as u64, 40, 40] {
            let numbers: Vec<_> = (first..first + count).collect();
            assert!(numbers.iter().all(|&number| halves.push(ring, number)));
            assert_eq!(halves.push(ring, 0), count < SLOTS as u64);
            let popped: Vec<_> = std::iter::from_fn(|| pop_in_rust(halves.ring(ring), 2)).collect();
            let (rest, extra) = popped.split_at(numbers.len());
            assert_eq!((rest, extra.len()), (&numbers[..], usize::from(count < SLOTS as u64)));
            first += count;
        }
    }
    assert!(halves.is_empty());
}

#[test]
fn what_one_half_puts_back_the_other_pops_first() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    for ring in [SINGLE, SHARED] {
        halves.format(&[ring]);
        let pnt = halves.ring(ring);
        (1..=4).for_each(|number| _ = pnt.push_any(&task(number)).unwrap());
        assert_eq!(halves.pop(0, PUT_BACK), Some((ring, 1)));
        assert_eq!(pop_in_rust(pnt, 0), Some(1));
        pnt.pop(0).unwrap().put_back();
        assert_eq!(halves.pop(1, LATCHED), Some((ring, 2)));
        assert_eq!(halves.pop(0, PUT_BACK), Some((ring, 3)));
        assert_eq!(halves.pop(1, LATCHED), Some((ring, 3)));
        assert_eq!(halves.pop(1, LATCHED), Some((ring, 4)));
        assert!(halves.is_empty());
    }
}

#[test]
fn rust_is_told_once_of_each_thread_that_bpf_could_not_run() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    for ring in [SINGLE, SHARED, EARLIEST] {
        halves.format(&[ring]);
        let pnt = halves.ring(ring);
        let tickets = [1, 2, 3].map(|number| pnt.push_any(&task(number)).unwrap());
        let failed = [(); 2].map(|()| halves.pop(0, REFUSED).unwrap().1);
        let latched = halves.pop(0, LATCHED).unwrap().1;
        assert_eq!(failed.iter().chain([&latched]).sum::<u64>(), 1 + 2 + 3);
        let ticket = |number: u64| tickets[number as usize - 1];
        assert_eq!(pnt.revoke(ticket(failed[0])), Err(NotHeld::Failed(REFUSED)));
        assert_eq!(halves.revoke(ring, ticket(failed[0]).number()), REFUSED as u32);
        let mut told: Vec<_> = pnt.failures().collect();
        told.sort_by_key(|failure| failure.task.gtid.bits());
        let mut expected = failed.map(|number| Failure {
            ticket: ticket(number),
            code: REFUSED,
            task: task(number),
        });
        expected.sort_by_key(|failure| failure.task.gtid.bits());
        assert_eq!(told, expected);
        assert_eq!(pnt.failures().count(), 0);
        assert!(halves.is_empty());
    }
}

#[test]
fn what_one_half_revokes_neither_pops() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    for ring in [SINGLE, SHARED, EARLIEST] {
        halves.format(&[ring]);
        let pnt = halves.ring(ring);
        assert!((1..=3).all(|number| halves.push(ring, number)));
        // BPF tells no tickets; a look at the ring does.
        let ticket = |number| pnt.watch().find(|seen| seen.task == task(number)).unwrap().ticket;
        let tickets = [1, 2, 3].map(ticket);
        assert_eq!(halves.revoke(ring, tickets[0].number()), READY);
        assert_eq!(pnt.revoke(tickets[1]), Ok(task(2)));
        assert_eq!(pnt.revoke(tickets[0]), Err(NotHeld::Gone));
        assert_eq!(halves.revoke(ring, tickets[1].number()), EMPTY);
        let held = pnt.hold(tickets[2]).unwrap();
        assert_eq!(halves.pop(0, LATCHED), None);
        held.put_back();
        assert_eq!(halves.pop(0, LATCHED), Some((ring, 3)));
        // Their slots' next threads are other pushes.
        assert!((4..=6).all(|number| halves.push(ring, number)));
        for ticket in tickets {
            assert_eq!(halves.revoke(ring, ticket.number()), EMPTY);
            assert_eq!(pnt.revoke(ticket), Err(NotHeld::Gone));
        }
        assert_eq!(pnt.waiting(), 3);
    }
}

#[test]
fn what_one_half_moves_the_other_pops_where_it_went() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[OTHER]);
    let (from, to) = (halves.ring(SINGLE), halves.ring(OTHER));
    let tickets = [1, 2, 3, 4].map(|number| from.push(&task(number)).unwrap());
    assert!(halves.move_next(SINGLE, OTHER));
    assert_eq!(from.move_to(tickets[0], to), Err(MoveError::NotHeld(NotHeld::Gone)));
    from.move_to(tickets[2], to).unwrap();
    assert_eq!(halves.rust.balance(SINGLE, OTHER, 1, |_| ()), 1);
    assert!(halves.move_next(SINGLE, OTHER));
    assert!(!halves.move_next(SINGLE, OTHER));
    assert_eq!(pop_in_rust(to, 0), Some(1));
    assert_eq!(halves.pop(0, LATCHED), Some((OTHER, 3)));
    assert_eq!(halves.pop(0, LATCHED), Some((OTHER, 2)));
    assert_eq!(pop_in_rust(to, 0), Some(4));
    assert!(halves.is_empty());
}

#[test]
fn what_finds_no_room_in_another_ring_stays() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[SHARED]);
    (0..SLOTS as u64).for_each(|number| _ = halves.ring(OTHER).push_any(&task(10 + number)).unwrap());
    assert!(halves.push(SHARED, 1) && halves.push(SHARED, 2));
    assert!(!halves.move_next(SHARED, OTHER));
    assert_eq!(halves.rust.balance(SHARED, OTHER, 1, |_| ()), 0);
    let seen: Vec<_> = halves.ring(SHARED).watch().map(|seen| seen.state).collect();
    assert_eq!(seen, [SlotState::Ready, SlotState::Ready]);
    assert_eq!(halves.pop(0, LATCHED), Some((SHARED, 1)));
    assert_eq!(halves.pop(0, LATCHED), Some((SHARED, 2)));
}

#[test]
fn both_halves_pop_the_earliest_first() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[EARLIEST]);
    let pnt = halves.ring(EARLIEST);
    let mut numbers: Vec<_> = (1..=SLOTS as u64).collect();
    for &number in &numbers {
        match number % 2 {
            0 => assert!(halves.push(EARLIEST, number)),
            _ => _ = pnt.push_shared(&task(number)).unwrap(),
        }
    }
    assert!(!halves.push(EARLIEST, 100));
    numbers.sort_by_key(|&number| time_of(number));
    assert!(!numbers.is_sorted(), "times in the order of the pushes prove nothing");
    for (turn, number) in numbers.into_iter().enumerate() {
        match turn % 3 {
            0 => assert_eq!(pop_in_rust(pnt, 0), Some(number)),
            1 => assert_eq!(halves.pop(0, LATCHED), Some((EARLIEST, number))),
            _ => {
                assert_eq!(halves.pop(0, PUT_BACK), Some((EARLIEST, number)));
                assert_eq!(halves.pop(1, LATCHED), Some((EARLIEST, number)));
            }
        }
    }
    assert!(halves.is_empty());
}

const THREADS: u64 = 4000;
/// Three poppers, of which none takes more than this: so each half takes some, whoever is the faster.
const SHARE: usize = 1600;

/// How often each thread came to an end: latched, or failed and told of.
struct Ends {
    of: Vec<AtomicUsize>,
    all: AtomicUsize,
    until: Instant,
}

impl Ends {
    fn new() -> Self {
        Self {
            of: (0..=THREADS).map(|_| AtomicUsize::new(0)).collect(),
            all: AtomicUsize::new(0),
            until: Instant::now() + Duration::from_secs(60),
        }
    }

    fn add(&self, number: u64) {
        // Relaxed: read after the threads are joined, but for `all`, which only ends loops.
        self.of[number as usize].fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there is still something to do, and time for it.
    fn open(&self) -> bool {
        self.all.load(Ordering::Relaxed) < THREADS as usize && Instant::now() < self.until
    }

    /// Does it until it succeeds, or there is no time.
    fn insist(&self, mut attempt: impl FnMut() -> bool) {
        while !attempt() && self.open() {
            thread::yield_now();
        }
    }

    fn assert_once_each(&self, halves: &Halves<'_>) {
        let times = |wanted: fn(usize) -> bool| {
            let count = |of: &[AtomicUsize]| of.iter().filter(|one| wanted(one.load(Ordering::Relaxed))).count();
            count(&self.of[1..])
        };
        let (lost, doubled) = (times(|times| times == 0), times(|times| times > 1));
        assert_eq!((lost, doubled), (0, 0), "lost and doubled, of {THREADS}");
        assert!(halves.is_empty());
        assert!(halves.rust.rings().iter().all(|ring| ring.failures().count() == 0));
    }
}

/// Which half pushes: each an equal part.
#[derive(Clone, Copy, Debug)]
enum Pusher {
    Rust,
    Bpf,
}

fn push_all(halves: &Halves<'_>, ring: u32, pusher: Pusher, numbers: impl Iterator<Item = u64>, ends: &Ends) {
    for number in numbers {
        ends.insist(|| match pusher {
            Pusher::Rust => halves.ring(ring).push_any(&task(number)).is_ok(),
            Pusher::Bpf => halves.push(ring, number),
        });
    }
}

/// BPF pops for a CPU; now and then it puts back, and now and then the thread is refused.
fn pop_by_bpf(halves: &Halves<'_>, cpu: u32, ends: &Ends) {
    let mut popped = 0;
    for turn in 0_u64.. {
        if popped == SHARE || !ends.open() {
            return;
        }
        let outcome = match turn % 16 {
            3 | 4 => PUT_BACK,
            9 => REFUSED,
            _ => LATCHED,
        };
        match halves.pop(cpu, outcome) {
            Some((_, number)) => {
                popped += usize::from(outcome != PUT_BACK);
                if outcome == LATCHED {
                    ends.add(number);
                }
            }
            None => thread::yield_now(),
        }
    }
}

fn pop_by_rust(halves: &Halves<'_>, cpu: u32, ends: &Ends) {
    let mut popped = 0;
    for turn in 0_u64.. {
        if popped == SHARE || !ends.open() {
            return;
        }
        let Some((_, claim)) = halves.rust.pop(cpu) else {
            thread::yield_now();
            continue;
        };
        let which = number(claim.task());
        match turn % 16 {
            5 => claim.put_back(),
            11 => {
                claim.fail(REFUSED);
                popped += 1;
            }
            _ => {
                claim.complete();
                ends.add(which);
                popped += 1;
            }
        }
    }
}

/// The agent hears of what was refused.
fn take_failures(halves: &Halves<'_>, ends: &Ends) {
    while ends.open() {
        for failure in halves.rust.rings().iter().flat_map(Ring::failures) {
            assert_eq!(failure.code, REFUSED);
            ends.add(number(failure.task));
        }
        thread::yield_now();
    }
}

/// Two CPUs pop by BPF and one in Rust while these push; the agent takes the failures, and `meanwhile` runs beside.
fn all_at_once(halves: &Halves<'_>, ring: u32, pushers: &[Pusher], meanwhile: impl Fn(&Ends) + Sync) {
    let ends = Ends::new();
    thread::scope(|scope| {
        for (part, &pusher) in pushers.iter().enumerate() {
            let numbers = (1 + part as u64..=THREADS).step_by(pushers.len());
            let ends = &ends;
            scope.spawn(move || push_all(halves, ring, pusher, numbers, ends));
        }
        scope.spawn(|| pop_by_bpf(halves, 0, &ends));
        scope.spawn(|| pop_by_bpf(halves, 1, &ends));
        scope.spawn(|| pop_by_rust(halves, 2, &ends));
        scope.spawn(|| meanwhile(&ends));
        take_failures(halves, &ends);
    });
    ends.assert_once_each(halves);
}

fn each_ends_once(ring: u32, pushers: &[Pusher]) {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[ring]);
    all_at_once(&halves, ring, pushers, |_| ());
}

#[test]
fn each_thread_that_rust_pushes_alone_ends_once_while_both_halves_pop() {
    each_ends_once(SINGLE, &[Pusher::Rust]);
}

#[test]
fn each_thread_that_bpf_pushes_alone_ends_once_while_both_halves_pop() {
    each_ends_once(SINGLE, &[Pusher::Bpf]);
}

#[test]
fn each_thread_ends_once_while_both_halves_push_and_pop() {
    each_ends_once(SHARED, &[Pusher::Rust, Pusher::Bpf]);
}

#[test]
fn each_thread_ends_once_while_both_halves_push_and_pop_by_time() {
    each_ends_once(EARLIEST, &[Pusher::Rust, Pusher::Bpf]);
}

/// From ring to ring to ring, the first step by BPF and the second by Rust, and now and then one step back.
#[test]
fn each_thread_ends_once_while_both_halves_move_it_to_and_fro() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    halves.format(&[OTHER]);
    let (by_bpf, by_rust) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let to_and_fro = |ends: &Ends, moved: &AtomicUsize, step: &dyn Fn() -> usize, back: &dyn Fn()| {
        for turn in 0_u64.. {
            if !ends.open() {
                return;
            }
            match step() {
                0 => thread::yield_now(),
                steps => _ = moved.fetch_add(steps, Ordering::Relaxed),
            }
            if turn % 8 == 0 {
                back();
            }
        }
    };
    all_at_once(&halves, SHARED, &[Pusher::Rust, Pusher::Bpf], |ends| {
        thread::scope(|scope| {
            scope.spawn(|| {
                let step = || usize::from(halves.move_next(SHARED, EARLIEST));
                to_and_fro(ends, &by_bpf, &step, &|| _ = halves.move_next(OTHER, EARLIEST));
            });
            let step = || halves.rust.balance(EARLIEST, OTHER, 2, |one| _ = number(one.task));
            let back = || _ = halves.rust.balance(EARLIEST, SHARED, 1, |one| _ = number(one.task));
            to_and_fro(ends, &by_rust, &step, &back);
        });
    });
    let moves = [by_bpf, by_rust].map(AtomicUsize::into_inner);
    assert!(moves.iter().all(|&moves| moves >= THREADS as usize), "{moves:?}");
}

/// A race for one slot is won or lost within nanoseconds, so they meet again and again, for three seconds.
#[test]
fn each_thread_is_popped_once_by_two_cpus_that_drain_the_ring_by_bpf() {
    let Some(bpf) = Bpf::load() else { return };
    let halves = bpf.halves();
    let until = Instant::now() + Duration::from_secs(3);
    for ring in [SINGLE, EARLIEST]
        .into_iter()
        .cycle()
        .take_while(|_| Instant::now() < until)
    {
        halves.format(&[ring]);
        let ends = Ends::new();
        thread::scope(|scope| {
            for cpu in 0..2 {
                let (halves, ends) = (&halves, &ends);
                scope.spawn(move || {
                    while ends.open() {
                        match halves.pop(cpu, LATCHED) {
                            Some((_, number)) => ends.add(number),
                            None => thread::yield_now(),
                        }
                    }
                });
            }
            for number in 1..=THREADS {
                while halves.ring(ring).push_any(&task(number)).is_err() && ends.open() {
                    thread::yield_now();
                }
            }
        });
        ends.assert_once_each(&halves);
    }
}
