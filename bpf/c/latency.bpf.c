// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why threads wait for a CPU, accounted in the kernel.
 *
 * One hot hook, sched_switch. It knows when the thread that gets the CPU was queued (the kernel's own stamp,
 * sched_info.last_queued), and a log per CPU knows which group ran when since then; walking the log back over the wait
 * splits it into same group, other groups (each by name), idle, throttled. Everything is added to histograms in place;
 * nothing is sent to userspace.
 *
 *   sched_switch         ends next's wait and prev's spell, opens a segment of the log when the group changes
 *   sched_migrate_task   (rare) a queued thread changes CPU: its wait so far is split over the log of the CPU it leaves
 *   sched_process_fork   (rare) makes the storage of a new thread outside the scheduler's locks
 *   cgroup_release       (rare) a cgroup's memory may be reused: what threads remember of their group is looked up anew
 *   iter/task            the scan: makes storage for threads that exist, shows waits in progress, checks against schedstat
 *   sched_wakeup(_new)   only without CONFIG_SCHED_INFO (own queue stamps), or where quotas exist (the throttle clock)
 *
 * The algorithms are in latency_logic.h, which also compiles natively; this file only reads the kernel and finds memory.
 * sched_switch and sched_migrate_task of a queued thread run under the lock of the run queue they change, so everything
 * kept per CPU has one writer at a time. A thread's storage is written under the lock of the queue it is on; the scan only
 * reads it.
 */
#include "kernel.bpf.h"
#include "compat.bpf.h"
#include "ghostsched_bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile struct gs_config config SEC(".rodata.config");
struct gs_state state SEC(".bss.state");

#define gs_method config.method
#define gs_buckets config.buckets
#define gs_bounds config.bounds
#define gs_window (*(volatile __u64 *)&state.window)
#define gs_watching (*(volatile __u32 *)&state.watching)

/* Sizes of maps without a type are set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_cpu);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_matrix);
} matrix SEC(".maps");

/* [block]: struct gs_block with as many counts as the bounds need. Block c is the remainder of CPU c. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct gs_block));
} blocks SEC(".maps");

/* [cpu][group]: the block of a group on a CPU, 0 = none yet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 16);
} slots SEC(".maps");

/* [cpu][group]: run clocks (GS_METHOD_CLOCK). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 32);
} run_clocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} group_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct gs_task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

static __always_inline struct gs_cpu *gs_cpu_of(__u32 cpu)
{
	return bpf_map_lookup_elem(&cpus, &cpu);
}

static __always_inline struct gs_matrix *gs_matrix_of(__u32 cpu)
{
	return bpf_map_lookup_elem(&matrix, &cpu);
}

/*
 * A group as an index, below config.max_groups or not: in a register of its own, so that what is compared is what is used.
 * The verifier of Linux 6.1 does not see that a value reloaded from the stack is the one that was compared.
 */
static __always_inline __u64 as_index(__u32 group)
{
	__u64 index = group;

	asm volatile("" : "+r"(index));
	return index;
}

static __always_inline __s64 *gs_run_clock(__u32 cpu, __u32 group)
{
	__s64 *row = bpf_map_lookup_elem(&run_clocks, &cpu);
	__u64 index = as_index(group);

	return row && index < config.max_groups ? row + index : 0;
}

static __noinline __u32 gs_take_block(__u32 cpu)
{
	__u32 block = __sync_fetch_and_add(&state.blocks, 1) + config.cpus;

	if (block < config.max_blocks)
		return block;
	__sync_fetch_and_add(&state.blocks_over_capacity, 1);
	return cpu;
}

static __always_inline struct gs_block *gs_block_of(__u32 cpu, __u32 group)
{
	__u32 block = cpu, *row;

	if (group >= GS_FIRST_GROUP) {
		__u64 index = as_index(group);

		row = bpf_map_lookup_elem(&slots, &cpu);
		if (!row || index >= config.max_groups)
			return 0;
		row += index;
		block = *row;
		if (!block)
			*row = block = gs_take_block(cpu);
	} else if (group != GS_GROUP_REST) {
		return 0;
	}
	return bpf_map_lookup_elem(&blocks, &block);
}

#define gs_recording config.recording

struct gs_switch;
static __always_inline void gs_emit(const struct gs_switch *e, __u64 queued, const struct gs_task *task);

#define GS_FUNCTION __attribute__((noinline))
#define gs_loop(n, step, ctx) bpf_loop(n, step, ctx, 0)
#include "latency_logic.h"

