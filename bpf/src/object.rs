//! A BPF object: opened from embedded bytes, configured, loaded, attached. The only file that calls libbpf.
//!
//! # Safety
//!
//! libbpf's objects, maps and programs are plain pointers. Here each is owned or borrowed by one Rust value: [`Object`]
//! owns the `bpf_object` and everything libbpf hangs on it (maps, programs, file descriptors) until it is dropped;
//! [`Map`] and [`Program`] borrow it; [`Link`] owns its `bpf_link`, which libbpf keeps independent of the object.
//! A pointer that libbpf returns is non-null and valid as long as its object when `libbpf_get_error` semantics of
//! libbpf 1.x hold: NULL and `errno` on failure.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::io::Read;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::{Mutex, Once};

use libbpf_sys as sys;

use crate::Error;
use crate::mapping::Mapping;

/// What libbpf said since it was last asked: its warnings are the only account of why a load failed.
static WARNINGS: Mutex<String> = Mutex::new(String::new());
const WARNINGS_MAX: usize = 1 << 20;

unsafe extern "C" {
    // From the C library; `libc` does not declare it, as `va_list` is not a type of stable Rust.
    fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, args: *mut sys::__va_list_tag) -> c_int;
}

unsafe extern "C" fn keep_warning(
    level: sys::libbpf_print_level,
    format: *const c_char,
    args: *mut sys::__va_list_tag,
) -> c_int {
    if level != sys::LIBBPF_WARN {
        return 0;
    }
    let mut line = vec![0u8; WARNINGS_MAX]; // the verifier's log comes in one piece, its reason last
    // SAFETY: `line` is writable for its length; libbpf passes a format and the arguments that fit it.
    let written = unsafe { vsnprintf(line.as_mut_ptr().cast(), line.len(), format, args) };
    if let (Ok(mut kept), Ok(text)) = (WARNINGS.lock(), CStr::from_bytes_until_nul(&line))
        && kept.len() < WARNINGS_MAX
    {
        kept.push_str(&text.to_string_lossy());
    }
    written
}

fn quiet_libbpf() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callback is valid for the whole program.
        unsafe { sys::libbpf_set_print(Some(keep_warning)) };
    });
}

/// Takes what libbpf warned of so far.
pub fn take_warnings() -> String {
    WARNINGS
        .lock()
        .map(|mut kept| std::mem::take(&mut *kept))
        .unwrap_or_default()
}

/// The one place that turns libbpf's answer (0 or more, or a negative errno) into a result.
fn check(answer: c_int, what: impl FnOnce() -> String) -> Result<c_int, Error> {
    if answer >= 0 {
        return Ok(answer);
    }
    Err(refusal(-answer, &what()))
}

/// Words for an errno that a person can act on.
fn refusal(errno: c_int, what: &str) -> Error {
    match errno {
        libc::EPERM | libc::EACCES if !is_privileged() => {
            Error::Privilege(format!("{what}: needs root, or CAP_BPF and CAP_PERFMON"))
        }
        libc::EPERM => Error::Privilege(format!("{what}: not permitted here (kernel lockdown, or a container)")),
        libc::ENOMEM => Error::System(format!("{what}: not enough memory: lower --max-groups or --max-memory")),
        _ => {
            let reason = std::io::Error::from_raw_os_error(errno);
            let said = WARNINGS.lock().map(|kept| kept.clone()).unwrap_or_default();
            let said = said_why(&said);
            Error::System(format!(
                "{what}: {reason}{}{said}",
                if said.is_empty() { "" } else { ": " }
            ))
        }
    }
}

/// The one line of libbpf's account that says why: the verifier's verdict, which precedes its statistics, or a missing
/// relocation; else the last line.
fn said_why(said: &str) -> &str {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut before = "";
    let mut last = "";
    for line in &mut lines {
        if line.starts_with("processed ") && !before.is_empty() {
            return before;
        }
        (before, last) = (line, line);
    }
    last
}

/// Whether the caller may load tracing programs, by its effective capabilities.
pub fn is_privileged() -> bool {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    const CAP_PERFMON: u64 = 1 << 38;
    const CAP_BPF: u64 = 1 << 39;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let caps = effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    caps & CAP_SYS_ADMIN != 0 || caps & (CAP_PERFMON | CAP_BPF) == CAP_PERFMON | CAP_BPF
}

