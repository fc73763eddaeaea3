//! QEMU: its command line, and the process, watched until it ends, fails or is late.

use crate::{Error, Topology, console};
use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How the emulator turns its CPUs and its clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// All CPUs in turn on one host thread: nothing races in the emulator. For tests that pass or fail.
    #[default]
    Single,
    /// One host thread a CPU: true parallelism, but on a busy host the guest can oops at `int3` in patched code, which is the
    /// emulator's fault. For looking, not for passing or failing.
    Multi,
    /// One host thread, and time is counted in instructions: two runs give the same bytes, whatever the host does. Spinning
    /// programs must execute `pause`, or a CPU keeps its whole turn.
    Counted,
}

/// What the guest consists of.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The kernel's image.
    pub kernel: &'a Path,
    /// Its first file system.
    pub initramfs: &'a Path,
    /// Its CPUs.
    pub topology: Topology,
    /// Its memory, in MB.
    pub memory_mb: u32,
    /// Its clock.
    pub clock: Clock,
    /// Further words for the kernel's command line.
    pub cmdline: &'a str,
    /// Where the first serial port goes: the console.
    pub console: &'a Path,
    /// Where the second one goes: the program's output.
    pub output: &'a Path,
}

/// Finds QEMU: `$GHOSTSCHED_QEMU`, else `qemu-system-x86_64` on the PATH.
pub fn find() -> Result<PathBuf, Error> {
    let name = env::var_os("GHOSTSCHED_QEMU").unwrap_or_else(|| "qemu-system-x86_64".into());
    let named = PathBuf::from(&name);
    let found = if named.components().count() > 1 {
        named.is_file().then_some(named)
    } else {
        env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .map(|dir| dir.join(&name))
            .find(|path| path.is_file())
    };
    found.ok_or_else(|| Error::Missing {
        program: name.to_string_lossy().into_owned(),
        package: "qemu-system-x86",
    })
}

impl Machine<'_> {
    /// The arguments. Acceleration is software emulation unless `$GHOSTSCHED_ACCEL` (say, `kvm`) asks for another: the
    /// existence of /dev/kvm proves nothing inside a virtual machine.
    pub fn arguments(&self) -> Result<Vec<String>, Error> {
        // Before 6.9 Linux finds the SMT siblings of an AMD CPU, QEMU's default, by a feature that the emulator lacks.
        let cpu = "max,vendor=GenuineIntel";
        let (thread, cpu) = match self.clock {
            Clock::Single => ("single", cpu.to_owned()),
            Clock::Multi => ("multi", cpu.to_owned()),
            Clock::Counted => ("single", format!("{cpu},-rdrand,-rdseed")),
        };
        let accel = env::var("GHOSTSCHED_ACCEL").ok().filter(|accel| !accel.is_empty());
        let accel = accel.unwrap_or_else(|| format!("tcg,thread={thread}"));
        let words = "-nodefaults -no-user-config -display none -monitor none -no-reboot";
        let mut arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
        arguments.extend(["-accel", &accel, "-cpu", &cpu].map(str::to_owned));
        if self.clock == Clock::Counted {
            let words = "-icount shift=1,sleep=off -rtc base=2026-01-01,clock=vm -seed 7";
            arguments.extend(words.split(' ').map(str::to_owned));
        }
        arguments.extend(self.topology.arguments(self.memory_mb)?);
        for port in [self.console, self.output] {
            // A comma would begin an option of the port.
            arguments.extend([
                "-serial".to_owned(),
                format!("file:{}", port.display()).replace(',', ",,"),
            ]);
        }
        let path = |path: &Path| path.display().to_string();
        arguments.extend([
            "-kernel".to_owned(),
            path(self.kernel),
            "-initrd".to_owned(),
            path(self.initramfs),
        ]);
        arguments.extend(["-append".to_owned(), format!("{CMDLINE} {}", self.cmdline)]);
        Ok(arguments)
    }

    /// Boots, and comes back when the guest is off.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it is not off after `limit`, [`Error::KernelFault`] when the console shows a fault,
    /// [`Error::Qemu`] when QEMU refuses.
    pub fn run(&self, limit: Duration) -> Result<(), Error> {
        let program = find()?;
        let words = self.console.with_file_name("qemu.log");
        let log = File::create(&words).map_err(Error::io("create", &words))?;
        let mut command = Command::new(&program);
        command
            .args(self.arguments()?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let parent = std::process::id();
        // SAFETY: only async-signal-safe calls between fork and exec. QEMU must not outlive a killed test; the second call
        // catches a parent that died before the first.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::getppid() as u32 == parent {
                    Ok(())
                } else {
                    Err(std::io::ErrorKind::NotFound.into())
                }
            });
        }
        let mut child = Running(command.spawn().map_err(Error::io("start", &program))?);
        let began = Instant::now();
        let status = loop {
            let wait = |error| Error::Io {
                what: "wait for QEMU".into(),
                source: error,
            };
            if let Some(status) = child.0.try_wait().map_err(wait)? {
                break status;
            }
            if began.elapsed() > limit {
                drop(child);
                self.check_console()?;
                return Err(Error::Timeout {
                    after: limit,
                    tail: self.last_lines(),
                });
            }
            sleep(Duration::from_millis(20));
        };
        self.check_console()?;
        if !status.success() {
            let why = fs::read_to_string(&words).unwrap_or_default();
            return Err(Error::Qemu(format!(
                "{status}: {}",
                console::tail(&why, 3).replace('\n', "; ")
            )));
        }
        Ok(())
    }

    /// Fails when the console shows that the kernel did.
    fn check_console(&self) -> Result<(), Error> {
        let lines = console::fault(&read(self.console));
        if lines.is_empty() {
            Ok(())
        } else {
            Err(Error::KernelFault { lines })
        }
    }

    /// The ends of console and output, for a person to see where the guest was.
    pub fn last_lines(&self) -> String {
        let tail = |path| console::tail(&read(path), 12);
        [tail(self.console), tail(self.output)].join("\n").trim().to_owned()
    }
}

/// `panic=-1` with `-no-reboot` ends QEMU at a panic, and `oops=panic` makes one of every oops. The watchdogs are off: under
/// emulation they report a slow host, not a broken guest.
const CMDLINE: &str = "console=ttyS0 quiet printk.time=1 panic=-1 oops=panic nowatchdog rcupdate.rcu_cpu_stall_suppress=1 \
                       tsc=reliable nokaslr rdinit=/init";

/// A text file as far as it can be read.
pub fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A QEMU that dies with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
