//! Above and below the table: what was measured, who waits right now, what it cost and what it could not see.

use ghostsched_bpf::snapshot::{Method, Quality, Snapshot};
use ghostsched_core::latency::Kind;

use super::columns::{Paint, Tone, printable};
use super::view::View;
use crate::units::{human_ns, percent};

/// Waits in progress shorter than this are counted and not listed: a busy machine always has some.
const LONG_NS: u64 = 10_000_000;
/// How many waits in progress are listed.
const LISTED: usize = 5;

/// One line: `10.0s on 2 CPUs, Linux 6.12.9, method log, 41000 switches/s, until 14:02:07 UTC`.
pub fn header(snapshot: &Snapshot) -> String {
    let per_second = u128::from(snapshot.quality.switches) * 1_000_000_000 / u128::from(snapshot.interval_ns.max(1));
    let mut line = format!(
        "{} on {} {}, Linux {}, method {}, {per_second} switches/s, until {} UTC",
        human_ns(snapshot.interval_ns),
        snapshot.cpus,
        if snapshot.cpus == 1 { "CPU" } else { "CPUs" },
        printable(&snapshot.kernel),
        snapshot.method.name(),
        time_of_day(snapshot.end_unix_ns),
    );
    if snapshot.level > 0 {
        line.push_str(&format!(", cgroups folded to level {}", snapshot.level));
    }
    if snapshot.epoch > 0 {
        line.push_str(&format!(", epoch {}", snapshot.epoch));
    }
    line + "\n"
}

