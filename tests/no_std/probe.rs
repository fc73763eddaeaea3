//! A Linux program of nothing but the core: no std, no alloc, no C library, no start files. Its exit status is its result.
//!
//! It is no test of the algorithms, which have their own; it proves that they link and run with nothing beneath them.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;

use ghostsched_core::abi::text::{BecomeAgent, Line};
use ghostsched_core::abi::{Abi, Outcome};
use ghostsched_core::cpus::CpuSet;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::histogram::{Bounds, Histogram};
use ghostsched_core::latency::{GroupStats, Kind, Parts};
use ghostsched_core::shared::{Queue, Request, Transaction, pnt};
use ghostsched_core::sync::AtomicU32;
use ghostsched_core::tasks::{Task, TaskTable};
use ghostsched_core::wire::{Message, Payload, task};

/// Exit statuses: what failed.
const OK: i32 = 0;
const WRONG_BOUNDS: i32 = 1;
const WRONG_QUANTILE: i32 = 2;
const WRONG_DIFFERENCE: i32 = 3;
const WRONG_PARTS: i32 = 4;
const WRONG_TEXT: i32 = 5;
const WRONG_MESSAGE: i32 = 6;
const WRONG_TRANSACTION: i32 = 7;
const WRONG_RING: i32 = 8;
const PANICKED: i32 = 101;

// The kernel enters with the stack pointer at argc and no return address; the ABI wants it aligned to 16 at the call.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main);

extern "C" fn main() -> ! {
    exit(match check().and_then(|()| ghost()) {
        Ok(()) => OK,
        Err(status) => status,
    })
}

/// An agent and its kernel in a few lines, on the stack.
fn ghost() -> Result<(), i32> {
    let abi = Abi::negotiate_text("69\n90\n").map_err(|_| WRONG_TEXT)?;
    let cpus = CpuSet::parse_list("0-3,8").map_err(|_| WRONG_TEXT)?;
    let mut line = Line::new();
    let (cpu, queue) = (cpus.last().ok_or(WRONG_TEXT)?, None);
    core::fmt::write(&mut line, format_args!("{}", BecomeAgent { abi, cpu, queue })).map_err(|_| WRONG_TEXT)?;
    if line != "become agent 8 -1" {
        return Err(WRONG_TEXT);
    }

    let memory = [const { AtomicU32::new(0) }; 64];
    let queue = Queue::format(&memory, 16).map_err(|_| WRONG_MESSAGE)?;
    let gtid = Gtid::from_raw(7);
    let payload = Payload::TaskAffinityChanged(task::AffinityChanged { gtid });
    let sent = Message { seqnum: 2, payload };
    queue
        .producer()
        .produce_message(&sent, abi)
        .map_err(|_| WRONG_MESSAGE)?;
    let mut tasks = TaskTable::new([Task::<()>::default(); 8]).map_err(|_| WRONG_MESSAGE)?;
    tasks.insert(gtid, 1, ()).map_err(|_| WRONG_MESSAGE)?;
    let mut received = Err(WRONG_MESSAGE);
    let mut consumer = queue.consumer();
    let drained = consumer.drain(|view| {
        if view.read(abi) == Ok(sent) {
            received = tasks
                .apply(gtid, view.seqnum())
                .map(|task| task.seqnum())
                .map_err(|_| WRONG_MESSAGE);
        }
    });
    let barrier = received?;
    if drained != Ok(1) {
        return Err(WRONG_MESSAGE);
    }

    let txn = Transaction::new(8);
    txn.submit(&Request::run(gtid, barrier))
        .map_err(|_| WRONG_TRANSACTION)?;
    txn.claim(0)
        .map_err(|_| WRONG_TRANSACTION)?
        .finish(Outcome::Complete, 1, 1);
    if !txn.state().is_committed() {
        return Err(WRONG_TRANSACTION);
    }

    let ring = pnt::Ring::new(pnt::Kind::Single);
    let pushed = pnt::Task {
        gtid,
        data: 0,
        time_ns: 0,
        barrier,
        run_flags: 0,
    };
    ring.push(&pushed).map_err(|_| WRONG_RING)?;
    let claim = ring.pop(3).ok_or(WRONG_RING)?;
    let popped = claim.task();
    claim.complete();
    if popped == pushed { Ok(()) } else { Err(WRONG_RING) }
}

fn check() -> Result<(), i32> {
    let bounds = Bounds::new(&[50_000, 1_000_000, 20_000_000]).map_err(|_| WRONG_BOUNDS)?;
    if Bounds::new(&[2, 1]).is_ok() || bounds.bucket_count() != 4 {
        return Err(WRONG_BOUNDS);
    }

    let mut histogram = Histogram::new();
    for _ in 0..99 {
        histogram.record(&bounds, 40_000);
    }
    let earlier = histogram;
    histogram.record(&bounds, 15_000_000);
    match histogram.quantile(&bounds, 1_000_000) {
        Some(quantile) if quantile.above_ns == 1_000_000 && quantile.up_to_ns == 15_000_000 => {}
        _ => return Err(WRONG_QUANTILE),
    }
    let difference = histogram.difference(&earlier);
    if difference.count() != 1 || difference.sum_ns() != 15_000_000 {
        return Err(WRONG_DIFFERENCE);
    }

    let mut stats = GroupStats::default();
    let parts = Parts {
        same_ns: 1,
        other_ns: 2,
        idle_ns: 3,
        throttled_ns: 4,
        unattributed_ns: 5,
    };
    stats.record_wait(&bounds, &parts);
    if stats.parts() != parts || stats.kind(Kind::Wait).sum_ns() != 15 {
        return Err(WRONG_PARTS);
    }
    Ok(())
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(PANICKED)
}

/// The toolchain's libcore is built to unwind and names this; a program that aborts never calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

fn exit(status: i32) -> ! {
    // SAFETY: exit_group (231 on x86-64) takes the status in edi, touches no memory of ours and does not return.
    unsafe { asm!("syscall", in("rax") 231, in("edi") status, options(noreturn, nostack)) }
}

/// The compiler may call these whatever the program says, and there is no C library to have them.
mod memory {
    use core::arch::asm;

    /// # Safety
    /// As C's: `n` bytes at `from` may be read and at `to` written, and they do not overlap.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
        // SAFETY: rep movsb copies rcx bytes from rsi to rdi, upwards since the ABI keeps the direction flag clear;
        // the caller answers for both ranges.
        unsafe {
            asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags))
        };
        to
    }

    /// # Safety
    /// As C's: `n` bytes at `to` may be written.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
        // SAFETY: rep stosb writes al to rcx bytes at rdi; the caller answers for the range.
        unsafe {
            asm!("rep stosb", inout("rcx") n => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags))
        };
        to
    }

    /// # Safety
    /// As C's: `n` bytes at `a` and at `b` may be read.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
        for i in 0..n {
            // SAFETY: i < n, and the caller answers for n bytes at both.
            let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
            if x != y {
                return i32::from(x) - i32::from(y);
            }
        }
        0
    }

    /// # Safety
    /// As `memcmp`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
        // SAFETY: the caller answers for the same.
        unsafe { memcmp(a, b, n) }
    }
}
