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

/* Adds to the culprit matrix of a CPU. A pair that finds no room is counted as lost, its time stays in other_ns. */
GS_FUNCTION int gs_blame(__u32 cpu_id, __u32 victim, __u32 by, __u64 ns)
{
	__u32 slot = (victim * 0x9e3779b1u ^ by * 0x85ebca6bu) >> 7;
	struct gs_matrix *matrix = gs_matrix_of(cpu_id);
	struct gs_cpu *cpu;

	if (!matrix)
		return 0;
	for (int probe = 0; probe < GS_MATRIX_PROBES; probe++) {
		struct gs_cell *cell = &matrix->cells[(slot + probe) & (GS_MATRIX_CELLS - 1)];

		if (cell->victim == victim && cell->by == by) {
			cell->ns += ns;
			return 0;
		}
		if (!cell->victim) {
			/* The reader takes a cell by its victim, so that goes in last. */
			cell->by = by;
			cell->ns = ns;
			*(volatile __u32 *)&cell->victim = victim;
			return 0;
		}
	}
	cpu = gs_cpu_of(cpu_id);
	if (cpu)
		cpu->matrix_overflow_ns += ns;
	return 0;
}

/*
 * The walk: splits one segment of a wait, [start, now) on one CPU, over that CPU's run log, backwards.
 *
 * A throttled group does not run, so throttled time lies in the gaps between the group's own segments. How much of a gap
 * was throttled is known exactly: the difference of the group's throttle clock between the gap's ends. A group is
 * throttled when it runs out of quota, that is when it stops running, or is found throttled when a thread is queued: the
 * throttled time is the beginning of the gap. So with throttling a gap is passed twice: FIND looks for its beginning and
 * the clock there, ACCOUNT splits what comes after the throttled time by who ran.
 */
struct gs_walk {
	__u64 start;       /* of the wait's segment */
	__u64 start_clock; /* throttle clock then */
	__u64 end;         /* right end of the log segment at hand */
	__u64 gap_end;     /* right end of the gap */
	__u64 gap_clock;   /* throttle clock there */
	__u64 cut;         /* end of the throttled beginning of the gap; 0 = none */
	__u32 back;        /* segments passed, from the head */
	__u32 gap_back;    /* where the gap's right end is */
	__u32 cpu;
	__u32 group;       /* the waiting group */
	__u32 find;
	__u32 done;
	struct gs_parts parts;
};

GS_INLINE void gs_charge(struct gs_walk *w, __u32 runner, __u64 ns)
{
	if (runner == GS_GROUP_IDLE) {
		w->parts.idle_ns += ns;
	} else if (runner == GS_GROUP_UNKNOWN) {
		w->parts.unattributed_ns += ns;
	} else {
		w->parts.other_ns += ns;
		gs_blame(w->cpu, w->group, runner, ns);
	}
}

/* Splits [from, to) at the cut: throttled before, the runner's after. */
GS_INLINE void gs_charge_cut(struct gs_walk *w, __u32 runner, __u64 from, __u64 to)
{
	__u64 throttled = gs_min(gs_minus(w->cut, from), to - from);

	w->parts.throttled_ns += throttled;
	if (to - from > throttled)
		gs_charge(w, runner, to - from - throttled);
}

/* The gap's beginning is found: sets the cut and goes back to the gap's end to account. */
GS_INLINE void gs_cut_at(struct gs_walk *w, __u64 gap_start, __u64 clock)
{
	w->cut = gap_start + gs_min(gs_minus(w->gap_clock, clock), w->gap_end - gap_start);
	w->back = w->gap_back;
	w->end = w->gap_end;
	w->find = 0;
}

