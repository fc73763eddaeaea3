//! A machine, a scenario to run in it, and what came out.

use crate::guest::{Cgroup, Exit, Job, Trailer};
use crate::qemu::{self, Clock, Machine};
use crate::{Error, Kernel, Release, Topology, cache, console, cpio, elf, static_binary};
use std::env;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A machine that can be booted any number of times.
#[derive(Clone, Debug)]
pub struct Vm {
    kernel: Kernel,
    topology: Topology,
    memory_mb: u32,
    clock: Clock,
    timeout: Duration,
    cmdline: String,
}

impl Vm {
    /// A machine of 4 CPUs (2 cores of 2 siblings), 1024 MB, one emulator thread and 60 s to finish.
    pub fn new(kernel: Kernel) -> Vm {
        Vm {
            kernel,
            topology: Topology::smt(2, 2),
            memory_mb: 1024,
            clock: Clock::Single,
            timeout: Duration::from_secs(60),
            cmdline: String::new(),
        }
    }

    /// For a test: the machine, or `None` after printing `SKIPPED: why` when QEMU or this kernel cannot be had here.
    pub fn or_skip(release: Release) -> Option<Vm> {
        qemu::find()
            .and_then(|_| Kernel::find(release))
            .map(Vm::new)
            .map_err(|why| crate::skip(format_args!("virtual machine with kernel {release}: {why}")))
            .ok()
    }

    /// Arranges the CPUs.
    pub fn topology(self, topology: Topology) -> Vm {
        Vm { topology, ..self }
    }

    /// Sets the memory.
    pub fn memory_mb(self, memory_mb: u32) -> Vm {
        Vm { memory_mb, ..self }
    }

    /// Chooses how time passes.
    pub fn clock(self, clock: Clock) -> Vm {
        Vm { clock, ..self }
    }

    /// Sets how long boot, program and power-off may take together, in host time.
    pub fn timeout(self, timeout: Duration) -> Vm {
        Vm { timeout, ..self }
    }

    /// Adds words to the kernel's command line.
    pub fn cmdline(self, words: &str) -> Vm {
        Vm {
            cmdline: words.into(),
            ..self
        }
    }

    /// The kernel it boots.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// As [`Vm::run`], but a fault of the guest's kernel is tried again, twice at most, and said: under software emulation a
    /// kernel can fault at code it is patching itself. A fault that is ours comes again.
    pub fn run_steady(&self, scenario: &Scenario) -> Result<Output, Error> {
        for _ in 0..2 {
            match self.run(scenario) {
                Err(Error::KernelFault { lines }) => {
                    let first = lines.first().map_or("", String::as_str);
                    eprintln!("{}: the guest's kernel faulted, trying again: {first}", self.kernel);
                }
                answer => return answer,
            }
        }
        self.run(scenario)
    }

    /// Boots, runs the scenario, switches off. One machine runs at a time on this host: others wait their turn before their
    /// time begins. Files are kept for inspection when `$GHOSTSCHED_VM_KEEP` is set.
    ///
    /// # Errors
    /// Everything in [`Error`] but `Command` and `Json`: a program that ends badly is an [`Output`].
    pub fn run(&self, scenario: &Scenario) -> Result<Output, Error> {
        qemu::find()?;
        let archive = scenario.archive()?;
        let _turn = cache::lock("vm")?;
        let folder = Folder::new()?;
        let initramfs = folder.0.join("initramfs");
        fs::write(&initramfs, archive).map_err(Error::io("write", &initramfs))?;
        let machine = Machine {
            kernel: self.kernel.path(),
            initramfs: &initramfs,
            topology: self.topology,
            memory_mb: self.memory_mb,
            clock: self.clock,
            cmdline: &self.cmdline,
            console: &folder.0.join("console"),
            output: &folder.0.join("output"),
        };
        let began = Instant::now();
        machine.run(self.timeout)?;
        let wall = began.elapsed();
        let port = fs::read(machine.output).map_err(Error::io("read", machine.output))?;
        let (stdout, trailer) = Trailer::split(&port).ok_or_else(|| Error::Cut {
            tail: machine.last_lines(),
        })?;
        Ok(Output {
            stdout: stdout.to_vec(),
            console: qemu::read(machine.console),
            exit: trailer.exit.map_err(Error::Start)?,
            boot: Duration::from_millis(trailer.boot_ms),
            ran: Duration::from_millis(trailer.run_ms),
            wall,
        })
    }
}

/// A program with its arguments, its environment and the files it needs.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    job: Job,
    files: Vec<(PathBuf, String)>,
    links: Vec<(String, String)>,
}

impl Scenario {
    /// Runs the static program at `path` on the host, which is `/bin/NAME` in the guest.
    pub fn program(path: impl AsRef<Path>) -> Scenario {
        let path = path.as_ref();
        let inside = format!("/bin/{}", path.file_name().unwrap_or_default().to_string_lossy());
        Scenario::command(&inside).file(path, &inside)
    }

