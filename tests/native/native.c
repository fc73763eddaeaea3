/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The BPF program's accounting over memory of its own, behind plain functions: what latency.bpf.c does around
 * latency_logic.h with maps and task storage, done here with arrays. src/lib.rs is its only caller and mirrors the
 * structures.
 *
 * A block is as long as the bounds in use need, as in the BPF map, and allocated on its own, so that a sanitizer sees a
 * count written beyond it.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ghostsched_bpf.h"

/* One context switch; threads by number, 0 = the idle thread. */
struct gs_native_switch {
	__u64 now;
	__u64 prev_clock;
	__u64 next_clock;
	__u64 prev_arrived;
	__u64 next_queued;
	__u64 next_delay;
	__u64 next_arrivals;
	__u32 cpu;
	__u32 prev;
	__u32 next;
	__u32 next_group;
	__u32 prev_queued;
	__u32 prev_stamped;
	__u32 prev_left_kind;
	__u32 reserved;
};

/* The losses and curiosities of one CPU. */
struct gs_native_counters {
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
};

struct gs_native {
	__u64 bounds[GS_MAX_BOUNDS];
	__u64 window;
	__u32 buckets;
	__u32 method;
	__u32 watching;
	__u32 recording;
	__u32 cpus;
	__u32 groups;
	__u32 threads;
	__u32 emitted;
	struct gs_wait_record wait;
	struct gs_cpu *cpu;         /* [cpu] */
	struct gs_matrix *matrix;   /* [cpu] */
	struct gs_block **block;    /* [cpu][group] */
	__s64 *run_clock;           /* [cpu][group] */
	struct gs_task *task;       /* [thread] */
};

_Static_assert(sizeof(struct gs_native_switch) == 88, "switch");
_Static_assert(sizeof(struct gs_native_counters) == 112, "counters");
_Static_assert(sizeof(struct gs_wait_record) == 96, "wait");
_Static_assert(offsetof(struct gs_block, counts) == 28 * 8, "block");

/* Whose memory the logic works on: each function below sets it first. */
static _Thread_local struct gs_native *self;

#define gs_bounds (self->bounds)
#define gs_buckets (self->buckets)
#define gs_window (self->window)
#define gs_method (self->method)
#define gs_watching (self->watching)
#define gs_recording (self->recording)

static struct gs_cpu *gs_cpu_of(__u32 cpu)
{
	return cpu < self->cpus ? &self->cpu[cpu] : NULL;
}

static struct gs_matrix *gs_matrix_of(__u32 cpu)
{
	return cpu < self->cpus ? &self->matrix[cpu] : NULL;
}

static __s64 *gs_run_clock(__u32 cpu, __u32 group)
{
	return cpu < self->cpus && group < self->groups ? &self->run_clock[(size_t)cpu * self->groups + group] : NULL;
}

static size_t block_bytes(const struct gs_native *native)
{
	return offsetof(struct gs_block, counts) + (size_t)GS_KINDS * native->buckets * sizeof(__u64);
}

static struct gs_block *gs_block_of(__u32 cpu, __u32 group)
{
	struct gs_block **slot;

	if (cpu >= self->cpus || group >= self->groups || group == GS_GROUP_IDLE || group == GS_GROUP_UNKNOWN)
		return NULL;
	slot = &self->block[(size_t)cpu * self->groups + group];
	if (!*slot)
		*slot = calloc(1, block_bytes(self));
	return *slot;
}

struct gs_switch;
static void gs_emit(const struct gs_switch *e, __u64 queued, const struct gs_task *task);

#define GS_FUNCTION static __attribute__((noinline))
#define gs_loop(n, step, ctx)                                                                                         \
	do {                                                                                                           \
		for (__u32 gs_i = 0; gs_i < (n) && !step(gs_i, ctx); gs_i++)                                           \
			;                                                                                              \
	} while (0)
#include "latency_logic.h"

