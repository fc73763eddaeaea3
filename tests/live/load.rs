//! Loads for live tests: forked processes in cgroups of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ghostsched_bpf::cgroups::Tree;

/// A cgroup of the cpu controller, removed when dropped.
pub struct Cgroup {
    pub dir: PathBuf,
    pub path: String,
    v1: bool,
}

impl Cgroup {
    /// Makes `/NAME` (or `/PARENT/NAME`) in the tree the profiler looks at; says why it cannot.
    pub fn new(path: &str) -> Result<Self, String> {
        let tree = Tree::find().map_err(|error| error.to_string())?;
        let mut dir = tree.root().to_path_buf();
        for name in path.trim_start_matches('/').split('/') {
            if !tree.is_v1() {
                let _ = fs::write(dir.join("cgroup.subtree_control"), "+cpu");
            }
            dir = dir.join(name);
            let _ = fs::create_dir(&dir);
        }
        let file = if tree.is_v1() { "cpu.shares" } else { "cpu.weight" };
        if !dir.join(file).exists() {
            return Err(format!("needs the cpu controller in {}", dir.display()));
        }
        Ok(Self {
            dir,
            path: path.to_string(),
            v1: tree.is_v1(),
        })
    }

    /// Limits it to `quota_us` of CPU time each `period_us`.
    pub fn limit(&self, quota_us: u64, period_us: u64) {
        if self.v1 {
            fs::write(self.dir.join("cpu.cfs_period_us"), period_us.to_string()).expect("set the period");
            fs::write(self.dir.join("cpu.cfs_quota_us"), quota_us.to_string()).expect("set the quota");
        } else {
            fs::write(self.dir.join("cpu.max"), format!("{quota_us} {period_us}")).expect("set the quota");
        }
    }

    /// Throttled time by the kernel's account, ns.
    pub fn throttled_ns(&self) -> u64 {
        let text = fs::read_to_string(self.dir.join("cpu.stat")).expect("read cpu.stat");
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
        };
        field("throttled_time ")
            .or_else(|| field("throttled_usec ").map(|us| us * 1000))
            .unwrap_or(0)
    }

    /// The unit of [`Self::throttled_ns`]: v2 rounds down to microseconds.
    pub fn throttled_unit_ns(&self) -> u64 {
        if self.v1 { 1 } else { 1000 }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..200 {
            if fs::remove_dir(&self.dir).is_ok() || !self.dir.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What a load does until it is killed.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Computes.
    Hog,
    /// Computes so long, sleeps so long.
    Burst { run: Duration, sleep: Duration },
    /// Is in the kernel nearly always.
    KernelHog,
    /// Yields every 50 us.
    Yield,
    /// Changes its CPU every so often while others keep both busy.
    Hop { every: Duration },
    /// Forks children that exit at once.
    Fork,
}

/// A forked process, killed and reaped when dropped.
pub struct Child {
    pub pid: i32,
}

impl Child {
    /// Forks into a cgroup, bound to `cpu` if given.
    pub fn spawn(cgroup: &Cgroup, cpu: Option<usize>, load: Load) -> Self {
        let procs = cgroup.dir.join("cgroup.procs");
        // SAFETY: the child only makes system calls and computes until it is killed; it never returns into the harness.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            // SAFETY: no pointer is passed.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            if fs::write(&procs, "0").is_err() {
                // SAFETY: ends the child.
                unsafe { libc::_exit(9) };
            }
            if let Some(cpu) = cpu {
                bind(cpu);
            }
            run(load);
        }
        Self { pid }
    }

    /// `(on-CPU ns, run delay ns, arrivals)` by `/proc/PID/schedstat`.
    pub fn schedstat(&self) -> (u64, u64, u64) {
        let text = fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join("schedstat"))
            .expect("read schedstat");
        let mut fields = text.split_whitespace().map(|field| field.parse().expect("a number"));
        let mut next = || fields.next().expect("three numbers");
        (next(), next(), next())
    }

    /// Stops or goes on.
    pub fn signal(&self, signal: i32) {
        // SAFETY: no pointer is passed.
        unsafe { libc::kill(self.pid, signal) };
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        // SAFETY: a null status is allowed.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

fn bind(cpu: usize) {
    // SAFETY: all-zero is an empty set; the call reads the set that is passed.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn run(load: Load) -> ! {
    let mut buffer = [0u8; 1 << 16];
    // SAFETY: a literal C string.
    let zero = unsafe { libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY) };
    let mut turn = 0;
    loop {
        match load {
            Load::Hog => spin(Duration::from_millis(10)),
            Load::Burst { run, sleep } => {
                spin(run);
                std::thread::sleep(sleep);
            }
            Load::KernelHog => {
                // SAFETY: the buffer is writable for its length.
                unsafe { libc::read(zero, buffer.as_mut_ptr().cast(), buffer.len()) };
            }
            Load::Yield => {
                spin(Duration::from_micros(50));
                std::thread::yield_now();
            }
            Load::Hop { every } => {
                turn += 1;
                bind(turn % 2);
                spin(every);
            }
            Load::Fork => {
                // SAFETY: the child exits at once, the parent reaps it.
                unsafe {
                    let pid = libc::fork();
                    if pid == 0 {
                        libc::_exit(0);
                    }
                    libc::waitpid(pid, std::ptr::null_mut(), 0);
                }
            }
        }
    }
}

/// Puts the test itself before all else, so that it empties the buffers in time.
pub fn hurry() {
    // SAFETY: no pointer is passed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}
