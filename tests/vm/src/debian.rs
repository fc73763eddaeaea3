//! Debian packages without touching the machine: a private apt state for each suite, in our cache folder.
//!
//! apt still reads the machine's apt.conf.d (proxies) and verifies with the machine's Debian keyring, but its sources, lists,
//! package status and caches are ours. Nothing is installed; packages are only unpacked.

use crate::progress::{megabytes, say, size_below, watch};
use crate::{Error, Release, cache, console, sources};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// How old lists may be before they are fetched again.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// One suite's private apt state.
#[derive(Debug)]
pub struct Suite {
    name: &'static str,
    folder: PathBuf,
}

impl Suite {
    /// Opens the suite, fetching its lists when they are missing or a day old.
    ///
    /// # Errors
    /// [`Error::Missing`] without apt or the keyring, [`Error::Tool`] when the mirror cannot be reached or not trusted.
    pub fn open(name: &'static str) -> Result<Suite, Error> {
        if !Path::new(KEYRING).is_file() {
            return Err(Error::Missing {
                program: KEYRING.into(),
                package: "debian-archive-keyring",
            });
        }
        let mirror = sources::debian_mirror()?;
        let folder = cache::home()?.join("apt").join(name);
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            cache::make(&folder.join(part))?;
        }
        let suite = Suite { name, folder };
        suite.write("status", "")?;
        suite.write(
            "sources.list",
            &format!("deb [arch=amd64 signed-by={KEYRING}] {mirror} {name} main\n"),
        )?;
        suite.write("apt.conf", &suite.configuration())?;
        let stamp = suite.folder.join("updated");
        let age = fs::metadata(&stamp)
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_none_or(|age| age > FRESH) {
            suite.update()?;
            suite.write("updated", "")?;
        }
        Ok(suite)
    }

    /// A field of the newest version of a package, say `Version` or `Depends`; `None` when there is no such package or field.
    pub fn field(&self, package: &str, field: &str) -> Result<Option<String>, Error> {
        let shown = self.apt("apt-cache", &["show", "--no-all-versions", package]).output();
        let shown = shown.map_err(|_| no_apt("apt-cache"))?;
        let text = String::from_utf8_lossy(&shown.stdout);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.map(|value| value.trim().to_owned()))
    }

    /// The names of the packages that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let shown = self
            .apt("apt-cache", &["pkgnames", prefix])
            .output()
            .map_err(|_| no_apt("apt-cache"))?;
        Ok(String::from_utf8_lossy(&shown.stdout)
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Downloads the newest version of a package and answers where it is. Nothing is fetched twice.
    pub fn download(&self, package: &str) -> Result<PathBuf, Error> {
        let what = format!("fetching {package} from Debian {}", self.name);
        let field = |name| {
            self.field(package, name)?
                .ok_or_else(|| tool(&what)("no such package".into()))
        };
        let size: u64 = field("Size")?.parse().unwrap_or(0);
        // apt writes the epoch's colon as %3a; kernels have none, but be safe.
        let name = format!(
            "{package}_{}_{}.deb",
            field("Version")?.replace(':', "%3a"),
            field("Architecture")?
        );
        let debs = self.folder.join("debs");
        let deb = debs.join(name);
        if fs::metadata(&deb).is_ok_and(|meta| meta.len() == size) {
            return Ok(deb);
        }
        let _ = fs::remove_dir_all(&debs);
        cache::make(&debs)?;
        say(format_args!("{what}, {} MB", size.div_ceil(1 << 20)));
        let mut command = self.apt("apt-get", &["-q", "download", package]);
        command.current_dir(&debs);
        self.watched(command, &what, || megabytes(size_below(&debs), size))?;
        if deb.is_file() {
            Ok(deb)
        } else {
            Err(tool(&what)(format!("apt left no {}", deb.display())))
        }
    }

    fn update(&self) -> Result<(), Error> {
        let what = format!("fetching the package lists of Debian {}", self.name);
        say(&what);
        let lists = self.folder.join("lists");
        self.watched(self.apt("apt-get", &["-q", "update"]), &what, || {
            megabytes(size_below(&lists), 0)
        })
    }

    fn apt(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        command.arg("-c").arg(self.folder.join("apt.conf")).args(arguments);
        command
    }

    fn watched(&self, mut command: Command, what: &str, measure: impl FnMut() -> String) -> Result<(), Error> {
        let path = self.folder.join("apt.log");
        let log = File::create(&path).map_err(Error::io("create", &path))?;
        let both = log.try_clone().map_err(Error::io("create", &path))?;
        let mut child = command
            .stdout(log)
            .stderr(both)
            .spawn()
            .map_err(|_| no_apt("apt-get"))?;
        let status = watch(&mut child, what, measure).map_err(Error::io("wait for", Path::new("apt-get")))?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("E:")).collect();
        Err(tool(what)(if errors.is_empty() {
            console::tail(&text, 1)
        } else {
            errors.join("; ")
        }))
    }

    /// What makes the state private. The machine's hooks (which clean its caches) must not run for it, and as there is nobody
    /// to hide from in our own folder, apt keeps the user it is started as.
    fn configuration(&self) -> String {
        let folder = self.folder.display();
        format!(
            r#"Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-";
Dir::State "{folder}";
Dir::State::Lists "{folder}/lists";
Dir::State::Status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}";
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(Error::io("write", &path))
    }
}

