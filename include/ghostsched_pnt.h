/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * PNT rings: runnable tasks that an agent leaves for idle CPUs, so that the BPF program in pick_next_task finds one without
 * a round trip to userspace. This header is both halves of that memory, its layout and its operations, compiled for BPF
 * and natively (C11, C++17); the Rust half is core/src/shared/pnt.
 *
 * A ring has 64 slots. The word of a slot, lap << 32 | state, is the only arbiter of who may touch it. The lap counts how
 * often the slot has been freed, so a word never comes back (but for 2^32 laps), and a ticket (lap * 64 + index) names one
 * push for ever: a late revoke cannot hit another task. One slot's walk, and who writes each step:
 *
 *   1  EMPTY   | lap        free; the zeroth lap's by gs_pnt_init()
 *   2  FILLING | lap        producer, by compare-exchange; only where there are several. A single producer skips this step
 *   3  the task's fields    producer
 *   4  READY   | lap        producer, release. The task may be taken
 *   5  cpu     | lap        popper, by compare-exchange: the CPU that will run it. Exclusive
 *   6  EMPTY   | lap + 1    popper, release: latched (gs_pnt_complete). Nothing to reap
 * or, after 5:
 *   6a code    | lap        popper, release: the kernel refused (gs_pnt_fail), then the slot's bit in `failed`
 *   7a EMPTY   | lap + 1    agent, release: it has taken the failure
 *   6b READY   | lap        popper, release: put back (gs_pnt_put_back), the slot's bit in `listed` first
 * or, instead of 5:
 *   5c HELD    | lap        agent, by compare-exchange: it revokes or moves the task. Exclusive
 *   6c EMPTY   | lap + 1    agent, release: revoked, or by now READY in another ring; else 6b: the other ring was full
 *
 * Hints. `tail` is where the next push looks first, `head` where the next pop does; both are checked against words and may
 * be anything. The rule that makes `head` sound: no slot before it is or becomes READY without a bit in `listed`. So a pop
 * moves it over what is taken, failed, held or of a newer lap, but never over FILLING. A value that was sound stays so;
 * therefore a slow popper may write an old one: it costs steps, and where the words show that it is a lap behind, a look
 * at all slots. A pop ends at EMPTY of the lap it expects, or at a slot that the lap before still uses: nothing has been
 * pushed there or later.
 *
 * `listed` has a bit for each READY slot that a pop must find whatever `head` says: in a first-in-first-out ring those that
 * were put back, in a GS_PNT_EARLIEST ring all. A bit is changed only by who holds its slot (FILLING, cpu, HELD): set
 * before READY, cleared after the claim. So no bit is lost, and none stays behind.
 *
 * Order. First in, first out, as long as pops do not overlap; a task put back comes before those in the ring.
 * GS_PNT_EARLIEST: the smallest time_ns among the tasks that were READY during the whole pop, unless another popper or the
 * agent took it first; after GS_PNT_TRIES such losses any READY task. An answer "none" means that each slot was seen
 * without a task that is READY, or lost to another, during the call.
 *
 * Memory of another program is not trusted: indices are masked, loops bounded; nonsense words are no task and no room.
 *
 * Rings live in a BPF array map, one ring an element, mmapable: the lookup is inlined and checks the index, elements are
 * contiguous and 64-aligned, and the verifier needs no bounds of a region. Paths live in a second one, an element a CPU.
 * New maps are zero, which is no kind: nothing can be pushed or popped before gs_pnt_init().
 */
#ifndef GHOSTSCHED_PNT_H
#define GHOSTSCHED_PNT_H

#include <linux/types.h>
#include <stddef.h>

#define GS_PNT_ORDER 6
#define GS_PNT_SLOTS 64 /* constant, so that the verifier knows the mask */
#define GS_PNT_MASK (GS_PNT_SLOTS - 1)
#define GS_PNT_LEVELS 4
#ifdef __bpf__
#define GS_PNT_TRIES 1 /* each costs the verifier 64 rounds a level */
#else
#define GS_PNT_TRIES 4
#endif

/* States: the numbers of ghOSt's transactions where one exists; 0..GS_PNT_MAX_CPU = claimed by that CPU. */
#define GS_PNT_READY 0x7fffffffu
#define GS_PNT_EMPTY 0x7ffffffeu
#define GS_PNT_FILLING 0x7ffffffdu
#define GS_PNT_HELD 0x7ffffffcu
#define GS_PNT_MAX_CPU 0x7fffffefu
#define GS_PNT_FINAL 0x80000000u /* set in every code of a failure, as in GHOST_TXN_TARGET_STALE and its kin */

/* Kinds. */
#define GS_PNT_SINGLE 1u   /* first in, first out; one producer: gs_pnt_push() */
#define GS_PNT_SHARED 2u   /* first in, first out; several producers: gs_pnt_push_shared() */
#define GS_PNT_EARLIEST 3u /* smallest time_ns first; several producers: gs_pnt_push_shared() */

/* Answers of a push instead of a ticket. */
#define GS_PNT_FULL (-1)
#define GS_PNT_WRONG_KIND (-2)

/* And of the claim of a task. */
#define GS_PNT_NONE (-1)
#define GS_PNT_ASTRAY (-2) /* not outside: look at all slots */

