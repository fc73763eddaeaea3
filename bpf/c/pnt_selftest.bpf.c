// SPDX-License-Identifier: GPL-2.0-only
/*
 * PNT rings from the BPF side, for tests: that the verifier accepts every operation of ghostsched_pnt.h in a program that
 * may not sleep, as those in pick_next_task may not, and that a program and userspace agree on the same memory. A raw
 * tracepoint that is never attached: each program is run by BPF_PROG_TEST_RUN, with its arguments in place of the
 * tracepoint's.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct gs_pnt_ring;
static struct gs_pnt_ring *ring_of(__u32 index);
#define GS_PNT_RING(index) ring_of(index)
#include "ghostsched_pnt.h"

/* [ring] and [cpu]; how many is set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_pnt_ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_pnt_path);
} paths SEC(".maps");

/* [caller]: what the last program took, so that callers on several CPUs do not share one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_pnt_claim);
} taken SEC(".maps");

static __always_inline struct gs_pnt_ring *ring_of(__u32 index)
{
	return bpf_map_lookup_elem(&rings, &index);
}

static __always_inline void task_of(const __u64 *args, struct gs_pnt_task *task)
{
	task->gtid = args[0];
	task->data = args[1];
	task->time_ns = args[2];
	task->barrier = (__u32)args[3];
	task->run_flags = (__u32)(args[3] >> 32);
}

/* (ring, gtid, data, time_ns, barrier | run_flags << 32) -> 1, or 0: no room */
SEC("raw_tp")
int pnt_push(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *args = (__u64 *)ctx;
	struct gs_pnt_ring *ring = ring_of((__u32)args[0]);
	struct gs_pnt_task task;

	if (!ring)
		return 0;
	task_of(args + 1, &task);
	return gs_pnt_push_any(ring, &task) >= 0;
}

/* (cpu, caller, outcome) -> 1, or 0: no task. The outcome is 0 = latched, negative = its code, 1 = put back. */
SEC("raw_tp")
int pnt_pop(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *args = (__u64 *)ctx;
	__u32 cpu = (__u32)args[0], caller = (__u32)args[1];
	__s32 outcome = (__s32)args[2];
	struct gs_pnt_path *path = bpf_map_lookup_elem(&paths, &cpu);
	struct gs_pnt_claim *seen = bpf_map_lookup_elem(&taken, &caller);
	struct gs_pnt_claim claim = {};
	struct gs_pnt_ring *ring;

	if (!path || !seen)
		return 0;
	ring = gs_pnt_pop_path(path, cpu, &claim);
	if (!ring)
		return 0;
	*seen = claim;
	if (!outcome)
		gs_pnt_complete(ring, &claim);
	else if (outcome < 0)
		gs_pnt_fail(ring, &claim, outcome);
	else
		gs_pnt_put_back(ring, &claim);
	return 1;
}

/* (ring, ticket, caller) -> the state that was found */
SEC("raw_tp")
int pnt_revoke(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *args = (__u64 *)ctx;
	struct gs_pnt_ring *ring = ring_of((__u32)args[0]);

	return ring ? gs_pnt_revoke(ring, args[1]) : (__s32)GS_PNT_EMPTY;
}

/* (from, to) -> 1 = moved the next task, 0: none, or no room */
SEC("raw_tp")
int pnt_move(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *args = (__u64 *)ctx;
	struct gs_pnt_ring *from = ring_of((__u32)args[0]), *to = ring_of((__u32)args[1]);
	__s64 ticket = GS_PNT_FULL;

	return from && to && gs_pnt_move_one(from, to, &ticket) && ticket >= 0;
}
