//! The profiler and its snapshots, as columns: Python makes rows of them.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ghostsched_bpf::latency::{Options, Profiler};
use ghostsched_bpf::report::view::parts_of;
use ghostsched_bpf::report::{Glob, Sort, View, verdict};
use ghostsched_bpf::snapshot::{Method, Quality, Snapshot, Waiting};
use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::Kind;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::error::{Raise, error, input};

/// The profiler: attached until closed or dropped.
#[pyclass(frozen, module = "ghostsched._native")]
#[derive(Debug)]
pub struct NativeProfiler {
    profiler: Mutex<Option<Profiler>>,
    cgroup: Option<Glob>,
}

impl NativeProfiler {
    fn lock(&self) -> MutexGuard<'_, Option<Profiler>> {
        // A panic left no half-done change behind: the profiler is only ever replaced as a whole.
        self.profiler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `body` on the profiler with the GIL released, one caller at a time.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&mut Profiler) -> Result<T, ghostsched_bpf::Error> + Send,
    ) -> PyResult<T> {
        match py.detach(|| self.lock().as_mut().map(body)) {
            Some(result) => result.map_err(|error| error.raise(py)),
            None => Err(error(
                py,
                "ClosedError",
                "the profiler is closed: its counts are gone, start a new one",
                &[],
            )),
        }
    }
}

#[pymethods]
impl NativeProfiler {
    #[new]
    #[pyo3(signature = (*, bounds, method, cgroup, level, max_groups, max_memory))]
    fn new(
        py: Python<'_>,
        bounds: Option<Vec<u64>>,
        method: Option<&str>,
        cgroup: Option<&str>,
        level: u32,
        max_groups: Option<u32>,
        max_memory: Option<u64>,
    ) -> PyResult<Self> {
        let default = Options::default();
        let options = Options {
            method: method.map(|name| method_of(py, name)).transpose()?,
            bounds: bounds_of(py, bounds)?,
            level,
            max_groups,
            max_memory: max_memory.unwrap_or(default.max_memory),
        };
        let cgroup = glob_of(py, cgroup)?;
        let profiler = py
            .detach(|| Profiler::attach(options))
            .map_err(|error| error.raise(py))?;
        Ok(Self {
            profiler: Mutex::new(Some(profiler)),
            cgroup,
        })
    }

    /// Everything since the last reset.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let snapshot = self.with(py, Profiler::snapshot)?;
        columns(py, &snapshot, self.cgroup.as_ref())
    }

    /// Everything since the last interval.
    fn interval<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let snapshot = self.with(py, Profiler::interval)?;
        columns(py, &snapshot, self.cgroup.as_ref())
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Profiler::reset)
    }

    fn set_bounds(&self, py: Python<'_>, bounds: Vec<u64>) -> PyResult<()> {
        let bounds = bounds_of(py, Some(bounds))?;
        self.with(py, |profiler| profiler.set_bounds(bounds))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.lock().take()));
    }

    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().is_none())
    }

    #[getter]
    fn method(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.with(py, |profiler| Ok(profiler.method().name()))
    }
}

/// A recorded trace, replayed through the engine.
#[pyfunction]
#[pyo3(signature = (path, *, bounds, cgroup, level))]
pub fn replay<'py>(
    py: Python<'py>,
    path: PathBuf,
    bounds: Option<Vec<u64>>,
    cgroup: Option<&str>,
    level: u32,
) -> PyResult<Bound<'py, PyDict>> {
    let bounds = bounds_of(py, bounds)?;
    let cgroup = glob_of(py, cgroup)?;
    let snapshot = py
        .detach(|| ghostsched_bpf::trace::replay(&path, bounds, level))
        .map_err(|error| error.raise(py))?;
    columns(py, &snapshot, cgroup.as_ref())
}

/// The bounds that are used if none are given, in ns.
#[pyfunction]
pub fn default_bounds() -> Vec<u64> {
    Bounds::default().as_slice().to_vec()
}

fn bounds_of(py: Python<'_>, bounds: Option<Vec<u64>>) -> PyResult<Bounds> {
    match bounds {
        Some(bounds) => Bounds::new(&bounds).map_err(|error| input(py, &error.to_string())),
        None => Ok(Bounds::default()),
    }
}

