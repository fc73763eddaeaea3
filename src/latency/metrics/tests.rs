use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::super::ledger::{Ledger, Limits};
use super::super::source::fake;
use super::text::Type;
use super::*;

fn rendered(snapshot: &Snapshot, limits: Limits, format: Format) -> String {
    render(snapshot, Ledger::new(limits).update(snapshot), format)
}

/// The value of a sample, by its name and labels as written.
fn samples(text: &str) -> HashMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs: Vec<_> = lines.map(|line| line.rsplit_once(' ').expect(line)).collect();
    let map: HashMap<_, _> = pairs.iter().copied().collect();
    assert_eq!(map.len(), pairs.len(), "a series stands twice");
    map
}

#[test]
fn the_parts_of_a_cgroups_waits_are_exact() {
    let text = rendered(&fake::snapshot(), Limits::default(), Format::OpenMetrics);
    let samples = samples(&text);
    for (series, value) in [
        (
            "ghostsched_cgroup_queue_delay_seconds_count{cgroup=\"/shop/api\",cause=\"all\"}",
            "500",
        ),
        (
            "ghostsched_cgroup_queue_delay_seconds_sum{cgroup=\"/shop/api\",cause=\"all\"}",
            "5",
        ),
        (
            "ghostsched_cgroup_queue_delay_cause_seconds_total{cgroup=\"/shop/api\",cause=\"other\"}",
            "4.55",
        ),
        (
            "ghostsched_cgroup_queue_delay_cause_seconds_total{cgroup=\"/shop/cron\",cause=\"throttled\"}",
            "3.4047",
        ),
        (
            "ghostsched_cgroup_wait_caused_seconds_total{victim=\"/shop/api\",by=\"/batch/etl\"}",
            "3.367",
        ),
        (
            "ghostsched_cgroup_wait_caused_seconds_created{victim=\"/shop/api\",by=\"/batch/etl\"}",
            "1700000000",
        ),
        ("ghostsched_cgroup_waiting_now_seconds{cgroup=\"/shop/api\"}", "0.212"),
        ("ghostsched_cgroup_waiting_threads{cgroup=\"/shop/api\"}", "1"),
        ("ghostsched_cgroup_waiting_threads{cgroup=\"(rest)\"}", "0"),
        (
            "ghostsched_cgroup_entitlement_cpus{cgroup=\"/shop/cron\",limit=\"quota\"}",
            "0.1",
        ),
        ("ghostsched_cgroup_oncpu_seconds_sum{cgroup=\"/batch/etl\"}", "12.2"),
        (
            "ghostsched_cgroup_offcpu_seconds_count{cgroup=\"/batch/etl\",state=\"sleep\"}",
            "1",
        ),
        ("ghostsched_bpf_run_seconds_total", "0.051"),
        ("ghostsched_start_time_seconds", "1700000000"),
        ("ghostsched_cgroups_named", "4"),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[test]
fn causes_add_up_to_the_wait() {
    let mut snapshot = fake::snapshot();
    snapshot.groups[0].stats.unattributed_ns = 0;
    let mut ledger = Ledger::new(Limits {
        groups: 2,
        ..Limits::default()
    });
    let open = ledger.update(&snapshot);
    for (_, row) in open.groups.rows() {
        let parts = [Kind::Same, Kind::Other, Kind::Idle, Kind::Throttled];
        let parts: u64 = parts.into_iter().map(|kind| open.layout.sum_ns(&row.cells, kind)).sum();
        assert_eq!(
            parts + open.layout.unattributed_ns(&row.cells),
            open.layout.sum_ns(&row.cells, Kind::Wait)
        );
    }
}

#[test]
fn each_cause_has_a_histogram_only_on_demand() {
    let line = "ghostsched_cgroup_queue_delay_seconds_bucket{cgroup=\"/shop/api\",cause=\"other\",le=\"+Inf\"} 500\n";
    for per_cause in [false, true] {
        let text = rendered(
            &fake::snapshot(),
            Limits {
                per_cause,
                ..Limits::default()
            },
            Format::Classic,
        );
        assert_eq!(text.contains(line), per_cause);
    }
}

#[test]
fn the_cap_holds_and_says_how_many_it_folded() {
    let mut snapshot = fake::snapshot();
    for id in 0..1_000 {
        snapshot
            .groups
            .push(fake::group(100 + id, &format!("/pod{id}"), 1, Default::default(), 0));
    }
    let limits = Limits {
        groups: 3,
        culprits: 2,
        per_cause: true,
        filter: None,
    };
    let text = rendered(&snapshot, limits.clone(), Format::OpenMetrics);
    let samples = samples(&text);
    assert_eq!(samples["ghostsched_cgroups_named"], "3");
    assert_eq!(samples["ghostsched_cgroups_folded"], "1001");
    // The formula of docs/metrics.md, with B = 24 bounds, everything at its largest.
    let (rows, bounds, culprits) = (limits.groups + 1, 24, limits.culprits);
    let per_row = 5 * (bounds + 4) + 10 + 3 + 6 + 2 + 2 * (culprits + 1) + 2 + 2;
    let most = rows * per_row + 2 * families::ALL.len();
    assert!(samples.len() <= most, "{} series, at most {most}", samples.len());
}

#[test]
fn what_cannot_be_known_is_absent_not_zero() {
    let mut snapshot = fake::snapshot();
    snapshot.quality.bpf_ns = None;
    snapshot.quality.self_check = None;
    let text = rendered(&snapshot, Limits::default(), Format::Classic);
    assert!(!text.contains("ghostsched_bpf_run") && !text.contains("ghostsched_selfcheck"));
}

#[test]
fn no_metric_is_undocumented_and_no_document_is_stale() {
    let documented: HashSet<&str> = include_str!("../../../docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .filter(|name| name.starts_with("ghostsched_"))
        .collect();
    let written: HashSet<String> = families::ALL.iter().map(|family| family.declared()).collect();
    let written: HashSet<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(documented, written);
}

#[test]
fn every_family_is_written_once_and_in_order() {
    let text = rendered(&fake::snapshot(), Limits::default(), Format::Classic);
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let expected: Vec<String> = families::ALL.iter().map(|family| family.declared()).collect();
    assert_eq!(declared, expected);
    for family in families::ALL {
        assert!(!family.help.contains(['"', '\\', '\n']), "{}", family.name);
        assert!(
            family.kind != Type::Histogram || family.unit() == Some("seconds"),
            "{}",
            family.name
        );
    }
}

/// What promtool says to a text; `None`, and a line that says so, where it is not installed.
fn promtool(arguments: &[&str], text: &str) -> Option<String> {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        crate::skip::skipped("promtool not installed (apt-get install prometheus)");
        return None;
    };
    // It may refuse its arguments without reading; its status says so.
    let _ = child.stdin.take()?.write_all(text.as_bytes());
    let output = child.wait_with_output().ok()?;
    let says = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{says}");
    Some(says)
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let mut snapshot = fake::snapshot();
    snapshot.groups[3].path = "/odd \"path\"\\with\nall/\u{fc}\u{1f980}".into();
    for per_cause in [false, true] {
        let text = rendered(
            &snapshot,
            Limits {
                per_cause,
                ..Limits::default()
            },
            Format::Classic,
        );
        let Some(says) = promtool(&["check", "metrics"], &text) else {
            return;
        };
        assert_eq!(says, "");
    }
}

#[test]
fn the_queries_and_alerts_of_the_document_are_valid() {
    let document = include_str!("../../../docs/metrics.md");
    let indent = |text: &str| text.lines().map(|line| format!("      {line}\n")).collect::<String>();
    let mut rules = String::from("groups:\n  - name: document\n    rules:\n");
    let mut found = 0;
    for block in document.split("```").skip(1).step_by(2) {
        if let Some(query) = block.strip_prefix("promql\n") {
            found += 1;
            let query: Vec<&str> = query.split_whitespace().collect();
            rules += &format!(
                "      - record: query:{found}\n        expr: >\n          {}\n",
                query.join(" ")
            );
        } else if let Some(alerts) = block.strip_prefix("yaml\n- alert") {
            found += 1;
            rules += &indent(&format!("- alert{alerts}"));
        }
    }
    assert_eq!(found, 5);
    let file = std::env::temp_dir().join(format!("ghostsched-rules-{}.yml", std::process::id()));
    std::fs::write(&file, &rules).expect("a file");
    let says = promtool(&["check", "rules", &file.to_string_lossy()], "");
    let _ = std::fs::remove_file(&file);
    if let Some(says) = says {
        assert!(says.contains("SUCCESS: 7 rules"), "{says}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_snapshot_renders(
        paths in prop::collection::vec("(\\PC|[\\n\\\\\"]){0,12}", 0..6),
        numbers in prop::collection::vec(any::<u64>(), 40),
        indexes in prop::collection::vec((0..8usize, 0..8usize), 0..8),
    ) {
        let mut snapshot = fake::snapshot();
        snapshot.groups.clear();
        for (n, path) in paths.iter().enumerate() {
            let mut group = fake::group(numbers[n] % 3, path, 2, Default::default(), 0);
            group.stats.unattributed_ns = numbers[n + 8];
            group.stats.kinds = group.stats.kinds.map(|histogram| {
                ghostsched_core::histogram::Histogram::from_parts(histogram.counts(), numbers[n + 16], numbers[n + 24])
            });
            group.entitlement = Some(Entitlement { weight_mcpu: numbers[n], quota_mcpu: Some(numbers[n + 1]) });
            snapshot.groups.push(group);
        }
        snapshot.matrix.clear();
        for &(victim, by) in &indexes {
            snapshot.matrix.push(ghostsched_bpf::snapshot::Blame { victim, by, ns: numbers[victim] });
            let waiting = snapshot.in_progress[0].clone();
            snapshot.in_progress.push(ghostsched_bpf::snapshot::Waiting { group: by, waited_ns: numbers[by], ..waiting });
        }
        let mut ledger = Ledger::new(Limits { groups: 2, culprits: 1, per_cause: true, filter: None });
        for format in [Format::Classic, Format::OpenMetrics] {
            let text = render(&snapshot, ledger.update(&snapshot), format);
            samples(&text);
        }
    }
}