/// An opened, and after [`Object::load`] loaded, BPF object.
#[derive(Debug)]
pub struct Object {
    raw: NonNull<sys::bpf_object>,
}

// SAFETY: libbpf keeps no thread-local state for an object; `&mut self` and ownership serialise its use.
unsafe impl Send for Object {}

impl Object {
    /// Opens an object from the bytes of its ELF file.
    pub fn open(name: &str, elf: &[u8]) -> Result<Self, Error> {
        quiet_libbpf();
        take_warnings();
        let name = c_string(name)?;
        // SAFETY: all-zero is a valid value of this plain C struct; `sz` tells libbpf its size.
        let mut options: sys::bpf_object_open_opts = unsafe { std::mem::zeroed() };
        options.sz = size_of::<sys::bpf_object_open_opts>() as _;
        options.object_name = name.as_ptr();
        // SAFETY: the bytes and the options are valid for the call; libbpf copies what it keeps.
        let raw = unsafe { sys::bpf_object__open_mem(elf.as_ptr().cast(), elf.len() as _, &options) };
        NonNull::new(raw)
            .map(|raw| Self { raw })
            .ok_or_else(|| refusal(last_errno(), "open the BPF object"))
    }

    /// Loads maps and programs into the kernel.
    pub fn load(&mut self) -> Result<(), Error> {
        take_warnings();
        // SAFETY: `raw` is an open object (see the head).
        let answer = unsafe { sys::bpf_object__load(self.raw.as_ptr()) };
        check(answer, || "load the BPF programs".into()).map(drop)
    }

    /// A map by name.
    pub fn map(&self, name: &str) -> Result<Map<'_>, Error> {
        let c_name = c_string(name)?;
        // SAFETY: `raw` is an open object; the name is a C string.
        let raw = unsafe { sys::bpf_object__find_map_by_name(self.raw.as_ptr(), c_name.as_ptr()) };
        NonNull::new(raw)
            .map(|raw| Map {
                raw,
                object: PhantomData,
            })
            .ok_or_else(|| Error::System(format!("the BPF object has no map {name}: it is of another version")))
    }

    /// A program by name.
    pub fn program(&self, name: &str) -> Result<Program<'_>, Error> {
        let c_name = c_string(name)?;
        // SAFETY: `raw` is an open object; the name is a C string.
        let raw = unsafe { sys::bpf_object__find_program_by_name(self.raw.as_ptr(), c_name.as_ptr()) };
        NonNull::new(raw)
            .map(|raw| Program {
                raw,
                object: PhantomData,
            })
            .ok_or_else(|| {
                Error::System(format!(
                    "the BPF object has no program {name}: it is of another version"
                ))
            })
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned; nothing borrows it any more.
        unsafe { sys::bpf_object__close(self.raw.as_ptr()) };
    }
}

/// A map of an object.
#[derive(Debug)]
pub struct Map<'o> {
    raw: NonNull<sys::bpf_map>,
    object: PhantomData<&'o Object>,
}

