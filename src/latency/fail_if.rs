//! `--fail-if 'p99(other,/shop/api)>5ms'`: a condition on the final report that makes the exit status 3.
//!
//! `STAT(PART[,GLOB]) OP VALUE`, spaces where one likes. A condition holds when it holds for one of the cgroups that the
//! glob means (all without a glob). Waits in progress count for `max` and nothing else: a thread that starved through the
//! whole measurement has no finished wait. A cgroup without any value fulfils no condition on a percentile, a maximum, a
//! mean or a share. A glob that means no cgroup that ran or waited is an error, not a pass: a canary must not turn green
//! because somebody renamed a container.

use std::cmp::Ordering;

use ghostsched_bpf::snapshot::{Group, Snapshot};
use ghostsched_core::histogram::{Bounds, MAX_BOUNDS, Quantile};
use ghostsched_core::latency::Kind;

use super::columns::printable;
use super::glob::Glob;
use super::view::parts_of;
use crate::units::{human_ns, parse_duration_ns, shorten};

/// What to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stat {
    /// A percentile, in millionths.
    Percentile(u32),
    Max,
    Mean,
    Sum,
    Count,
    /// Of all wait; of the runnable time for the wait itself.
    Share,
}

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Kind(Kind),
    Unattributed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A parsed condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailIf {
    text: String,
    stat: Stat,
    part: Part,
    glob: Option<Glob>,
    op: Op,
    /// In ns, a count, or millionths for [`Stat::Share`].
    limit: u64,
}

/// What came out of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds for no cgroup.
    Passes,
    /// It holds; the line names the worst cgroup and its value.
    Holds(String),
    /// It means no cgroup; the line says so.
    NoCgroup(String),
}

impl Op {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Above => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
            Self::Below => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
        }
    }

    /// The bound that tells values for which it holds from the others: buckets include their upper bound.
    fn bound(self, limit_ns: u64) -> u64 {
        match self {
            Self::Above | Self::AtMost => limit_ns,
            Self::AtLeast | Self::Below => limit_ns.saturating_sub(1),
        }
    }
}

