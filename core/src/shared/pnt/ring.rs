//! One PNT ring.

use core::fmt;
use core::mem;
#[cfg(not(loom))]
use core::mem::{offset_of, size_of};

use super::SLOTS;
use crate::gtid::Gtid;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

const ORDER: u32 = SLOTS.trailing_zeros();
const MASK: u64 = SLOTS as u64 - 1;
/// The bits of a position that a ticket has: lap and slot.
const TICKETS: u64 = u64::MAX >> (32 - ORDER);
/// How often a pop by time begins anew after it lost the earliest to another.
const TRIES: usize = 4;

// States: the numbers of transactions where one exists.
const READY: u32 = 0x7fff_ffff;
const EMPTY: u32 = 0x7fff_fffe;
const FILLING: u32 = 0x7fff_fffd;
const HELD: u32 = 0x7fff_fffc;
/// The largest CPU number that can claim a slot.
const MAX_CPU: u32 = 0x7fff_ffef;
/// Set in every failure.
const FINAL: u32 = 0x8000_0000;

/// A slot of a ring. 64 bytes, 64-aligned (`struct gs_pnt_slot`).
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct Slot {
    word: AtomicU64,
    gtid: AtomicU64,
    data: AtomicU64,
    time_ns: AtomicU64,
    barrier_and_flags: AtomicU64, // barrier: u32, run_flags: u32; in one, since each store delays the claim that follows
    #[cfg(not(loom))]
    _reserved: [AtomicU64; 3],
}

/// A ring. 4,288 bytes, 64-aligned (`struct gs_pnt_ring`); any bytes are a ring, zeros one of no kind.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct Ring {
    kind: AtomicU32, // written by `format` only, so that this line stays shared
    #[cfg(not(loom))]
    _reserved0: [AtomicU32; 15],
    head: AtomicU64,   // where the next pop looks first; poppers
    listed: AtomicU64, // READY slots that a pop must find whatever head says
    #[cfg(not(loom))]
    _reserved1: [AtomicU64; 6],
    tail: AtomicU64,   // where the next push looks first; producers
    failed: AtomicU64, // poppers set bits, the agent takes them all
    #[cfg(not(loom))]
    _reserved2: [AtomicU64; 6],
    slots: [Slot; SLOTS],
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Slot>() == 64);
    assert!(offset_of!(Slot, gtid) == 8 && offset_of!(Slot, data) == 16 && offset_of!(Slot, time_ns) == 24);
    assert!(offset_of!(Slot, barrier_and_flags) == 32);
    assert!(size_of::<Ring>() == 192 + 64 * SLOTS);
    assert!(offset_of!(Ring, head) == 64 && offset_of!(Ring, listed) == 72);
    assert!(offset_of!(Ring, tail) == 128 && offset_of!(Ring, failed) == 136 && offset_of!(Ring, slots) == 192);
};

/// What a ring is for. The one who formats it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// First in, first out, of one producer: [`Ring::push`], which needs no locked instruction.
    Single = 1,
    /// First in, first out, of several producers, such as the agent and BPF-MSG: [`Ring::push_shared`]. A pop steps over a slot
    /// that is being filled while it looks, so a thread may be overtaken by one that was pushed just after it.
    Shared = 2,
    /// The smallest `time_ns` first, for deadlines; several producers: [`Ring::push_shared`]. A pop looks at all that is in
    /// it. It takes the earliest of the threads that were READY during the whole pop, unless another took that first; after
    /// four such losses it takes any.
    Earliest = 3,
}

/// What is pushed and popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The thread.
    pub gtid: Gtid,
    /// The agent's own.
    pub data: u64,
    /// A deadline or the time of enqueuing, by the agent's clock.
    pub time_ns: u64,
    /// The task barrier on which it was decided.
    pub barrier: u32,
    /// For `run_gtid`.
    pub run_flags: u32,
}

/// Names one push: which lap of which slot of a ring. Another push has the same only after 2^32 laps, or after the ring was
/// formatted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

impl Ticket {
    const fn new(lap: u32, index: usize) -> Self {
        Self((lap as u64) << ORDER | index as u64)
    }

