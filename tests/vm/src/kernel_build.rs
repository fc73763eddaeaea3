//! Builds a kernel from Debian's `linux-source` and a committed configuration fragment. About 7 minutes on 2 CPUs and 3 GB of
//! disk, so only when somebody asks for it.

use crate::debian::{Suite, extract};
use crate::progress::{say, watch};
use crate::static_build::repository;
use crate::{Error, Release, cache, console};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a build calls, and the Debian package of each.
const TOOLS: [(&str, &str); 9] = [
    ("gcc", "gcc"),
    ("make", "make"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("perl", "perl"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("pahole", "dwarves"),
];
/// Object files in one of our small kernels, for the percentage.
const OBJECTS: usize = 1400;

/// Builds the kernel and answers its place in the cache.
///
/// # Errors
/// [`Error::Missing`] for a tool; [`Error::Tool`] with the compiler's last words, or with the options the kernel refused.
pub fn build(release: Release) -> Result<PathBuf, Error> {
    let usage = || {
        Error::Usage(format!(
            "{release} has no fragment in tests/vm/config: build 6.12 or 7.x"
        ))
    };
    let fragment = repository()
        .join("tests/vm/config")
        .join(release.fragment().ok_or_else(usage)?);
    for (program, package) in TOOLS {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|_| Error::Missing {
                program: program.into(),
                package,
            })?;
    }
    let _turn = cache::lock("build")?;
    let folder = cache::home()?
        .join("build")
        .join(release.prefix().trim_end_matches('.'));
    let source = unpacked(release, &folder)?;
    let make = Make {
        source: &source,
        fragment: &fragment,
        log: folder.join("build.log"),
    };
    make.configure()?;
    make.compile()?;
    let version = make.output(&["-s", "kernelversion"])?;
    let kernels = cache::kernels()?;
    cache::make(&kernels)?;
    let target = kernels.join(format!("bzImage-{version}-ghostsched"));
    cache::copy(&source.join("arch/x86/boot/bzImage"), &target)?;
    let _ = fs::remove_dir_all(&folder);
    Ok(target)
}

/// The source tree, fetched and unpacked unless an earlier, interrupted build left it.
fn unpacked(release: Release, folder: &Path) -> Result<PathBuf, Error> {
    let source = folder.join("source");
    if source.join(".complete").is_file() {
        return Ok(source);
    }
    let (suite, package) = find_source(release)?;
    let deb = suite.download(&package)?;
    let _ = fs::remove_dir_all(folder);
    cache::make(&source)?;
    let archive = folder.join("source.tar.xz");
    say(format_args!("unpacking {package}"));
    extract(&deb, "linux-source-*.tar.xz", &archive)?;
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xJf")
        .arg(&archive)
        .arg("-C")
        .arg(&source)
        .arg("--strip-components=1");
    let log = folder.join("unpack.log");
    run(unpack, &log, "unpacking", String::new)?;
    let _ = fs::remove_file(&archive);
    let _ = fs::remove_file(&deb);
    let done = source.join(".complete");
    File::create(&done).map_err(Error::io("create", &done))?;
    Ok(source)
}

/// The suite and the name of the newest source package of a release.
fn find_source(release: Release) -> Result<(Suite, String), Error> {
    let prefix = format!("linux-source-{}", release.prefix().trim_end_matches('.'));
    for name in release.suites() {
        let suite = Suite::open(name)?;
        // linux-source-6.12 itself, or for 7.x the highest of linux-source-7.N.
        let minor = |name: &String| name.strip_prefix(&prefix)?.trim_start_matches('.').parse::<u32>().ok();
        let names = suite.names(&prefix)?;
        let exact = names.iter().find(|name| **name == prefix);
        if let Some(package) = exact.or_else(|| {
            names
                .iter()
                .filter(|name| minor(name).is_some())
                .max_by_key(|n| minor(n))
        }) {
            return Ok((suite, package.clone()));
        }
    }
    Err(Error::Tool {
        what: format!("finding {prefix}"),
        why: format!("not in {}", release.suites().join(", ")),
    })
}

struct Make<'a> {
    source: &'a Path,
    fragment: &'a Path,
    log: PathBuf,
}

