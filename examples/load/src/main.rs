//! Small workloads with a known reason to wait for a CPU, for the demo, the tests and the benchmarks.
//!
//! Each ends by itself after `--seconds` and says how often it went round.

use std::fs;
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: load KIND [--seconds 10] [--threads 1] [--cgroup DIR] [options]

  hog           computes without a pause
  burst         computes for --run 2ms, sleeps for --sleep 8ms
  pingpong      two processes wake each other through pipes; --peer-cgroup DIR puts the other into a cgroup of its own
  spin-kernel   spends its time inside the kernel, where it is preempted too: reads /dev/zero by the megabyte
  yield         gives the CPU away all the time, and stays runnable
  fork          starts processes that end at once
  migrate       hogs that are moved to the next allowed CPU, running or queued, --every 1ms

  --seconds N   ends after N seconds, which may be a fraction
  --threads N   so many of it (pairs, for pingpong: 1 only)
  --cgroup DIR  first moves itself into this cgroup, the folder of one below a cgroup mount";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Options::parse(&arguments).map(|options| run(&options)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("load: {message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What to do, in one place.
#[derive(Debug, PartialEq)]
struct Options {
    kind: String,
    time: Duration,
    threads: usize,
    run: Duration,
    sleep: Duration,
    every: Duration,
    cgroup: Option<String>,
    peer_cgroup: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut arguments = arguments.iter();
        let mut options = Self {
            kind: arguments.next().ok_or("which KIND?")?.clone(),
            time: Duration::from_secs(10),
            threads: 1,
            run: Duration::from_millis(2),
            sleep: Duration::from_millis(8),
            every: Duration::from_millis(1),
            cgroup: None,
            peer_cgroup: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--seconds" => options.time = duration(&format!("{value}s"))?,
                "--threads" => {
                    options.threads = value.parse().map_err(|_| format!("--threads {value}: not a number"))?
                }
                "--run" => options.run = duration(value)?,
                "--sleep" => options.sleep = duration(value)?,
                "--every" => options.every = duration(value)?,
                "--cgroup" => options.cgroup = Some(value.clone()),
                "--peer-cgroup" => options.peer_cgroup = Some(value.clone()),
                _ => return Err(format!("no option {name}")),
            }
        }
        Ok(options)
    }
}

/// `2ms`, `500us`, `1.5s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no duration: write 500us, 2ms or 1.5s");
    let (number, seconds) = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

fn run(options: &Options) -> io::Result<()> {
    if let Some(folder) = &options.cgroup {
        join_cgroup(folder)?;
    }
    let start = Instant::now();
    let iterations = match options.kind.as_str() {
        "hog" => on_threads(options, |load| load.until_the_end(compute)),
        "burst" => on_threads(options, |load| load.until_the_end(|| burst(options))),
        "spin-kernel" => on_threads(options, spin_kernel),
        "yield" => on_threads(options, |load| load.until_the_end(thread::yield_now)),
        "fork" => on_threads(options, |load| load.until_the_end(fork_and_reap)),
        "migrate" => migrate(options)?,
        "pingpong" => ping(options)?,
        "pong" => return pong(), // the other side of pingpong
        kind => return Err(io::Error::other(format!("no load '{kind}'\n{USAGE}"))),
    };
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "load {}: {iterations} iterations in {seconds:.3} s, threads {}",
        options.kind, options.threads
    );
    Ok(())
}

/// Moves this process; works for cgroup v1 and v2.
fn join_cgroup(folder: &str) -> io::Result<()> {
    let file = format!("{folder}/cgroup.procs");
    fs::write(&file, "0").map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}

/// One thread's share of a load.
struct Load<'a> {
    stop: &'a AtomicBool,
}

impl Load<'_> {
    /// Relaxed: the flag publishes nothing else, and a late look at it costs one more round.
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn until_the_end(&self, mut round: impl FnMut()) -> u64 {
        let mut rounds = 0;
        while !self.is_over() {
            round();
            rounds += 1;
        }
        rounds
    }
}

/// Runs `work` on `options.threads` threads for `options.time`; the sum of what they return.
fn on_threads(options: &Options, work: impl Fn(&Load<'_>) -> u64 + Sync) -> u64 {
    with_threads(options, work, || thread::sleep(options.time))
}

/// Runs `work` on threads until `meanwhile` returns; the sum of what they return.
fn with_threads(options: &Options, work: impl Fn(&Load<'_>) -> u64 + Sync, meanwhile: impl FnOnce()) -> u64 {
    let stop = AtomicBool::new(false);
    let total = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| total.fetch_add(work(&Load { stop: &stop }), Ordering::Relaxed));
        }
        meanwhile();
        stop.store(true, Ordering::Relaxed);
    });
    total.into_inner() // the scope has joined all threads
}

/// A few microseconds of arithmetic that the compiler cannot leave out.
fn compute() {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..4096 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    std::hint::black_box(x);
}

