//! The table: one line a cgroup, what hurts first.
//!
//! Percentages are of the group's finished waits. A narrow terminal shows the verdict as a word and the sentences of
//! those who need one below the table; then the least important columns go.

use ghostsched_core::latency::Kind;

use super::columns::{self, Column, Paint, Tone, printable};
use super::verdict::{self, Urgency};
use super::view::{Row, View};
use crate::units::{cpus, human_ns, percent};

/// How many sentences follow a table whose verdicts are words.
const SENTENCES: usize = 8;

/// The table of the first `top` rows (all for 0), in at most `width` columns.
pub fn render(view: &View<'_>, top: usize, width: usize, paint: Paint) -> String {
    if view.rows.is_empty() {
        return "no cgroup ran or waited: measure longer, or check --cgroup\n".into();
    }
    let shown = if top == 0 {
        view.rows.len()
    } else {
        top.min(view.rows.len())
    };
    let rows = &view.rows[..shown];
    let mut table = build(view, rows, true);
    let whole = columns::least_width(&table) <= width;
    if !whole {
        table = build(view, rows, false);
    }
    let mut out = columns::render(&table, width, paint);
    if view.rows.len() > shown {
        out.push_str(&format!(
            "... and {} more cgroups (--top 0 shows all)\n",
            view.rows.len() - shown
        ));
    }
    if !whole {
        out.push_str(&sentences(view, rows, width, paint));
    }
    out
}

/// The table's heading and one line a row, for a screen that scrolls: verdicts as words.
pub fn lines(view: &View<'_>, rows: &[Row<'_>], width: usize) -> Vec<(String, Tone)> {
    let text = columns::render(&build(view, rows, false), width, Paint(false));
    let tones = std::iter::once(Tone::Bold).chain(rows.iter().map(tone_of));
    text.lines().map(str::to_owned).zip(tones).collect()
}

/// The columns; with `whole`, verdicts are sentences.
fn build(view: &View<'_>, rows: &[Row<'_>], whole: bool) -> Vec<Column> {
    let mut path = Column::names("CGROUP", 0, 16);
    let mut used = Column::numbers("CPUS", 4);
    let mut waits = Column::numbers("WAITS", 3);
    let mut p50 = Column::numbers("P50", 7);
    let mut p99 = Column::numbers("P99", 0);
    let mut max = Column::numbers("MAX", 2);
    let mut wait = Column::numbers("WAIT", 6);
    let mut same = Column::numbers("SAME", 1);
    let mut other = Column::numbers("OTHER", 0);
    let mut idle = Column::numbers("IDLE", 1);
    let mut throttled = Column::numbers("THRTL", 1);
    let mut unattributed = Column::numbers("UNATTR", 1);
    let mut on = Column::numbers("ON-CPU", 8);
    let mut off = Column::numbers("OFF-CPU", 9);
    let mut neighbour = Column::names("WORST NEIGHBOUR", 5, 16);
    let mut verdicts = Column::names("VERDICT", 0, 0);
    for row in rows {
        let stats = &row.group.stats;
        let waited = stats.kind(Kind::Wait);
        let any = waited.count() > 0;
        let quantile = |per_million| waited.quantile(&view.snapshot.bounds, per_million).map(|q| q.up_to_ns);
        let time = |ns: Option<u64>| ns.map_or_else(|| "-".into(), human_ns);
        let share = |ns| if any { percent(ns, waited.sum_ns()) } else { "-".into() };
        let tone = match verdict::urgency(&row.verdict) {
            Urgency::Silent => Tone::Dim,
            _ => Tone::Plain,
        };
        path.push(&row.group.path, tone);
        used.push(used_of(row), tone);
        waits.push(waited.count().to_string(), tone);
        p50.push(time(quantile(500_000)), tone);
        p99.push(time(quantile(990_000)), tone);
        max.push(time(any.then(|| waited.max_ns())), tone);
        wait.push(human_ns(waited.sum_ns()), tone);
        same.push(share(row.parts.same_ns), tone);
        other.push(share(row.parts.other_ns), if any { tone_of(row) } else { tone });
        idle.push(share(row.parts.idle_ns), tone);
        throttled.push(share(row.parts.throttled_ns), tone);
        unattributed.push(share(row.parts.unattributed_ns), tone);
        on.push(human_ns(stats.kind(Kind::On).sum_ns()), tone);
        off.push(
            human_ns(
                stats
                    .kind(Kind::Sleep)
                    .sum_ns()
                    .saturating_add(stats.kind(Kind::Block).sum_ns()),
            ),
            tone,
        );
        neighbour.push(neighbour_of(view, row), tone);
        let text = if whole {
            sentence_of(view, row)
        } else {
            verdict::word(&row.verdict).into()
        };
        verdicts.push(text, tone_of(row));
    }
    let mut all = vec![path, used, waits, p50, p99, max, wait, same, other, idle, throttled];
    if rows.iter().any(|row| row.parts.unattributed_ns > 0) {
        all.push(unattributed);
    }
    all.extend([on, off, neighbour, verdicts]);
    all
}