    /// The number of a ticket that came from C or another process.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number, below 2^38.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The slot, as `skip` of [`Ring::pop_except`] has bits of slots.
    pub const fn bit(self) -> u64 {
        1 << (self.0 & MASK)
    }
}

/// The answer to a push that took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPush {
    /// There is no room: threads wait in it, or failures that were not taken.
    Full,
    /// The CPU has no path, or none as long as that; see [`Hierarchy::push`](super::Hierarchy::push).
    NoRing,
    /// The ring is of another kind, so that this push could break it.
    WrongKind {
        /// The ring's kind, as a number; 0 before it was formatted.
        kind: u32,
    },
}

impl fmt::Display for NoPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full"),
            Self::NoRing => f.write_str("the cpu has no ring at that level: set its path"),
            Self::WrongKind { kind: 0 } => f.write_str("the ring has not been formatted"),
            Self::WrongKind { kind } => {
                write!(
                    f,
                    "the ring is of kind {kind}: push into 1 (single), push_shared into 2 (shared) and 3 (earliest)"
                )
            }
        }
    }
}

impl core::error::Error for NoPush {}

/// What state a slot is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// A thread waits to be popped.
    Ready,
    /// A CPU has claimed it and is about to run it.
    Claimed(u32),
    /// The agent revokes or moves it.
    Held,
    /// It was refused, with this code of a transaction (`GHOST_TXN_*`), negative; [`Ring::failures`] has it.
    Failed(i32),
    /// Free, or being filled.
    Empty,
}

impl SlotState {
    const fn of(word: u64) -> Self {
        match word as u32 {
            READY => Self::Ready,
            EMPTY | FILLING => Self::Empty,
            HELD => Self::Held,
            state if state & FINAL != 0 => Self::Failed(state as i32),
            cpu => Self::Claimed(cpu),
        }
    }
}

/// The push of a ticket is not there to be held: what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// A CPU was faster; it is about to run the thread.
    Claimed(u32),
    /// It was refused; [`Ring::failures`] will tell.
    Failed(i32),
    /// Another thread of the agent has it, or a CPU put it back just now: try again.
    Held,
    /// It was latched, revoked or moved.
    Gone,
}

/// A thread was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveError {
    /// It is not there to be moved.
    NotHeld(NotHeld),
    /// The other ring took it not; it is where it was.
    NoPush(NoPush),
}

/// A look at a slot with a thread in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its push.
    pub ticket: Ticket,
    /// The state it was in.
    pub state: SlotState,
    /// The thread.
    pub task: Task,
}

/// A thread that a popper could not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its push.
    pub ticket: Ticket,
    /// Why, a code of a transaction (`GHOST_TXN_*`): [`Outcome::from_number`](crate::abi::Outcome::from_number).
    pub code: i32,
    /// The thread, which is the agent's again.
    pub task: Task,
}

const fn word(lap: u32, state: u32) -> u64 {
    (lap as u64) << 32 | state as u64
}

/// The lap of a position, where a word has it.
const fn lap_bits(position: u64) -> u64 {
    position << (32 - ORDER) & 0xffff_ffff_0000_0000
}

