//! Where measurements come from: the live kernel, a recorded trace, or (in tests) made-up numbers.

use std::path::Path;

use ghostsched_bpf::snapshot::Snapshot;
use ghostsched_bpf::{Error, Profiler};
use ghostsched_core::histogram::Bounds;

/// Something that measures. [`Profiler`] is the one that does; the report, the live view and the server see only this.
pub trait Source {
    /// Everything since the last [`Self::reset`], or since the start.
    fn snapshot(&mut self) -> Result<Snapshot, Error>;
    /// Everything since the last call of this function, or since the start; independent of [`Self::reset`].
    fn interval(&mut self) -> Result<Snapshot, Error>;
    /// Takes the present as the baseline of [`Self::snapshot`].
    fn reset(&mut self) -> Result<(), Error>;
    /// Starts a new epoch with other bounds.
    fn set_bounds(&mut self, bounds: Bounds) -> Result<(), Error>;
}

impl Source for Profiler {
    fn snapshot(&mut self) -> Result<Snapshot, Error> {
        Profiler::snapshot(self)
    }

    fn interval(&mut self) -> Result<Snapshot, Error> {
        Profiler::interval(self)
    }

    fn reset(&mut self) -> Result<(), Error> {
        Profiler::reset(self)
    }

    fn set_bounds(&mut self, bounds: Bounds) -> Result<(), Error> {
        Profiler::set_bounds(self, bounds)
    }
}

/// A recorded trace, replayed through the engine.
pub fn replay(path: &Path, bounds: Bounds, level: u32) -> Result<Snapshot, Error> {
    ghostsched_bpf::trace::replay(path, bounds, level)
}

#[cfg(test)]
pub mod fake {
    //! A source of made-up numbers, and the snapshot most tests of reports use.

    use ghostsched_bpf::snapshot::{Blame, Entitlement, Group, Method, Quality, SelfCheck, Snapshot, Waiting};
    use ghostsched_core::latency::{GroupStats, Kind, Parts};

    use super::{Bounds, Error, Source};

    const MS: u64 = 1_000_000;

    /// Hands out [`snapshot`] for ever, with the bounds and epoch it was told.
    #[derive(Debug)]
    pub struct Fake {
        /// What is handed out.
        pub snapshot: Snapshot,
        /// How often [`Source::reset`] was called.
        pub resets: u32,
    }

    impl Fake {
        /// The fake with [`snapshot`].
        pub fn new() -> Self {
            Self {
                snapshot: snapshot(),
                resets: 0,
            }
        }
    }

    impl Source for Fake {
        fn snapshot(&mut self) -> Result<Snapshot, Error> {
            Ok(self.snapshot.clone())
        }

        fn interval(&mut self) -> Result<Snapshot, Error> {
            Ok(self.snapshot.clone())
        }

        fn reset(&mut self) -> Result<(), Error> {
            self.resets += 1;
            Ok(())
        }

        fn set_bounds(&mut self, bounds: Bounds) -> Result<(), Error> {
            self.snapshot.bounds = bounds;
            self.snapshot.epoch += 1;
            Ok(())
        }
    }

    /// A group that had `count` waits of the same parts, and ran `on_ns` in spells of 1 ms.
    pub fn group(id: u64, path: &str, count: u64, parts: Parts, on_ns: u64) -> Group {
        let bounds = Bounds::default();
        let mut stats = GroupStats::default();
        for _ in 0..count {
            stats.record_wait(&bounds, &parts);
        }
        for _ in 0..on_ns / MS {
            stats.record_spell(&bounds, Kind::On, MS);
        }
        stats.record_spell(&bounds, Kind::Sleep, 5 * MS);
        Group {
            id,
            path: path.into(),
            stats,
            entitlement: None,
        }
    }

    /// Four groups over 10 s on 2 CPUs: one starved by another, one that queues behind itself, one at its quota, one quiet.
    pub fn snapshot() -> Snapshot {
        let parts = |same: u64, other: u64, idle: u64, throttled: u64| Parts {
            same_ns: same * 1_000,
            other_ns: other * 1_000,
            idle_ns: idle * 1_000,
            throttled_ns: throttled * 1_000,
            unattributed_ns: 0,
        };
        let mut api = group(11, "/shop/api", 500, parts(600, 9_100, 300, 0), 3_100 * MS);
        api.entitlement = Some(Entitlement {
            weight_mcpu: 800,
            quota_mcpu: None,
        });
        let mut etl = group(12, "/batch/etl", 400, parts(8_800, 1_200, 0, 0), 12_200 * MS);
        etl.entitlement = Some(Entitlement {
            weight_mcpu: 200,
            quota_mcpu: None,
        });
        let mut cron = group(13, "/shop/cron", 39, parts(900, 0, 1_800, 87_300), 1_000 * MS);
        cron.entitlement = Some(Entitlement {
            weight_mcpu: 100,
            quota_mcpu: Some(100),
        });
        let idle = group(14, "/system.slice/dbus.service", 3, parts(0, 0, 8, 0), 0);
        Snapshot {
            method: Method::Log,
            kernel: "6.12.9".into(),
            cpus: 2,
            start_unix_ns: 1_700_000_000_000_000_000,
            end_unix_ns: 1_700_000_010_000_000_000,
            interval_ns: 10_000 * MS,
            epoch: 0,
            bounds: Bounds::default(),
            level: 0,
            groups: vec![api, etl, cron, idle],
            matrix: vec![
                Blame {
                    victim: 0,
                    by: 1,
                    ns: 3_367 * MS,
                },
                Blame {
                    victim: 0,
                    by: 2,
                    ns: 1_183 * MS,
                },
                Blame {
                    victim: 1,
                    by: 0,
                    ns: 480 * MS,
                },
            ],
            in_progress: vec![Waiting {
                tid: 4711,
                pid: 4700,
                comm: "worker".into(),
                group: 0,
                cpu: 1,
                waited_ns: 212 * MS,
                same_ns: 2 * MS,
                other_ns: 210 * MS,
                idle_ns: 0,
                throttled_ns: 0,
                behind: Some(1),
            }],
            quality: Quality {
                switches: 410_000,
                throttle_visible: true,
                bpf_ns: Some(51_000_000),
                bpf_runs: 410_020,
                self_check: Some(SelfCheck {
                    threads: 12,
                    exact: 12,
                    kernel_ns: 5 * MS,
                    ours_ns: 5 * MS,
                    difference_ns: 0,
                }),
                ..Quality::default()
            },
        }
    }
}
