/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place that knows how kernels differ. Each entry names the version and, where known, the commit.
 */
#ifndef GHOSTSCHED_COMPAT_BPF_H
#define GHOSTSCHED_COMPAT_BPF_H

#include "kernel.bpf.h"

/* The run queue's clock of the CPU a thread is on: what the scheduler itself stamps with, already read for this event. */
static __always_inline __u64 task_rq_clock(struct task_struct *p)
{
	return p->se.cfs_rq->rq->clock;
}

static __always_inline __u32 task_rq_cpu(struct task_struct *p)
{
	return p->se.cfs_rq->rq->cpu;
}

/* Whether the kernel exposes throttled time per group and CPU: Linux 6.6, CONFIG_CFS_BANDWIDTH. */
static __always_inline bool has_throttle_clock(void)
{
	return bpf_core_field_exists(((struct cfs_rq *)0)->throttled_clock_self);
}

/* How long the thread's group has been throttled on its CPU with threads queued, so far; 0 where the kernel hides it. */
static __always_inline __u64 throttle_clock(struct cfs_rq *q)
{
	__u64 total, since;

	if (!has_throttle_clock())
		return 0;
	since = q->throttled_clock_self;
	total = q->throttled_clock_self_time;
	if (since) {
		__u64 now = q->rq->clock;

		total += now > since ? now - since : 0;
	}
	return total;
}

/* The same on another CPU, whose lock is not held: may be late by one update. */
static __always_inline __u64 throttle_clock_on(struct task_struct *p, __u32 cpu)
{
	struct cfs_rq **queues, *q = 0;
	__u64 since = 0, total = 0, now = 0;

	if (!has_throttle_clock())
		return 0;
	queues = p->sched_task_group->cfs_rq;
	if (bpf_probe_read_kernel(&q, sizeof(q), queues + cpu) || !q)
		return 0;
	since = BPF_CORE_READ(q, throttled_clock_self);
	total = BPF_CORE_READ(q, throttled_clock_self_time);
	if (since) {
		now = BPF_CORE_READ(q, rq, clock);
		total += now > since ? now - since : 0;
	}
	return total;
}

/* Asleep but still on its queue, to be dequeued when it would be picked: Linux 6.12 (152e11f6df29). */
static __always_inline bool is_dequeue_delayed(struct task_struct *p)
{
	return bpf_core_field_exists(p->se.sched_delayed) && p->se.sched_delayed;
}

#endif