/// Fetches Debian's cloud kernel of a release into `folder`.
///
/// # Errors
/// Those of [`Suite::open`]; [`Error::Tool`] when no suite carries it now.
pub fn fetch_kernel(release: Release, folder: &Path) -> Result<(), Error> {
    for name in release.suites() {
        let suite = Suite::open(name)?;
        let version = suite.field("linux-image-cloud-amd64", "Version")?.unwrap_or_default();
        if !version.starts_with(release.prefix()) {
            continue;
        }
        // The name says cloud-amd64 and always means the newest; what it depends on holds the image, or, from 7.x on, depends
        // on the package that does.
        let image = depends(&suite, "linux-image-cloud-amd64", "linux-image-")?;
        let image = image.ok_or_else(|| tool("fetching a kernel")("linux-image-cloud-amd64 names no image".into()))?;
        let package = depends(&suite, &image, "linux-binary-")?.unwrap_or(image);
        let deb = suite.download(&package)?;
        cache::make(folder)?;
        let upstream = version.split(['-', '+', '~']).next().unwrap_or(&version);
        let target = folder.join(format!("vmlinuz-{upstream}-debian-cloud"));
        // `boot/vmlinuz-VERSION`, or from 7.x on `usr/lib/modules/VERSION/vmlinuz`.
        extract(&deb, "vmlinuz*", &target)?;
        let _ = fs::remove_file(&deb);
        return Ok(());
    }
    Err(tool("fetching a kernel")(format!(
        "no suite of {} carries {release} now",
        release.suites().join(", ")
    )))
}

/// The first dependency of `package` whose name begins with `prefix`.
fn depends(suite: &Suite, package: &str, prefix: &str) -> Result<Option<String>, Error> {
    let all = suite.field(package, "Depends")?.unwrap_or_default();
    let names = all.split([',', '|']).filter_map(|one| one.split_whitespace().next());
    Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).next())
}

/// Writes the one file in a package whose name matches `pattern` to `target`.
pub fn extract(deb: &Path, pattern: &str, target: &Path) -> Result<(), Error> {
    let what = format!("unpacking {pattern} from {}", deb.display());
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let part = target.with_file_name(format!(".{name}.part{}", std::process::id()));
    let file = File::create(&part).map_err(Error::io("create", &part))?;
    let missing = |program: &str| Error::Missing {
        program: program.into(),
        package: "dpkg tar",
    };
    let mut unpack = Command::new("dpkg-deb");
    let mut unpack = unpack
        .arg("--fsys-tarfile")
        .arg(deb)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|_| missing("dpkg-deb"))?;
    let mut pick = Command::new("tar");
    pick.args(["--extract", "--to-stdout", "--wildcards"])
        .arg(format!("./*/{pattern}"))
        .stdout(file)
        .stderr(Stdio::null());
    pick.stdin(unpack.stdout.take().map_or_else(Stdio::null, Stdio::from));
    let picked = pick.status().map_err(|_| missing("tar"))?;
    // tar stops reading at its end mark, which may leave dpkg-deb with a closed pipe: only tar's word counts.
    let _ = unpack.wait();
    let empty = fs::metadata(&part).map_or(true, |meta| meta.len() == 0);
    if !picked.success() || empty {
        let _ = fs::remove_file(&part);
        return Err(tool(&what)("the package holds no such file".into()));
    }
    fs::rename(&part, target).map_err(Error::io("create", target))
}

fn tool(what: &str) -> impl FnOnce(String) -> Error {
    let what = what.to_owned();
    move |why| Error::Tool { what, why }
}

fn no_apt(program: &str) -> Error {
    Error::Missing {
        program: program.into(),
        package: "apt, or put a kernel into the cache",
    }
}
