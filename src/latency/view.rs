//! The view of a snapshot that every report starts from; it lives beside the snapshot, for all who report.

pub use ghostsched_bpf::report::view::{Row, Sort, View, parts_of};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::source::fake;

    #[test]
    fn what_waits_longest_behind_others_comes_first() {
        let snapshot = fake::snapshot();
        let paths = |sort| {
            let view = View::new(&snapshot, None, sort);
            view.rows.iter().map(|row| row.group.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            paths(Sort::Hurts),
            ["/shop/api", "/batch/etl", "/shop/cron", "/system.slice/dbus.service"]
        );
        assert_eq!(paths(Sort::P99)[0], "/shop/cron");
        assert_eq!(paths(Sort::Cpu)[0], "/batch/etl");
        assert_eq!(paths(Sort::Name)[0], "/batch/etl");
    }

    #[test]
    fn each_kind_of_trouble_gets_its_verdict() {
        let snapshot = fake::snapshot();
        let view = View::new(&snapshot, None, Sort::Hurts);
        let names: Vec<_> = view.rows.iter().map(|row| row.verdict.name()).collect();
        assert_eq!(names, ["starved", "self", "limit", "quiet"]);
        assert_eq!(view.rows[0].culprit, Some((1, 3_367_000_000)));
    }

    #[test]
    fn a_thread_starving_now_is_judged_before_its_wait_ends() {
        let mut snapshot = fake::snapshot();
        snapshot.groups[0].stats = Default::default();
        snapshot.in_progress[0].waited_ns = 9_000_000_000;
        snapshot.in_progress[0].other_ns = 8_998_000_000;
        let view = View::new(&snapshot, None, Sort::Hurts);
        assert_eq!((view.rows[0].index, view.rows[0].verdict.name()), (0, "starved"));
    }

    #[test]
    fn indices_that_are_none_are_left_out_without_panic() {
        let mut snapshot = fake::snapshot();
        snapshot.matrix[0].victim = 99;
        snapshot.in_progress[0].group = 99;
        let view = View::new(&snapshot, None, Sort::Hurts);
        assert_eq!(view.path(99), "?");
    }
}
