/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The accounting of queueing delay, on plain values: what latency.bpf.c runs in the kernel, compiled natively by the tests
 * and driven there against core::latency::Engine, its specification. No kernel structure is read here.
 *
 * The includer provides:
 *   GS_FUNCTION                 storage class of the functions the verifier checks one by one (global, not inlined)
 *   gs_loop(n, step, ctx)       call step(i, ctx) for i = 0.. until it returns non-zero or n times
 *   gs_cpu_of(cpu)              a CPU's state, or NULL
 *   gs_block_of(cpu, group)     the statistics block of a group on a CPU, or NULL
 *   gs_matrix_of(cpu)           the CPU's matrix, or NULL
 *   gs_run_clock(cpu, group)    pointer to the run clock of a group on a CPU (GS_METHOD_CLOCK), or NULL
 *   gs_bounds[], gs_buckets     upper bounds padded with the largest value; buckets in use
 *   gs_window                   the reader's window for maxima
 *   gs_method                   GS_METHOD_LOG or GS_METHOD_CLOCK
 *   gs_watching                 whether gs_on_wakeup() is called under GS_METHOD_LOG too, for the throttle clock
 *   gs_recording, gs_emit(...)  whether, and how, to tell of every finished wait (tests)
 *
 * A GS_FUNCTION is verified on its own, with any values its arguments' types allow: that keeps the number of paths the
 * verifier walks a sum, not a product. Its pointers may be NULL for all the verifier knows, so each checks.
 */
#ifndef GHOSTSCHED_LATENCY_LOGIC_H
#define GHOSTSCHED_LATENCY_LOGIC_H

#include "ghostsched_bpf.h"
#include "latency_record.h"
#include "latency_walk.h"

/*
 * GS_METHOD_CLOCK: one signed word a group and CPU. Below 0 the group runs, and the value is minus the time it had not
 * run by when it was given the CPU; otherwise it is the time the group has run so far. One load reads it, from any CPU.
 */
GS_INLINE __u64 gs_read_clock(__u32 cpu, __u32 group, __u64 now)
{
	__s64 *clock = gs_run_clock(cpu, group);
	__s64 value;

	if (!clock)
		return 0;
	value = *(volatile __s64 *)clock;
	return value < 0 ? (__u64)value + now : (__u64)value;
}

GS_INLINE void gs_turn_clock(__u32 cpu, __u32 group, __u64 by)
{
	__s64 *clock = gs_run_clock(cpu, group);

	if (clock)
		*(volatile __u64 *)clock += by;
}

/* Whether clock_ns is of a CPU: seen there, or read for the way to the CPU it came to. */
GS_INLINE int gs_knows_clock(const struct gs_task *task, __u32 cpu)
{
	return task->clock_cpu == cpu + 1 || task->clock_cpu == GS_CLOCK_OF_NEXT;
}

/* Starts a segment of a wait: own stamp, throttle clock and, with run clocks, what they show. */
GS_INLINE void gs_open(struct gs_task *task, __u32 cpu, __u64 now, __u64 throttle_clock)
{
	task->queued_ns = now;
	task->clock_ns = throttle_clock;
	task->clock_cpu = cpu + 1;
	task->queued_group = task->group;
	if (gs_method == GS_METHOD_CLOCK) {
		task->same_clock_ns = gs_read_clock(cpu, task->group, now);
		task->idle_clock_ns = gs_read_clock(cpu, GS_GROUP_IDLE, now);
	}
}

/*
 * Splits the open segment of a wait, [start, now) on a CPU, and adds it to the thread's parts. Where the run log does not
 * reach back that far the run clocks, if any, still know how much of it the own group and the idle thread ran (not who the
 * others were), unless a switch was missed meanwhile.
 */