impl FailIf {
    /// A condition from its text, or one line that says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || {
            let shown = shorten(text, 60);
            format!("{shown:?} is not a condition: write STAT(PART,GLOB) > LIMIT, such as 'p99(other,/shop/api)>5ms'")
        };
        let (stat, rest) = text.split_once('(').ok_or_else(shape)?;
        // From the right: a glob may hold a parenthesis, a limit never does.
        let (inner, comparison) = rest.rsplit_once(')').ok_or_else(shape)?;
        let (part, glob) = match inner.split_once(',') {
            Some((part, glob)) => (part, Some(Glob::parse(glob.trim())?)),
            None => (inner, None),
        };
        let stat = parse_stat(stat.trim())?;
        let part = parse_part(part.trim())?;
        let comparison = comparison.trim();
        let (op, limit) = [
            (">=", Op::AtLeast),
            ("<=", Op::AtMost),
            (">", Op::Above),
            ("<", Op::Below),
        ]
        .into_iter()
        .find_map(|(sign, op)| comparison.strip_prefix(sign).map(|limit| (op, limit.trim())))
        .ok_or_else(shape)?;
        check(stat, part)?;
        Ok(Self {
            text: text.trim().into(),
            stat,
            part,
            glob,
            op,
            limit: parse_limit(stat, limit)?,
        })
    }

    /// Whether the condition holds for a snapshot.
    pub fn evaluate(&self, snapshot: &Snapshot) -> Outcome {
        let meant = |group: &Group| self.glob.as_ref().is_none_or(|glob| glob.matches(&group.path));
        let mut any = false;
        let mut failing: Vec<(u128, u128, &Group)> = Vec::new();
        for (index, group) in snapshot.groups.iter().enumerate().filter(|(_, group)| meant(group)) {
            any = true;
            // A fraction, so that means and shares are compared exactly.
            if let Some((value, of)) = self.value(snapshot, index, group)
                && self.op.holds(value.cmp(&(u128::from(self.limit) * of)))
            {
                failing.push((value, of, group));
            }
        }
        if !any {
            let glob = self.glob.as_ref().map_or("**", Glob::text);
            return Outcome::NoCgroup(format!(
                "--fail-if '{}': no cgroup that ran or waited matches {glob}: compare it with the table's paths ('**/NAME' matches at any depth)",
                printable(&self.text)
            ));
        }
        let worse =
            |a: &(u128, u128, &Group), b: &(u128, u128, &Group)| a.0.saturating_mul(b.1).cmp(&b.0.saturating_mul(a.1));
        let worst = match self.op {
            Op::Above | Op::AtLeast => failing.iter().max_by(|a, b| worse(a, b)),
            Op::Below | Op::AtMost => failing.iter().min_by(|a, b| worse(a, b)),
        };
        let Some(&(value, of, group)) = worst else {
            return Outcome::Passes;
        };
        let value = u64::try_from(value / of.max(1)).unwrap_or(u64::MAX);
        let mut line = format!(
            "--fail-if '{}' holds: {} has {}",
            printable(&self.text),
            printable(&group.path),
            self.show(value)
        );
        if let Some(quantile) = self
            .quantile(snapshot, group)
            .filter(|quantile| self.undecided(quantile))
        {
            line.push_str(&format!(
                " at most (above {}; add the limit to --bounds to know)",
                human_ns(quantile.above_ns)
            ));
        }
        match failing.len() - 1 {
            0 => {}
            1 => line.push_str("; so has 1 more cgroup"),
            more => line.push_str(&format!("; so have {more} more cgroups")),
        }
        Outcome::Holds(line)
    }

    /// The value as a fraction of integers; `None` where there is nothing to compare.
    fn value(&self, snapshot: &Snapshot, index: usize, group: &Group) -> Option<(u128, u128)> {
        let wait = group.stats.kind(Kind::Wait);
        let (sum_ns, count) = match self.part {
            Part::Kind(kind) => (group.stats.kind(kind).sum_ns(), group.stats.kind(kind).count()),
            Part::Unattributed => (group.stats.unattributed_ns, wait.count()),
        };
        let fraction = |value: u64, of: u64| (of > 0).then_some((u128::from(value), u128::from(of)));
        match self.stat {
            Stat::Sum => fraction(sum_ns, 1),
            Stat::Count => fraction(count, 1),
            Stat::Mean => fraction(sum_ns, count),
            Stat::Percentile(_) => fraction(self.quantile(snapshot, group)?.up_to_ns, 1),
            Stat::Max => {
                let now_ns = self.longest_in_progress(snapshot, index);
                (count > 0 || now_ns > 0).then(|| (u128::from(self.max_ns(group).max(now_ns)), 1))
            }
            Stat::Share => {
                let whole_ns = match self.part {
                    Part::Kind(Kind::Wait) => wait.sum_ns().saturating_add(group.stats.kind(Kind::On).sum_ns()),
                    _ => wait.sum_ns(),
                };
                fraction(sum_ns, whole_ns).map(|(value, of)| (value * 1_000_000, of))
            }
        }
    }

    fn max_ns(&self, group: &Group) -> u64 {
        match self.part {
            Part::Kind(kind) => group.stats.kind(kind).max_ns(),
            Part::Unattributed => 0,
        }
    }

    fn longest_in_progress(&self, snapshot: &Snapshot, index: usize) -> u64 {
        let part_ns = |waiting| {
            let parts = parts_of(waiting);
            match self.part {
                Part::Kind(Kind::Wait) => waiting.waited_ns,
                Part::Kind(Kind::Same) => parts.same_ns,
                Part::Kind(Kind::Other) => parts.other_ns,
                Part::Kind(Kind::Idle) => parts.idle_ns,
                Part::Kind(Kind::Throttled) => parts.throttled_ns,
                Part::Kind(Kind::On | Kind::Sleep | Kind::Block) | Part::Unattributed => 0,
            }
        };
        snapshot
            .in_progress
            .iter()
            .filter(|waiting| waiting.group == index)
            .map(part_ns)
            .max()
            .unwrap_or(0)
    }

    fn quantile(&self, snapshot: &Snapshot, group: &Group) -> Option<Quantile> {
        match (self.stat, self.part) {
            (Stat::Percentile(per_million), Part::Kind(kind)) => {
                group.stats.kind(kind).quantile(&snapshot.bounds, per_million)
            }
            _ => None,
        }
    }

    /// Whether the bucket of a percentile has values on both sides of the limit.
    fn undecided(&self, quantile: &Quantile) -> bool {
        let bound = self.op.bound(self.limit);
        quantile.above_ns < bound && bound < quantile.up_to_ns
    }

    fn show(&self, value: u64) -> String {
        match self.stat {
            Stat::Share => format!("{}.{:02}%", value / 10_000, value % 10_000 / 100),
            Stat::Count => value.to_string(),
            _ => human_ns(value),
        }
    }
}