/* What is pushed and popped. */
struct gs_pnt_task {
	__u64 gtid;
	__u64 data;      /* the agent's own */
	__u64 time_ns;   /* deadline or time of enqueuing, by the agent's clock */
	__u32 barrier;   /* the task barrier it was decided under */
	__u32 run_flags; /* for bpf_ghost_run_gtid() */
};

struct gs_pnt_slot {
	__u64 word;
	struct gs_pnt_task task;
	__u64 reserved[3];
} __attribute__((aligned(64)));

struct gs_pnt_ring {
	__u32 kind; /* written by gs_pnt_init() only, so that this line stays shared */
	__u32 reserved0[15];
	__u64 head; /* poppers */
	__u64 listed;
	__u64 reserved1[6];
	__u64 tail;   /* producers */
	__u64 failed; /* poppers set bits, the agent takes them all */
	__u64 reserved2[6];
	struct gs_pnt_slot slots[GS_PNT_SLOTS];
} __attribute__((aligned(64)));

/* The rings one CPU pops from, nearest first: its own, its LLC's, its NUMA node's, the global one. Written by the agent. */
struct gs_pnt_path {
	__u32 count;
	__u32 ring[GS_PNT_LEVELS];
	__u32 reserved; /* array maps round values up to 8 bytes */
};

/* A popped task, not shared: from the pop until it is completed, failed or put back. */
struct gs_pnt_claim {
	struct gs_pnt_task task;
	__u32 lap;
	__u32 index;
	__u32 ring; /* after gs_pnt_pop_path(): which ring */
	__u32 reserved;
};

/* What is in a slot: a failure that was taken, or a look at it. */
struct gs_pnt_snapshot {
	struct gs_pnt_task task;
	__u64 ticket;
	__u32 state;
	__u32 reserved;
};

#ifdef __cplusplus
#define GS_PNT_ASSERT(claim) static_assert(claim, #claim)
#else
#define GS_PNT_ASSERT(claim) _Static_assert(claim, #claim)
#endif
GS_PNT_ASSERT(GS_PNT_SLOTS == 1 << GS_PNT_ORDER);
GS_PNT_ASSERT(sizeof(struct gs_pnt_task) == 32);
GS_PNT_ASSERT(offsetof(struct gs_pnt_task, data) == 8);
GS_PNT_ASSERT(offsetof(struct gs_pnt_task, time_ns) == 16);
GS_PNT_ASSERT(offsetof(struct gs_pnt_task, barrier) == 24);
GS_PNT_ASSERT(offsetof(struct gs_pnt_task, run_flags) == 28);
GS_PNT_ASSERT(sizeof(struct gs_pnt_slot) == 64);
GS_PNT_ASSERT(offsetof(struct gs_pnt_slot, task) == 8);
GS_PNT_ASSERT(sizeof(struct gs_pnt_ring) == 192 + 64 * GS_PNT_SLOTS);
GS_PNT_ASSERT(offsetof(struct gs_pnt_ring, head) == 64);
GS_PNT_ASSERT(offsetof(struct gs_pnt_ring, listed) == 72);
GS_PNT_ASSERT(offsetof(struct gs_pnt_ring, tail) == 128);
GS_PNT_ASSERT(offsetof(struct gs_pnt_ring, failed) == 136);
GS_PNT_ASSERT(offsetof(struct gs_pnt_ring, slots) == 192);
GS_PNT_ASSERT(sizeof(struct gs_pnt_path) == 24);
GS_PNT_ASSERT(offsetof(struct gs_pnt_path, ring) == 4);
GS_PNT_ASSERT(sizeof(struct gs_pnt_claim) == 48);
GS_PNT_ASSERT(sizeof(struct gs_pnt_snapshot) == 48);

/*
 * Memory. BPF of -mcpu=v3 has fully ordered compare-exchange, exchange and fetch-and-or, and otherwise plain accesses. A
 * release store is an exchange there, right on every CPU, for the price of one locked instruction (about 5 ns on x86).
 * A program that is built for x86 only defines GS_PNT_TSO and stores plainly. A load that is followed by a branch and
 * stores needs nothing more (the kernel's memory model keeps such a control dependency), and what is read of a task
 * comes after the compare-exchange that claims it.
 */
#define gs_pnt_inline static __inline__ __attribute__((always_inline))
#define gs_pnt_unlikely(x) __builtin_expect(!!(x), 0)

#ifdef __bpf__
/* Before Linux 6.5 a call of a function that is not inlined makes the verifier tell apart all values of all registers. */
#define gs_pnt_slow gs_pnt_inline
#define gs_pnt_compiler_barrier() __asm__ volatile("" ::: "memory")

gs_pnt_inline __u64 gs_pnt_load(const __u64 *p)
{
	return *(const volatile __u64 *)p;
}

gs_pnt_inline __u32 gs_pnt_load32(const __u32 *p)
{
	return *(const volatile __u32 *)p;
}

gs_pnt_inline __u64 gs_pnt_load_acquire(const __u64 *p)
{
	__u64 value = *(const volatile __u64 *)p;

	gs_pnt_compiler_barrier();
	return value;
}

gs_pnt_inline void gs_pnt_store(__u64 *p, __u64 value)
{
	*(volatile __u64 *)p = value;
}