GS_INLINE void gs_close(struct gs_cpu *cpu, __u32 cpu_id, struct gs_task *task, __u32 group, __u64 start, __u64 now,
			__u64 now_clock)
{
	/* Seen on another CPU last, nobody knows what the clock of this one showed at the start. */
	__u64 start_clock = gs_knows_clock(task, cpu_id) ? task->clock_ns : now_clock;
	struct gs_walk w = {
		.start = start,
		.start_clock = start_clock,
		.end = now,
		.gap_end = now,
		.gap_clock = gs_max(now_clock, start_clock),
		.cpu = cpu_id,
		.group = group,
		.find = now_clock > start_clock,
	};
	int reached = 1;

	if (task->unsplit)
		w.parts.unattributed_ns = gs_minus(now, start);
	else if (now > start)
		reached = gs_walk_span(&w);
	if (gs_method == GS_METHOD_CLOCK && !reached && group == task->queued_group && now_clock <= start_clock &&
	    cpu->broken_ns && cpu->broken_ns <= start) {
		__u64 same = gs_minus(gs_read_clock(cpu_id, group, now), task->same_clock_ns);
		__u64 idle = gs_minus(gs_read_clock(cpu_id, GS_GROUP_IDLE, now), task->idle_clock_ns);

		w.parts.same_ns = gs_min(same, now - start);
		w.parts.idle_ns = gs_min(idle, now - start - w.parts.same_ns);
		w.parts.other_ns = now - start - w.parts.same_ns - w.parts.idle_ns;
		w.parts.unattributed_ns = 0;
	}
	task->parts.same_ns += w.parts.same_ns;
	task->parts.other_ns += w.parts.other_ns;
	task->parts.idle_ns += w.parts.idle_ns;
	task->parts.throttled_ns += w.parts.throttled_ns;
	task->parts.unattributed_ns += w.parts.unattributed_ns;
}

/* One context switch, in plain values. */
struct gs_switch {
	__u64 now;
	__u64 prev_id;         /* identity, compared with what was seen before */
	__u64 next_id;
	__u64 prev_clock;      /* throttle clocks of the threads' groups on this CPU */
	__u64 next_clock;
	__u64 prev_arrived;    /* when the kernel says prev got the CPU; 0 = it does not say */
	__u64 next_queued;     /* when the kernel says next was queued; 0 = it does not say */
	__u64 next_delay;      /* the kernel's run_delay and pcount of next, before this switch */
	__u64 next_arrivals;
	__u32 cpu;
	__u32 next_group;
	__u32 prev_idle;
	__u32 next_idle;
	__u32 prev_queued;     /* prev stays runnable */
	__u32 prev_stamped;    /* and the kernel stamps it */
	__u32 prev_left_kind;  /* else how it sleeps */
	__u32 next_tid;
};

/*
 * prev is not who was seen to get this CPU: a switch was missed. Who ran since is not known, up to when the kernel says
 * prev arrived, if it does.
 */
GS_FUNCTION int gs_mend(const struct gs_switch *e, struct gs_task *prev)
{
	struct gs_cpu *cpu;
	__u64 arrived;

	if (!e)
		return 0;
	cpu = gs_cpu_of(e->cpu);
	if (!cpu)
		return 0;
	arrived = e->now;
	/* Group 0 is the idle thread's: the thread's own has not been looked up yet. */
	if (!e->prev_idle && prev && prev->group && e->prev_arrived > cpu->switched_ns && e->prev_arrived < e->now)
		arrived = e->prev_arrived;
	cpu->chain_breaks++;
	cpu->broken_ns = e->now;
	cpu->unknown_ns += gs_minus(arrived, cpu->switched_ns);
	if (gs_method == GS_METHOD_CLOCK)
		gs_turn_clock(e->cpu, cpu->group, e->now);
	gs_log_push(cpu, GS_GROUP_UNKNOWN, cpu->switched_ns, ~0ULL, 0);
	if (prev && arrived < e->now)
		gs_log_push(cpu, prev->group, arrived, ~0ULL, 0);
	else if (e->prev_idle)
		cpu->group = GS_GROUP_IDLE;
	else
		cpu->group = prev && prev->group ? prev->group : GS_GROUP_REST;
	if (gs_method == GS_METHOD_CLOCK)
		gs_turn_clock(e->cpu, cpu->group, -e->now);
	if (prev) {
		prev->on_ns = arrived < e->now ? arrived : 0;
		prev->queued_ns = prev->left_ns = 0;
		prev->suspect = prev->moved = prev->unsplit = 0;
		__builtin_memset(&prev->parts, 0, sizeof(prev->parts));
	}
	return 0;
}

/* Compares the kernel's count of next's waits with ours: any difference is a wait that no event told of. */
GS_INLINE void gs_reconcile(struct gs_cpu *cpu, struct gs_block *block, const struct gs_switch *e, struct gs_task *next)
{
	if (next->known) {
		__u64 waits = gs_minus(e->next_arrivals, next->arrivals);
		__u64 ns = gs_minus(e->next_delay, next->delay_ns);

		if (waits | ns) {
			cpu->missed_waits += waits;
			cpu->missed_ns += ns;
			next->missed_ns += ns;
			if (block) {
				block->missed_waits += waits;
				block->missed_ns += ns;
			}
		}
	} else {
		next->known = 1;
		next->first_delay_ns = e->next_delay;
		next->clock_cpu = e->cpu + 1;
		next->clock_ns = e->next_clock; /* what was throttled before is not known */
	}
	next->delay_ns = e->next_delay;
	next->arrivals = e->next_arrivals;
	if (e->next_queued) {
		next->delay_ns += gs_minus(e->now, e->next_queued);
		next->arrivals++;
	}
}