impl Make<'_> {
    /// The smallest configuration plus the fragment; every option of the fragment must have been taken.
    fn configure(&self) -> Result<(), Error> {
        say("configuring");
        self.make("configuring", &["tinyconfig"], String::new)?;
        let config = self.source.join(".config");
        let wanted = fs::read_to_string(self.fragment).map_err(Error::io("read", self.fragment))?;
        let tiny = fs::read_to_string(&config).map_err(Error::io("read", &config))?;
        // Of two lines for one option the later counts.
        fs::write(&config, format!("{tiny}\n{wanted}")).map_err(Error::io("write", &config))?;
        self.make("configuring", &["olddefconfig"], String::new)?;
        let got = fs::read_to_string(&config).map_err(Error::io("read", &config))?;
        let refused = refused(&wanted, &got);
        if refused.is_empty() {
            return Ok(());
        }
        let why = format!(
            "the kernel did not take {}; correct {}",
            refused.join(" "),
            self.fragment.display()
        );
        Err(Error::Tool {
            what: "configuring".into(),
            why,
        })
    }

    fn compile(&self) -> Result<(), Error> {
        let jobs = format!("-j{}", std::thread::available_parallelism().map_or(1, usize::from));
        let log = self.log.clone();
        self.make("compiling", &[&jobs, "bzImage"], || {
            let text = crate::qemu::read(&log);
            let objects = text.lines().filter(|line| line.trim_start().starts_with("CC ")).count();
            let last = text
                .lines()
                .last()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            format!("{} % ({})", (objects * 100 / OBJECTS).min(99), last.unwrap_or_default())
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("make");
        command.arg("-C").arg(self.source).args(arguments).env("LC_ALL", "C");
        // An outer make's flags and job server are not ours; the same source shall give the same image.
        for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
            command.env_remove(name);
        }
        command
            .env("KBUILD_BUILD_TIMESTAMP", "2026-01-01")
            .env("KBUILD_BUILD_USER", "ghostsched");
        command.env("KBUILD_BUILD_HOST", "ghostsched").stdin(Stdio::null());
        command
    }

    fn make(&self, what: &str, arguments: &[&str], measure: impl FnMut() -> String) -> Result<(), Error> {
        run(self.command(arguments), &self.log, what, measure)
    }

    fn output(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = self
            .command(arguments)
            .output()
            .map_err(Error::io("run", Path::new("make")))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Runs a command with its words in `log` and a line of progress every few seconds.
fn run(mut command: Command, log: &Path, what: &str, measure: impl FnMut() -> String) -> Result<(), Error> {
    let file = File::create(log).map_err(Error::io("create", log))?;
    let both = file.try_clone().map_err(Error::io("create", log))?;
    let mut child = command
        .stdout(file)
        .stderr(both)
        .spawn()
        .map_err(Error::io("run", Path::new(what)))?;
    let status = watch(&mut child, what, measure).map_err(Error::io("wait for", Path::new(what)))?;
    if status.success() {
        return Ok(());
    }
    let text = crate::qemu::read(log);
    let error = text.lines().find(|line| line.contains("rror:")).map(str::to_owned);
    let why = format!(
        "{} (all of it: {})",
        error.unwrap_or_else(|| console::tail(&text, 1)),
        log.display()
    );
    Err(Error::Tool { what: what.into(), why })
}

/// The options of `wanted` that are not so in `got`. An option switched off is absent there or `is not set`.
fn refused<'a>(wanted: &'a str, got: &str) -> Vec<&'a str> {
    let has = |line: &str| got.lines().any(|other| other == line);
    let lines = wanted.lines().map(str::trim).filter(|line| line.starts_with("CONFIG_"));
    lines
        .filter(|line| match line.strip_suffix("=n") {
            Some(name) => got
                .lines()
                .any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))),
            None => !has(line),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_was_not_taken_is_named() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=y\nCONFIG_D=n\n";
        let got = "CONFIG_A=y\n# CONFIG_B is not set\n# CONFIG_C is not set\nCONFIG_D=y\nCONFIG_DD=y\n";
        assert_eq!(refused(wanted, got), ["CONFIG_C=y", "CONFIG_D=n"]);
    }
}