/// CPUs used, and those it is entitled to (its weight's, its quota's where that is less) where known.
fn used_of(row: &Row<'_>) -> String {
    let used = cpus(row.used_mcpu);
    row.group.entitlement.map_or(used.clone(), |entitlement| {
        let weight = entitlement.weight_mcpu;
        format!(
            "{used}/{}",
            cpus(entitlement.quota_mcpu.map_or(weight, |quota| quota.min(weight)))
        )
    })
}

/// The worst neighbour and its part of the waiting behind others.
fn neighbour_of(view: &View<'_>, row: &Row<'_>) -> String {
    row.culprit.map_or_else(
        || "-".into(),
        |(by, ns)| {
            format!(
                "{} {}",
                view.path(by),
                percent(ns.min(row.parts.other_ns), row.parts.other_ns)
            )
        },
    )
}

/// The verdict of a row as a sentence.
pub fn sentence_of(view: &View<'_>, row: &Row<'_>) -> String {
    verdict::sentence(&row.verdict, row.culprit.map(|(by, _)| view.path(by)))
}

fn tone_of(row: &Row<'_>) -> Tone {
    match verdict::urgency(&row.verdict) {
        Urgency::Act => Tone::Red,
        Urgency::Look => Tone::Yellow,
        Urgency::Good => Tone::Green,
        Urgency::Silent => Tone::Dim,
    }
}

/// What to do, for the rows that need somebody to do something; whole words, wrapped at the width.
fn sentences(view: &View<'_>, rows: &[Row<'_>], width: usize, paint: Paint) -> String {
    let mut out = String::new();
    let telling = |row: &&Row<'_>| matches!(verdict::urgency(&row.verdict), Urgency::Act | Urgency::Look);
    for row in rows.iter().filter(telling).take(SENTENCES) {
        let path = printable(&row.group.path);
        let text = format!("{path}: {}", printable(&sentence_of(view, row)));
        let mut lines = wrap(&text, width).into_iter();
        if let Some(first) = lines.next() {
            out.push_str(&(paint.apply(tone_of(row), &first) + "\n"));
        }
        for line in lines {
            out.push_str(&(line + "\n"));
        }
    }
    let left = rows.iter().filter(telling).count().saturating_sub(SENTENCES);
    if left > 0 {
        out.push_str(&format!(
            "... and {left} more verdicts (a wider terminal, or a pipe, shows all)\n"
        ));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

/// Lines of whole words; a word longer than the width keeps its own line. Lines after the first are indented.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, "   ".into()));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::source::fake;
    use crate::latency::view::Sort;

    fn table(width: usize) -> String {
        let snapshot = fake::snapshot();
        render(&View::new(&snapshot, None, Sort::Hurts), 20, width, Paint(false))
    }

    #[test]
    fn one_line_a_cgroup_tells_who_starves_whom() {
        let table = table(usize::MAX);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 5, "{table}");
        let api: Vec<&str> = lines[1].split_whitespace().collect();
        let expected =
            "/shop/api 0.31/0.80 500 10.0ms 10.0ms 10.0ms 5.00s 6% 91% 3% 0% 3.10s 5.00ms /batch/etl 74% STARVED by";
        assert_eq!(api[..17].join(" "), expected, "{table}");
        assert!(lines[2].contains("self: more threads than CPUs"), "{table}");
        assert!(
            lines[3].contains("LIMIT: its own quota (cpu.max) costs 97% of its wait: uses 0.10 of 0.10 CPUs"),
            "{table}"
        );
        assert!(lines[4].contains("quiet: 3 waits"), "{table}");
        assert!(!table.contains("UNATTR"), "a column of zeros is not shown: {table}");
    }

    #[test]
    fn a_narrow_terminal_gets_words_and_the_sentences_below() {
        for width in [40, 60, 80, 100, 120, 160] {
            let table = table(width);
            let wide: Vec<_> = table.lines().filter(|line| line.chars().count() > width).collect();
            assert!(wide.is_empty(), "{width}: {wide:?}\n{table}");
            assert!(table.contains("STARVED by /batch/etl"), "{width}: {table}");
        }
        assert!(table(80).contains("/system.s\u{2026}us.service "), "{}", table(80));
    }

    #[test]
    fn what_is_not_attributed_gets_a_column() {
        let mut snapshot = fake::snapshot();
        snapshot.groups[1].stats.unattributed_ns = 40_000_000;
        let table = render(&View::new(&snapshot, None, Sort::Hurts), 20, usize::MAX, Paint(false));
        assert!(table.contains("UNATTR"), "{table}");
    }

    #[test]
    fn rows_left_out_are_counted() {
        let snapshot = fake::snapshot();
        let table = render(&View::new(&snapshot, None, Sort::Hurts), 1, usize::MAX, Paint(false));
        assert!(
            table.ends_with("... and 3 more cgroups (--top 0 shows all)\n"),
            "{table}"
        );
    }
}
