//! Which kernels the tests want, and where to find them: the cache, then a folder of kernels beside the repository, then
//! Debian's packages.

use crate::static_build::repository;
use crate::{Error, cache, debian};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A line of kernels that behave alike for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Debian 12's: no core scheduling, no sched_ext.
    V6_1,
    /// Debian 13's; sched_ext and core scheduling where built with our configuration.
    V6_12,
    /// The newest.
    V7,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Release; 3] = [Release::V6_1, Release::V6_12, Release::V7];

    /// The version's first numbers, `6.12.` or `7.`.
    pub fn prefix(self) -> &'static str {
        match self {
            Release::V6_1 => "6.1.",
            Release::V6_12 => "6.12.",
            Release::V7 => "7.",
        }
    }

    /// The Debian suites that carry it, the likeliest first.
    pub fn suites(self) -> &'static [&'static str] {
        match self {
            Release::V6_1 => &["bookworm"],
            Release::V6_12 => &["trixie"],
            Release::V7 => &["sid", "trixie-backports", "forky"],
        }
    }

    /// The configuration fragment in `config/` to build it with, where there is one.
    pub fn fragment(self) -> Option<&'static str> {
        match self {
            Release::V6_1 => None,
            Release::V6_12 => Some("6.12.fragment"),
            Release::V7 => Some("7.2.fragment"),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Release::V6_1 => "6.1",
            Release::V6_12 => "6.12",
            Release::V7 => "7.x",
        })
    }
}

impl FromStr for Release {
    type Err = Error;

    fn from_str(text: &str) -> Result<Release, Error> {
        match text {
            "6.1" => Ok(Release::V6_1),
            "6.12" => Ok(Release::V6_12),
            "7" | "7.x" | "7.2" => Ok(Release::V7),
            _ => Err(Error::Usage(format!("{text}: no such kernel: write 6.1, 6.12 or 7.x"))),
        }
    }
}

/// Who configured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Built with a fragment of `config/`: small, with core scheduling and schedstats; 6.12 also with a working sched_ext.
    Ghostsched,
    /// Debian's cloud kernel, as users have it: no core scheduling; 7.x with sched_ext.
    Stock,
}

/// A kernel image on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    path: PathBuf,
    version: String,
    flavour: Flavour,
}

impl Kernel {
    /// The best kernel of a release: built with our configuration if there is one, else stock, which is fetched if need be.
    ///
    /// # Errors
    /// [`Error::NoKernel`] with what was tried.
    pub fn find(release: Release) -> Result<Kernel, Error> {
        match Kernel::cached(release, Flavour::Ghostsched)? {
            Some(kernel) => Ok(kernel),
            None => Kernel::stock(release),
        }
    }

    /// Debian's kernel of a release, fetched if need be.
    ///
    /// # Errors
    /// [`Error::NoKernel`] with what was tried.
    pub fn stock(release: Release) -> Result<Kernel, Error> {
        if let Some(kernel) = Kernel::cached(release, Flavour::Stock)? {
            return Ok(kernel);
        }
        let _turn = cache::lock("kernels")?;
        if let Some(kernel) = newest(&cache::kernels()?, release, Flavour::Stock) {
            return Ok(kernel); // another process fetched it while we waited
        }
        debian::fetch_kernel(release, &cache::kernels()?).map_err(|why| Error::NoKernel {
            release: release.to_string(),
            why: why.to_string(),
        })?;
        newest(&cache::kernels()?, release, Flavour::Stock).ok_or_else(|| Error::NoKernel {
            release: release.to_string(),
            why: "the package held none".into(),
        })
    }

    /// A kernel of this release and flavour that is here already: in the cache, or beside the repository, from where it is
    /// copied into the cache.
    ///
    /// # Errors
    /// Those of copying.
    pub fn cached(release: Release, flavour: Flavour) -> Result<Option<Kernel>, Error> {
        let folder = cache::kernels()?;
        if let Some(kernel) = newest(&folder, release, flavour) {
            return Ok(Some(kernel));
        }
        let Some(near) = newest(&repository().join("../shared/kernels"), release, flavour) else {
            return Ok(None);
        };
        let _turn = cache::lock("kernels")?; // tests side by side copy under the same temporary name
        cache::make(&folder)?;
        let path = folder.join(near.path.file_name().unwrap_or_default());
        cache::copy(&near.path, &path)?;
        Ok(Some(Kernel { path, ..near }))
    }

    /// The kernel image at `path`. Its flavour and version are read off its name, as in the cache.
    ///
    /// # Errors
    /// [`Error::NoKernel`] when there is no such file.
    pub fn at(path: &Path) -> Result<Kernel, Error> {
        if !path.is_file() {
            return Err(Error::NoKernel {
                release: path.display().to_string(),
                why: "no such file".into(),
            });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (version, flavour) = parse(&name).unwrap_or((&name, Flavour::Stock));
        Ok(Kernel {
            path: path.to_owned(),
            version: version.to_owned(),
            flavour,
        })
    }

    /// Where the image is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The upstream version, `6.12.107`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Who configured it.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavour = if self.flavour == Flavour::Stock {
            "Debian's"
        } else {
            "our configuration"
        };
        f.pad(&format!("{} ({flavour})", self.version))
    }
}

/// The newest image in `folder` of this release and flavour.
fn newest(folder: &Path, release: Release, flavour: Flavour) -> Option<Kernel> {
    let entries = fs::read_dir(folder).ok()?;
    let kernels = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let (version, its) = parse(&name)?;
        (its == flavour && version.starts_with(release.prefix())).then(|| Kernel {
            path: entry.path(),
            version: version.to_owned(),
            flavour,
        })
    });
    kernels.max_by_key(|kernel| numbers(&kernel.version))
}

/// The version and flavour in a file's name: `bzImage-6.12.107-ghostsched`, `vmlinuz-6.1.192-debian-cloud`.
fn parse(name: &str) -> Option<(&str, Flavour)> {
    let rest = name
        .strip_prefix("bzImage-")
        .or_else(|| name.strip_prefix("vmlinuz-"))?;
    let version = rest
        .split('-')
        .next()
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))?;
    let flavour = if rest.ends_with("-ghostsched") {
        Flavour::Ghostsched
    } else {
        Flavour::Stock
    };
    Some((version, flavour))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_version_and_flavour() {
        assert_eq!(
            parse("bzImage-6.12.107-ghostsched"),
            Some(("6.12.107", Flavour::Ghostsched))
        );
        assert_eq!(parse("vmlinuz-6.1.192-debian-cloud"), Some(("6.1.192", Flavour::Stock)));
        assert_eq!(parse(".vmlinuz-6.1.192-debian-cloud.part7"), None);
        assert_eq!(parse("config-6.12-fragment"), None);
        assert_eq!(parse("bzImage-"), None);
    }

    #[test]
    fn six_one_is_not_six_twelve_and_ten_is_after_nine() {
        assert!(!"6.12.1".starts_with(Release::V6_1.prefix()));
        assert!(numbers("7.10.1") > numbers("7.9.30"));
    }
}
