//! Rows of counters under a limit: those that matter keep a name, the rest is one row.
//!
//! A metric's label must not take a new value for each of 5,000 cgroups, and a counter must never go backwards. So:
//! * a named row only grows, and is never merged into the remainder: that would be a jump nobody caused;
//! * the remainder only grows: it takes what its members gain from now on, and keeps it when one of them gets a name;
//! * a member that gets a name starts at zero, with its own start time;
//! * a name is lost only to a member with more than twice its score, or when its owner is gone. The score halves with
//!   time, so the dead make room, and the factor of two keeps names from changing hands back and forth. The lost row's
//!   counts move to [`Board::retired`], so that named + rest + retired is everything that was ever posted.

use std::collections::{BTreeMap, HashMap};

/// The label of the remainder. Paths start with `/`, so no cgroup has it.
pub const REST: &str = "(rest)";

/// What one label gained since the last post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    /// One number a counter of the board.
    pub cells: Vec<u64>,
    /// How much this gain speaks for a name of its own.
    pub weight: u64,
}

/// A row of counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The counters.
    pub cells: Vec<u64>,
    /// Since when they count: nanoseconds since 1970.
    pub created_unix_ns: u64,
    score: u64,
}

/// At most `capacity` named rows, and the remainder.
#[derive(Clone, Debug)]
pub struct Board {
    capacity: usize,
    rows: BTreeMap<String, Row>,
    rest: Row,
    retired: Vec<u64>,
    retirements: u64,
    /// The scores of members of the remainder that had any weight lately.
    unnamed: HashMap<String, u64>,
}

impl Board {
    /// An empty board of rows of `width` counters.
    pub fn new(capacity: usize, width: usize, created_unix_ns: u64) -> Self {
        Self {
            capacity,
            rows: BTreeMap::new(),
            rest: Row {
                cells: vec![0; width],
                created_unix_ns,
                score: 0,
            },
            retired: vec![0; width],
            retirements: 0,
            unnamed: HashMap::new(),
        }
    }

    /// The named rows by their labels, then the remainder.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.rows
            .iter()
            .map(|(label, row)| (label.as_str(), row))
            .chain([(REST, &self.rest)])
    }

    /// Whether a label has its own row.
    pub fn is_named(&self, label: &str) -> bool {
        self.rows.contains_key(label)
    }

    /// How many rows have a name.
    pub fn named(&self) -> usize {
        self.rows.len()
    }

    /// The counts of all rows that lost their name.
    pub fn retired(&self) -> &[u64] {
        &self.retired
    }

    /// How many rows lost their name.
    pub fn retirements(&self) -> u64 {
        self.retirements
    }

    /// Retires the rows whose owners are gone.
    pub fn keep_only(&mut self, lives: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.rows.keys().filter(|label| !lives(label)).cloned().collect();
        for label in gone {
            self.retire(&label);
        }
        self.unnamed.retain(|label, _| lives(label));
    }

    /// Halves all scores `times` times.
    pub fn age(&mut self, times: u32) {
        if times == 0 {
            return;
        }
        let aged = |score: u64| score.checked_shr(times).unwrap_or(0);
        for row in self.rows.values_mut() {
            row.score = aged(row.score);
        }
        self.unnamed.retain(|_, score| {
            *score = aged(*score);
            *score > 0
        });
    }

    /// Adds what each label gained since `since_unix_ns`, and hands out names.
    pub fn post(&mut self, gains: BTreeMap<String, Gain>, since_unix_ns: u64) {
        let mut nameless = Vec::new();
        for (label, gain) in gains {
            if label == REST {
                add(&mut self.rest.cells, &gain.cells);
            } else if let Some(row) = self.rows.get_mut(&label) {
                add(&mut row.cells, &gain.cells);
                row.score = row.score.saturating_add(gain.weight);
            } else {
                let score = self.unnamed.remove(&label).unwrap_or(0).saturating_add(gain.weight);
                nameless.push((score, label, gain.cells));
            }
        }
        nameless.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut room = true;
        for (score, label, cells) in nameless {
            // Sorted: where one finds no room, none after it does.
            room = room && self.make_room(score);
            if room {
                self.rows.insert(
                    label,
                    Row {
                        cells,
                        created_unix_ns: since_unix_ns,
                        score,
                    },
                );
            } else {
                add(&mut self.rest.cells, &cells);
                if score > 0 {
                    self.unnamed.insert(label, score);
                }
            }
        }
    }

    fn make_room(&mut self, score: u64) -> bool {
        if self.rows.len() < self.capacity {
            return true;
        }
        let weakest = self.rows.iter().min_by_key(|(_, row)| row.score);
        let Some(label) = weakest
            .filter(|(_, row)| score > row.score.saturating_mul(2))
            .map(|(label, _)| label.clone())
        else {
            return false;
        };
        self.retire(&label);
        true
    }

    fn retire(&mut self, label: &str) {
        if let Some(row) = self.rows.remove(label) {
            add(&mut self.retired, &row.cells);
            self.retirements += 1;
        }
    }
}