gs_pnt_inline void gs_pnt_store32(__u32 *p, __u32 value)
{
	*(volatile __u32 *)p = value;
}

gs_pnt_inline void gs_pnt_store_release(__u64 *p, __u64 value)
{
	gs_pnt_compiler_barrier();
#ifdef GS_PNT_TSO
	*(volatile __u64 *)p = value;
#else
	(void)__sync_lock_test_and_set(p, value);
#endif
}

gs_pnt_inline int gs_pnt_exchange_if(__u64 *p, __u64 from, __u64 to)
{
	return __sync_bool_compare_and_swap(p, from, to);
}

gs_pnt_inline __u64 gs_pnt_swap(__u64 *p, __u64 value)
{
	return __sync_lock_test_and_set(p, value);
}

/* Unordered where its value is not used: the stores of words around it are ordered. */
gs_pnt_inline void gs_pnt_or(__u64 *p, __u64 bits)
{
	(void)__sync_fetch_and_or(p, bits);
}

gs_pnt_inline void gs_pnt_and(__u64 *p, __u64 bits)
{
	(void)__sync_fetch_and_and(p, bits);
}

gs_pnt_inline void gs_pnt_fence_release(void)
{
	gs_pnt_compiler_barrier();
}
#else
#define gs_pnt_slow static __inline__