const fn lap_of(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Positions in their order whatever laps wrap around, as long as they are less than 2^31 laps from `base`.
const fn rank(lap: u32, index: usize, base: u32) -> u64 {
    (lap.wrapping_sub(base).wrapping_add(1 << 31) as u64) << ORDER | index as u64
}

impl Slot {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(word(0, EMPTY)),
            gtid: AtomicU64::new(0),
            data: AtomicU64::new(0),
            time_ns: AtomicU64::new(0),
            barrier_and_flags: AtomicU64::new(0),
            #[cfg(not(loom))]
            _reserved: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    // Relaxed: by who has claimed the slot, or checked by reading the word again.
    #[inline(always)]
    fn read(&self) -> Task {
        let barrier_and_flags = self.barrier_and_flags.load(Ordering::Relaxed);
        Task {
            gtid: Gtid::from_bits(self.gtid.load(Ordering::Relaxed)),
            data: self.data.load(Ordering::Relaxed),
            time_ns: self.time_ns.load(Ordering::Relaxed),
            barrier: barrier_and_flags as u32,
            run_flags: (barrier_and_flags >> 32) as u32,
        }
    }

    /// -> EMPTY of the lap after that of `position`.
    #[inline(always)]
    fn free(&self, position: u64) {
        let next = lap_bits(position.wrapping_add(SLOTS as u64));
        // Release: pairs with the acquire of EMPTY in a push; the thread has been read.
        self.word.store(next | EMPTY as u64, Ordering::Release);
    }
}

impl Ring {
    /// An empty ring.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind: AtomicU32::new(kind as u32),
            head: AtomicU64::new(0),
            listed: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            slots: core::array::from_fn(|_| Slot::new()),
            #[cfg(not(loom))]
            _reserved0: core::array::from_fn(|_| AtomicU32::new(0)),
            #[cfg(not(loom))]
            _reserved1: core::array::from_fn(|_| AtomicU64::new(0)),
            #[cfg(not(loom))]
            _reserved2: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Makes an empty ring of this memory. By the agent, before anybody else looks at it.
    pub fn format(&self, kind: Kind) {
        for slot in &self.slots {
            slot.word.store(word(0, EMPTY), Ordering::Relaxed);
        }
        for hint in [&self.head, &self.listed, &self.tail, &self.failed] {
            hint.store(0, Ordering::Relaxed);
        }
        self.kind.store(kind as u32, Ordering::Relaxed); // nobody else looks yet
    }

    /// Its kind; `None` if it has not been formatted, or somebody wrote nonsense.
    pub fn kind(&self) -> Option<Kind> {
        match self.kind.load(Ordering::Relaxed) {
            1 => Some(Kind::Single),
            2 => Some(Kind::Shared),
            3 => Some(Kind::Earliest),
            _ => None,
        }
    }

    #[inline]
    fn slot(&self, position: u64) -> &Slot {
        &self.slots[(position & MASK) as usize]
    }

    /// Pushes as the one producer of a [`Kind::Single`] ring: no locked instruction.
    #[inline]
    pub fn push(&self, task: &Task) -> Result<Ticket, NoPush> {
        let kind = self.kind.load(Ordering::Relaxed);
        if kind != Kind::Single as u32 {
            return Err(NoPush::WrongKind { kind });
        }
        let mut tail = self.tail.load(Ordering::Relaxed);
        // Acquire: pairs with the release that freed the slot, after whose holder has read the last thread.
        let found = self.slot(tail).word.load(Ordering::Acquire);
        if found != lap_bits(tail) | EMPTY as u64 {
            tail = self.next_push((tail >> ORDER) as u32, found)?;
        }
        self.fill(tail, task, 0);
        self.tail.store(tail.wrapping_add(1), Ordering::Relaxed);
        Ok(Ticket(tail & TICKETS))
    }

    /// Where a single producer goes on when the hint is not free: nowhere if the ring is full.
    #[cold]
    fn next_push(&self, lap: u32, found: u64) -> Result<u64, NoPush> {
        if lap_of(found) == lap.wrapping_sub(1) && found as u32 != EMPTY {
            return Err(NoPush::Full);
        }
        // Not our hint: a producer before us ended between READY and it.
        let tail = self.find(false);
        if self.slot(tail).word.load(Ordering::Acquire) == word((tail >> ORDER) as u32, EMPTY) {
            Ok(tail)
        } else {
            Err(NoPush::Full)
        }
    }

    /// Pushes as one of several producers.
    pub fn push_shared(&self, task: &Task) -> Result<Ticket, NoPush> {
        match self.kind() {
            Some(Kind::Earliest) => self.push_anywhere(task),
            Some(Kind::Shared) => match self.push_from(self.tail.load(Ordering::Relaxed), task) {
                Ok(ticket) => Ok(ticket),
                Err(Astray(false)) => Err(NoPush::Full),
                // A slow producer has set the hint back.
                Err(Astray(true)) => self.push_from(self.find(false), task).map_err(|_| NoPush::Full),
            },
            _ => Err(NoPush::WrongKind {
                kind: self.kind.load(Ordering::Relaxed),
            }),
        }
    }

    /// Pushes into a ring of any kind, as its declared producer.
    pub fn push_any(&self, task: &Task) -> Result<Ticket, NoPush> {
        match self.kind() {
            Some(Kind::Single) => self.push(task),
            _ => self.push_shared(task),
        }
    }

    /// From `tail` over what others have filled meanwhile, one lap at most.
    fn push_from(&self, mut tail: u64, task: &Task) -> Result<Ticket, Astray> {
        for _ in 0..SLOTS {
            let lap = (tail >> ORDER) as u32;
            let slot = self.slot(tail);
            // Acquire: pairs with the release that freed the slot.
            let found = slot.word.load(Ordering::Acquire);
            if found == word(lap, EMPTY) {
                if exchange(&slot.word, found, word(lap, FILLING)) {
                    self.fill(tail, task, 0);
                    self.tail.store(tail.wrapping_add(1), Ordering::Relaxed);
                    return Ok(Ticket(tail & TICKETS));
                }
            } else {
                let ahead = lap_of(found).wrapping_sub(lap);
                if ahead == u32::MAX && found as u32 != EMPTY {
                    return Err(Astray(false)); // the lap before is still in use
                }
                if ahead > 1 {
                    return Err(Astray(true));
                }
            }
            tail = tail.wrapping_add(1);
        }
        Err(Astray(true))
    }

    /// Any free slot, the lowest first: those stay in the caches.
    fn push_anywhere(&self, task: &Task) -> Result<Ticket, NoPush> {
        let taken = self.listed.load(Ordering::Relaxed);
        for (index, slot) in self
            .slots
            .iter()
            .enumerate()
            .filter(|(index, _)| taken >> index & 1 == 0)
        {
            // Acquire: pairs with the release that freed the slot.
            let found = slot.word.load(Ordering::Acquire);
            let lap = lap_of(found);
            if found as u32 == EMPTY && exchange(&slot.word, found, word(lap, FILLING)) {
                let ticket = Ticket::new(lap, index);
                self.fill(ticket.0, task, ticket.bit());
                return Ok(ticket);
            }
        }
        Err(NoPush::Full)
    }

    /// Steps 3 and 4, by who has the slot to itself.
    #[inline]
    fn fill(&self, position: u64, task: &Task, list: u64) {
        let slot = self.slot(position);
        // Release: pairs with the acquire fence in `watch`, which must not mix this thread's fields with the last's.
        fence(Ordering::Release);
        slot.gtid.store(task.gtid.bits(), Ordering::Relaxed);
        slot.data.store(task.data, Ordering::Relaxed);
        slot.time_ns.store(task.time_ns, Ordering::Relaxed);
        let barrier_and_flags = u64::from(task.barrier) | u64::from(task.run_flags) << 32;
        slot.barrier_and_flags.store(barrier_and_flags, Ordering::Relaxed);
        if list != 0 {
            // Release: the bit is set before READY.
            self.listed.fetch_or(list, Ordering::Release);
        }
        // Release: pairs with the claim's compare-exchange, which lets its winner read the fields.
        slot.word.store(lap_bits(position) | READY as u64, Ordering::Release);
    }

    /// Takes a thread for a CPU; `None` if there is none. Any number of poppers.
    #[inline]
    pub fn pop(&self, cpu: u32) -> Option<Claim<'_>> {
        self.pop_except(cpu, 0)
    }

    /// The same, but none from the slots in `skip`: those that this CPU has just put back because it may not run them.
    #[inline]
    pub fn pop_except(&self, cpu: u32, skip: u64) -> Option<Claim<'_>> {
        if cpu > MAX_CPU {
            return None;
        }
        self.take(cpu, skip)
    }

    #[inline]
    fn take(&self, state: u32, skip: u64) -> Option<Claim<'_>> {
        let kind = self.kind.load(Ordering::Relaxed);
        let listed = self.listed.load(Ordering::Relaxed) & !skip;
        // The usual case: first in first out (1 or 2), and the hint leads to the next thread.
        if kind.wrapping_sub(1) < 2 && listed == 0 {
            let head = self.head.load(Ordering::Relaxed);
            let slot = self.slot(head);
            let ready = lap_bits(head) | READY as u64;
            if slot.word.load(Ordering::Relaxed) == ready
                && skip & Ticket(head).bit() == 0
                && self.claim(head, slot, ready, state)
            {
                self.head.store(head.wrapping_add(1), Ordering::Relaxed);
                return Some(Claim {
                    ring: self,
                    slot,
                    position: head,
                });
            }
        }
        let position = self.take_slowly(state, skip)?;
        Some(self.claimed(position))
    }

    fn claimed(&self, position: u64) -> Claim<'_> {
        Claim {
            ring: self,
            slot: self.slot(position),
            position,
        }
    }

    /// The position of what was claimed.
    #[inline(never)]
    fn take_slowly(&self, state: u32, skip: u64) -> Option<u64> {
        let kind = self.kind()?;
        let listed = self.listed.load(Ordering::Relaxed) & !skip;
        if kind == Kind::Earliest {
            return self.take_first(state, listed, |slot, _, _| slot.time_ns.load(Ordering::Relaxed));
        }
        if listed == 0
            && let Ok(claimed) = self.take_next(state, skip)
        {
            return claimed;
        }
        self.take_oldest(state, skip)
    }

    /// The oldest of all slots, where the hint does not lead to it; then mends the hint.
    #[cold]
    fn take_oldest(&self, state: u32, skip: u64) -> Option<u64> {
        let base = lap_of(self.slots[0].word.load(Ordering::Relaxed));
        let claimed = self.take_first(state, !skip, |_, word, index| rank(lap_of(word), index, base));
        self.head.store(self.find(true), Ordering::Relaxed);
        claimed
    }

    /// The usual way of a first-in-first-out ring: from `head`, one lap at most, to the first READY slot or the end. An
    /// error if the hint is more than a lap old, or nonsense.
    fn take_next(&self, state: u32, skip: u64) -> Result<Option<u64>, Astray> {
        let head = self.head.load(Ordering::Relaxed);
        let (mut next, mut open, mut claimed) = (head, false, None);
        for step in 0..SLOTS as u64 {
            let at = head.wrapping_add(step);
            let (lap, index) = ((at >> ORDER) as u32, (at & MASK) as usize);
            let found = self.slots[index].word.load(Ordering::Relaxed);
            let ready = word(lap, READY);
            if found == ready && skip >> index & 1 == 0 {
                claimed = self.claim(at, &self.slots[index], ready, state).then_some(at);
            } else if found == ready || found == word(lap, FILLING) {
                open = true; // the hint stays here: it is or becomes READY
            } else if found == word(lap, EMPTY) {
                break;
            } else {
                let ahead = lap_of(found).wrapping_sub(lap);
                if ahead == u32::MAX && !matches!(found as u32, EMPTY | READY) {
                    break; // the ring is full up to here
                }
                if ahead > 1 || found as u32 == READY {
                    return Err(Astray(true));
                }
            }
            if !open {
                next = at.wrapping_add(1);
            }
            if claimed.is_some() {
                break;
            }
        }
        if next != head {
            self.head.store(next, Ordering::Relaxed);
        }
        Ok(claimed)
    }

    /// The first by order among `slots`. A slot whose word is READY of the same lap at the look and at the
    /// compare-exchange had the same thread in between, so it was that thread's order.
    fn take_first(&self, state: u32, slots: u64, order: impl Fn(&Slot, u64, usize) -> u64) -> Option<u64> {
        let among = || {
            self.slots
                .iter()
                .enumerate()
                .filter(|(index, _)| slots >> index & 1 != 0)
        };
        for _ in 0..TRIES {
            let mut first: Option<(u64, u64, usize)> = None;
            for (index, slot) in among() {
                // Acquire: pairs with the release of READY; the order is that thread's.
                let found = slot.word.load(Ordering::Acquire);
                if found as u32 == READY {
                    let order = order(slot, found, index);
                    if first.is_none_or(|(before, ..)| order <= before) {
                        first = Some((order, found, index));
                    }
                }
            }
            let (_, found, index) = first?;
            let position = Ticket::new(lap_of(found), index).0;
            if self.claim(position, &self.slots[index], found, state) {
                return Some(position);
            }
        }
        // Enough races lost: any is better than none.
        among().find_map(|(index, slot)| {
            let found = slot.word.load(Ordering::Relaxed);
            let position = Ticket::new(lap_of(found), index).0;
            let claimed = found as u32 == READY && self.claim(position, slot, found, state);
            claimed.then_some(position)
        })
    }

    /// Steps 5 and 5c: `ready` -> `state`, in the slot of `position`.
    #[inline]
    fn claim(&self, position: u64, slot: &Slot, ready: u64, state: u32) -> bool {
        // Acquire, see `exchange`: pairs with the release of READY in `fill` and `put_back`.
        if !exchange(&slot.word, ready, ready & !u64::from(u32::MAX) | u64::from(state)) {
            return false;
        }
        // A bit that belongs to this READY was set before it, so it is seen here.
        let bit = Ticket(position).bit();
        if self.listed.load(Ordering::Relaxed) & bit != 0 {
            self.listed.fetch_and(!bit, Ordering::Relaxed);
        }
        true
    }

    /// By the agent: holds what it pushed, so that no CPU takes it meanwhile.
    pub fn hold(&self, ticket: Ticket) -> Result<Claim<'_>, NotHeld> {
        let (lap, index) = ((ticket.0 >> ORDER) as u32, (ticket.0 & MASK) as usize);
        if self.claim(ticket.0, &self.slots[index], word(lap, READY), HELD) {
            return Ok(self.claimed(ticket.0));
        }
        let found = self.slots[index].word.load(Ordering::Relaxed);
        Err(match SlotState::of(found) {
            _ if lap_of(found) != lap => NotHeld::Gone,
            SlotState::Claimed(cpu) => NotHeld::Claimed(cpu),
            SlotState::Failed(code) => NotHeld::Failed(code),
            SlotState::Held | SlotState::Ready => NotHeld::Held,
            SlotState::Empty => NotHeld::Gone,
        })
    }

    /// By the agent: takes out what it pushed; it is the agent's again.
    pub fn revoke(&self, ticket: Ticket) -> Result<Task, NotHeld> {
        self.hold(ticket).map(|claim| {
            let task = claim.task();
            claim.complete();
            task
        })
    }

    /// By the agent: moves what it pushed to another ring, of which it is a producer. Never READY in both.
    pub fn move_to(&self, ticket: Ticket, to: &Self) -> Result<Ticket, MoveError> {
        self.hold(ticket)
            .map_err(MoveError::NotHeld)?
            .move_to(to)
            .map_err(MoveError::NoPush)
    }

    /// By the agent: moves the thread that would be popped next. `None` if there is none.
    pub fn move_next(&self, to: &Self) -> Option<Result<(Task, Ticket), NoPush>> {
        let claim = self.take(HELD, 0)?;
        let task = claim.task();
        Some(claim.move_to(to).map(|ticket| (task, ticket)))
    }

    /// By the agent: the threads that poppers could not run, each once. Its slot is free when it is given out; those of an
    /// iterator that is dropped come again.
    pub fn failures(&self) -> Failures<'_> {
        // Acquire: pairs with the release in `fail`.
        let bits = match self.failed.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.failed.swap(0, Ordering::Acquire),
        };
        Failures { ring: self, bits }
    }

    /// The threads in the ring, each look consistent in itself: for an agent that looks for overdue ones. No order.
    pub fn watch(&self) -> impl Iterator<Item = Seen> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            // Acquire: pairs with the release of READY.
            let found = slot.word.load(Ordering::Acquire);
            let state = SlotState::of(found);
            if state == SlotState::Empty {
                return None;
            }
            let task = slot.read();
            // Acquire: pairs with the release fence in `fill`: a field of the next thread comes with a newer word.
            fence(Ordering::Acquire);
            (slot.word.load(Ordering::Relaxed) == found).then_some(Seen {
                ticket: Ticket::new(lap_of(found), index),
                state,
                task,
            })
        })
    }

    /// How many threads wait in it.
    pub fn waiting(&self) -> usize {
        let ready = |slot: &&Slot| slot.word.load(Ordering::Relaxed) as u32 == READY;
        self.slots.iter().filter(ready).count()
    }

    /// The first position of which the words say that it is not behind us: with `ready`, where the first thread is or will
    /// be (a sound head), else where the next push goes (a tail). Words change meanwhile, but each slot's part only grows.
    fn find(&self, ready: bool) -> u64 {
        let base = lap_of(self.slots[0].word.load(Ordering::Relaxed));
        let mut first = u64::MAX;
        for (index, slot) in self.slots.iter().enumerate() {
            let found = slot.word.load(Ordering::Acquire);
            let state = found as u32;
            let here = state == EMPTY || ready && (state == READY || state == FILLING);
            // Elsewhere what comes next is a lap later.
            first = first.min(rank(lap_of(found).wrapping_add(u32::from(!here)), index, base));
        }
        let lap = ((first >> ORDER) as u32).wrapping_sub(1 << 31).wrapping_add(base);
        u64::from(lap) << ORDER | first & MASK
    }
}

