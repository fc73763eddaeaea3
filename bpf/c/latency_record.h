/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Recording durations: buckets, blocks and their windows of maxima. Part of latency_logic.h, which says what the includer
 * provides.
 */
#ifndef GHOSTSCHED_LATENCY_RECORD_H
#define GHOSTSCHED_LATENCY_RECORD_H

#include "ghostsched_bpf.h"

#define GS_INLINE static inline __attribute__((always_inline))

GS_INLINE __u64 gs_minus(__u64 a, __u64 b)
{
	return a > b ? a - b : 0;
}

GS_INLINE __u64 gs_min(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

GS_INLINE __u64 gs_max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

/*
 * The bucket of a value: the first bound >= value, without a branch on the value. Durations and bounds are below 2^63, so
 * the sign bit of the difference is the comparison; padding bounds are never passed. Steps longer than the list are
 * dropped when the program is loaded (gs_buckets is a constant to the verifier).
 */
GS_INLINE __u64 gs_bucket(__u64 value)
{
	__u64 i = 0;

	if (gs_buckets > 32)
		i += ((gs_bounds[31] - value) >> 63) << 5;
	if (gs_buckets > 16)
		i += ((gs_bounds[(i + 15) & 63] - value) >> 63) << 4;
	if (gs_buckets > 8)
		i += ((gs_bounds[(i + 7) & 63] - value) >> 63) << 3;
	if (gs_buckets > 4)
		i += ((gs_bounds[(i + 3) & 63] - value) >> 63) << 2;
	if (gs_buckets > 2)
		i += ((gs_bounds[(i + 1) & 63] - value) >> 63) << 1;
	i += (gs_bounds[i & 63] - value) >> 63;
	if (gs_buckets > 64)
		i += (gs_bounds[i & 63] - value) >> 63;
	return i;
}

GS_INLINE void gs_count(struct gs_block *block, __u64 kind, __u64 bucket, __u64 value)
{
	__u64 at = kind * gs_buckets + bucket;

	/* Always so, as the verifier cannot know; 64 bits wide, since that of Linux 6.1 forgets the bounds of narrower ones. */
	if (at < (__u64)gs_buckets * GS_KINDS)
		block->counts[at]++;
	if (value > block->max_ns[kind])
		block->max_ns[kind] = value;
}

/* Moves the maxima to the window before when the reader has opened a new one. */
GS_INLINE void gs_enter_window(struct gs_block *block)
{
	__u64 window = gs_window;

	if (block->window == window)
		return;
	for (int kind = 0; kind < GS_KINDS; kind++) {
		block->last_max_ns[kind] = block->window + 1 == window ? block->max_ns[kind] : 0;
		block->max_ns[kind] = 0;
	}
	block->window = window;
}

/* The block's window must have been entered. */
GS_INLINE void gs_record_spell(struct gs_block *block, __u64 kind, __u64 value)
{
	block->sum_ns[kind] += value;
	gs_count(block, kind, gs_bucket(value), value);
}

GS_INLINE void gs_record_part(struct gs_block *block, __u64 kind, __u64 value, __u64 total, __u64 bucket)
{
	if (!value)
		return;
	block->sum_ns[kind] += value;
	/* Most waits have one cause, and its bucket is the whole's. */
	gs_count(block, kind, value == total ? bucket : gs_bucket(value), value);
}

GS_INLINE __u64 gs_total(const struct gs_parts *parts)
{
	return parts->same_ns + parts->other_ns + parts->idle_ns + parts->throttled_ns + parts->unattributed_ns;
}

GS_INLINE void gs_record_wait(struct gs_block *block, const struct gs_parts *parts, __u64 total)
{
	__u64 bucket = gs_bucket(total);

	gs_count(block, GS_KIND_WAIT, bucket, total);
	gs_record_part(block, GS_KIND_SAME, parts->same_ns, total, bucket);
	gs_record_part(block, GS_KIND_OTHER, parts->other_ns, total, bucket);
	gs_record_part(block, GS_KIND_IDLE, parts->idle_ns, total, bucket);
	gs_record_part(block, GS_KIND_THROTTLED, parts->throttled_ns, total, bucket);
	block->sum_ns[GS_KIND_WAIT] += parts->unattributed_ns;
}

/* A wait of one cause: GS_KIND_SAME, GS_KIND_OTHER, GS_KIND_IDLE, or GS_KIND_WAIT for unattributed. */
GS_INLINE void gs_record_simple_wait(struct gs_block *block, __u64 cause, __u64 total)
{
	__u64 bucket = gs_bucket(total);

	gs_count(block, GS_KIND_WAIT, bucket, total);
	if (!total)
		return;
	block->sum_ns[cause] += total;
	if (cause != GS_KIND_WAIT)
		gs_count(block, cause, bucket, total);
}

#endif