static void gs_emit(const struct gs_switch *e, __u64 queued, const struct gs_task *task)
{
	if (!gs_recording)
		return;
	self->emitted = 1;
	self->wait = (struct gs_wait_record){
		.now_ns = e->now,
		.queued_ns = queued,
		.began_ns = task->moved ? task->began_ns : queued,
		.tid = e->next_tid,
		.cpu = e->cpu,
		.group = e->next_group,
		.moved = task->moved,
		.clock_ns = task->clock_ns,
		.now_clock_ns = e->next_clock,
		.parts = task->parts,
	};
}

/* Like a failed allocation of task storage beyond the last thread. */
static struct gs_task *task_of(__u32 tid)
{
	return tid < self->threads ? &self->task[tid] : NULL;
}

void gs_native_free(struct gs_native *native)
{
	if (!native)
		return;
	for (size_t i = 0; native->block && i < (size_t)native->cpus * native->groups; i++)
		free(native->block[i]);
	free(native->block);
	free(native->cpu);
	free(native->matrix);
	free(native->run_clock);
	free(native->task);
	free(native);
}

/* A thread that has been forked has never waited. */
static const struct gs_task forked = { .known = 1 };

/* Bounds are padded to GS_MAX_BOUNDS; NULL when memory is short. */
struct gs_native *gs_native_new(const __u64 *bounds, __u32 buckets, __u32 cpus, __u32 groups, __u32 threads)
{
	struct gs_native *native = calloc(1, sizeof(*native));

	if (!native)
		return NULL;
	memcpy(native->bounds, bounds, sizeof(native->bounds));
	native->buckets = buckets;
	native->cpus = cpus;
	native->groups = groups;
	native->threads = threads;
	native->cpu = calloc(cpus, sizeof(*native->cpu));
	native->matrix = calloc(cpus, sizeof(*native->matrix));
	native->block = calloc((size_t)cpus * groups, sizeof(*native->block));
	native->run_clock = calloc((size_t)cpus * groups, sizeof(*native->run_clock));
	native->task = calloc(threads, sizeof(*native->task));
	if (!native->cpu || !native->matrix || !native->block || !native->run_clock || !native->task) {
		gs_native_free(native);
		return NULL;
	}
	for (__u32 tid = 0; tid < threads; tid++)
		native->task[tid] = forked;
	return native;
}

void gs_native_configure(struct gs_native *native, __u32 method, __u32 watching, __u32 recording)
{
	native->method = method;
	native->watching = watching;
	native->recording = recording;
}

void gs_native_open_window(struct gs_native *native, __u64 window)
{
	native->window = window;
}

__u32 gs_native_bucket(struct gs_native *native, __u64 value)
{
	self = native;
	return gs_bucket(value);
}

/* Identities: nothing is 0, the idle thread 1, the others follow. Returns whether a wait was emitted, into *wait. */
int gs_native_on_switch(struct gs_native *native, const struct gs_native_switch *from, struct gs_wait_record *wait)
{
	struct gs_task *prev = NULL, *next = NULL;
	struct gs_switch e = {
		.now = from->now,
		.prev_id = (__u64)from->prev + 1,
		.next_id = (__u64)from->next + 1,
		.prev_arrived = from->prev_arrived,
		.cpu = from->cpu,
		.next_group = GS_GROUP_IDLE,
		.prev_idle = from->prev == 0,
		.next_idle = from->next == 0,
		.prev_queued = from->prev_queued,
		.prev_stamped = from->prev_stamped,
		.prev_left_kind = from->prev_left_kind,
		.next_tid = from->next,
	};
	struct gs_cpu *cpu;

	self = native;
	self->emitted = 0;
	cpu = gs_cpu_of(from->cpu);
	if (!cpu)
		return 0;
	if (from->prev) {
		prev = task_of(from->prev);
		e.prev_clock = from->prev_clock;
	}
	if (from->next) {
		next = task_of(from->next);
		e.next_clock = from->next_clock;
		e.next_group = from->next_group;
		if (next)
			next->group = from->next_group;
		e.next_queued = from->next_queued;
		e.next_delay = from->next_delay;
		e.next_arrivals = from->next_arrivals;
	}
	gs_on_switch(cpu, &e, prev, next);
	if (self->emitted)
		*wait = self->wait;
	return self->emitted;
}