fn burst(options: &Options) {
    let start = Instant::now();
    while start.elapsed() < options.run {
        compute();
    }
    thread::sleep(options.sleep);
}

fn spin_kernel(load: &Load<'_>) -> u64 {
    let mut zero = match fs::File::open("/dev/zero") {
        Ok(file) => file,
        Err(error) => {
            eprintln!("load: /dev/zero: {error}");
            return 0;
        }
    };
    let mut buffer = vec![0; 16 << 20]; // milliseconds in one system call
    load.until_the_end(|| {
        let _ = zero.read_exact(&mut buffer);
    })
}

fn fork_and_reap() {
    // SAFETY: the child calls nothing but _exit, which is async-signal-safe, so it matters not which threads there are.
    unsafe {
        match libc::fork() {
            0 => libc::_exit(0),
            -1 => {}
            child => {
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// Hogs, and the main thread that moves them round the allowed CPUs: the running ones and the queued ones.
fn migrate(options: &Options) -> io::Result<u64> {
    let cpus = allowed_cpus()?;
    let mut result = Ok(());
    let moves = AtomicU64::new(0);
    with_threads(
        options,
        |load| load.until_the_end(compute),
        || result = move_threads(options, &cpus, &moves),
    );
    result?;
    Ok(moves.into_inner())
}

fn move_threads(options: &Options, cpus: &[usize], moves: &AtomicU64) -> io::Result<()> {
    let own = std::process::id();
    let end = Instant::now() + options.time;
    for turn in 0.. {
        if Instant::now() >= end {
            break;
        }
        let threads =
            fs::read_dir("/proc/self/task")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        for (index, thread) in threads.filter(|&thread: &u32| thread != own).enumerate() {
            set_cpu(thread, cpus[(turn + index) % cpus.len()])?;
            moves.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(options.every);
    }
    Ok(())
}

fn allowed_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: a cpu_set_t is plain bits, for which zero is a value; the call writes at most its size into it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        set
    };
    // SAFETY: CPU_ISSET reads the set, within which every index below CPU_SETSIZE lies.
    Ok((0..libc::CPU_SETSIZE as usize)
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        .collect())
}

fn set_cpu(thread: u32, cpu: usize) -> io::Result<()> {
    // SAFETY: as in allowed_cpus, whence the index comes; sched_setaffinity only reads the set.
    let status = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(thread as libc::pid_t, size_of_val(&set), &set)
    };
    match status {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()), // it has ended meanwhile
            error => Err(error),
        },
    }
}

/// Sends a byte to a second process and waits for it to come back, until the time is over.
fn ping(options: &Options) -> io::Result<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("pong").stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(folder) = &options.peer_cgroup {
        command.args(["--cgroup", folder]);
    }
    let mut peer = command.spawn()?;
    let (Some(mut to), Some(mut from)) = (peer.stdin.take(), peer.stdout.take()) else {
        return Err(io::Error::other("the peer has no pipes"));
    };
    let end = Instant::now() + options.time;
    let mut rounds = 0;
    let mut byte = [0];
    while Instant::now() < end {
        to.write_all(&byte)?;
        if from.read(&mut byte)? == 0 {
            break; // it could not join its cgroup, and has said so
        }
        rounds += 1;
    }
    drop(to); // its end of input
    let status = peer.wait()?;
    if status.success() {
        Ok(rounds)
    } else {
        Err(io::Error::other(format!("the peer failed: {status}")))
    }
}

fn pong() -> io::Result<()> {
    // Unbuffered: a File on the descriptor, not Stdin and Stdout with their buffers and locks.
    let (mut from, mut to) = (fs::File::open("/dev/stdin")?, fs::File::create("/dev/stdout")?);
    let mut byte = [0];
    while from.read(&mut byte)? == 1 {
        to.write_all(&byte)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options = parse("burst --run 500us --sleep 1.5s --threads 3 --seconds 0.5 --cgroup /x").unwrap();
        assert_eq!(options.run, Duration::from_micros(500));
        assert_eq!(options.sleep, Duration::from_millis(1500));
        assert_eq!(options.time, Duration::from_millis(500));
        assert_eq!((options.threads, options.cgroup.as_deref()), (3, Some("/x")));
    }

    #[test]
    fn wrong_options_are_refused_with_what_to_write() {
        assert!(parse("burst --run 2").unwrap_err().contains("500us"));
        assert!(parse("burst --run -2ms").unwrap_err().contains("500us"));
        assert!(parse("hog --speed 3").unwrap_err().contains("--speed"));
        assert!(parse("hog --threads").unwrap_err().contains("needs a value"));
    }

    #[test]
    fn every_load_goes_round() {
        for kind in ["hog", "burst", "spin-kernel", "yield", "fork"] {
            let options = parse(&format!("{kind} --seconds 0.05 --run 1ms --sleep 1ms")).unwrap();
            run(&options).unwrap();
        }
    }
}