static __always_inline void gs_emit(const struct gs_switch *e, __u64 queued, const struct gs_task *task)
{
	struct gs_wait_record *record;

	if (!gs_recording)
		return;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		__sync_fetch_and_add(&state.records_lost, 1);
		return;
	}
	record->now_ns = e->now;
	record->queued_ns = queued;
	record->began_ns = task->moved ? task->began_ns : queued;
	record->tid = e->next_tid;
	record->cpu = e->cpu;
	record->group = e->next_group;
	record->moved = task->moved;
	record->clock_ns = task->clock_ns;
	record->now_clock_ns = e->next_clock;
	record->parts = task->parts;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* The index of a thread's group, from its cgroup's id: the cgroup of the task group that owns its weight (v1 and v2). */
static __noinline __u32 find_group(struct task_struct *p)
{
	struct cgroup_subsys_state *css;
	struct gs_group *entry;
	struct cgroup *cgroup;
	__u32 *known, index;
	int level;
	__u64 id;

	if (!p)
		return GS_GROUP_REST;
	css = &p->sched_task_group->css;
	cgroup = css->cgroup;
	level = cgroup->level;
	if (config.level) {
		for (int i = 0; i < 64 && level > (int)config.level; i++, level--)
			css = css->parent;
		cgroup = css->cgroup;
	}
	id = cgroup->kn->id;
	if (!id) { /* an autogroup: no cgroup, it only stands in for the root */
		id = ROOT_CGROUP_ID;
		level = 0;
	}
	known = bpf_map_lookup_elem(&group_ids, &id);
	if (known)
		return *known;
	index = GS_FIRST_GROUP + *(volatile __u32 *)&state.groups;
	if (index < config.max_groups)
		index = GS_FIRST_GROUP + __sync_fetch_and_add(&state.groups, 1);
	if (index >= config.max_groups) {
		__sync_fetch_and_add(&state.groups_over_capacity, 1);
		return GS_GROUP_REST;
	}
	entry = bpf_map_lookup_elem(&groups, &index);
	if (!entry)
		return GS_GROUP_REST;
	entry->level = level;
	if (level) {
		bpf_probe_read_kernel_str(entry->name, sizeof(entry->name), cgroup->kn->name);
		if (level > 1)
			bpf_probe_read_kernel_str(entry->parent, sizeof(entry->parent), css->parent->cgroup->kn->name);
	}
	entry->cgroup_id = id;
	if (bpf_map_update_elem(&group_ids, &id, &index, BPF_NOEXIST)) {
		/* Another CPU saw the same cgroup first: its index stands, this one stays unused. */
		known = bpf_map_lookup_elem(&group_ids, &id);
		return known ? *known : GS_GROUP_REST;
	}
	return index;
}

static __always_inline __u32 group_of(struct task_struct *p, struct gs_task *task)
{
	__u64 key = (__u64)p->sched_task_group;
	__u32 generation = *(volatile __u32 *)&state.generation;

	if (task->group_key != key || task->generation != generation) {
		task->group = find_group(p);
		task->group_key = key;
		task->generation = generation;
	}
	return task->group;
}

/*
 * The fork hook and the scan make nearly every thread's storage outside the run queue's lock. What is left are threads that
 * run before the scan comes to them, and those it does not list (outside its pid namespace): once each, here. Whoever comes
 * first makes the storage; what the scan starts a thread from holds because no hook has seen the thread until then.
 */
