// SPDX-License-Identifier: MIT OR Apache-2.0
// The inline functions of ghostsched_pnt.h as symbols, for src/lib.rs.

static struct gs_pnt_ring *ring_of_hierarchy(unsigned int index);
#define GS_PNT_RING(index) ring_of_hierarchy(index)
#include "ghostsched_pnt.h"

// The hierarchy of the call that is under way on this thread.
static _Thread_local struct gs_pnt_ring *rings;
static _Thread_local unsigned int ring_count;

static struct gs_pnt_ring *ring_of_hierarchy(unsigned int index)
{
	return index < ring_count ? &rings[index] : NULL;
}

void native_init(struct gs_pnt_ring *ring, unsigned int kind)
{
	gs_pnt_init(ring, kind);
}

long long native_push(struct gs_pnt_ring *ring, const struct gs_pnt_task *task)
{
	return gs_pnt_push(ring, task);
}

long long native_push_shared(struct gs_pnt_ring *ring, const struct gs_pnt_task *task)
{
	return gs_pnt_push_shared(ring, task);
}

int native_pop(struct gs_pnt_ring *ring, unsigned int cpu, unsigned long long skip, struct gs_pnt_claim *claim)
{
	return gs_pnt_pop_except(ring, cpu, skip, claim);
}

int native_pop_path(struct gs_pnt_ring *all, unsigned int count, const struct gs_pnt_path *path, unsigned int cpu,
		    struct gs_pnt_claim *claim)
{
	rings = all;
	ring_count = count;
	return gs_pnt_pop_path(path, cpu, claim) != NULL;
}

void native_complete(struct gs_pnt_ring *ring, const struct gs_pnt_claim *claim)
{
	gs_pnt_complete(ring, claim);
}

void native_fail(struct gs_pnt_ring *ring, const struct gs_pnt_claim *claim, int code)
{
	gs_pnt_fail(ring, claim, code);
}

void native_put_back(struct gs_pnt_ring *ring, const struct gs_pnt_claim *claim)
{
	gs_pnt_put_back(ring, claim);
}

int native_revoke(struct gs_pnt_ring *ring, unsigned long long ticket)
{
	return gs_pnt_revoke(ring, ticket);
}

int native_move(struct gs_pnt_ring *from, unsigned long long ticket, struct gs_pnt_ring *to, long long *moved)
{
	return gs_pnt_move(from, ticket, to, moved);
}

int native_move_one(struct gs_pnt_ring *from, struct gs_pnt_ring *to, long long *moved)
{
	return gs_pnt_move_one(from, to, moved);
}

unsigned long long native_take_failures(struct gs_pnt_ring *ring)
{
	return gs_pnt_take_failures(ring);
}

int native_take_failure(struct gs_pnt_ring *ring, unsigned int index, struct gs_pnt_snapshot *failure)
{
	return gs_pnt_take_failure(ring, index, failure);
}

int native_watch(struct gs_pnt_ring *ring, unsigned int index, struct gs_pnt_snapshot *seen)
{
	return gs_pnt_watch(ring, index, seen);
}