void gs_native_on_wakeup(struct gs_native *native, __u32 tid, __u32 group, __u32 cpu, __u64 now, __u64 clock)
{
	struct gs_task *task;

	self = native;
	task = task_of(tid);
	if (!task)
		return;
	task->group = group;
	gs_on_wakeup(task, cpu, now, clock);
}

void gs_native_on_migrate(struct gs_native *native, __u32 tid, __u32 group, __u32 from, __u32 to, __u64 now, __u64 delay,
			  __u64 arrivals, __u64 from_clock, __u64 to_clock)
{
	struct gs_task *task;
	struct gs_cpu *cpu;

	self = native;
	task = task_of(tid);
	cpu = gs_cpu_of(from);
	if (!task || !cpu)
		return;
	task->group = group;
	gs_on_migrate(cpu, task, from, to, now, delay, arrivals, from_clock, to_clock);
}

/* A sleeping thread that is still on its queue changes CPU: the kernel stamps it there as if it waited. */
void gs_native_suspect(struct gs_native *native, __u32 tid)
{
	self = native;
	if (task_of(tid))
		task_of(tid)->suspect = 1;
}

void gs_native_exit(struct gs_native *native, __u32 tid)
{
	self = native;
	if (task_of(tid))
		*task_of(tid) = forked;
}

/* Copies a block's words, counts in rows of the bounds in use; returns how many, 0 if there is none or no room. */
size_t gs_native_block(const struct gs_native *native, __u32 cpu, __u32 group, __u64 *words, size_t len)
{
	const struct gs_block *block;

	if (cpu >= native->cpus || group >= native->groups)
		return 0;
	block = native->block[(size_t)cpu * native->groups + group];
	if (!block || block_bytes(native) > len * sizeof(__u64))
		return 0;
	memcpy(words, block, block_bytes(native));
	return block_bytes(native) / sizeof(__u64);
}

/* Copies the cells in use; returns how many, at most `len`. */
size_t gs_native_matrix(const struct gs_native *native, __u32 cpu, struct gs_cell *cells, size_t len)
{
	size_t n = 0;

	if (cpu >= native->cpus)
		return 0;
	for (size_t i = 0; i < GS_MATRIX_CELLS && n < len; i++) {
		if (native->matrix[cpu].cells[i].victim)
			cells[n++] = native->matrix[cpu].cells[i];
	}
	return n;
}

int gs_native_counters(const struct gs_native *native, __u32 id, struct gs_native_counters *counters)
{
	const struct gs_cpu *cpu;

	if (id >= native->cpus)
		return 0;
	cpu = &native->cpu[id];
	*counters = (struct gs_native_counters){
		.switches = cpu->switches,
		.chain_breaks = cpu->chain_breaks,
		.unknown_ns = cpu->unknown_ns,
		.missed_waits = cpu->missed_waits,
		.missed_ns = cpu->missed_ns,
		.extra_waits = cpu->extra_waits,
		.extra_ns = cpu->extra_ns,
		.suspect_waits = cpu->suspect_waits,
		.suspect_ns = cpu->suspect_ns,
		.migrated_waits = cpu->migrated_waits,
		.moving_ns = cpu->moving_ns,
		.storage_failures = cpu->storage_failures,
		.throttle_clipped = cpu->throttle_clipped,
		.matrix_overflow_ns = cpu->matrix_overflow_ns,
	};
	return 1;
}

/* What the kernel's count of a thread is expected to be, and how much of it was accounted and missed. */
int gs_native_thread(const struct gs_native *native, __u32 tid, __u64 *delay, __u64 *arrivals, __u64 *counted,
		     __u64 *missed)
{
	const struct gs_task *task;

	if (tid >= native->threads)
		return 0;
	task = &native->task[tid];
	*delay = task->delay_ns;
	*arrivals = task->arrivals;
	*counted = task->counted_ns;
	*missed = task->missed_ns;
	return 1;
}