static __always_inline struct gs_task *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(latency_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	__u32 id = bpf_get_smp_processor_id();
	struct gs_cpu *cpu = gs_cpu_of(id);
	struct gs_task *prev_task = 0, *next_task = 0;
	struct cfs_rq *prev_queue = prev->se.cfs_rq, *next_queue = next->se.cfs_rq;
	struct gs_switch e = {};

	if (!cpu)
		return 0;
	e.cpu = id;
	e.now = prev_queue->rq->clock;
	e.prev_id = (__u64)prev;
	e.next_id = (__u64)next;
	e.prev_idle = prev->pid == 0;
	e.next_tid = next->pid;
	e.next_idle = e.next_tid == 0;
	e.prev_queued = preempt || !prev_state;
	e.prev_stamped = !prev_state;
	e.prev_left_kind = (prev_state & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) == TASK_UNINTERRUPTIBLE ? GS_KIND_BLOCK :
												       GS_KIND_SLEEP;
	e.next_group = GS_GROUP_IDLE;
	if (!e.prev_idle) {
		prev_task = task_of(prev);
		e.prev_clock = throttle_clock(prev_queue);
		if (gs_method == GS_METHOD_LOG)
			e.prev_arrived = prev->sched_info.last_arrival;
	}
	if (!e.next_idle) {
		next_task = task_of(next);
		e.next_clock = throttle_clock(next_queue);
		e.next_group = next_task ? group_of(next, next_task) : find_group(next);
		if (gs_method == GS_METHOD_LOG) {
			e.next_queued = next->sched_info.last_queued;
			e.next_delay = next->sched_info.run_delay;
			e.next_arrivals = next->sched_info.pcount;
		}
	}
	gs_on_switch(cpu, &e, prev_task, next_task);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(latency_migrate, struct task_struct *p, int to)
{
	struct gs_task *task;
	struct gs_cpu *cpu;
	__u64 delay = 0, arrivals = 0;
	__u32 from;

	/* The lock of the queue it leaves is held, and it has left it: the kernel has counted its wait there. */
	if (p->on_rq != TASK_ON_RQ_MIGRATING)
		return 0;
	task = task_of(p);
	from = task_rq_cpu(p);
	cpu = gs_cpu_of(from);
	if (!cpu)
		return 0;
	if (!task) {
		cpu->storage_failures++;
		return 0;
	}
	if (is_dequeue_delayed(p)) {
		/* It sleeps; the kernel will stamp it on the new queue as if it waited. */
		task->suspect = 1;
		return 0;
	}
	group_of(p, task);
	if (gs_method == GS_METHOD_LOG) {
		delay = p->sched_info.run_delay;
		arrivals = p->sched_info.pcount;
	}
	gs_on_migrate(cpu, task, from, to, task_rq_clock(p), delay, arrivals, throttle_clock(p->se.cfs_rq),
		      throttle_clock_on(p, to));
	return 0;
}

static __always_inline int woken(struct task_struct *p)
{
	struct gs_task *task;
	__u64 clock = throttle_clock(p->se.cfs_rq);

	if (p->on_cpu)
		return 0; /* it runs: no wait begins */
	task = task_of(p);
	if (!task)
		return 0;
	if (gs_method == GS_METHOD_CLOCK)
		group_of(p, task);
	gs_on_wakeup(task, task_rq_cpu(p), task_rq_clock(p), clock);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(latency_wakeup, struct task_struct *p)
{
	return woken(p);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(latency_wakeup_new, struct task_struct *p)
{
	return woken(p);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(latency_fork, struct task_struct *parent, struct task_struct *child)
{
	/* It has never waited. */
	struct gs_task new = {
		.known = 1,
		.clock_ns = throttle_clock(child->se.cfs_rq),
		.clock_cpu = task_rq_cpu(child) + 1,
	};

	if (!bpf_task_storage_get(&tasks, child, &new, BPF_LOCAL_STORAGE_GET_F_CREATE))
		__sync_fetch_and_add(&state.fork_failures, 1);
	return 0;
}

SEC("tp_btf/cgroup_release")
int BPF_PROG(latency_cgroup_release, struct cgroup *cgroup, const char *path)
{
	__sync_fetch_and_add(&state.generation, 1);
	return 0;
}

SEC("iter/task")
int latency_scan(struct bpf_iter__task *ctx)
{
	struct task_struct *p = ctx->task;
	struct gs_seen seen = {};
	struct gs_task *task;
	struct gs_task new = {};

	if (!p || !p->pid)
		return 0;
	new.clock_ns = throttle_clock(p->se.cfs_rq);
	new.clock_cpu = task_rq_cpu(p) + 1;
	if (gs_method == GS_METHOD_LOG) {
		/* If it is queued right now, its run_delay does not hold that wait yet: exactly what is wanted. */
		new.known = 1;
		new.delay_ns = new.first_delay_ns = p->sched_info.run_delay;
		new.arrivals = p->sched_info.pcount;
		new.unsplit = new.clock_ns && p->sched_info.last_queued;
	}
	task = bpf_task_storage_get(&tasks, p, &new, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!task)
		return 0;
	seen.tid = p->pid;
	seen.pid = p->tgid;
	seen.cpu = task_rq_cpu(p);
	/* Without the run queue's lock: uses what is remembered if it is of this group, but remembers nothing. */
	seen.group = task->group_key == (__u64)p->sched_task_group ? task->group : find_group(p);
	seen.known = task->known;
	seen.queued_ns = task->queued_ns;
	seen.began_ns = task->moved ? task->began_ns : 0;
	seen.clock_ns = task->clock_ns;
	seen.counted_ns = task->counted_ns;
	seen.missed_ns = task->missed_ns;
	seen.parts = task->parts;
	seen.now_clock_ns = new.clock_ns;
	if (gs_method == GS_METHOD_LOG) {
		__u64 stamp = p->sched_info.last_queued;

		seen.kernel_ns = p->sched_info.run_delay - task->first_delay_ns;
		if (stamp && !task->suspect)
			seen.queued_ns = stamp;
	}
	seen.waiting = seen.queued_ns && p->on_rq && !p->on_cpu && !is_dequeue_delayed(p);
	bpf_probe_read_kernel_str(seen.comm, sizeof(seen.comm), p->comm);
	bpf_seq_write(ctx->meta->seq, &seen, sizeof(seen));
	return 0;
}