fn method_of(py: Python<'_>, name: &str) -> PyResult<Method> {
    [Method::Log, Method::Clock]
        .into_iter()
        .find(|method| method.name() == name)
        .ok_or_else(|| input(py, &format!("no method is called {name:?}: use \"log\" or \"clock\"")))
}

fn glob_of(py: Python<'_>, text: Option<&str>) -> PyResult<Option<Glob>> {
    text.map(Glob::parse).transpose().map_err(|line| input(py, &line))
}

/// Numbers as numpy has them here: signed, so that differences of two snapshots do not wrap.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn array(py: Python<'_>, values: impl IntoIterator<Item = u64>) -> Bound<'_, PyArray1<i64>> {
    PyArray1::from_vec(py, values.into_iter().map(signed).collect())
}

/// A snapshot as a dict of columns, one element a row of the report, in its order.
fn columns<'py>(py: Python<'py>, snapshot: &Snapshot, cgroup: Option<&Glob>) -> PyResult<Bound<'py, PyDict>> {
    let view = View::new(snapshot, cgroup, Sort::Hurts);
    let all = PyDict::new(py);
    all.set_item("method", snapshot.method.name())?;
    all.set_item("kernel", &snapshot.kernel)?;
    all.set_item("cpus", snapshot.cpus)?;
    all.set_item("start_unix_ns", snapshot.start_unix_ns)?;
    all.set_item("end_unix_ns", snapshot.end_unix_ns)?;
    all.set_item("interval_ns", snapshot.interval_ns)?;
    all.set_item("epoch", snapshot.epoch)?;
    all.set_item("level", snapshot.level)?;
    all.set_item("bounds_ns", array(py, snapshot.bounds.as_slice().iter().copied()))?;
    all.set_item("groups_total", snapshot.groups.len())?;
    all.set_item("rows", rows(py, &view)?)?;
    all.set_item("pairs", pairs(py, &view)?)?;
    let waiting = snapshot.in_progress.iter().filter(|waiting| view.shows(waiting.group));
    let waiting: PyResult<Vec<_>> = waiting.map(|waiting| in_progress(py, &view, waiting)).collect();
    all.set_item("in_progress", PyList::new(py, waiting?)?)?;
    all.set_item("quality", quality(py, &snapshot.quality)?)?;
    Ok(all)
}

