// SPDX-License-Identifier: GPL-2.0-only
/*
 * The raw stream of scheduling events: what happened, to which thread of which cgroup, by the run queue's clock. It decides
 * nothing and accounts nothing, so it serves traces, and the tests that check the accounting against a plain replay.
 */
#include "kernel.bpf.h"
#include "compat.bpf.h"
#include "ghostsched_bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__u64 lost;
} recorder SEC(".bss.recorder");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before loading */
} events SEC(".maps");

/* A migrating thread's run_delay when it was last queued: what it waited since is the difference. */
struct seen {
	__u64 delay_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct seen);
} delays SEC(".maps");

static __always_inline __u64 cgroup_of(struct task_struct *p)
{
	__u64 id = p->sched_task_group->css.cgroup->kn->id;

	return id ? id : ROOT_CGROUP_ID;
}

static __always_inline bool has_stamps(void)
{
	return bpf_core_field_exists(((struct sched_info *)0)->last_queued);
}

static __always_inline struct gs_event *start(__u16 kind)
{
	struct gs_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&recorder.lost, 1);
		return 0;
	}
	event->kind = kind;
	event->flags = 0;
	event->queued_ns = event->arrived_ns = event->prev_clock_ns = 0;
	event->prev_tid = 0;
	return event;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(record_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct gs_event *event = start(GS_EVENT_SWITCH);
	struct seen *seen;

	if (!event)
		return 0;
	event->now_ns = task_rq_clock(prev);
	event->cpu = bpf_get_smp_processor_id();
	event->prev_tid = prev->pid;
	event->tid = next->pid;
	event->cgroup_id = cgroup_of(next);
	event->clock_ns = throttle_clock(next->se.cfs_rq);
	event->prev_clock_ns = throttle_clock(prev->se.cfs_rq);
	if (preempt || !prev_state)
		event->flags |= GS_LEFT_QUEUED;
	if (!prev_state)
		event->flags |= GS_STAMPED;
	if ((prev_state & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) == TASK_UNINTERRUPTIBLE)
		event->flags |= GS_LEFT_BLOCKED;
	if (prev_state & TASK_DEAD)
		event->flags |= GS_LEFT_DEAD;
	if (has_stamps()) {
		event->queued_ns = next->sched_info.last_queued;
		event->arrived_ns = prev->sched_info.last_arrival;
		seen = event->tid ? bpf_task_storage_get(&delays, next, 0, BPF_LOCAL_STORAGE_GET_F_CREATE) : 0;
		if (seen) {
			seen->delay_ns = next->sched_info.run_delay;
			if (event->queued_ns)
				seen->delay_ns += event->now_ns - event->queued_ns;
		}
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline int record_wake(struct task_struct *p)
{
	struct gs_event *event;

	if (p->on_cpu)
		return 0;
	event = start(GS_EVENT_WAKEUP);
	if (!event)
		return 0;
	event->now_ns = task_rq_clock(p);
	event->cpu = task_rq_cpu(p);
	event->tid = p->pid;
	event->cgroup_id = cgroup_of(p);
	event->clock_ns = throttle_clock(p->se.cfs_rq);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(record_wakeup, struct task_struct *p)
{
	return record_wake(p);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(record_wakeup_new, struct task_struct *p)
{
	return record_wake(p);
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(record_migrate, struct task_struct *p, int to)
{
	struct gs_event *event;
	struct seen *seen;

	if (p->on_rq != TASK_ON_RQ_MIGRATING || is_dequeue_delayed(p))
		return 0;
	event = start(GS_EVENT_MIGRATE);
	if (!event)
		return 0;
	event->now_ns = task_rq_clock(p);
	event->cpu = task_rq_cpu(p);
	event->tid = p->pid;
	event->prev_tid = to;
	event->cgroup_id = cgroup_of(p);
	event->clock_ns = throttle_clock(p->se.cfs_rq);
	event->prev_clock_ns = throttle_clock_on(p, to);
	if (has_stamps()) {
		/* A thread that has never run has never waited before; of one not seen yet the base is not known. */
		seen = bpf_task_storage_get(&delays, p, 0, p->sched_info.pcount ? 0 : BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (seen) {
			__u64 waited = p->sched_info.run_delay - seen->delay_ns;

			if (waited)
				event->queued_ns = event->now_ns - waited;
			seen->delay_ns = p->sched_info.run_delay;
		}
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}