impl Map<'_> {
    /// Sets how many elements it will have. Before loading.
    pub fn set_max_entries(&self, entries: u32) -> Result<(), Error> {
        // SAFETY: a map of a live object.
        let answer = unsafe { sys::bpf_map__set_max_entries(self.raw.as_ptr(), entries) };
        check(answer, || format!("a map of {entries} entries")).map(drop)
    }

    /// Sets the size of its values in bytes. Before loading.
    pub fn set_value_size(&self, bytes: u32) -> Result<(), Error> {
        // SAFETY: a map of a live object.
        let answer = unsafe { sys::bpf_map__set_value_size(self.raw.as_ptr(), bytes) };
        check(answer, || format!("a map of values of {bytes} bytes")).map(drop)
    }

    /// Sets what a data section starts with. Before loading; as long as the section.
    pub fn set_initial_value(&self, bytes: &[u8]) -> Result<(), Error> {
        // SAFETY: a map of a live object; libbpf checks the size against the section's and copies.
        let answer =
            unsafe { sys::bpf_map__set_initial_value(self.raw.as_ptr(), bytes.as_ptr().cast(), bytes.len() as _) };
        check(answer, || "set the BPF programs' configuration".into()).map(drop)
    }

    /// The size of one value in bytes.
    pub fn value_size(&self) -> usize {
        // SAFETY: a map of a live object.
        unsafe { sys::bpf_map__value_size(self.raw.as_ptr()) as usize }
    }

    /// How many elements it has.
    pub fn max_entries(&self) -> usize {
        // SAFETY: a map of a live object.
        unsafe { sys::bpf_map__max_entries(self.raw.as_ptr()) as usize }
    }

    /// The file descriptor. After loading.
    pub fn fd(&self) -> Result<BorrowedFd<'_>, Error> {
        // SAFETY: a map of a live object.
        let fd = check(unsafe { sys::bpf_map__fd(self.raw.as_ptr()) }, || {
            "use a map that is not loaded".into()
        })?;
        // SAFETY: libbpf keeps the descriptor open until the object is closed, and the object outlives `self`.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Maps all of an array's values into memory, read-only or also for writing. The map must be `BPF_F_MMAPABLE`.
    pub fn mapping(&self, writable: bool) -> Result<Mapping, Error> {
        // The kernel lays array elements out 8-byte aligned.
        Mapping::new(
            self.fd()?,
            self.value_size().next_multiple_of(8),
            self.max_entries(),
            writable,
        )
    }
}

/// A program of an object.
#[derive(Debug)]
pub struct Program<'o> {
    raw: NonNull<sys::bpf_program>,
    object: PhantomData<&'o Object>,
}

/// What the kernel counts of a program while statistics are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Time spent in it, ns.
    pub ns: u64,
    /// Runs.
    pub runs: u64,
    /// Runs skipped because the program was running already on that CPU.
    pub skipped: u64,
}

impl<'o> Program<'o> {
    /// Whether the object's load also loads it. Before loading.
    pub fn set_autoload(&self, load: bool) -> Result<(), Error> {
        // SAFETY: a program of a live object.
        let answer = unsafe { sys::bpf_program__set_autoload(self.raw.as_ptr(), load) };
        check(answer, || "choose the BPF programs to load".into()).map(drop)
    }

    /// Attaches it as its section says; detached when the link is dropped.
    pub fn attach(&self) -> Result<Link, Error> {
        // SAFETY: a loaded program of a live object.
        let raw = unsafe { sys::bpf_program__attach(self.raw.as_ptr()) };
        NonNull::new(raw)
            .map(|raw| Link { raw })
            .ok_or_else(|| refusal(last_errno(), "attach a BPF program"))
    }

    /// The file descriptor. After loading.
    pub fn fd(&self) -> Result<BorrowedFd<'o>, Error> {
        // SAFETY: a program of a live object.
        let fd = check(unsafe { sys::bpf_program__fd(self.raw.as_ptr()) }, || {
            "use a program that is not loaded".into()
        })?;
        // SAFETY: libbpf keeps the descriptor open until the object is closed, and the object is borrowed for 'o.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// What runs it by hand, from any thread. After loading.
    pub fn runner(&self) -> Result<Runner<'o>, Error> {
        self.fd().map(Runner)
    }

    /// Its run statistics.
    pub fn run_stats(&self) -> Result<RunStats, Error> {
        let fd = self.fd()?.as_raw_fd();
        // SAFETY: all-zero is a valid value of this plain C struct.
        let mut info: sys::bpf_prog_info = unsafe { std::mem::zeroed() };
        let mut len = size_of::<sys::bpf_prog_info>() as u32;
        // SAFETY: `info` is writable for `len` bytes; a zeroed info asks for no arrays.
        let answer = unsafe { sys::bpf_prog_get_info_by_fd(fd, &mut info, &mut len) };
        check(answer, || "read a BPF program's statistics".into())?;
        Ok(RunStats {
            ns: info.run_time_ns,
            runs: info.run_cnt,
            skipped: info.recursion_misses,
        })
    }
}

/// Runs a loaded program that nothing is attached to, for tests.
#[derive(Clone, Copy, Debug)]
pub struct Runner<'o>(BorrowedFd<'o>);

