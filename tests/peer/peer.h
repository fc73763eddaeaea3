/*
 * Plays the kernel for tests: one enclave whose queues, status words and transactions are ordinary memory.
 *
 * A function that returns an int returns 0, or minus the error number the kernel would give. Memory that the peer
 * allocated goes with it; memory that was lent has to outlive it. CPU sets are bitmaps as `cpu_set_t`. A thread of the
 * workload does what a seed says when `peer_step` is called; one that was spawned with work 0 does what the test says.
 */
#ifndef GHOSTSCHED_PEER_H
#define GHOSTSCHED_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct peer peer;

struct peer_counts {
	uint64_t spawned, dead, departed;
	uint64_t messages, lost;
	uint64_t claimed, complete, failed;
};

enum { PEER_RUNNABLE, PEER_BLOCKED, PEER_DEAD, PEER_DEPARTED };

/* In memory of its own, with queue 0 of so many slots. NULL: no such ABI, no CPU, or slots that are no power of two. */
peer *peer_create(uint32_t abi, uint32_t cpus, uint32_t slots, uint64_t seed);
/* In the caller's pages and without a queue: `words` of 2 MiB, `cpu_data` of 4096 bytes a CPU. */
peer *peer_create_in(uint32_t abi, uint32_t cpus, uint64_t seed, void *words, size_t words_len, void *cpu_data,
		     size_t cpu_data_len);
void peer_free(peer *peer);

/* Makes a queue, in the caller's pages unless `base` is NULL. Returns its number; 0 is the default queue. */
int32_t peer_add_queue(peer *peer, uint32_t slots, void *base, size_t len);
/* The mappings; `len` may be NULL. */
void *peer_queue(peer *peer, uint32_t queue, size_t *len);
void *peer_status_words(peer *peer, size_t *len);
void *peer_cpu_data(peer *peer, size_t *len);

/* An agent, whose status word's index is stored in `index`, which may be NULL. It is on its CPU until it yields. */
int32_t peer_add_agent(peer *peer, uint32_t cpu, uint32_t queue, uint32_t *index);
int32_t peer_remove_agent(peer *peer, uint32_t cpu);
/* Whose agents a queue wakes; negative for none. */
int32_t peer_config_wakeup(peer *peer, uint32_t queue, int32_t first, int32_t second);
int32_t peer_deliver_ticks(peer *peer, int32_t deliver);

/* What happens to threads; each sends its message. peer_spawn returns the gtid, or minus an error number. */
int64_t peer_spawn(peer *peer, int64_t parent, int32_t runnable, uint32_t work);
int32_t peer_spawn_workload(peer *peer, uint32_t count, uint32_t work);
int32_t peer_wake(peer *peer, int64_t gtid);
int32_t peer_block(peer *peer, int64_t gtid);
int32_t peer_yield(peer *peer, int64_t gtid);
int32_t peer_preempt(peer *peer, int64_t gtid);
int32_t peer_exit(peer *peer, int64_t gtid);
int32_t peer_depart(peer *peer, int64_t gtid);
int32_t peer_change_affinity(peer *peer, int64_t gtid);
int32_t peer_change_priority(peer *peer, int64_t gtid, int32_t nice);
int32_t peer_discover_tasks(peer *peer);

/* What happens to CPUs. */
int32_t peer_tick(peer *peer, uint32_t cpu);
int32_t peer_set_higher_class(peer *peer, uint32_t cpu, int32_t there);
int32_t peer_set_online(peer *peer, uint32_t cpu, int32_t online);

/* The ioctls. `agent` is the CPU whose agent calls, negative for a thread that is none. */
int32_t peer_commit(peer *peer, const void *mask, uint32_t len, int32_t agent);
int32_t peer_sync_group(peer *peer, const void *mask, uint32_t len, int32_t agent); /* 1 all, 0 none */
int32_t peer_run(peer *peer, int64_t gtid, uint32_t cpu, uint32_t agent_barrier);
int32_t peer_sw_free(peer *peer, uint32_t region, uint32_t index);
int32_t peer_assoc_queue(peer *peer, uint32_t queue, int64_t gtid, uint32_t barrier);

/* Lets time pass once. Returns how many threads are alive. */
uint32_t peer_step(peer *peer);
int64_t peer_now(const peer *peer);

/* What is true: the gtid that runs on a CPU or 0, a thread's state or minus an error number, counts. */
int64_t peer_running(const peer *peer, uint32_t cpu);
int32_t peer_state(const peer *peer, int64_t gtid);
void peer_counts(const peer *peer, struct peer_counts *counts);
/* 0 if all that must hold does; else what does not, as text of at most `len` bytes. */
int32_t peer_audit(const peer *peer, char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