/// The hint led nowhere; whether a look at all slots may help.
struct Astray(bool);

#[inline]
fn exchange(word: &AtomicU64, from: u64, to: u64) -> bool {
    // Acquire: pairs with the release of the word it replaces.
    word.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
}

/// A thread that was popped or is held, exclusively. Dropped, it is put back: nothing is lost on an error path.
#[derive(Debug)]
#[must_use = "it is put back when dropped"]
pub struct Claim<'r> {
    ring: &'r Ring,
    slot: &'r Slot,
    position: u64, // lap and index
}

impl Claim<'_> {
    const fn lap(&self) -> u32 {
        (self.position >> ORDER) as u32
    }

    /// The thread.
    #[inline(always)]
    pub fn task(&self) -> Task {
        self.slot.read()
    }

    /// The thread's gtid.
    #[inline(always)]
    pub fn gtid(&self) -> Gtid {
        // Relaxed: the claim has acquired it.
        Gtid::from_bits(self.slot.gtid.load(Ordering::Relaxed))
    }

    /// Its push.
    pub const fn ticket(&self) -> Ticket {
        Ticket(self.position & TICKETS)
    }

    /// It is latched (or out, if the agent held it): frees the slot.
    #[inline(always)]
    pub fn complete(self) {
        self.slot.free(self.position);
        mem::forget(self);
    }

    /// It was refused, with a code of a transaction (`GHOST_TXN_*`): keeps it for the agent to take.
    pub fn fail(self, code: i32) {
        // Release: pairs with the acquire in `Failures::next`.
        let failed = word(self.lap(), code as u32 | FINAL);
        self.slot.word.store(failed, Ordering::Release);
        // Release: pairs with the swap in `failures`.
        self.ring.failed.fetch_or(self.ticket().bit(), Ordering::Release);
        mem::forget(self);
    }

    /// READY again, and before those in the ring.
    pub fn put_back(self) {
        drop(self);
    }

    /// Into another ring, of which the caller is a producer; put back if that has no room.
    pub fn move_to(self, to: &Ring) -> Result<Ticket, NoPush> {
        let ticket = to.push_any(&self.task())?;
        self.complete();
        Ok(ticket)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Release: the bit is set before READY.
        self.ring.listed.fetch_or(self.ticket().bit(), Ordering::Release);
        // Release: pairs with the claim's compare-exchange; whoever wins it sees the bit.
        self.slot.word.store(word(self.lap(), READY), Ordering::Release);
    }
}

/// The threads that poppers could not run; from [`Ring::failures`].
#[derive(Debug)]
pub struct Failures<'r> {
    ring: &'r Ring,
    bits: u64,
}

impl Iterator for Failures<'_> {
    type Item = Failure;

    fn next(&mut self) -> Option<Failure> {
        while self.bits != 0 {
            let index = self.bits.trailing_zeros() as usize;
            self.bits &= self.bits - 1;
            let Some(slot) = self.ring.slots.get(index) else {
                continue;
            };
            // Acquire: pairs with the release of the code in `fail`.
            let found = slot.word.load(Ordering::Acquire);
            if found as u32 & FINAL != 0 {
                let failure = Failure {
                    ticket: Ticket::new(lap_of(found), index),
                    code: found as u32 as i32,
                    task: slot.read(),
                };
                slot.free(failure.ticket.0);
                return Some(failure);
            }
        }
        None
    }
}

impl Drop for Failures<'_> {
    fn drop(&mut self) {
        if self.bits != 0 {
            // Release: hands on what `failures` acquired, to whoever asks next.
            self.ring.failed.fetch_or(self.bits, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