/// Adds counters to counters of the same width.
pub fn add(to: &mut [u64], from: &[u64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = to.saturating_add(*from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gains(list: &[(&str, u64)]) -> BTreeMap<String, Gain> {
        list.iter()
            .map(|(label, n)| {
                (
                    (*label).to_owned(),
                    Gain {
                        cells: vec![*n],
                        weight: *n,
                    },
                )
            })
            .collect()
    }

    fn shown(board: &Board) -> Vec<(String, u64)> {
        board
            .rows()
            .map(|(label, row)| (label.to_owned(), row.cells[0]))
            .collect()
    }

    fn rows(list: &[(&str, u64)]) -> Vec<(String, u64)> {
        list.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect()
    }

    #[test]
    fn the_labels_that_weigh_most_get_the_names() {
        let mut board = Board::new(2, 1, 0);
        board.post(gains(&[("/a", 1), ("/b", 30), ("/c", 20), ("/d", 2)]), 0);
        assert_eq!(shown(&board), rows(&[("/b", 30), ("/c", 20), (REST, 3)]));
    }

    #[test]
    fn a_member_that_gets_a_name_starts_at_zero_and_the_rest_keeps_what_it_had() {
        let mut board = Board::new(1, 1, 5);
        board.post(gains(&[("/a", 10), ("/b", 9)]), 5);
        board.post(gains(&[("/b", 12)]), 7);
        assert_eq!(
            shown(&board),
            rows(&[("/b", 12), (REST, 9)]),
            "21 is more than twice 10"
        );
        assert_eq!(board.retired(), [10]);
        assert_eq!(
            board.rows().map(|(_, row)| row.created_unix_ns).collect::<Vec<_>>(),
            [7, 5]
        );
    }

    #[test]
    fn two_labels_of_like_weight_do_not_take_turns() {
        let mut board = Board::new(1, 1, 0);
        for n in 0..100 {
            let (a, b) = if n % 2 == 0 { (10, 11) } else { (11, 10) };
            board.post(gains(&[("/a", a), ("/b", b)]), n);
        }
        assert_eq!(board.retirements(), 0);
    }

    #[test]
    fn a_label_that_rests_gives_way_in_time() {
        let mut board = Board::new(1, 1, 0);
        board.post(gains(&[("/dead", 1_000_000)]), 0);
        let mut halvings = 0;
        while board.is_named("/dead") {
            board.age(1);
            board.post(gains(&[("/alive", 100)]), 0);
            halvings += 1;
        }
        assert!(halvings < 20, "{halvings}");
    }

    #[test]
    fn a_row_whose_owner_is_gone_ends() {
        let mut board = Board::new(2, 1, 0);
        board.post(gains(&[("/a", 1), ("/b", 2)]), 0);
        board.keep_only(|label| label == "/b");
        assert_eq!(shown(&board), rows(&[("/b", 2), (REST, 0)]));
        assert_eq!((board.retired(), board.retirements()), (&[1][..], 1));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_goes_backwards(
            capacity in 0..6usize,
            posts in prop::collection::vec((prop::collection::vec((0..12u8, 0..1000u64), 0..12), 0..3u32, 0..12u8), 1..60),
        ) {
            let mut board = Board::new(capacity, 1, 0);
            let mut total = 0u64;
            for (now, (list, halvings, dies)) in posts.into_iter().enumerate() {
                let before: HashMap<String, Row> = board.rows().map(|(l, r)| (l.to_owned(), r.clone())).collect();
                let mut gains = BTreeMap::new();
                for (label, n) in list {
                    let label = if label == 0 { REST.to_owned() } else { format!("/{label}") };
                    gains.insert(label, Gain { cells: vec![n], weight: n });
                }
                total += gains.values().map(|gain| gain.cells[0]).sum::<u64>();
                board.age(halvings);
                board.keep_only(|label| label != format!("/{dies}"));
                board.post(gains, now as u64);
                prop_assert!(board.named() <= capacity);
                let shown: u64 = board.rows().map(|(_, row)| row.cells[0]).sum();
                prop_assert_eq!(shown + board.retired()[0], total);
                for (label, row) in board.rows() {
                    if let Some(old) = before.get(label) && old.created_unix_ns == row.created_unix_ns {
                        prop_assert!(row.cells[0] >= old.cells[0], "{} went backwards", label);
                    }
                }
            }
        }
    }
}
