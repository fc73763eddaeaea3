//! The cgroup tree of the cpu controller: ids, paths, weights and quotas. Cgroup v1 and v2.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::snapshot::Entitlement;

/// Where the cpu controller's tree is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
    v1: bool,
}

/// One cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Path below the mount; `/` for the root.
    pub path: String,
    /// Its weight in v2's unit (100 is the default).
    pub weight: u64,
    /// Its own quota in milli-CPUs, if it has one.
    pub quota_mcpu: Option<u64>,
}

/// All cgroups by id.
#[derive(Clone, Debug, Default)]
pub struct Names {
    by_id: HashMap<u64, Cgroup>,
}

impl Tree {
    /// Finds the mount of the cpu controller in `/proc/self/mountinfo`: a v1 hierarchy with `cpu`, else the v2 tree.
    pub fn find() -> Result<Self, Error> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| Error::System(format!("read /proc/self/mountinfo: {error}")))?;
        Self::in_mountinfo(&mounts).ok_or_else(|| {
            Error::Unsupported("needs a mounted cgroup tree: mount -t cgroup2 none /sys/fs/cgroup".into())
        })
    }

    /// The same, in the text of a mountinfo file.
    pub fn in_mountinfo(mounts: &str) -> Option<Self> {
        let mut v2 = None;
        for line in mounts.lines() {
            // 36 35 98:0 /root /mount/point options - type source super,options
            let Some((left, right)) = line.split_once(" - ") else {
                continue;
            };
            let (Some(point), mut fields) = (left.split(' ').nth(4), right.split(' ')) else {
                continue;
            };
            let (kind, _, options) = (fields.next(), fields.next(), fields.next().unwrap_or(""));
            let root = PathBuf::from(unescape(point));
            match kind {
                Some("cgroup") if options.split(',').any(|option| option == "cpu") => {
                    return Some(Self { root, v1: true });
                }
                Some("cgroup2") => v2 = v2.or(Some(Self { root, v1: false })),
                _ => {}
            }
        }
        v2
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is a v1 hierarchy.
    pub fn is_v1(&self) -> bool {
        self.v1
    }

    /// Walks the tree. Cgroups that vanish meanwhile are left out.
    pub fn names(&self) -> Names {
        let mut names = Names::default();
        let mut todo = vec![(self.root.clone(), String::from("/"))];
        while let Some((dir, path)) = todo.pop() {
            let Ok(meta) = fs::metadata(&dir) else { continue };
            if let Ok(entries) = fs::read_dir(&dir) {
                for entry in entries.flatten() {
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        let name = entry.file_name().to_string_lossy().into_owned();
                        let below = if path == "/" {
                            format!("/{name}")
                        } else {
                            format!("{path}/{name}")
                        };
                        todo.push((entry.path(), below));
                    }
                }
            }
            let (weight, quota_mcpu) = self.share(&dir);
            names.by_id.insert(
                meta.ino(),
                Cgroup {
                    path,
                    weight,
                    quota_mcpu,
                },
            );
        }
        names
    }

    fn share(&self, dir: &Path) -> (u64, Option<u64>) {
        let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap_or_default();
        let number = |text: &str| text.trim().parse::<u64>().ok();
        if self.v1 {
            // 1024 shares are the default, as 100 is v2's.
            let weight = number(&read("cpu.shares")).map_or(100, |shares| (shares * 100 / 1024).max(1));
            let quota = number(&read("cpu.cfs_quota_us")).zip(number(&read("cpu.cfs_period_us")));
            return (
                weight,
                quota.and_then(|(quota, period)| (quota * 1000).checked_div(period)),
            );
        }
        let max = read("cpu.max");
        let mut fields = max.split_whitespace();
        let quota = fields.next().and_then(number).zip(fields.next().and_then(number));
        let weight = number(&read("cpu.weight")).unwrap_or(100);
        (
            weight,
            quota.and_then(|(quota, period)| (quota * 1000).checked_div(period)),
        )
    }
}

