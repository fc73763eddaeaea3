//! Verdicts in words: what is the matter, and what to do about it.

use ghostsched_core::latency::Verdict;

/// How much a verdict wants to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody should act.
    Act,
    /// Worth a look.
    Look,
    /// Nothing to do.
    Good,
    /// Nothing to say.
    Silent,
}

/// How much a verdict wants to be seen.
pub fn urgency(verdict: &Verdict) -> Urgency {
    match verdict {
        Verdict::Starved { .. } | Verdict::Limit { .. } | Verdict::LimitLikely { .. } => Urgency::Act,
        Verdict::Fine => Urgency::Good,
        Verdict::Quiet { .. } => Urgency::Silent,
        Verdict::Delayed { .. }
        | Verdict::OverShare { .. }
        | Verdict::SelfInflicted { .. }
        | Verdict::Idle { .. }
        | Verdict::Mixed { .. }
        | Verdict::Unknown { .. } => Urgency::Look,
    }
}

/// The verdict in a word or two, for narrow tables.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Starved { .. } => "STARVED",
        Verdict::Delayed { .. } => "delayed",
        Verdict::OverShare { .. } => "over share",
        Verdict::SelfInflicted { .. } => "self",
        Verdict::Limit { .. } => "LIMIT",
        Verdict::LimitLikely { .. } => "LIMIT?",
        Verdict::Idle { .. } => "idle",
        Verdict::Mixed { .. } => "mixed",
        Verdict::Unknown { .. } => "unknown",
        Verdict::Fine => "fine",
        Verdict::Quiet { .. } => "quiet",
    }
}

/// Milli-CPUs as CPUs: `0.31`.
pub fn cpus(mcpu: u64) -> String {
    let centi = mcpu.saturating_add(5) / 10;
    format!("{}.{:02}", centi / 100, centi % 100)
}

/// The verdict as a sentence; `culprit` is the path of the group it waited behind longest.
pub fn sentence(verdict: &Verdict, culprit: Option<&str>) -> String {
    let by = culprit.unwrap_or("other cgroups");
    // In the root cgroup each thread has the weight of a whole cgroup: no cpu.weight makes up for many of those.
    let remedy = match culprit {
        Some("/") => "move what runs in the root cgroup into one of its own",
        _ => "raise cpu.weight, or keep the two apart",
    };
    match *verdict {
        Verdict::Starved {
            used_mcpu,
            entitled_mcpu,
            ..
        } => {
            let (used, may) = (cpus(used_mcpu), cpus(entitled_mcpu));
            format!("STARVED by {by}: uses {used} of {may} CPUs it may: {remedy}")
        }
        Verdict::Delayed { other_permille, .. } => {
            let share = other_permille / 10;
            format!("delayed by {by}: {share}% of its wait is behind others: {remedy}")
        }
        Verdict::OverShare {
            used_mcpu,
            entitled_mcpu,
            ..
        } => {
            let (used, due) = (cpus(used_mcpu), cpus(entitled_mcpu));
            format!("over share: uses {used} CPUs, its weight is due {due}: raise cpu.weight only if it deserves more")
        }
        Verdict::SelfInflicted {
            runnable_milli,
            used_mcpu,
            ..
        } => {
            let (threads, used) = (cpus(runnable_milli), cpus(used_mcpu));
            format!("self: more threads than CPUs ({threads} runnable, {used} running): fewer threads, or more CPUs")
        }
        Verdict::Limit {
            throttled_permille,
            used_mcpu,
            quota_mcpu,
        } => {
            let (used, share) = (cpus(used_mcpu), throttled_permille / 10);
            let quota = quota_mcpu.map_or_else(String::new, |quota| format!(" of {}", cpus(quota)));
            format!(
                "LIMIT: its own quota (cpu.max) costs {share}% of its wait: uses {used}{quota} CPUs: raise cpu.max, or use less"
            )
        }
        Verdict::LimitLikely { used_mcpu, quota_mcpu } => {
            let (used, quota) = (cpus(used_mcpu), cpus(quota_mcpu));
            format!("LIMIT?: uses {used} of the {quota} CPUs of its quota (cpu.max): raise cpu.max, or use less")
        }
        Verdict::Idle { idle_permille } => {
            let share = idle_permille / 10;
            format!("idle: {share}% of its wait with the CPU idle (wake-up latency, or forced idle)")
        }
        Verdict::Mixed {
            other_permille,
            same_permille,
        } => {
            let (other, same) = (other_permille / 10, same_permille / 10);
            format!("mixed: {other}% behind others, {same}% behind itself: no single cause")
        }
        Verdict::Unknown { unattributed_permille } => {
            let share = unattributed_permille / 10;
            format!("unknown: {share}% of its wait could not be attributed (missed events)")
        }
        Verdict::Fine => "fine".into(),
        Verdict::Quiet { waits: 0 } => "quiet: no waits".into(),
        Verdict::Quiet { waits: 1 } => "quiet: 1 wait, too few to judge".into(),
        Verdict::Quiet { waits } => format!("quiet: {waits} waits, too few to judge"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_names_the_culprit_the_numbers_and_the_remedy() {
        let starved = Verdict::Starved {
            used_mcpu: 310,
            due_mcpu: 760,
            entitled_mcpu: 800,
            other_permille: 910,
        };
        assert_eq!(
            sentence(&starved, Some("/batch/etl")),
            "STARVED by /batch/etl: uses 0.31 of 0.80 CPUs it may: raise cpu.weight, or keep the two apart"
        );
        assert!(sentence(&starved, Some("/")).ends_with("move what runs in the root cgroup into one of its own"));
        assert!(sentence(&starved, None).starts_with("STARVED by other cgroups:"));
        let limit = Verdict::Limit {
            throttled_permille: 970,
            used_mcpu: 98,
            quota_mcpu: Some(100),
        };
        assert!(sentence(&limit, None).contains("(cpu.max) costs 97% of its wait: uses 0.10 of 0.10 CPUs"));
        assert_eq!(
            sentence(&Verdict::Quiet { waits: 3 }, None),
            "quiet: 3 waits, too few to judge"
        );
    }
}