impl Runner<'_> {
    /// Runs a raw-tracepoint program once, here and now, with these words in place of the tracepoint's arguments: as many as it
    /// reads or more, at most 12. Returns its answer.
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32, Error> {
        // SAFETY: all-zero is a valid value of this plain C struct; `sz` tells libbpf its size.
        let mut options: sys::bpf_test_run_opts = unsafe { std::mem::zeroed() };
        options.sz = size_of::<sys::bpf_test_run_opts>() as _;
        options.ctx_in = arguments.as_ptr().cast();
        options.ctx_size_in = size_of_val(arguments) as u32;
        // SAFETY: an open descriptor; the arguments are readable for the call, and no memory for output is given, so that
        // only `options`, writable for its `sz`, is written to.
        let answer = unsafe { sys::bpf_prog_test_run_opts(self.0.as_raw_fd(), &mut options) };
        check(answer, || "run a BPF program by hand".into())?;
        Ok(options.retval)
    }
}

/// An attached program, detached when dropped.
#[derive(Debug)]
pub struct Link {
    raw: NonNull<sys::bpf_link>,
}

// SAFETY: a link is a file descriptor and a heap object used by its owner only.
unsafe impl Send for Link {}

impl Link {
    /// Runs an iterator program once and returns what it wrote. The link must be of an `iter/` program.
    pub fn iterate(&self) -> Result<Vec<u8>, Error> {
        // SAFETY: a live link.
        let fd = unsafe { sys::bpf_iter_create(sys::bpf_link__fd(self.raw.as_ptr())) };
        let fd = check(fd, || "start the scan of threads".into())?;
        // SAFETY: `bpf_iter_create` returned a new descriptor, owned by nobody else.
        let mut file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| Error::System(format!("scan the threads: {error}")))?;
        Ok(bytes)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned. Detaching closes the descriptor; it cannot fail in a way one could act on.
        unsafe { sys::bpf_link__destroy(self.raw.as_ptr()) };
    }
}

/// Turns the kernel's run statistics of BPF programs on as long as it lives.
#[derive(Debug)]
pub struct StatsEnabled(#[allow(dead_code, reason = "held for its drop")] OwnedFd);

impl StatsEnabled {
    /// Turns them on.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: no pointer is passed.
        let fd = check(unsafe { sys::bpf_enable_stats(sys::BPF_STATS_RUN_TIME) }, || {
            "measure BPF run time".into()
        })?;
        // SAFETY: a new descriptor, owned by nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

/// The running kernel's types.
#[derive(Debug)]
pub struct KernelTypes {
    raw: NonNull<sys::btf>,
}

impl KernelTypes {
    /// Reads the kernel's BTF.
    pub fn load() -> Result<Self, Error> {
        quiet_libbpf();
        // SAFETY: no pointer is passed.
        let raw = unsafe { sys::btf__load_vmlinux_btf() };
        NonNull::new(raw)
            .map(|raw| Self { raw })
            .ok_or_else(|| refusal(last_errno(), "read the kernel's BTF"))
    }

    /// A named type of a kind, and the kind-specific words behind it.
    fn find(&self, name: &str, kind: u32) -> Option<NonNull<sys::btf_type>> {
        let name = c_string(name).ok()?;
        // SAFETY: a live BTF object and a C string.
        let id = unsafe { sys::btf__find_by_name_kind(self.raw.as_ptr(), name.as_ptr(), kind) };
        // SAFETY: an id that libbpf gave.
        (id > 0).then(|| NonNull::new(unsafe { sys::btf__type_by_id(self.raw.as_ptr(), id as u32) }.cast_mut()))?
    }

    /// Whether a structure of this name exists.
    pub fn has_struct(&self, name: &str) -> bool {
        self.find(name, sys::BTF_KIND_STRUCT).is_some()
    }

    /// Whether a structure exists and has a member of this name.
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        let Some(found) = self.find(name, sys::BTF_KIND_STRUCT) else {
            return false;
        };
        // SAFETY: a type inside the live BTF data; its low 16 bits of `info` count the members that follow it.
        let members = unsafe {
            let count = ((*found.as_ptr()).info & 0xffff) as usize;
            std::slice::from_raw_parts(found.as_ptr().add(1).cast::<sys::btf_member>(), count)
        };
        members.iter().any(|one| {
            // SAFETY: an offset from the same BTF; libbpf returns NULL for one out of range.
            let text = unsafe { sys::btf__name_by_offset(self.raw.as_ptr(), one.name_off) };
            // SAFETY: non-null, and NUL-terminated inside the string section.
            !text.is_null() && unsafe { CStr::from_ptr(text) }.to_bytes() == member.as_bytes()
        })
    }

    /// How many arguments the function has that a typedef of this name points to.
    pub fn function_arguments(&self, name: &str) -> Option<usize> {
        let mut found = self.find(name, sys::BTF_KIND_TYPEDEF)?;
        for _ in 0..3 {
            // SAFETY: a type inside the live BTF data.
            let info = unsafe { (*found.as_ptr()).info };
            if info >> 24 & 0x1f == sys::BTF_KIND_FUNC_PROTO {
                return Some((info & 0xffff) as usize);
            }
            // SAFETY: typedefs and pointers hold the id of what they mean; libbpf returns NULL for a bad one.
            let next = unsafe {
                let id = (*found.as_ptr()).__bindgen_anon_1.type_;
                sys::btf__type_by_id(self.raw.as_ptr(), id)
            };
            found = NonNull::new(next.cast_mut())?;
        }
        None
    }
}

impl Drop for KernelTypes {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned.
        unsafe { sys::btf__free(self.raw.as_ptr()) };
    }
}