impl Names {
    /// The cgroup of an id.
    pub fn get(&self, id: u64) -> Option<&Cgroup> {
        self.by_id.get(&id)
    }

    /// How many cgroups there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether any cgroup has a quota.
    pub fn any_quota(&self) -> bool {
        self.by_id.values().any(|cgroup| cgroup.quota_mcpu.is_some())
    }

    /// What each of the `active` paths is due, given what each wanted: `(path, demand in milli-CPUs)`.
    ///
    /// Level by level from the root, the CPUs are filled up by weight: who wants no more than its part gets what it wants,
    /// and the rest is shared out again among the others. Threads directly in a cgroup compete with its children as one
    /// more child of the default weight. A quota bounds what a cgroup can want. Paths that are no cgroup have no answer.
    pub fn entitlements(&self, active: &[(&str, u64)], cpus: u32) -> HashMap<String, Entitlement> {
        let by_path: HashMap<&str, &Cgroup> = self
            .by_id
            .values()
            .map(|cgroup| (cgroup.path.as_str(), cgroup))
            .collect();
        let quota_of = |path: &str| by_path.get(path).and_then(|cgroup| cgroup.quota_mcpu);
        // The children of each cgroup that want anything, and how much; a cgroup is its own child for its own threads.
        let mut children: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for &(path, demand) in active.iter().filter(|(path, _)| by_path.contains_key(path)) {
            let chain: Vec<&str> = prefixes(path).collect();
            let wanted = chain
                .iter()
                .filter_map(|prefix| quota_of(prefix))
                .fold(demand, u64::min);
            *children.entry(path).or_default().entry(path).or_default() += wanted;
            for prefix in chain {
                *children
                    .entry(parent_of(prefix))
                    .or_default()
                    .entry(prefix)
                    .or_default() += wanted;
            }
        }
        let mut due: HashMap<&str, u64> = HashMap::new();
        // Parents come before their children in the order of paths.
        for (&parent, wants) in &children {
            let capacity = match parent {
                "/" => u64::from(cpus) * 1000,
                _ => due.get(parent).copied().unwrap_or(0),
            };
            let rivals: Vec<(&str, u64, u64)> = wants
                .iter()
                .map(|(&child, &wanted)| {
                    let weight = if child == parent {
                        100
                    } else {
                        by_path.get(child).map_or(100, |c| c.weight)
                    };
                    (
                        child,
                        weight,
                        quota_of(child)
                            .filter(|_| child != parent)
                            .map_or(wanted, |q| q.min(wanted)),
                    )
                })
                .collect();
            for (child, part) in fill(&rivals, capacity) {
                due.insert(child, part);
            }
        }
        let answer = |&(path, _): &(&str, u64)| {
            let quota_mcpu = prefixes(path).filter_map(quota_of).min();
            let weight_mcpu = *due.get(path)?;
            Some((
                path.to_string(),
                Entitlement {
                    weight_mcpu,
                    quota_mcpu,
                },
            ))
        };
        active
            .iter()
            .filter(|(path, _)| *path != "/")
            .filter_map(answer)
            .collect()
    }
}

/// Shares `capacity` among `(name, weight, wanted)` by weight, nobody more than it wants.
fn fill<'p>(rivals: &[(&'p str, u64, u64)], capacity: u64) -> Vec<(&'p str, u64)> {
    let mut left = u128::from(capacity);
    let mut open: Vec<&(&str, u64, u64)> = rivals.iter().collect();
    let mut parts = Vec::new();
    loop {
        let weights: u128 = open.iter().map(|rival| u128::from(rival.1)).sum();
        let part = |weight: u64| left * u128::from(weight) / weights.max(1);
        type Rivals<'r, 'p> = Vec<&'r (&'p str, u64, u64)>;
        let (content, unmet): (Rivals<'_, 'p>, Rivals<'_, 'p>) =
            open.iter().partition(|rival| u128::from(rival.2) <= part(rival.1));
        if content.is_empty() {
            parts.extend(unmet.iter().map(|rival| (rival.0, part(rival.1) as u64)));
            return parts;
        }
        left = left.saturating_sub(content.iter().map(|rival| u128::from(rival.2)).sum());
        parts.extend(content.iter().map(|rival| (rival.0, rival.2)));
        open = unmet;
    }
}