gs_pnt_inline __u64 gs_pnt_load(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

gs_pnt_inline __u32 gs_pnt_load32(const __u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

gs_pnt_inline __u64 gs_pnt_load_acquire(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

gs_pnt_inline void gs_pnt_store(__u64 *p, __u64 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

gs_pnt_inline void gs_pnt_store32(__u32 *p, __u32 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

gs_pnt_inline void gs_pnt_store_release(__u64 *p, __u64 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* Acquire: pairs with the release of the word it replaces. */
gs_pnt_inline int gs_pnt_exchange_if(__u64 *p, __u64 from, __u64 to)
{
	return __atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

gs_pnt_inline __u64 gs_pnt_swap(__u64 *p, __u64 value)
{
	return __atomic_exchange_n(p, value, __ATOMIC_ACQUIRE);
}

gs_pnt_inline void gs_pnt_or(__u64 *p, __u64 bits)
{
	(void)__atomic_fetch_or(p, bits, __ATOMIC_RELEASE);
}

gs_pnt_inline void gs_pnt_and(__u64 *p, __u64 bits)
{
	(void)__atomic_fetch_and(p, bits, __ATOMIC_RELAXED);
}

gs_pnt_inline void gs_pnt_fence_release(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}
#endif

gs_pnt_inline __u64 gs_pnt_word(__u32 lap, __u32 state)
{
	return (__u64)lap << 32 | state;
}

gs_pnt_inline __u32 gs_pnt_lap_of(__u64 word)
{
	return (__u32)(word >> 32);
}

gs_pnt_inline __u64 gs_pnt_ticket(__u32 lap, __u32 index)
{
	return (__u64)lap << GS_PNT_ORDER | (index & GS_PNT_MASK);
}

gs_pnt_inline __u64 gs_pnt_bit(__u32 index)
{
	return 1ull << (index & GS_PNT_MASK);
}

gs_pnt_inline struct gs_pnt_slot *gs_pnt_slot_at(struct gs_pnt_ring *ring, __u64 position)
{
	return &ring->slots[position & GS_PNT_MASK];
}

/* Positions in their order whatever laps wrap around, as long as they are less than 2^31 laps from `base`. */
gs_pnt_inline __u64 gs_pnt_rank(__u32 lap, __u32 index, __u32 base)
{
	return (__u64)(lap - base + 0x80000000u) << GS_PNT_ORDER | (index & GS_PNT_MASK);
}

/*
 * All bits if a < b, or a == b, else none, and the choice by such a mask. In BPF without a branch: the verifier would follow both ways
 * in each round of a loop, and remember in each what the comparison says of the numbers.
 */
gs_pnt_inline __u64 gs_pnt_less(__u64 a, __u64 b)
{
#ifdef __bpf__
	__u64 mask;

	__asm__ volatile("" : "+r"(a), "+r"(b)); /* or the compiler finds out what this is, and branches */
	mask = 0 - (((~a & b) | (~(a ^ b) & (a - b))) >> 63);
	__asm__ volatile("" : "+r"(mask));
	return mask;
#else
	return a < b ? ~0ull : 0;
#endif
}

gs_pnt_inline __u64 gs_pnt_same(__u64 a, __u64 b)
{
	return ~gs_pnt_less(0, a ^ b);
}

gs_pnt_inline __u64 gs_pnt_choose(__u64 mask, __u64 yes, __u64 no)
{
	return (yes & mask) | (no & ~mask);
}

/* `value`, of which the verifier forgets in BPF what it is: constants would make it follow each round of a loop apart. */
gs_pnt_inline __u64 gs_pnt_blur(__u64 value, __u64 noise)
{
#ifdef __bpf__
	__u64 same = noise;

	__asm__ volatile("" : "+r"(same));
	return (value & noise) | (value & ~same);
#else
	(void)noise;
	return value;
#endif
}

/* Which bit of `bits` is the lowest set one; any number below 64 if there is none. */
gs_pnt_inline __u32 gs_pnt_lowest(__u64 bits)
{
#ifdef __bpf__
	__u64 below = (bits & -bits) - 1; /* whose bits are counted: pairs, then fours, then bytes */

	below -= below >> 1 & 0x5555555555555555ull;
	below = (below & 0x3333333333333333ull) + (below >> 2 & 0x3333333333333333ull);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (__u32)(below * 0x0101010101010101ull >> 56) & GS_PNT_MASK;
#else
	return bits ? (__u32)__builtin_ctzll(bits) : 0;
#endif
}

/* Makes an empty ring of it. By the agent, before anybody else looks at it. */
gs_pnt_inline void gs_pnt_init(struct gs_pnt_ring *ring, __u32 kind)
{
	__u32 i;

	for (i = 0; i < GS_PNT_SLOTS; i++)
		gs_pnt_store(&ring->slots[i].word, gs_pnt_word(0, GS_PNT_EMPTY));
	gs_pnt_store(&ring->head, 0);
	gs_pnt_store(&ring->listed, 0);
	gs_pnt_store(&ring->tail, 0);
	gs_pnt_store(&ring->failed, 0);
	gs_pnt_store32(&ring->kind, kind);
}

/*
 * The first position of which the words say that it is not yet behind us: with `ready`, where the first task is or will be
 * (a sound `head`), else where the next push goes (`tail`). Words change meanwhile, but each slot's part only grows.
 */
gs_pnt_slow __u64 gs_pnt_find(struct gs_pnt_ring *ring, int ready)
{
	__u32 base = gs_pnt_lap_of(gs_pnt_load(&ring->slots[0].word));
	__u64 first = ~0ull;
	__u32 i;

	for (i = 0; i < GS_PNT_SLOTS; i++) {
		__u64 word = gs_pnt_load_acquire(&ring->slots[i].word), rank;
		__u64 state = (__u32)word, here = gs_pnt_same(state, GS_PNT_EMPTY);

		if (ready)
			here |= gs_pnt_same(state, GS_PNT_READY) | gs_pnt_same(state, GS_PNT_FILLING);
		/* Elsewhere what comes next is a lap later. */
		rank = gs_pnt_rank(gs_pnt_lap_of(word) + 1 + (__u32)here, i, base);
		first = gs_pnt_choose(gs_pnt_less(rank, first), rank, first);
	}
	return gs_pnt_ticket((__u32)(first >> GS_PNT_ORDER) - 0x80000000u + base, (__u32)first);
}

/* Steps 3 and 4, by who has the slot to itself. */
gs_pnt_inline void gs_pnt_fill(struct gs_pnt_ring *ring, __u32 index, __u32 lap, const struct gs_pnt_task *task,
			       __u64 list)
{
	struct gs_pnt_slot *slot = gs_pnt_slot_at(ring, index);

	/* Release: pairs with the acquire fence in gs_pnt_watch(), which must not mix this task's fields with the last's. */
	gs_pnt_fence_release();
	gs_pnt_store(&slot->task.gtid, task->gtid);
	gs_pnt_store(&slot->task.data, task->data);
	gs_pnt_store(&slot->task.time_ns, task->time_ns);
	gs_pnt_store32(&slot->task.barrier, task->barrier);
	gs_pnt_store32(&slot->task.run_flags, task->run_flags);
	if (list)
		gs_pnt_or(&ring->listed, list);
	/* Release: pairs with the claim's compare-exchange, which lets its winner read the fields. */
	gs_pnt_store_release(&slot->word, gs_pnt_word(lap, GS_PNT_READY));
}

/* Pushes as the one producer of a GS_PNT_SINGLE ring: no locked instruction. Returns the ticket, or GS_PNT_FULL etc. */
gs_pnt_inline __s64 gs_pnt_push(struct gs_pnt_ring *ring, const struct gs_pnt_task *task)
{
	__u64 tail = gs_pnt_load(&ring->tail), word;
	__u32 lap = (__u32)(tail >> GS_PNT_ORDER);

	if (gs_pnt_unlikely(gs_pnt_load32(&ring->kind) != GS_PNT_SINGLE))
		return GS_PNT_WRONG_KIND;
	/* Acquire: pairs with the release that freed the slot, after whose holder has read the last task. */
	word = gs_pnt_load_acquire(&gs_pnt_slot_at(ring, tail)->word);
	if (gs_pnt_unlikely(word != gs_pnt_word(lap, GS_PNT_EMPTY))) {
		if (gs_pnt_lap_of(word) == lap - 1 && (__u32)word != GS_PNT_EMPTY)
			return GS_PNT_FULL;
		/* Not our hint: a producer before us ended between READY and it. */
		tail = gs_pnt_find(ring, 0);
		lap = (__u32)(tail >> GS_PNT_ORDER);
		word = gs_pnt_load_acquire(&gs_pnt_slot_at(ring, tail)->word);
		if (word != gs_pnt_word(lap, GS_PNT_EMPTY))
			return GS_PNT_FULL;
	}
	gs_pnt_fill(ring, (__u32)tail & GS_PNT_MASK, lap, task, 0);
	gs_pnt_store(&ring->tail, tail + 1);
	return (__s64)gs_pnt_ticket(lap, (__u32)tail);
}

/* First in, first out among several producers: from `tail`, over what others have filled meanwhile. 64 steps at most. */
gs_pnt_inline __s64 gs_pnt_push_from(struct gs_pnt_ring *ring, __u64 tail, const struct gs_pnt_task *task, int *astray)
{
	__u32 n;

	*astray = 1;
	for (n = 0; n < GS_PNT_SLOTS; n++, tail++) {
		struct gs_pnt_slot *slot = gs_pnt_slot_at(ring, tail);
		__u32 lap = (__u32)(tail >> GS_PNT_ORDER), ahead;
		/* Acquire: pairs with the release that freed the slot, as in gs_pnt_push(). */
		__u64 word = gs_pnt_load_acquire(&slot->word);

		if (word == gs_pnt_word(lap, GS_PNT_EMPTY)) {
			if (!gs_pnt_exchange_if(&slot->word, word, gs_pnt_word(lap, GS_PNT_FILLING)))
				continue;
			gs_pnt_fill(ring, (__u32)tail & GS_PNT_MASK, lap, task, 0);
			gs_pnt_store(&ring->tail, tail + 1);
			return (__s64)gs_pnt_ticket(lap, (__u32)tail);
		}
		ahead = gs_pnt_lap_of(word) - lap;
		if (ahead == 0xffffffffu && (__u32)word != GS_PNT_EMPTY) {
			*astray = 0;
			return GS_PNT_FULL;
		}
		if (ahead > 1)
			return GS_PNT_FULL;
	}
	return GS_PNT_FULL;
}

/* Any free slot of a GS_PNT_EARLIEST ring, the lowest first: those stay in the caches. */
gs_pnt_inline __s64 gs_pnt_push_anywhere(struct gs_pnt_ring *ring, const struct gs_pnt_task *task)
{
	__u64 rest = ~gs_pnt_load(&ring->listed);
	__u32 n;

	for (n = 0; n < GS_PNT_SLOTS && rest; n++, rest &= rest - 1) {
		__u32 index = gs_pnt_lowest(rest), lap;
		struct gs_pnt_slot *slot = gs_pnt_slot_at(ring, index);
		__u64 word;

		/* Acquire: pairs with the release that freed the slot. */
		word = gs_pnt_load_acquire(&slot->word);
		lap = gs_pnt_lap_of(word);
		if ((__u32)word != GS_PNT_EMPTY ||
		    !gs_pnt_exchange_if(&slot->word, word, gs_pnt_word(lap, GS_PNT_FILLING)))
			continue;
		gs_pnt_fill(ring, index, lap, task, gs_pnt_bit(index));
		return (__s64)gs_pnt_ticket(lap, index);
	}
	return GS_PNT_FULL;
}

/* Pushes as one of several producers: BPF-MSG and the agent. Returns the ticket, or GS_PNT_FULL etc. */
gs_pnt_inline __s64 gs_pnt_push_shared(struct gs_pnt_ring *ring, const struct gs_pnt_task *task)
{
	__u32 kind = gs_pnt_load32(&ring->kind);
	__s64 ticket;
	int astray;

	if (kind == GS_PNT_EARLIEST)
		return gs_pnt_push_anywhere(ring, task);
	if (gs_pnt_unlikely(kind != GS_PNT_SHARED))
		return GS_PNT_WRONG_KIND;
	ticket = gs_pnt_push_from(ring, gs_pnt_load(&ring->tail), task, &astray);
	if (gs_pnt_unlikely(ticket < 0 && astray)) /* a slow producer has set the hint back */
		ticket = gs_pnt_push_from(ring, gs_pnt_find(ring, 0), task, &astray);
	return ticket;
}

gs_pnt_inline void gs_pnt_read(const struct gs_pnt_slot *slot, struct gs_pnt_task *task)
{
	task->gtid = gs_pnt_load(&slot->task.gtid);
	task->data = gs_pnt_load(&slot->task.data);
	task->time_ns = gs_pnt_load(&slot->task.time_ns);
	task->barrier = gs_pnt_load32(&slot->task.barrier);
	task->run_flags = gs_pnt_load32(&slot->task.run_flags);
}

/* Steps 5 and 5c: READY | lap -> state | lap. */
gs_pnt_inline int gs_pnt_claim_slot(struct gs_pnt_ring *ring, __u32 index, __u32 lap, __u32 state)
{
	struct gs_pnt_slot *slot = gs_pnt_slot_at(ring, index);

	/* Acquire: pairs with the release of READY in gs_pnt_fill() and gs_pnt_put_back(). */
	if (!gs_pnt_exchange_if(&slot->word, gs_pnt_word(lap, GS_PNT_READY), gs_pnt_word(lap, state)))
		return 0;
	/* A bit that belongs to this READY was set before it, so it is seen here. */
	if (gs_pnt_unlikely(gs_pnt_load(&ring->listed) & gs_pnt_bit(index)))
		gs_pnt_and(&ring->listed, ~gs_pnt_bit(index));
	return 1;
}

/* What has been claimed. */
gs_pnt_inline void gs_pnt_open(struct gs_pnt_ring *ring, __u64 ticket, struct gs_pnt_claim *claim)
{
	gs_pnt_read(gs_pnt_slot_at(ring, ticket), &claim->task);
	claim->lap = (__u32)(ticket >> GS_PNT_ORDER);
	claim->index = (__u32)ticket & GS_PNT_MASK;
}

/*
 * Claims the first by order, time_ns if `by_time` is all bits, position if it is 0, among `slots`. A slot whose word is READY
 * of the same lap at the look and at the compare-exchange had the same task in between, so its time was the one compared.
 */
gs_pnt_slow __s64 gs_pnt_pop_first(struct gs_pnt_ring *ring, __u32 state, __u64 slots, __u64 by_time)
{
	__u32 tries, n, i;
	__u64 rest;

	slots = gs_pnt_blur(slots, gs_pnt_load(&ring->head));
	for (tries = 0; tries < GS_PNT_TRIES; tries++) {
		__u64 base = gs_pnt_load(&ring->slots[0].word), at = base; /* any; chosen below */
		__u64 first = ~0ull, found = 0;

		for (n = 0, rest = slots; n < GS_PNT_SLOTS && rest; n++, rest &= rest - 1) {
			__u64 word, rank, sooner;

			i = gs_pnt_lowest(rest);
			/* Acquire: pairs with the release of READY; time_ns is that task's. */
			word = gs_pnt_load_acquire(&ring->slots[i].word);
			rank = gs_pnt_choose(by_time, gs_pnt_load(&ring->slots[i].task.time_ns),
					     gs_pnt_rank(gs_pnt_lap_of(word), i, gs_pnt_lap_of(base)));
			sooner = ~gs_pnt_less(first, rank) & gs_pnt_same((__u32)word, GS_PNT_READY);
			first = gs_pnt_choose(sooner, rank, first);
			at = gs_pnt_choose(sooner, gs_pnt_ticket(gs_pnt_lap_of(word), i), at);
			found |= sooner;
		}
		if (!found)
			return GS_PNT_NONE;
		if (gs_pnt_claim_slot(ring, (__u32)at & GS_PNT_MASK, (__u32)(at >> GS_PNT_ORDER), state))
			return (__s64)at;
	}
	/* Enough races lost: any is better than none. */
	for (n = 0, rest = slots; n < GS_PNT_SLOTS && rest; n++, rest &= rest - 1) {
		__u64 word;

		i = gs_pnt_lowest(rest);
		word = gs_pnt_load(&ring->slots[i].word);
		if ((__u32)word == GS_PNT_READY && gs_pnt_claim_slot(ring, i, gs_pnt_lap_of(word), state))
			return (__s64)gs_pnt_ticket(gs_pnt_lap_of(word), i);
	}
	return GS_PNT_NONE;
}

/*
 * The usual way of a first-in-first-out ring: from `head`, 64 steps at most, to the first READY slot or to the end. Returns
 * the ticket, GS_PNT_NONE, or GS_PNT_ASTRAY: the hint is more than a lap old, or nonsense.
 */
gs_pnt_inline __s64 gs_pnt_pop_next(struct gs_pnt_ring *ring, __u32 state, __u64 skip)
{
	__u64 head = gs_pnt_load(&ring->head), at = head, next = head, open = 0;
	__s64 claimed = GS_PNT_NONE;
	__u32 n;

	for (n = 0; n < GS_PNT_SLOTS; n++, at++) {
		__u32 lap = (__u32)(at >> GS_PNT_ORDER), index = (__u32)at & GS_PNT_MASK, ahead;
		__u64 word = gs_pnt_load(&gs_pnt_slot_at(ring, at)->word), ready = gs_pnt_word(lap, GS_PNT_READY);

		if (word == ready && !(skip & gs_pnt_bit(index))) {
			if (gs_pnt_claim_slot(ring, index, lap, state))
				claimed = (__s64)gs_pnt_ticket(lap, index);
		} else if (word == ready || word == gs_pnt_word(lap, GS_PNT_FILLING)) {
			open = ~0ull; /* the hint stays here: it is or becomes READY */
		} else if (word == gs_pnt_word(lap, GS_PNT_EMPTY)) {
			break;
		} else {
			ahead = gs_pnt_lap_of(word) - lap;
			if (ahead == 0xffffffffu && (__u32)word - GS_PNT_EMPTY > 1)
				break; /* the ring is full up to here */
			if (gs_pnt_unlikely(ahead > 1 || (__u32)word == GS_PNT_READY))
				return GS_PNT_ASTRAY;
		}
		next = gs_pnt_choose(open, next, at + 1);
		if (claimed >= 0)
			break;
	}
	if (next != head)
		gs_pnt_store(&ring->head, next);
	return claimed;
}

/* Claims a task by the ring's order. Returns its ticket, or GS_PNT_NONE. */
gs_pnt_inline __s64 gs_pnt_take(struct gs_pnt_ring *ring, __u32 state, __u64 skip)
{
	__u32 kind = gs_pnt_load32(&ring->kind);
	__u64 listed = gs_pnt_load(&ring->listed) & ~skip, slots = listed, by_time = ~0ull;
	__s64 claimed;

	if (kind == GS_PNT_SINGLE || kind == GS_PNT_SHARED) {
		claimed = gs_pnt_unlikely(listed) ? GS_PNT_ASTRAY : gs_pnt_pop_next(ring, state, skip);
		if (claimed != GS_PNT_ASTRAY)
			return claimed;
		slots = ~skip;
		by_time = 0;
	} else if (kind != GS_PNT_EARLIEST || !listed) {
		return GS_PNT_NONE;
	}
	claimed = gs_pnt_pop_first(ring, state, slots, by_time);
	if (!by_time)
		gs_pnt_store(&ring->head, gs_pnt_find(ring, 1));
	return claimed;
}

/*
 * Takes a task for a CPU, but none from the slots in `skip`: those this CPU has just put back because it may not run them.
 * Returns 1 and fills the claim, or 0: no task. Any number of poppers.
 */
gs_pnt_inline int gs_pnt_pop_except(struct gs_pnt_ring *ring, __u32 cpu, __u64 skip, struct gs_pnt_claim *claim)
{
	__s64 ticket = cpu <= GS_PNT_MAX_CPU ? gs_pnt_take(ring, cpu, skip) : GS_PNT_NONE;

	if (ticket < 0)
		return 0;
	gs_pnt_open(ring, (__u64)ticket, claim);
	return 1;
}

gs_pnt_inline int gs_pnt_pop(struct gs_pnt_ring *ring, __u32 cpu, struct gs_pnt_claim *claim)
{
	return gs_pnt_pop_except(ring, cpu, 0, claim);
}

/* The task is latched: frees the slot. The agent learns of it from MSG_TASK_ON_CPU. */
gs_pnt_inline void gs_pnt_complete(struct gs_pnt_ring *ring, const struct gs_pnt_claim *claim)
{
	/* Release: pairs with the acquire of EMPTY in a push; the task has been read. */
	gs_pnt_store_release(&gs_pnt_slot_at(ring, claim->index)->word, gs_pnt_word(claim->lap + 1, GS_PNT_EMPTY));
}

/* The kernel refused the task, with a GHOST_TXN_* code: keeps it for the agent to take. */
gs_pnt_inline void gs_pnt_fail(struct gs_pnt_ring *ring, const struct gs_pnt_claim *claim, __s32 code)
{
	/* Release: pairs with the acquire in gs_pnt_take_failure(). */
	gs_pnt_store_release(&gs_pnt_slot_at(ring, claim->index)->word,
			     gs_pnt_word(claim->lap, (__u32)code | GS_PNT_FINAL));
#if defined(__bpf__) && defined(GS_PNT_TSO)
	gs_pnt_compiler_barrier();
#endif
	/* Release, in BPF by the exchange before: pairs with the swap in gs_pnt_take_failures(). */
	gs_pnt_or(&ring->failed, gs_pnt_bit(claim->index));
}

/* Gives the task back: READY again, and before those in the ring. */
gs_pnt_inline void gs_pnt_put_back(struct gs_pnt_ring *ring, const struct gs_pnt_claim *claim)
{
	gs_pnt_or(&ring->listed, gs_pnt_bit(claim->index));
	/* Release: pairs with the claim's compare-exchange; whoever wins it sees the bit. */
	gs_pnt_store_release(&gs_pnt_slot_at(ring, claim->index)->word, gs_pnt_word(claim->lap, GS_PNT_READY));
}

/*
 * By the agent: holds a task it pushed. Returns the state that was found: GS_PNT_READY = it is held, to be completed or put
 * back; a CPU has claimed it; a negative code = it failed, gs_pnt_take_failures() will tell; GS_PNT_HELD = another thread
 * of the agent has it; GS_PNT_EMPTY = gone: latched, revoked or moved.
 */
gs_pnt_inline __s32 gs_pnt_hold(struct gs_pnt_ring *ring, __u64 ticket, struct gs_pnt_claim *claim)
{
	__u32 lap = (__u32)(ticket >> GS_PNT_ORDER), index = (__u32)ticket & GS_PNT_MASK;
	__u64 word;

	if (gs_pnt_claim_slot(ring, index, lap, GS_PNT_HELD)) {
		gs_pnt_open(ring, ticket, claim);
		return (__s32)GS_PNT_READY;
	}
	word = gs_pnt_load(&gs_pnt_slot_at(ring, index)->word);
	if (gs_pnt_lap_of(word) != lap)
		return (__s32)GS_PNT_EMPTY;
	/* Put back since the compare-exchange: its CPU was the one that had it. */
	return (__s32)((__u32)word == GS_PNT_READY ? GS_PNT_HELD : (__u32)word);
}

/* By the agent: takes a task out. Returns the state that was found, GS_PNT_READY = it is out; see gs_pnt_hold(). */
gs_pnt_inline __s32 gs_pnt_revoke(struct gs_pnt_ring *ring, __u64 ticket)
{
	struct gs_pnt_claim claim = { { 0, 0, 0, 0, 0 }, 0, 0, 0, 0 };
	__s32 state = gs_pnt_hold(ring, ticket, &claim);

	if (state == (__s32)GS_PNT_READY)
		gs_pnt_complete(ring, &claim);
	return state;
}

/* Pushes into a ring of any kind, as its declared producer. */
gs_pnt_inline __s64 gs_pnt_push_any(struct gs_pnt_ring *ring, const struct gs_pnt_task *task)
{
	return gs_pnt_load32(&ring->kind) == GS_PNT_SINGLE ? gs_pnt_push(ring, task) : gs_pnt_push_shared(ring, task);
}

/* A held task into another ring, of which the caller is a producer; put back if there is no room. Ticket or answer. */
gs_pnt_inline __s64 gs_pnt_move_held(struct gs_pnt_ring *from, const struct gs_pnt_claim *claim, struct gs_pnt_ring *to)
{
	__s64 ticket = gs_pnt_push_any(to, &claim->task);

	if (ticket >= 0)
		gs_pnt_complete(from, claim);
	else
		gs_pnt_put_back(from, claim);
	return ticket;
}

/*
 * By the agent: moves a task to another ring. Never READY in both. Returns the state found as gs_pnt_hold() does, and if
 * that was GS_PNT_READY sets *moved to the new ticket, or to GS_PNT_FULL etc.: the task is where it was.
 */
gs_pnt_inline __s32 gs_pnt_move(struct gs_pnt_ring *from, __u64 ticket, struct gs_pnt_ring *to, __s64 *moved)
{
	struct gs_pnt_claim claim = { { 0, 0, 0, 0, 0 }, 0, 0, 0, 0 };
	__s32 state = gs_pnt_hold(from, ticket, &claim);

	if (state == (__s32)GS_PNT_READY)
		*moved = gs_pnt_move_held(from, &claim, to);
	return state;
}

/* By the agent: moves the task that would be popped next. Returns 0 if there is none; *moved as in gs_pnt_move(). */
gs_pnt_inline int gs_pnt_move_one(struct gs_pnt_ring *from, struct gs_pnt_ring *to, __s64 *moved)
{
	__s64 ticket = gs_pnt_take(from, GS_PNT_HELD, 0);
	struct gs_pnt_claim claim = { { 0, 0, 0, 0, 0 }, 0, 0, 0, 0 };

	if (ticket < 0)
		return 0;
	gs_pnt_open(from, (__u64)ticket, &claim);
	*moved = gs_pnt_move_held(from, &claim, to);
	return 1;
}

/* By the agent: which slots have failed since the last call; each of them is then taken with gs_pnt_take_failure(). */
gs_pnt_inline __u64 gs_pnt_take_failures(struct gs_pnt_ring *ring)
{
	/* Acquire: pairs with the release in gs_pnt_fail(). */
	return gs_pnt_load(&ring->failed) ? gs_pnt_swap(&ring->failed, 0) : 0;
}

/* By who took the slot's bit: the failed task and its code, once; frees the slot. Returns 0 if nothing failed there. */
gs_pnt_inline int gs_pnt_take_failure(struct gs_pnt_ring *ring, __u32 index, struct gs_pnt_snapshot *failure)
{
	struct gs_pnt_slot *slot = gs_pnt_slot_at(ring, index);
	/* Acquire: pairs with the release of the code in gs_pnt_fail(). */
	__u64 word = gs_pnt_load_acquire(&slot->word);

	if (!(word & GS_PNT_FINAL))
		return 0;
	gs_pnt_read(slot, &failure->task);
	failure->ticket = gs_pnt_ticket(gs_pnt_lap_of(word), index);
	failure->state = (__u32)word;
	/* Release: pairs with the acquire of EMPTY in a push; the task has been read. */
	gs_pnt_store_release(&slot->word, gs_pnt_word(gs_pnt_lap_of(word) + 1, GS_PNT_EMPTY));
	return 1;
}

#ifndef __bpf__
/* A consistent look at a slot with a task in it. Returns 0 if there is none, or it changed meanwhile. */
gs_pnt_inline int gs_pnt_watch(struct gs_pnt_ring *ring, __u32 index, struct gs_pnt_snapshot *seen)
{
	struct gs_pnt_slot *slot = gs_pnt_slot_at(ring, index);
	/* Acquire: pairs with the release of READY. */
	__u64 word = gs_pnt_load_acquire(&slot->word);

	if ((__u32)word == GS_PNT_EMPTY || (__u32)word == GS_PNT_FILLING)
		return 0;
	gs_pnt_read(slot, &seen->task);
	/* Acquire: pairs with the release fence in gs_pnt_fill(): a field of the next task comes with a newer word. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	seen->ticket = gs_pnt_ticket(gs_pnt_lap_of(word), index);
	seen->state = (__u32)word;
	return gs_pnt_load(&slot->word) == word;
}
#endif

#ifdef GS_PNT_RING
/*
 * Takes a task for a CPU from the first ring of its path that has one. Returns that ring, or NULL: no task anywhere.
 * GS_PNT_RING(i), defined before this header is included, finds ring i: a pointer, or NULL if there is no such ring.
 */
gs_pnt_slow struct gs_pnt_ring *gs_pnt_pop_path(const struct gs_pnt_path *path, __u32 cpu, struct gs_pnt_claim *claim)
{
	__u32 count = gs_pnt_load32(&path->count), level;

	if (cpu > GS_PNT_MAX_CPU)
		return NULL;
	for (level = 0; level < GS_PNT_LEVELS && level < count; level++) {
		__u32 which = gs_pnt_load32(&path->ring[level]);
		struct gs_pnt_ring *ring = GS_PNT_RING(which);
		__s64 ticket;

		if (!ring)
			continue;
		ticket = gs_pnt_take(ring, cpu, 0);
		if (ticket < 0)
			continue;
		claim->ring = which;
		gs_pnt_open(ring, (__u64)ticket, claim);
		return ring;
	}
	return NULL;
}
#endif

#endif
