/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * What the BPF programs and their userspace share: maps' values, seen by clang for BPF, by a C compiler natively and,
 * through bindgen, by Rust (bpf/src/bindings.rs). Fixed-width types, no pointers. Times are nanoseconds of the run
 * queue's clock (rq->clock) unless a name says otherwise.
 *
 * Locking: everything kept per CPU is written only under that CPU's run-queue lock (sched_switch, sched_wakeup and
 * sched_migrate_task of a queued task all run under it), so writers need no atomics. Userspace reads through a read-only
 * mapping and may see one event half-accounted.
 */
#ifndef GHOSTSCHED_BPF_H
#define GHOSTSCHED_BPF_H

#include <linux/types.h>

/* Group indices: one dense number a group, assigned when it is first seen. */
#define GS_GROUP_IDLE 0    /* the idle thread */
#define GS_GROUP_REST 1    /* every group beyond the capacity */
#define GS_GROUP_UNKNOWN 2 /* a missed event leaves open who ran */
#define GS_FIRST_GROUP 3

/* Kinds of durations, one histogram each; the numbers are those of core::latency::Kind. */
#define GS_KIND_WAIT 0
#define GS_KIND_SAME 1
#define GS_KIND_OTHER 2
#define GS_KIND_IDLE 3
#define GS_KIND_THROTTLED 4
#define GS_KIND_ON 5
#define GS_KIND_SLEEP 6
#define GS_KIND_BLOCK 7
#define GS_KINDS 8

#define GS_MAX_BOUNDS 64
#define GS_MAX_BUCKETS (GS_MAX_BOUNDS + 1)
#define GS_LOG_LEN 1024 /* segments a CPU; a power of two */
#define GS_MATRIX_CELLS 2048 /* pairs of groups a CPU; a power of two */
#define GS_MATRIX_PROBES 8
#define GS_NAME_LEN 64

#define GS_CLOCK_OF_NEXT 0xffffffffu /* read for the CPU the thread is on the way to */

#define GS_METHOD_LOG 0   /* the kernel's queue stamp */
#define GS_METHOD_CLOCK 1 /* own queue stamps and group clocks */

/* Set before loading: constants to the verifier (section .rodata.config). */
struct gs_config {
	__u64 bounds[GS_MAX_BOUNDS]; /* upper bounds, padded with the largest value */
	__u32 buckets;               /* in use: one more than bounds */
	__u32 method;                /* GS_METHOD_* */
	__u32 level;                 /* fold cgroups to this depth; 0 = leaf cgroups */
	__u32 max_groups;
	__u32 max_blocks;
	__u32 cpus;                  /* possible CPU numbers: one more than the largest */
	__u32 recording;             /* tests: emit every wait */
	__u32 reserved;
};

/* What both sides change while the programs run (section .bss.state). */
struct gs_state {
	__u64 window;        /* written by userspace: the window of the maxima */
	__u32 watching;      /* written by userspace: wakeups are hooked for the throttle clock */
	__u32 generation;    /* goes up when a cgroup goes */
	__u32 groups;        /* group indices given out, less GS_FIRST_GROUP */
	__u32 blocks;        /* blocks given out, less one a CPU */
	__u64 groups_over_capacity; /* look-ups of a new group that found no room */
	__u64 blocks_over_capacity; /* groups that found no block on a CPU */
	__u64 fork_failures; /* threads whose storage could not be made */
	__u64 records_lost;
};

/* The parts of a wait; together they are the wait. */
struct gs_parts {
	__u64 same_ns;
	__u64 other_ns;
	__u64 idle_ns;
	__u64 throttled_ns;
	__u64 unattributed_ns;
};

/*
 * A stretch of time in which one group had a CPU. It ends where the next segment starts. The throttle clock of a group
 * on a CPU is the time so far in which it had queued threads and was throttled.
 */
struct gs_segment {
	__u64 start_ns;
	__u64 clock_start_ns; /* the group's throttle clock at the start; 0 = not known */
	__u64 clock_end_ns;   /* and at the end, written when the next segment starts; ~0 = not known */
	__u32 group;
	__u32 reserved;
};

/* One CPU: who runs, losses, and the run log. */
struct gs_cpu {
	__u64 current;     /* identity of the thread that runs; 0 before the first switch */
	__u64 switched_ns; /* when it got the CPU */
	__u32 group;       /* its group */
	__u32 head;        /* index of the segment that is open */
	__u32 filled;      /* segments in the log, at most GS_LOG_LEN */
	__u32 reserved;
	__u64 broken_ns; /* the last missed switch, or the first switch seen: since then nothing is open */
	__u64 switches;
	__u64 chain_breaks;
	__u64 unknown_ns;
	__u64 missed_waits;
	__u64 missed_ns;
	__u64 extra_waits;
	__u64 extra_ns;
	__u64 suspect_waits;
	__u64 suspect_ns;
	__u64 migrated_waits;
	__u64 moving_ns;
	__u64 storage_failures;
	__u64 throttle_clipped;
	__u64 matrix_overflow_ns;
	struct gs_segment log[GS_LOG_LEN];
};

/* Who made whom wait on one CPU: an open-addressed table of pairs; victim 0 = free. */
struct gs_cell {
	__u32 victim;
	__u32 by;
	__u64 ns;
};

struct gs_matrix {
	struct gs_cell cells[GS_MATRIX_CELLS];
};