    /// Runs a program that [`Scenario::file`] puts into the guest.
    pub fn command(inside: &str) -> Scenario {
        Scenario {
            job: Job {
                command: vec![inside.into()],
                ..Job::default()
            },
            ..Scenario::default()
        }
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Scenario {
        self.job.command.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the program's environment.
    pub fn env(mut self, name: &str, value: &str) -> Scenario {
        self.job.env.push((name.into(), value.into()));
        self
    }

    /// Packs a file of the host at an absolute path of the guest; what may be executed may be so there too.
    pub fn file(mut self, host: impl AsRef<Path>, inside: &str) -> Scenario {
        self.files.push((host.as_ref().to_owned(), inside.into()));
        self
    }

    /// Chooses the hierarchy of the cpu controller.
    pub fn cgroup(mut self, cgroup: Cgroup) -> Scenario {
        self.job.cgroup = cgroup;
        self
    }

    /// Packs busybox with a link for each of its tools, for trying things by hand.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not installed.
    pub fn shell(mut self) -> Result<Scenario, Error> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .map(Path::new)
            .into_iter()
            .find(|path| path.is_file());
        let missing = || Error::Missing {
            program: "busybox".into(),
            package: "busybox-static",
        };
        let busybox = busybox.ok_or_else(missing)?;
        let list = std::process::Command::new(busybox)
            .arg("--list")
            .output()
            .map_err(Error::io("run", busybox))?;
        for tool in String::from_utf8_lossy(&list.stdout)
            .lines()
            .filter(|tool| *tool != "busybox")
        {
            self.links.push((format!("/bin/{tool}"), "busybox".into()));
        }
        Ok(self.file(busybox, "/bin/busybox"))
    }

    /// The initramfs: our init, its job, and the files.
    fn archive(&self) -> Result<Vec<u8>, Error> {
        use std::os::unix::fs::PermissionsExt;
        let mut archive = cpio::Archive::default();
        let taken: Vec<&str> = self.files.iter().map(|(_, inside)| inside.as_str()).collect();
        for folder in ["/dev", "/proc", "/sys", "/tmp", "/run", "/bin"] {
            archive.folder(folder);
        }
        // init's own standard streams: the kernel opens this before anything is mounted.
        archive.device("/dev/console", 0o600, 5, 1);
        let init = static_binary("ghostsched-vm-init")?;
        archive.file("/init", 0o755, &fs::read(&init).map_err(Error::io("read", &init))?);
        archive.file(crate::guest::JOB, 0o644, self.job.write().as_bytes());
        for (link, target) in self.links.iter().filter(|(link, _)| !taken.contains(&link.as_str())) {
            archive.link(link, target);
        }
        for (host, inside) in &self.files {
            if !inside.starts_with('/') {
                return Err(Error::Usage(format!("{inside}: a path in the guest begins with /")));
            }
            let data = fs::read(host).map_err(Error::io("read", host))?;
            if elf::wants_a_loader(&data) {
                return Err(Error::NotStatic(host.clone()));
            }
            let mode = fs::metadata(host)
                .map_err(Error::io("read", host))?
                .permissions()
                .mode()
                & 0o777;
            archive.file(inside, mode, &data);
        }
        Ok(archive.finish())
    }
}

/// What a scenario left.
#[derive(Clone, Debug)]
pub struct Output {
    /// The program's standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// The console: the kernel's messages and the program's standard error.
    pub console: String,
    /// How the program ended.
    pub exit: Exit,
    /// Guest time from the kernel's start to the program's start.
    pub boot: Duration,
    /// Guest time that the program took.
    pub ran: Duration,
    /// Host time from QEMU's start to its end.
    pub wall: Duration,
}

impl Output {
    /// The program's standard output as text, if it ended well.
    pub fn text(&self) -> Result<String, Error> {
        if self.exit.success() {
            return Ok(String::from_utf8_lossy(&self.stdout).into_owned());
        }
        let output = String::from_utf8_lossy(&self.stdout);
        let tail = format!("{}\n{}", console::tail(&self.console, 12), console::tail(&output, 30));
        Err(Error::Command {
            exit: self.exit,
            tail: tail.trim().into(),
        })
    }

    /// The program's standard output as JSON, if it ended well.
    pub fn json(&self) -> Result<serde_json::Value, Error> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|why| Error::Json {
            why: why.to_string(),
            head: text.chars().take(200).collect(),
        })
    }
}

/// A folder for one run, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Relaxed: the number only has to differ.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("ghostsched-vm-{}-{number}", std::process::id()));
        // Ours alone, and new: the temporary folder is everybody's.
        let _ = fs::remove_dir_all(&path);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(Error::io("create", &path))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match env::var_os("GHOSTSCHED_VM_KEEP") {
            Some(_) => crate::progress::say(format_args!("kept {}", self.0.display())),
            None => drop(fs::remove_dir_all(&self.0)),
        }
    }
}