/// `/a`, `/a/b`, `/a/b/c` of `/a/b/c`; nothing of `/`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    ends.map(move |end| &path[..end]).filter(|prefix| prefix.len() > 1)
}

fn parent_of(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// mountinfo writes blanks and backslashes as octal escapes.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_AND_V2: &str = "30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        32 24 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";

    #[test]
    fn a_v1_cpu_hierarchy_wins_over_the_v2_tree_beside_it() {
        let tree = Tree::in_mountinfo(V1_AND_V2).expect("a tree");
        assert!(tree.is_v1());
        assert_eq!(tree.root(), Path::new("/sys/fs/cgroup/cpu,cpuacct"));
    }

    #[test]
    fn a_v2_tree_is_found_under_an_escaped_name() {
        let tree = Tree::in_mountinfo("30 24 0:26 / /my\\040cgroups rw - cgroup2 none rw\n").expect("a tree");
        assert!(!tree.is_v1());
        assert_eq!(tree.root(), Path::new("/my cgroups"));
        assert_eq!(Tree::in_mountinfo("garbage\n - \n"), None);
    }

    fn names(cgroups: &[(&str, u64, Option<u64>)]) -> Names {
        let cgroup = |&(path, weight, quota_mcpu): &(&str, u64, Option<u64>)| Cgroup {
            path: path.into(),
            weight,
            quota_mcpu,
        };
        Names {
            by_id: (1..).zip(cgroups.iter().map(cgroup)).collect(),
        }
    }

    #[test]
    fn two_that_want_everything_share_by_weight_below_the_tightest_quota() {
        let tree = names(&[
            ("/", 100, None),
            ("/shop", 300, Some(1500)),
            ("/shop/api", 100, None),
            ("/shop/cron", 100, Some(100)),
            ("/batch", 100, None),
            ("/asleep", 10_000, None),
        ]);
        let found = tree.entitlements(&[("/shop/api", 4000), ("/shop/cron", 1000), ("/batch", 4000)], 2);
        assert_eq!(
            found["/shop/cron"],
            Entitlement {
                weight_mcpu: 100,
                quota_mcpu: Some(100)
            }
        );
        assert_eq!(
            found["/shop/api"],
            Entitlement {
                weight_mcpu: 1400,
                quota_mcpu: Some(1500)
            }
        );
        assert_eq!(
            found["/batch"],
            Entitlement {
                weight_mcpu: 500,
                quota_mcpu: None
            }
        );
    }

    #[test]
    fn a_heavy_sleeper_takes_nothing_from_those_who_want_to_run() {
        let tree = names(&[
            ("/", 100, None),
            ("/sleepy", 10_000, None),
            ("/victim", 100, None),
            ("/hog", 1000, None),
        ]);
        let found = tree.entitlements(&[("/sleepy", 70), ("/victim", 1000), ("/hog", 1000)], 2);
        assert_eq!(found["/sleepy"].weight_mcpu, 70);
        assert_eq!(found["/hog"].weight_mcpu, 1000);
        assert_eq!(found["/victim"].weight_mcpu, 930);
    }

    #[test]
    fn threads_in_the_root_are_a_rival_and_what_is_no_cgroup_has_no_due() {
        let tree = names(&[("/", 100, None), ("/a", 100, None)]);
        let found = tree.entitlements(&[("/", 4000), ("/a", 4000), ("(rest)", 4000), ("…/x (gone)", 4000)], 2);
        assert_eq!(found["/a"].weight_mcpu, 1000);
        assert_eq!(found.len(), 1);
    }
}