fn rows<'py>(py: Python<'py>, view: &View<'_>) -> PyResult<Bound<'py, PyDict>> {
    let bounds = &view.snapshot.bounds;
    let rows = PyDict::new(py);
    let paths: Vec<&str> = view.rows.iter().map(|row| row.group.path.as_str()).collect();
    rows.set_item("cgroup", paths)?;
    rows.set_item("id", view.rows.iter().map(|row| row.group.id).collect::<Vec<_>>())?;
    // Rows by kinds by buckets, and rows by kinds.
    let kinds = || {
        let kinds = |row| Kind::ALL.into_iter().map(move |kind| (row, kind));
        view.rows
            .iter()
            .flat_map(kinds)
            .map(|(row, kind)| row.group.stats.kind(kind))
    };
    let counts = kinds().flat_map(|histogram| histogram.counts()[..bounds.bucket_count()].iter().copied());
    rows.set_item("kind_counts", array(py, counts))?;
    rows.set_item("kind_sum_ns", array(py, kinds().map(|histogram| histogram.sum_ns())))?;
    rows.set_item("kind_max_ns", array(py, kinds().map(|histogram| histogram.max_ns())))?;
    for (name, per_million) in [("p50_ns", 500_000), ("p90_ns", 900_000), ("p99_ns", 990_000)] {
        let quantiles = view.rows.iter().map(|row| {
            let quantile = row.group.stats.kind(Kind::Wait).quantile(bounds, per_million);
            quantile.map_or(-1, |quantile| signed(quantile.up_to_ns))
        });
        rows.set_item(name, PyArray1::from_vec(py, quantiles.collect()))?;
    }
    let column = |of: fn(&ghostsched_bpf::report::Row<'_>) -> u64| array(py, view.rows.iter().map(of));
    rows.set_item("unattributed_ns", column(|row| row.parts.unattributed_ns))?;
    rows.set_item("throttled_on_ns", column(|row| row.group.stats.throttled_on_ns))?;
    rows.set_item("missed_waits", column(|row| row.group.stats.missed_waits))?;
    rows.set_item("missed_ns", column(|row| row.group.stats.missed_ns))?;
    rows.set_item("used_mcpu", column(|row| row.used_mcpu))?;
    let weights = view.rows.iter().map(|row| row.group.entitlement);
    let known = |value: Option<u64>| value.map_or(-1, signed);
    let weight = weights.clone().map(|due| known(due.map(|due| due.weight_mcpu)));
    rows.set_item("weight_mcpu", PyArray1::from_vec(py, weight.collect()))?;
    let quota = weights.map(|due| known(due.and_then(|due| due.quota_mcpu)));
    rows.set_item("quota_mcpu", PyArray1::from_vec(py, quota.collect()))?;
    let names: Vec<&str> = view.rows.iter().map(|row| row.verdict.name()).collect();
    rows.set_item("verdict", names)?;
    let culprit = |row: &ghostsched_bpf::report::Row<'_>| row.culprit.map(|(by, _)| view.path(by));
    let texts = view
        .rows
        .iter()
        .map(|row| verdict::sentence(&row.verdict, culprit(row)));
    rows.set_item("verdict_text", texts.collect::<Vec<_>>())?;
    rows.set_item("worst_neighbour", view.rows.iter().map(culprit).collect::<Vec<_>>())?;
    Ok(rows)
}

/// Who made whom wait, of the victims shown.
fn pairs<'py>(py: Python<'py>, view: &View<'_>) -> PyResult<Bound<'py, PyList>> {
    let pairs = view.snapshot.matrix.iter().filter(|blame| view.shows(blame.victim));
    let pairs: Vec<_> = pairs
        .map(|blame| (view.path(blame.victim), view.path(blame.by), blame.ns))
        .collect();
    PyList::new(py, pairs)
}

fn in_progress<'py>(py: Python<'py>, view: &View<'_>, waiting: &Waiting) -> PyResult<Bound<'py, PyDict>> {
    let parts = parts_of(waiting);
    let one = PyDict::new(py);
    one.set_item("tid", waiting.tid)?;
    one.set_item("pid", waiting.pid)?;
    one.set_item("comm", &waiting.comm)?;
    one.set_item("cgroup", view.path(waiting.group))?;
    one.set_item("cpu", waiting.cpu)?;
    one.set_item("waited_ns", waiting.waited_ns)?;
    one.set_item("same_ns", parts.same_ns)?;
    one.set_item("other_ns", parts.other_ns)?;
    one.set_item("idle_ns", parts.idle_ns)?;
    one.set_item("throttled_ns", parts.throttled_ns)?;
    one.set_item("unattributed_ns", parts.unattributed_ns)?;
    one.set_item("behind", waiting.behind.map(|by| view.path(by)))?;
    Ok(one)
}

/// Every field of [`Quality`]. Taken apart by name, so that a new field cannot be forgotten here.
fn quality<'py>(py: Python<'py>, quality: &Quality) -> PyResult<Bound<'py, PyDict>> {
    macro_rules! fields {
        ($($name:ident),*; $check:ident) => {{
            let Quality { $($name,)* $check } = *quality;
            let all = PyDict::new(py);
            $(all.set_item(stringify!($name), $name)?;)*
            match $check {
                None => all.set_item("self_check", py.None())?,
                Some(check) => {
                    let fields = PyDict::new(py);
                    fields.set_item("threads", check.threads)?;
                    fields.set_item("exact", check.exact)?;
                    fields.set_item("kernel_ns", check.kernel_ns)?;
                    fields.set_item("ours_ns", check.ours_ns)?;
                    fields.set_item("difference_ns", check.difference_ns)?;
                    all.set_item("self_check", fields)?;
                }
            }
            all
        }};
    }
    Ok(fields!(
        switches, chain_breaks, unknown_ns, missed_waits, missed_ns, extra_waits, extra_ns, suspect_waits, suspect_ns,
        migrated_waits, moving_ns, storage_failures, throttle_clipped, matrix_overflow_ns, groups_over_capacity,
        throttle_visible, bpf_ns, bpf_runs, bpf_skipped; self_check
    ))
}