fn time_of_day(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The threads of the shown groups that wait now and have for long; the rest is counted.
pub fn in_progress(view: &View<'_>, paint: Paint) -> String {
    let waiting: Vec<_> = view
        .snapshot
        .in_progress
        .iter()
        .filter(|waiting| view.shows(waiting.group))
        .collect();
    let long = waiting.iter().filter(|waiting| waiting.waited_ns >= LONG_NS).count();
    let mut out = String::new();
    for waiting in waiting
        .iter()
        .filter(|waiting| waiting.waited_ns >= LONG_NS)
        .take(LISTED)
    {
        let behind = match waiting.behind {
            Some(by) if by == waiting.group => "its own cgroup".into(),
            Some(by) => printable(view.path(by)),
            None => "nobody (idle, or not known)".into(),
        };
        let line = format!(
            "in progress: {} tid {} ({}) has waited {} on cpu{} behind {behind}",
            printable(view.path(waiting.group)),
            waiting.tid,
            printable(&waiting.comm),
            human_ns(waiting.waited_ns),
            waiting.cpu,
        );
        out.push_str(&(paint.apply(Tone::Yellow, &line) + "\n"));
    }
    let unlisted = waiting.len() - long.min(LISTED);
    if unlisted > 0 {
        let (threads, verb) = if unlisted == 1 {
            ("thread", "waits")
        } else {
            ("threads", "wait")
        };
        let more = if long > 0 { " more" } else { "" };
        let short = if long <= LISTED {
            format!(", for less than {}", human_ns(LONG_NS))
        } else {
            String::new()
        };
        out.push_str(&format!("in progress: {unlisted}{more} {threads} {verb}{short}\n"));
    }
    out
}

/// Cost, losses and the self-check; what is zero and says nothing is left out.
pub fn quality(snapshot: &Snapshot) -> String {
    let q = &snapshot.quality;
    let totals = snapshot
        .groups
        .iter()
        .fold((0u64, 0u64), |(wait, unattributed), group| {
            let waited = group.stats.kind(Kind::Wait).sum_ns();
            (
                wait.saturating_add(waited),
                unattributed.saturating_add(group.stats.unattributed_ns),
            )
        });
    let mut out = format!("{}; {}\n", cost(snapshot), self_check(q));
    out.push_str(&format!(
        "{}; unattributed {} of all wait\n",
        missed(q, totals.0),
        percent(totals.1, totals.0)
    ));
    for line in rest(q, totals.0) {
        out.push_str(&(line + "\n"));
    }
    out
}

fn cost(snapshot: &Snapshot) -> String {
    let q = &snapshot.quality;
    match q.bpf_ns {
        None if snapshot.method == Method::Replay => "replayed: no cost measured".into(),
        None => "cost not measured (no sample of BPF statistics: measure for 2 s or more, with CAP_SYS_ADMIN)".into(),
        Some(bpf_ns) => format!(
            "cost {} of BPF a switch, {} of one CPU",
            human_ns(bpf_ns / q.switches.max(1)),
            percent(bpf_ns, snapshot.interval_ns)
        ),
    }
}

fn self_check(q: &Quality) -> String {
    let Some(check) = q.self_check else {
        return "no self-check (nothing of the kernel's to compare with)".into();
    };
    let mut text = format!(
        "self-check against schedstat: {} of {} threads exact",
        check.exact, check.threads
    );
    if check.difference_ns > 0 {
        let share = percent(check.difference_ns, check.kernel_ns);
        text.push_str(&format!(", off by {} ns ({share}) in all", check.difference_ns));
    }
    text
}

fn missed(q: &Quality, wait_ns: u64) -> String {
    if q.chain_breaks == 0 && q.missed_waits == 0 && q.missed_ns == 0 {
        return "missed nothing".into();
    }
    format!(
        "missed {} switches (at least) and {} waits = {} ns of wait ({})",
        q.chain_breaks,
        q.missed_waits,
        q.missed_ns,
        percent(q.missed_ns, wait_ns.saturating_add(q.missed_ns))
    )
}

/// A line for each other thing that happened.
fn rest(q: &Quality, wait_ns: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if !q.throttle_visible {
        lines.push("throttled time not visible: needs Linux 6.6; it is inside same, other and idle".into());
    }
    if q.unknown_ns > 0 {
        lines.push(format!(
            "who ran is not known for {} of CPU time, after missed switches",
            human_ns(q.unknown_ns)
        ));
    }
    if q.suspect_waits > 0 {
        let (waits, ns) = (q.suspect_waits, human_ns(q.suspect_ns));
        lines.push(format!(
            "suspect: {waits} waits ({ns}) left out, their queue stamp was set while asleep"
        ));
    }
    if q.extra_waits > 0 {
        let (waits, ns) = (q.extra_waits, human_ns(q.extra_ns));
        lines.push(format!(
            "extra: {waits} waits ({ns}) counted that schedstat does not, preempted on the way to sleep"
        ));
    }
    if q.migrated_waits > 0 {
        let (waits, ns) = (q.migrated_waits, human_ns(q.moving_ns));
        lines.push(format!(
            "migrated: {waits} waits changed CPU while queued, {ns} in between"
        ));
    }
    if q.throttle_clipped > 0 {
        lines.push(format!(
            "clipped: {} waits whose throttled part may be too large",
            q.throttle_clipped
        ));
    }
    if q.matrix_overflow_ns > 0 {
        let ns = human_ns(q.matrix_overflow_ns);
        let share = percent(q.matrix_overflow_ns, wait_ns);
        lines.push(format!(
            "matrix full: {ns} of waiting behind others ({share} of all wait) names no neighbour"
        ));
    }
    if q.groups_over_capacity > 0 {
        let groups = q.groups_over_capacity;
        lines.push(format!(
            "{groups} cgroups found no room and are in (rest): raise --max-groups, or fold with --level"
        ));
    }
    if q.storage_failures > 0 {
        lines.push(format!(
            "{} events of threads without storage (memory short, or older than the start)",
            q.storage_failures
        ));
    }
    if q.bpf_skipped > 0 {
        lines.push(format!(
            "{} BPF runs skipped by the kernel (a program interrupted itself)",
            q.bpf_skipped
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use ghostsched_bpf::snapshot::SelfCheck;

    use super::*;
    use crate::latency::source::fake;
    use crate::latency::view::Sort;

    #[test]
    fn a_clean_measurement_has_a_short_footer() {
        let text = quality(&fake::snapshot());
        assert_eq!(
            text,
            "cost 124ns of BPF a switch, 0.5% of one CPU; self-check against schedstat: 12 of 12 threads exact\n\
             missed nothing; unattributed 0% of all wait\n"
        );
    }

    #[test]
    fn every_loss_is_told() {
        let mut snapshot = fake::snapshot();
        snapshot.quality = Quality {
            chain_breaks: 4,
            missed_waits: 5,
            missed_ns: 3_300_001,
            unknown_ns: 7,
            suspect_waits: 1,
            extra_waits: 2,
            migrated_waits: 3,
            throttle_clipped: 4,
            matrix_overflow_ns: 5,
            groups_over_capacity: 6,
            storage_failures: 7,
            bpf_skipped: 8,
            self_check: Some(SelfCheck {
                threads: 3,
                exact: 2,
                kernel_ns: 100,
                ours_ns: 90,
                difference_ns: 10,
            }),
            ..Quality::default()
        };
        let text = quality(&snapshot);
        for part in [
            "cost not measured",
            "missed 4 switches (at least) and 5 waits = 3300001 ns",
            "2 of 3 threads exact, off by 10 ns (10%)",
            "throttled time not visible: needs Linux 6.6",
            "suspect: 1",
            "extra: 2",
            "migrated: 3",
            "clipped: 4",
            "matrix full: 5ns",
            "6 cgroups found no room",
            "7 events",
            "8 BPF runs",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_thread_that_starves_now_is_named_with_who_runs_instead() {
        let snapshot = fake::snapshot();
        let view = View::new(&snapshot, None, Sort::Hurts);
        assert_eq!(
            in_progress(&view, Paint(false)),
            "in progress: /shop/api tid 4711 (worker) has waited 212ms on cpu1 behind /batch/etl\n"
        );
    }

    #[test]
    fn waits_not_listed_are_counted() {
        let mut snapshot = fake::snapshot();
        let one = snapshot.in_progress[0].clone();
        snapshot.in_progress = vec![one.clone(); 7];
        snapshot.in_progress.push(ghostsched_bpf::snapshot::Waiting {
            waited_ns: 5_000,
            ..one
        });
        let text = in_progress(&View::new(&snapshot, None, Sort::Hurts), Paint(false));
        assert_eq!(text.lines().count(), 6);
        assert!(text.ends_with("in progress: 3 more threads wait\n"), "{text}");
        snapshot.in_progress.drain(..7);
        let text = in_progress(&View::new(&snapshot, None, Sort::Hurts), Paint(false));
        assert_eq!(text, "in progress: 1 thread waits, for less than 10.0ms\n");
    }

    #[test]
    fn the_header_says_what_was_measured() {
        assert_eq!(
            header(&fake::snapshot()),
            "10.0s on 2 CPUs, Linux 6.12.9, method log, 41000 switches/s, until 22:13:30 UTC\n"
        );
    }
}
