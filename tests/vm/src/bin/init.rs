//! The first program of the guest: mounts the kernel's file systems, runs the one program it was told to run, sends that
//! program's standard output through the second serial port, says how it ended, and switches the machine off.
//!
//! It is static and alone in the initramfs; it needs no shell. Its own complaints go to the console.

use ghostsched_vm::guest::{JOB, Job, OUTPUT_PORT, Trailer};
use ghostsched_vm::{Cgroup, Exit};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

fn main() {
    if std::process::id() != 1 {
        eprintln!("ghostsched-vm-init: this is the first program of a guest, not one to start by hand");
        std::process::exit(2);
    }
    let sent = serve();
    if let Err(error) = sent {
        eprintln!("ghostsched-vm-init: {error}");
    }
    // SAFETY: sync and reboot take no memory of ours. When reboot fails, returning from main ends init, which panics the
    // guest: the host sees that too.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
}

fn serve() -> io::Result<()> {
    mount("devtmpfs", "/dev", "devtmpfs", "");
    let mut port = open_port()?;
    let (exit, began, run_ms) = match work(&port) {
        Ok((exit, began, run)) => (Ok(exit), began, run),
        Err(why) => (Err(why), 0, 0),
    };
    port.write_all(
        Trailer {
            exit,
            boot_ms: began,
            run_ms,
        }
        .write()
        .as_bytes(),
    )?;
    // SAFETY: tcdrain takes no memory; the descriptor is open. It waits until the last byte has left the port.
    unsafe { libc::tcdrain(port.as_raw_fd()) };
    Ok(())
}

/// Mounts, runs, waits; answers how the program ended, when it began and how long it ran, in ms of guest time.
fn work(port: &File) -> Result<(Exit, u64, u64), String> {
    let text = fs::read_to_string(JOB).map_err(|e| format!("{JOB}: {e}"))?;
    let job = Job::read(&text).map_err(|e| e.to_string())?;
    mount_all(job.cgroup);
    let (program, arguments) = job.command.split_first().ok_or("the command is empty")?;
    let boot_ms = uptime_ms();
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/bin:/sbin"), ("HOME", "/"), ("TERM", "dumb")])
        .envs(job.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    // Through a pipe, so that the program sees no terminal and the slow port does not slow it.
    let output = child.stdout.take();
    let mut copy_to = port.try_clone().map_err(|e| e.to_string())?;
    let copier = std::thread::spawn(move || output.map(|mut output| io::copy(&mut output, &mut copy_to)));
    let status = child.wait().map_err(|e| format!("wait: {e}"))?;
    let run_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    // SAFETY: kill takes no memory. What the program left behind holds the pipe open; -1 is everybody but us.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    let _ = copier.join();
    Ok((exit(status), boot_ms, run_ms))
}

fn exit(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Status(status.code().unwrap_or(-1)),
    }
}

fn mount_all(cgroup: Cgroup) {
    mount("proc", "/proc", "proc", "");
    mount("sysfs", "/sys", "sysfs", "");
    mount("devpts", "/dev/pts", "devpts", "");
    for folder in ["/tmp", "/run", "/dev/shm"] {
        mount("tmpfs", folder, "tmpfs", "");
    }
    mount("tracefs", "/sys/kernel/tracing", "tracefs", "");
    mount("debugfs", "/sys/kernel/debug", "debugfs", "");
    mount("bpf", "/sys/fs/bpf", "bpf", "");
    match cgroup {
        Cgroup::V2 => mount("cgroup2", "/sys/fs/cgroup", "cgroup2", ""),
        Cgroup::V1 => {
            mount("tmpfs", "/sys/fs/cgroup", "tmpfs", "");
            mount("cgroup", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct");
            mount("cgroup2", "/sys/fs/cgroup/unified", "cgroup2", "");
        }
    }
}

/// Mounts one file system. A kernel built without it says so on the console, and the program will find out.
fn mount(source: &str, folder: &str, kind: &str, options: &str) {
    // Fails on pseudo file systems, where the folder exists if the kernel has the feature.
    let _ = fs::create_dir_all(folder);
    let words = [source, folder, kind, options].map(|word| CString::new(word).unwrap_or_default());
    let [source, target, kind, options] = words.each_ref().map(|word| word.as_ptr());
    // SAFETY: four C strings that `words` keeps alive; mount only reads them.
    let failed = unsafe { libc::mount(source, target, kind, 0, options.cast()) } != 0;
    let error = io::Error::last_os_error();
    // EBUSY: the kernel had mounted /dev itself.
    if failed && error.raw_os_error() != Some(libc::EBUSY) {
        eprintln!("ghostsched-vm-init: {folder} is not mounted: {error}");
    }
}

/// Opens the output port raw: bytes pass unchanged, nothing waits for a modem's carrier.
fn open_port() -> io::Result<File> {
    let port = OpenOptions::new()
        .write(true)
        .read(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(OUTPUT_PORT)?;
    let fd = port.as_raw_fd();
    // SAFETY: termios is plain data for which zero is valid; the calls write or read that one struct and the descriptor is open.
    unsafe {
        let mut modes: libc::termios = std::mem::zeroed();
        libc::tcgetattr(fd, &mut modes);
        libc::cfmakeraw(&mut modes);
        modes.c_cflag = libc::CS8 | libc::CREAD | libc::CLOCAL | libc::B115200;
        libc::tcsetattr(fd, libc::TCSANOW, &modes);
        libc::fcntl(fd, libc::F_SETFL, libc::O_WRONLY);
    }
    Ok(port)
}

fn uptime_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes the one struct it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    u64::try_from(Duration::new(now.tv_sec as u64, now.tv_nsec as u32).as_millis()).unwrap_or(0)
}
