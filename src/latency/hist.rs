//! `--hist`: the waits of each group as text bars, the whole wait and the part behind other groups side by side.

use ghostsched_core::histogram::{Bounds, Histogram};
use ghostsched_core::latency::Kind;

use super::columns::{Paint, Tone, printable};
use super::view::View;
use crate::units::human_ns;

/// The widest bar, in characters.
const WIDEST: usize = 40;
/// What stands beside the two bars: the bound, two counts, spaces.
const BESIDE: usize = 36;

/// The histograms of the first `top` rows that waited (all for 0).
pub fn render(view: &View<'_>, top: usize, width: usize, paint: Paint) -> String {
    let bar = (width.saturating_sub(BESIDE) / 2).clamp(4, WIDEST);
    let most = if top == 0 { view.rows.len() } else { top };
    let mut out = String::new();
    for row in view
        .rows
        .iter()
        .filter(|row| row.group.stats.kind(Kind::Wait).count() > 0)
        .take(most)
    {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&(paint.apply(Tone::Bold, &printable(&row.group.path)) + "\n"));
        let stats = &row.group.stats;
        for line in pair(
            &view.snapshot.bounds,
            stats.kind(Kind::Wait),
            stats.kind(Kind::Other),
            bar,
        ) {
            out.push_str(&(line + "\n"));
        }
    }
    if out.is_empty() {
        "no waits to draw\n".into()
    } else {
        out
    }
}

/// Two histograms of the same waits, a line a bucket, from the first to the last bucket in use.
pub fn pair(bounds: &Bounds, wait: &Histogram, other: &Histogram, bar: usize) -> Vec<String> {
    let buckets = bounds.bucket_count();
    let used = |i: &usize| wait.counts()[*i] > 0 || (*i > 0 && other.counts()[*i] > 0);
    let (Some(first), Some(last)) = ((0..buckets).find(used), (0..buckets).rev().find(used)) else {
        return Vec::new();
    };
    let most_wait = wait.counts()[..buckets].iter().max().copied().unwrap_or(0);
    // Waits with nothing behind others are zeros of the first bucket: the other bars are scaled without it.
    let most_other = other.counts()[1..buckets]
        .iter()
        .max()
        .copied()
        .unwrap_or(0)
        .max(u64::from(first == 0));
    let mut lines = vec![format!(
        "{:>11} {:>10} {:bar$} {:>10} behind others",
        "up to", "waits", "", ""
    )];
    for bucket in first..=last {
        let up_to = match bounds.range_of(bucket) {
            Some((above, u64::MAX)) => format!(">{}", human_ns(above)),
            Some((_, up_to)) => human_ns(up_to),
            None => "?".into(),
        };
        let (n, m) = (wait.counts()[bucket], other.counts()[bucket]);
        let line = format!(
            "{up_to:>11} {n:>10} {:bar$} {m:>10} {}",
            hashes(n, most_wait, bar),
            hashes(m, most_other, bar)
        );
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// A bar for `n` where `most` fills `width`: at least one character for anything, never more than `width`.
fn hashes(n: u64, most: u64, width: usize) -> String {
    let length = (u128::from(n) * width as u128).div_ceil(u128::from(most.max(1)));
    "#".repeat(usize::try_from(length).map_or(width, |length| length.min(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::source::fake;
    use crate::latency::view::Sort;

    #[test]
    fn a_bar_stands_in_the_bucket_of_its_waits() {
        let bounds = Bounds::new(&[1_000, 1_000_000, 50_000_000]).expect("bounds");
        let mut wait = Histogram::new();
        let mut other = Histogram::new();
        for (whole, part) in [(500, 0), (900_000, 800_000), (900_000, 0), (90_000_000, 80_000_000)] {
            wait.record(&bounds, whole);
            other.record(&bounds, part);
        }
        let lines = pair(&bounds, &wait, &other, 4);
        assert_eq!(lines[1], "     1.00us          1 ##            2 ####");
        assert_eq!(lines[2], "     1.00ms          2 ####          1 ####");
        assert_eq!(
            lines[3],
            "    50.0ms          0               0".replacen("    ", "     ", 1)
        );
        assert_eq!(lines[4], "    >50.0ms          1 ##            1 ####");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let snapshot = fake::snapshot();
        let view = View::new(&snapshot, None, Sort::Hurts);
        let text = render(&view, 2, 80, Paint(false));
        assert!(text.contains("/shop/api") && !text.contains("/shop/cron"));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn extreme_counts_make_no_endless_bar() {
        assert_eq!(hashes(u64::MAX, 1, 7).len(), 7);
        assert_eq!(hashes(1, u64::MAX, 7).len(), 1);
        assert_eq!(hashes(0, 0, 7).len(), 0);
    }
}