/* One step; non-zero ends the walk. */
GS_INLINE int gs_walk_one(struct gs_walk *w, const struct gs_cpu *cpu)
{
	const struct gs_segment *segment;

	if (w->back >= cpu->filled || w->back >= GS_LOG_LEN) { /* the log does not reach back that far */
		if (!w->find)
			return 1;
		gs_cut_at(w, w->start, w->start_clock);
		return 0;
	}
	segment = &cpu->log[(cpu->head - w->back) & (GS_LOG_LEN - 1)];
	if (w->find) {
		if (segment->group == w->group) {
			gs_cut_at(w, w->end, w->end == w->gap_end ? w->gap_clock : segment->clock_end_ns);
		} else if (segment->start_ns <= w->start) {
			gs_cut_at(w, w->start, w->start_clock);
		} else {
			w->end = segment->start_ns;
			w->back++;
		}
		return 0;
	}
	if (w->end > w->start) {
		__u64 from = gs_min(gs_max(segment->start_ns, w->start), w->end);

		if (segment->group == w->group)
			w->parts.same_ns += w->end - from;
		else
			gs_charge_cut(w, segment->group, from, w->end);
	}
	if (segment->start_ns <= w->start) {
		w->done = 1;
		return 1;
	}
	w->end = gs_min(w->end, segment->start_ns);
	w->back++;
	if (segment->group == w->group) { /* the gap before it begins */
		w->gap_clock = segment->clock_start_ns;
		w->gap_end = w->end;
		w->gap_back = w->back;
		w->cut = 0;
		w->find = w->gap_clock > w->start_clock;
	}
	return 0;
}

/* As many steps as make the call and the look-up of the CPU small beside them. */
#define GS_WALK_STEPS 16

GS_FUNCTION int gs_walk_some(struct gs_walk *w)
{
	const struct gs_cpu *cpu;

	if (!w)
		return 1;
	cpu = gs_cpu_of(w->cpu);
	if (!cpu)
		return 1;
	for (int i = 0; i < GS_WALK_STEPS; i++)
		if (gs_walk_one(w, cpu))
			return 1;
	return 0;
}

static long gs_walk_step(__u32 i, struct gs_walk *w)
{
	int stop = gs_walk_some(w);

	(void)i;
	/* The compiler knows it is 0 or 1, the verifier does not: make it say so. */
	asm volatile("" : "+r"(stop));
	return stop ? 1 : 0;
}

/* Walks the log over [start, end), with throttling twice. Returns whether it reaches back to the start. */
GS_INLINE int gs_walk_span(struct gs_walk *w)
{
	gs_loop(2 * GS_LOG_LEN / GS_WALK_STEPS + 1, gs_walk_step, w);
	if (!w->done) /* before the log begins: throttled as far as that is known, else not known */
		gs_charge_cut(w, GS_GROUP_UNKNOWN, w->start, gs_max(w->end, w->start));
	return w->done;
}

/* The cause of time behind a group's segment, as a kind; GS_KIND_WAIT = not known. */
GS_INLINE __u64 gs_cause(__u32 runner, __u32 group)
{
	if (runner == group)
		return GS_KIND_SAME;
	if (runner == GS_GROUP_IDLE)
		return GS_KIND_IDLE;
	return runner == GS_GROUP_UNKNOWN ? GS_KIND_WAIT : GS_KIND_OTHER;
}

/* Whether one segment, the open one, covers the whole span and nothing was throttled: by far the most common. */
GS_INLINE int gs_is_simple(const struct gs_cpu *cpu, __u64 start, __u64 start_clock, __u64 now_clock)
{
	return now_clock <= start_clock && cpu->filled && cpu->log[cpu->head & (GS_LOG_LEN - 1)].start_ns <= start;
}

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
	__u64 start_clock = task->clock_cpu == cpu_id + 1 ? task->clock_ns : now_clock;
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

/* Opens a segment of the run log. */
GS_INLINE void gs_log_push(struct gs_cpu *cpu, __u32 group, __u64 now, __u64 clock_end, __u64 clock_start)
{
	struct gs_segment *segment = &cpu->log[cpu->head & (GS_LOG_LEN - 1)];

	segment->clock_end_ns = clock_end;
	segment = &cpu->log[(cpu->head + 1) & (GS_LOG_LEN - 1)];
	segment->start_ns = now;
	segment->group = group;
	segment->clock_start_ns = clock_start;
	cpu->head++;
	if (cpu->filled < GS_LOG_LEN)
		cpu->filled++;
	cpu->group = group;
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
	    (e->next_clock > next->clock_ns || next->clock_cpu != e->cpu + 1))
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
		    (!e->next_clock || next->clock_cpu == e->cpu + 1)) {
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
	task->clock_ns = to_clock;
	task->clock_cpu = to + 1;
	if (gs_method == GS_METHOD_CLOCK)
		gs_open(task, to, now, to_clock);
}

#endif