/*
 * The statistics of one group on one CPU. The histogram of a part counts only waits that have that part: the reader adds
 * the others as zeros. sum_ns[GS_KIND_WAIT] holds the unattributed part, since the whole is the sum of the parts.
 *
 * Maxima are kept a window: when the reader opens a new window, the first event of a block moves its maxima to
 * last_max_ns, so that the reader gets each window's exact maxima without clearing anything.
 */
struct gs_block {
	__u64 sum_ns[GS_KINDS];
	__u64 max_ns[GS_KINDS];
	__u64 last_max_ns[GS_KINDS];
	__u64 window;
	__u64 throttled_on_ns;
	__u64 missed_waits;
	__u64 missed_ns;
	__u64 counts[GS_KINDS * GS_MAX_BUCKETS]; /* [kind][bucket], rows as long as the bounds in use */
};

/* One thread, in task storage. */
struct gs_task {
	__u64 group_key;   /* what `group` was derived from: the thread's task_group */
	__u32 generation;  /* and the generation of that knowledge */
	__u32 group;
	__u32 known;       /* delay_ns and arrivals are valid */
	__u32 left_kind;   /* GS_KIND_SLEEP or GS_KIND_BLOCK */
	__u32 suspect;     /* the kernel's stamp was set while the thread slept */
	__u32 moved;       /* the wait has been on another CPU before */
	__u32 queued_group; /* the group the open segment began with */
	__u32 unsplit;     /* queued before it was first seen, in a group that has been throttled: its wait cannot be split */
	__u32 clock_cpu;   /* 1 + the CPU clock_ns is of, 0 = none, or GS_CLOCK_OF_NEXT */
	__u32 reserved;
	__u64 delay_ns;    /* the kernel's run_delay, as it should be at the next switch-in */
	__u64 arrivals;    /* the kernel's pcount, likewise */
	__u64 first_delay_ns; /* run_delay when first seen */
	__u64 counted_ns;  /* kernel-counted waits accounted here since */
	__u64 missed_ns;   /* and those seen only afterwards, or left out as suspect */
	__u64 on_ns;       /* when it got its CPU; 0 = not known */
	__u64 left_ns;     /* when it left to sleep; 0 = it did not */
	__u64 queued_ns;   /* own queue stamp; 0 = not queued, or the kernel's counts */
	__u64 began_ns;    /* start of the wait's first segment, once it has moved */
	__u64 clock_ns;    /* throttle clock of its group at the start of the segment, or when it was last seen */
	__u64 same_clock_ns; /* GS_METHOD_CLOCK: own group's run clock at the start of the segment */
	__u64 idle_clock_ns; /* and the idle thread's */
	struct gs_parts parts; /* of the segments on earlier CPUs */
};

/* A group's identity, for userspace to name it. */
struct gs_group {
	__u64 cgroup_id;
	__u32 level;
	__u32 reserved;
	char name[GS_NAME_LEN];
	char parent[GS_NAME_LEN];
};

/* One thread in the output of the scan. */
struct gs_seen {
	__u32 tid;
	__u32 pid;
	__u32 cpu;
	__u32 group;
	__u32 waiting; /* queued and not running */
	__u32 known;
	__u64 queued_ns;  /* start of the present segment */
	__u64 began_ns;
	__u64 clock_ns;   /* throttle clock at its start */
	__u64 now_clock_ns; /* and now */
	__u64 kernel_ns;  /* run_delay since first seen */
	__u64 counted_ns;
	__u64 missed_ns;
	struct gs_parts parts;
	char comm[16];
};

/* A wait as accounted, for tests (emitted only when rodata says so). */
struct gs_wait_record {
	__u64 now_ns;
	__u64 queued_ns;
	__u64 began_ns;
	__u32 tid;
	__u32 cpu;
	__u32 group;
	__u32 moved;
	__u64 clock_ns;     /* throttle clock at the start of the last segment */
	__u64 now_clock_ns; /* and at its end */
	struct gs_parts parts;
};

/* One raw event of a recording, in time order per CPU. */
#define GS_EVENT_SWITCH 1
#define GS_EVENT_WAKEUP 2
#define GS_EVENT_MIGRATE 3

#define GS_LEFT_QUEUED 1  /* switch: prev stays runnable */
#define GS_LEFT_BLOCKED 2 /* switch: prev sleeps uninterruptibly */
#define GS_LEFT_DEAD 4    /* switch: prev will not come back */
#define GS_STAMPED 8      /* switch: the kernel stamps prev as queued */

struct gs_event {
	__u64 now_ns;
	__u64 cgroup_id;  /* of the thread below */
	__u64 queued_ns;  /* switch: the kernel's queue stamp of it, 0 = none; migrate: start of the segment that ends */
	__u64 arrived_ns; /* switch: when the kernel says prev got the CPU */
	__u64 prev_clock_ns; /* throttle clocks: of prev; migrate: on the CPU it goes to */
	__u64 clock_ns;   /* of it */
	__u32 tid;        /* the thread: next, woken or migrating */
	__u32 prev_tid;   /* migrate: the CPU it goes to */
	__u16 kind;       /* GS_EVENT_* */
	__u16 flags;
	__u32 cpu;        /* where; migrate: the CPU it leaves */
};

_Static_assert(sizeof(struct gs_event) == 64, "event");
_Static_assert(sizeof(struct gs_segment) == 32, "segment");
_Static_assert(sizeof(struct gs_cell) == 16, "cell");
_Static_assert(sizeof(struct gs_cpu) == 152 + GS_LOG_LEN * 32, "cpu");
_Static_assert(sizeof(struct gs_parts) == 40, "parts");

#endif
