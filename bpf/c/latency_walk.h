/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The run log of a CPU, the walk that splits a wait over it, and the culprit matrix. Part of latency_logic.h, which says what
 * the includer provides; core::latency::run_log is its specification.
 */
#ifndef GHOSTSCHED_LATENCY_WALK_H
#define GHOSTSCHED_LATENCY_WALK_H

#include "latency_record.h"

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

#endif
