//! Who made whom wait.

/// How long one group waited behind another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// The group that waited; 0 in a free cell.
    pub victim: u32,
    /// The group that ran meanwhile.
    pub by: u32,
    /// For how long, ns.
    pub ns: u64,
}

/// Cells looked at before a pair counts as having no room.
const PROBES: usize = 8;

/// A table of pairs in memory the caller lends; as many pairs as cells fit, and what does not is counted, not dropped.
#[derive(Debug)]
pub struct Matrix<'a> {
    cells: &'a mut [Blame],
    overflow_ns: u64,
}

impl<'a> Matrix<'a> {
    /// A matrix over `cells`, whose number should be a power of two and at least twice the pairs expected.
    pub fn new(cells: &'a mut [Blame]) -> Self {
        cells.fill(Blame::default());
        Self { cells, overflow_ns: 0 }
    }

    /// `victim` (not 0) waited `ns` behind `by`.
    #[inline]
    pub fn add(&mut self, victim: u32, by: u32, ns: u64) {
        let len = self.cells.len();
        let hash = (victim.wrapping_mul(0x9e37_79b1) ^ by.wrapping_mul(0x85eb_ca6b)) >> 7;
        for probe in 0..PROBES.min(len) {
            let cell = &mut self.cells[(hash as usize + probe) % len];
            if cell.victim == 0 {
                *cell = Blame { victim, by, ns: 0 };
            }
            if cell.victim == victim && cell.by == by {
                cell.ns = cell.ns.wrapping_add(ns);
                return;
            }
        }
        self.overflow_ns = self.overflow_ns.wrapping_add(ns);
    }

    /// The pairs, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = Blame> + '_ {
        self.cells.iter().copied().filter(|cell| cell.victim != 0)
    }

    /// The time that found no room.
    pub fn overflow_ns(&self) -> u64 {
        self.overflow_ns
    }
}