/// How many CPU numbers are possible: one more than the largest, holes included.
pub fn possible_cpus() -> Result<u32, Error> {
    quiet_libbpf();
    // SAFETY: no pointer is passed.
    let cpus = check(unsafe { sys::libbpf_num_possible_cpus() }, || "count the CPUs".into())?;
    Ok(cpus as u32)
}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Input(format!("{text:?} holds a NUL byte")))
}

fn last_errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

/// Consumes a ring buffer's records in order.
#[derive(Debug)]
pub struct RingBuffer {
    raw: NonNull<sys::ring_buffer>,
    // From `Box::into_raw`: libbpf holds it as its context, so it is only used through this pointer, and freed after `raw`.
    bytes: NonNull<Vec<u8>>,
}

// SAFETY: a ring buffer is a descriptor, two mappings and a heap object used by its owner only.
unsafe impl Send for RingBuffer {}

unsafe extern "C" fn keep_record(kept: *mut std::ffi::c_void, data: *mut std::ffi::c_void, size: sys::size_t) -> c_int {
    // SAFETY: `kept` is the Vec that `RingBuffer` owns, used by no one else during the call; libbpf passes a record
    // readable for `size` bytes.
    let (kept, data) = unsafe {
        (
            &mut *kept.cast::<Vec<u8>>(),
            std::slice::from_raw_parts(data.cast::<u8>(), size as usize),
        )
    };
    kept.extend_from_slice(data);
    0
}

impl RingBuffer {
    /// Opens the consumer of a ring-buffer map.
    pub fn new(map: &Map<'_>) -> Result<Self, Error> {
        let fd: RawFd = map.fd()?.as_raw_fd();
        let bytes = NonNull::from(Box::leak(Box::<Vec<u8>>::default()));
        // SAFETY: the map is a loaded ring buffer; the context lives until `drop` has freed the consumer.
        let raw = unsafe { sys::ring_buffer__new(fd, Some(keep_record), bytes.as_ptr().cast(), std::ptr::null()) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { raw, bytes }),
            None => {
                let error = refusal(last_errno(), "open a ring buffer");
                // SAFETY: leaked above, known to nobody else: there is no consumer.
                drop(unsafe { Box::from_raw(bytes.as_ptr()) });
                Err(error)
            }
        }
    }

    /// Takes the records that are there, one after the other, at most `most`: producers may be faster than we are.
    pub fn drain(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        // SAFETY: a live ring buffer, borrowed exclusively.
        let answer = unsafe { sys::ring_buffer__consume_n(self.raw.as_ptr(), most as _) };
        check(answer, || "read a ring buffer".into())?;
        // SAFETY: owned by `self`, which is borrowed exclusively; the consumer is not running.
        Ok(std::mem::take(unsafe { self.bytes.as_mut() }))
    }
}

impl Drop for RingBuffer {
    fn drop(&mut self) {
        // SAFETY: `raw` is owned.
        unsafe { sys::ring_buffer__free(self.raw.as_ptr()) };
        // SAFETY: leaked in `new`; its only other user is gone.
        drop(unsafe { Box::from_raw(self.bytes.as_ptr()) });
    }
}