/* What is read back from storage is no constant to the verifier. */
GS_INLINE __u64 gs_left_kind(const struct gs_task *task)
{
	return task->left_kind == GS_KIND_BLOCK ? GS_KIND_BLOCK : GS_KIND_SLEEP;
}

/* Ends a wait that one look at the log does not explain: it moved, or others ran in between, or it was throttled. */
GS_FUNCTION int gs_end_wait(const struct gs_switch *e, struct gs_task *next, __u64 queued)
{
	struct gs_block *block;
	struct gs_cpu *cpu;

	if (!e || !next)
		return 0;
	cpu = gs_cpu_of(e->cpu);
	if (!cpu)
		return 0;
	if (gs_method == GS_METHOD_LOG && !gs_watching && next->left_ns && !next->moved && e->next_clock &&
	    (e->next_clock > next->clock_ns || !gs_knows_clock(next, e->cpu)))
		cpu->throttle_clipped++;
	gs_close(cpu, e->cpu, next, e->next_group, queued, e->now, e->next_clock);
	block = gs_block_of(e->cpu, e->next_group);
	if (block)
		gs_record_wait(block, &next->parts, gs_total(&next->parts));
	if (next->moved) {
		cpu->migrated_waits++;
		cpu->moving_ns += gs_minus(gs_minus(e->now, next->began_ns), gs_total(&next->parts));
	}
	gs_emit(e, queued, next);
	__builtin_memset(&next->parts, 0, sizeof(next->parts));
	return 0;
}

/* next gets the CPU: ends its wait, or its sleep. */
GS_INLINE void gs_arrive(struct gs_cpu *cpu, struct gs_block *block, const struct gs_switch *e, struct gs_task *next)
{
	__u64 queued = e->next_queued ? e->next_queued : next->queued_ns;
	__u64 began = e->now;

	if (gs_method == GS_METHOD_LOG)
		gs_reconcile(cpu, block, e, next);
	if (queued && next->suspect) {
		cpu->suspect_waits++;
		cpu->suspect_ns += gs_minus(e->now, queued);
		next->missed_ns += gs_minus(e->now, queued);
		next->suspect = next->moved = 0;
		__builtin_memset(&next->parts, 0, sizeof(next->parts));
	} else if (queued || next->moved) {
		if (!queued) /* moved, and not queued again as far as anyone tells */
			queued = e->now;
		began = next->moved ? next->began_ns : queued;
		if (!(next->moved | next->unsplit) && !gs_recording && gs_is_simple(cpu, queued, next->clock_ns, e->next_clock) &&
		    (!e->next_clock || gs_knows_clock(next, e->cpu))) {
			__u32 runner = cpu->log[cpu->head & (GS_LOG_LEN - 1)].group;
			__u64 cause = gs_cause(runner, e->next_group);

			if (block)
				gs_record_simple_wait(block, cause, gs_minus(e->now, queued));
			if (cause == GS_KIND_OTHER && e->now > queued)
				gs_blame(e->cpu, e->next_group, runner, gs_minus(e->now, queued));
		} else {
			gs_end_wait(e, next, queued);
		}
		if (gs_method == GS_METHOD_LOG && !e->next_queued) {
			cpu->extra_waits++;
			cpu->extra_ns += gs_minus(e->now, queued);
		} else {
			next->counted_ns += gs_minus(e->now, queued);
		}
		next->moved = next->unsplit = 0;
	}
	if (block && next->left_ns)
		gs_record_spell(block, gs_left_kind(next), gs_minus(began, next->left_ns));
	next->queued_ns = next->left_ns = 0;
	next->on_ns = e->now;
	next->clock_ns = e->next_clock;
	next->clock_cpu = e->cpu + 1;
}

/* prev leaves the CPU: ends its spell, and starts its wait or its sleep. No block: what it did is not known. */
GS_INLINE void gs_leave(struct gs_block *block, const struct gs_switch *e, struct gs_task *prev)
{
	if (block && prev->on_ns) {
		gs_record_spell(block, GS_KIND_ON, gs_minus(e->now, prev->on_ns));
		block->throttled_on_ns += gs_minus(e->prev_clock, prev->clock_ns);
	}
	prev->on_ns = 0;
	prev->clock_ns = e->prev_clock;
	prev->clock_cpu = e->cpu + 1;
	if (!e->prev_queued) {
		prev->left_ns = e->now;
		prev->left_kind = e->prev_left_kind;
	} else if (gs_method == GS_METHOD_CLOCK || !e->prev_stamped) {
		gs_open(prev, e->cpu, e->now, e->prev_clock);
	}
}