/// The default bounds and the limits of all conditions on percentiles, as far as they fit: so a percentile is compared
/// exactly, whatever bucket it falls in.
pub fn bounds_with_limits(conditions: &[FailIf]) -> Bounds {
    let default = Bounds::default();
    let mut list = default.as_slice().to_vec();
    for condition in conditions
        .iter()
        .filter(|condition| matches!(condition.stat, Stat::Percentile(_)))
    {
        let bound = condition.op.bound(condition.limit);
        if let Err(at) = list.binary_search(&bound)
            && bound > 0
            && list.len() < MAX_BOUNDS
        {
            list.insert(at, bound);
        }
    }
    Bounds::new(&list).unwrap_or(default)
}

fn parse_stat(text: &str) -> Result<Stat, String> {
    match text {
        "max" => return Ok(Stat::Max),
        "mean" => return Ok(Stat::Mean),
        "sum" => return Ok(Stat::Sum),
        "count" => return Ok(Stat::Count),
        "share" => return Ok(Stat::Share),
        _ => {}
    }
    let unknown = || {
        let shown = shorten(text, 40);
        format!("{shown:?} is not a statistic: write p50, p99, p99.9 (up to p100), max, mean, sum, count or share")
    };
    let per_million = millionths(text.strip_prefix('p').ok_or_else(unknown)?).ok_or_else(unknown)?;
    match u32::try_from(per_million) {
        Ok(per_million @ 1..=1_000_000) => Ok(Stat::Percentile(per_million)),
        _ => Err(unknown()),
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    if text == "unattributed" {
        return Ok(Part::Unattributed);
    }
    Kind::from_name(text).map(Part::Kind).ok_or_else(|| {
        let shown = shorten(text, 40);
        format!("{shown:?} is not a part: write wait, same, other, idle, throttled, unattributed, on, sleep or block")
    })
}

/// Combinations that have no meaning.
fn check(stat: Stat, part: Part) -> Result<(), String> {
    match (stat, part) {
        (Stat::Percentile(_) | Stat::Max | Stat::Count, Part::Unattributed) => Err(
            "unattributed time is only summed: write sum(unattributed), mean(unattributed) or share(unattributed)"
                .into(),
        ),
        (Stat::Share, Part::Kind(Kind::On | Kind::Sleep | Kind::Block)) => Err(
            "share is of waiting time: write share(other), share(throttled), ..., or share(wait) of the runnable time"
                .into(),
        ),
        _ => Ok(()),
    }
}

fn parse_limit(stat: Stat, text: &str) -> Result<u64, String> {
    let shown = shorten(text, 40);
    match stat {
        Stat::Share => text
            .strip_suffix('%')
            .and_then(|number| millionths(number.trim_end()))
            .ok_or_else(|| format!("{shown:?} is not a percentage: a share is compared with one, such as 20% or 0.5%")),
        Stat::Count => {
            let error = || format!("{shown:?} is not a count: write a whole number, such as 1000");
            if text.bytes().all(|b| b.is_ascii_digit()) {
                text.parse().map_err(|_| error())
            } else {
                Err(error())
            }
        }
        _ => parse_duration_ns(text),
    }
}

/// A percentage as millionths (1 % is 10,000): digits, at most four after the point.
fn millionths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 4 || text.ends_with('.') {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<4}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(10_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests;
