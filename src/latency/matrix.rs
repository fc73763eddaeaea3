//! `--matrix`: who made whom wait. A row waited, a column ran meanwhile; the diagonal is a group behind itself.

use std::collections::HashMap;

use ghostsched_core::latency::Kind;

use super::columns::{self, Column, Paint, Tone, printable};
use super::view::View;
use crate::units::human_ns;

/// The most groups told apart; the rest is one column.
const MOST: usize = 12;

/// The matrix of the groups that caused or suffered most, as many as fit `width`. Each row adds up to its WAIT.
pub fn render(view: &View<'_>, width: usize, paint: Paint) -> String {
    let chosen = choose(view, width);
    if chosen.is_empty() {
        return "no cgroup waited behind another\n".into();
    }
    let mut ns_of: HashMap<(usize, usize), u64> = HashMap::new();
    for blame in &view.snapshot.matrix {
        let cell = ns_of.entry((blame.victim, blame.by)).or_default();
        *cell = cell.saturating_add(blame.ns);
    }
    let mut number = Column::numbers("", 0);
    let mut waited = Column::names("WAITED, BY WHO RAN", 0, 16);
    let titles = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
    let mut by: Vec<Column> = titles
        .iter()
        .take(chosen.len())
        .map(|&title| Column::numbers(title, 0))
        .collect();
    let mut rest = Column::numbers("REST", 0);
    let mut idle = Column::numbers("IDLE", 0);
    let mut throttled = Column::numbers("THRTL", 0);
    let mut unattributed = Column::numbers("UNATTR", 0);
    let mut wait = Column::numbers("WAIT", 0);
    for (nth, &victim) in chosen.iter().enumerate() {
        let Some(group) = view.snapshot.groups.get(victim) else {
            continue;
        };
        let parts = group.stats.parts();
        number.push((nth + 1).to_string(), Tone::Dim);
        waited.push(&group.path, Tone::Plain);
        let mut named_ns = 0u64;
        let worst = chosen
            .iter()
            .filter_map(|&by| ns_of.get(&(victim, by)))
            .max()
            .copied()
            .unwrap_or(0);
        for (column, &runner) in by.iter_mut().zip(&chosen) {
            let (ns, tone) = if runner == victim {
                (parts.same_ns, Tone::Dim)
            } else {
                let ns = ns_of.get(&(victim, runner)).copied().unwrap_or(0);
                named_ns = named_ns.saturating_add(ns);
                (ns, if ns > 0 && ns == worst { Tone::Red } else { Tone::Plain })
            };
            column.push(human_ns(ns), tone);
        }
        // Groups without a column, and what found no room in the kernel's matrix.
        rest.push(human_ns(parts.other_ns.saturating_sub(named_ns)), Tone::Plain);
        idle.push(human_ns(parts.idle_ns), Tone::Plain);
        throttled.push(human_ns(parts.throttled_ns), Tone::Plain);
        unattributed.push(human_ns(parts.unattributed_ns), Tone::Plain);
        wait.push(human_ns(group.stats.kind(Kind::Wait).sum_ns()), Tone::Plain);
    }
    let mut all = vec![number, waited];
    all.append(&mut by);
    all.extend([rest, idle, throttled, unattributed, wait]);
    columns::render(&all, width, paint)
}

/// The groups with a row and a column: those that caused and suffered most together.
fn choose(view: &View<'_>, width: usize) -> Vec<usize> {
    let mut weight: HashMap<usize, u64> = HashMap::new();
    for blame in view.snapshot.matrix.iter().filter(|blame| view.shows(blame.victim)) {
        for group in [blame.victim, blame.by] {
            let sum = weight.entry(group).or_default();
            *sum = sum.saturating_add(blame.ns);
        }
    }
    let mut chosen: Vec<(u64, usize)> = weight.into_iter().map(|(group, ns)| (ns, group)).collect();
    chosen.sort_by_key(|&(ns, group)| (std::cmp::Reverse(ns), printable(view.path(group)), group));
    // 7 characters a number and its space; the label and the five fixed columns take the rest.
    let fixed = 3 + 17 + 5 * 8;
    let fits = width.saturating_sub(fixed) / 8;
    chosen
        .into_iter()
        .map(|(_, group)| group)
        .take(MOST.min(fits.max(2)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::source::fake;
    use crate::latency::view::Sort;

    #[test]
    fn a_row_says_behind_whom_a_group_waited() {
        let snapshot = fake::snapshot();
        let text = render(&View::new(&snapshot, None, Sort::Hurts), usize::MAX, Paint(false));
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words[1].join(" "),
            "1 /shop/api 300ms 3.36s 1.18s 0 150ms 0 0 5.00s",
            "{text}"
        );
        assert_eq!(words[2].join(" "), "2 /batch/etl 480ms 3.52s 0 0 0 0 0 4.00s", "{text}");
    }

    #[test]
    fn a_group_without_a_column_is_in_the_rest() {
        let snapshot = fake::snapshot();
        let text = render(&View::new(&snapshot, None, Sort::Hurts), 76, Paint(false));
        let first: Vec<&str> = text
            .lines()
            .nth(1)
            .map(|line| line.split_whitespace().collect())
            .unwrap_or_default();
        assert_eq!(first[2..5], ["300ms", "3.36s", "1.18s"], "{text}");
        assert!(text.lines().next().is_some_and(|line| !line.contains(" 3 ")), "{text}");
    }

    #[test]
    fn an_empty_matrix_says_so() {
        let mut snapshot = fake::snapshot();
        snapshot.matrix.clear();
        let text = render(&View::new(&snapshot, None, Sort::Hurts), 80, Paint(false));
        assert_eq!(text, "no cgroup waited behind another\n");
    }
}