GS_INLINE void gs_on_switch(struct gs_cpu *cpu, const struct gs_switch *e, struct gs_task *prev, struct gs_task *next)
{
	struct gs_block *block = 0;
	__u32 leaving;

	cpu->switches++;
	if (!cpu->current)
		cpu->broken_ns = e->now;
	else if (cpu->current != e->prev_id)
		gs_mend(e, prev);
	leaving = cpu->group;
	if (next) {
		block = gs_block_of(e->cpu, e->next_group);
		if (block)
			gs_enter_window(block);
		gs_arrive(cpu, block, e, next);
	} else if (!e->next_idle) {
		cpu->storage_failures++;
	}
	if (prev) {
		if (!cpu->current) { /* the first switch of this CPU: when prev came, and as whom, is not known */
			block = 0;
		} else if (leaving != e->next_group || !block) {
			block = gs_block_of(e->cpu, leaving);
			if (block)
				gs_enter_window(block);
		}
		gs_leave(block, e, prev);
	}
	if (gs_method == GS_METHOD_CLOCK && (!cpu->current || e->next_group != leaving)) {
		if (cpu->current)
			gs_turn_clock(e->cpu, leaving, e->now);
		gs_turn_clock(e->cpu, e->next_group, -e->now);
	}
	/* Consecutive spells of one group are one segment. After a missed switch the open segment may be nobody's. */
	if (!cpu->filled || cpu->log[cpu->head & (GS_LOG_LEN - 1)].group != e->next_group)
		gs_log_push(cpu, e->next_group, e->now, e->prev_clock, e->next_clock);
	cpu->group = e->next_group;
	cpu->current = e->next_id;
	cpu->switched_ns = e->now;
}

/* A thread becomes runnable (GS_METHOD_CLOCK), or only its throttle clock is wanted (GS_METHOD_LOG). */
GS_INLINE void gs_on_wakeup(struct gs_task *task, __u32 cpu, __u64 now, __u64 throttle_clock)
{
	if (gs_method == GS_METHOD_LOG) {
		if (!task->queued_ns && !task->moved) { /* else it waits already: preempted on its way to sleep */
			task->clock_ns = throttle_clock;
			task->clock_cpu = cpu + 1;
		}
		return;
	}
	if (!task->queued_ns && !task->on_ns)
		gs_open(task, cpu, now, throttle_clock);
}

/*
 * A queued thread leaves a CPU's queue for another's: ends the segment of its wait here. `delay` and `arrivals` are the
 * kernel's run_delay and pcount, in which the kernel has by now counted this segment (GS_METHOD_LOG); `from_clock` is its
 * group's throttle clock here, `to_clock` there.
 */
GS_INLINE void gs_on_migrate(struct gs_cpu *cpu, struct gs_task *task, __u32 from, __u32 to, __u64 now, __u64 delay,
			     __u64 arrivals, __u64 from_clock, __u64 to_clock)
{
	__u64 start = task->queued_ns;

	if (gs_method == GS_METHOD_LOG) {
		__u64 segment = gs_minus(delay, task->delay_ns);

		if (!task->known && arrivals) { /* first seen: how long it has been queued is not known */
			segment = 0;
			task->first_delay_ns = delay;
		} else if (task->known && arrivals != task->arrivals) { /* some of it was waits that no event told of */
			cpu->missed_waits += gs_minus(arrivals, task->arrivals);
			cpu->missed_ns += segment;
			task->missed_ns += segment;
			segment = 0;
			start = 0;
		} else if (task->suspect) { /* it slept for some of it; the kernel's next stamp is right */
			cpu->suspect_waits++;
			cpu->suspect_ns += segment;
			task->missed_ns += segment;
			task->suspect = 0;
			segment = 0;
			start = 0;
		}
		task->known = 1;
		task->delay_ns = delay;
		task->arrivals = arrivals;
		task->counted_ns += segment;
		if (segment) {
			start = now - segment;
		} else if (start) {
			cpu->extra_waits++;
			cpu->extra_ns += now - start;
		}
	}
	if (!start)
		return;
	gs_close(cpu, from, task, task->group, start, now, from_clock);
	if (!task->moved)
		task->began_ns = start;
	task->moved = 1;
	task->queued_ns = 0;
	if (gs_method == GS_METHOD_CLOCK)
		gs_open(task, to, now, to_clock);
	task->clock_ns = to_clock;
	task->clock_cpu = GS_CLOCK_OF_NEXT;
}

#endif
