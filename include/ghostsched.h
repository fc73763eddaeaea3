/*
 * ghostsched for C and C++: what an agent of ghOSt needs of its kernel, for the ABIs 69, 84, 90 and 91, chosen at run time.
 *
 * The caller owns all memory, and nothing here allocates, exits or throws. A function that can fail returns a gs_status: 0
 * is success, positive numbers are answers that are no failures, negative ones errors; gs_status_text has a text for each,
 * gs_last_error the numbers of the thread's last error. Functions that return something else return 0, false, -1 or NULL of
 * what they cannot answer, and take the same pointers.
 *
 * A pointer must not be NULL unless that is said, and points to as many values of its type as the function says: readable,
 * and, where it is not const, writable and used by nobody else during the call. NULL and misaligned pointers are errors.
 * Results are written on success only, unless that is said.
 *
 * A view (gs_queue, gs_status_words, gs_transactions, gs_tasks) is a value of the caller's that points to memory of the
 * caller's. That memory has to stay where it is, mapped, for as long as the view is used; it may say anything: whatever
 * the kernel or another process writes there, the answer is a status or a value. In this program it may otherwise be used
 * by atomic operations only. A view that was not initialised and is all zero is an error.
 *
 * Constants and the layouts of the kernel's own structures are in ghostsched_abi.h. PNT rings have a C API of their own,
 * which BPF programs share: ghostsched_pnt.h. For C++ there is ghostsched.hpp.
 *
 * Generated from ffi-c/src: change that and run `make headers`.
 */

#ifndef GHOSTSCHED_H
#define GHOSTSCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ghostsched_abi.h"

/* The version of this header; gs_version() is that of the library. */
#define GS_VERSION_MAJOR 0
#define GS_VERSION_MINOR 1
#define GS_VERSION_PATCH 0

// How many bytes of a payload that is not known a gs_message keeps.
#define GS_UNKNOWN_BYTES 48

// `gtid`
#define GS_HAS_GTID 1

// `cpu`
#define GS_HAS_CPU 2

// `runtime_ns`
#define GS_HAS_RUNTIME 4

// `cpu_seqnum`
#define GS_HAS_CPU_SEQNUM 8

// `agent_data`
#define GS_HAS_AGENT_DATA 16

// `parent_gtid`
#define GS_HAS_PARENT 32

// `next_gtid`
#define GS_HAS_NEXT 64

// `commit_time_ns`
#define GS_HAS_COMMIT_TIME 128

// `timer_type` and `timer_cookie`
#define GS_HAS_TIMER 256

// `region` and `index`
#define GS_HAS_STATUS_WORD 512

// `nice`
#define GS_HAS_NICE 1024

// `last_ran_cpu` and `waker_cpu`
#define GS_HAS_WAKER 2048

// `error`
#define GS_HAS_ERROR 4096

// `unknown_length` and `unknown`: the type is not known in this ABI
#define GS_HAS_UNKNOWN 8192

// GS_IS_IN_AGENT is told (since ABI 90)
#define GS_HAS_IN_AGENT 16384

// TASK_NEW: the thread can be run now.
#define GS_IS_RUNNABLE 1

// TASK_PREEMPT: the thread had been latched and never ran.
#define GS_IS_LATCHED 2

// Of no public kernel.
#define GS_IS_FROM_SWITCHTO 4

// TASK_WAKEUP: the thread slept in epoll_wait, a futex or a timer.
#define GS_IS_DEFERRABLE 8

// TASK_DEPARTED: the thread left while it ran.
#define GS_IS_CURRENT 16

// TASK_LATCHED: the thread lost the latch before it ran.
#define GS_IS_PREEMPTED 32

// CPU_TICK: the tick interrupted the agent.
#define GS_IS_IN_AGENT 64

// Nothing.
#define GS_REMEDY_NONE 0

// The same decision may succeed later: put the thread back in the run queue.
#define GS_REMEDY_RETRY 1

// Drain the queue, where a message explains it, and decide again.
#define GS_REMEDY_DRAIN 2

// Read the own barrier again, drain the queue, decide again.
#define GS_REMEDY_DRAIN_FROM_BARRIER 3

// The CPU is going away: give its threads to others.
#define GS_REMEDY_LEAVE_CPU 4

// The agent asked for something that can never succeed.
#define GS_REMEDY_MISTAKE 5

// What a function answers. 0 is success, positive numbers are answers that are no failures, negative ones are errors.
//
// Numbers are only ever added; one that is retired is not given out again.
enum gs_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    GS_OK = 0,
    // There is nothing: no message, no further task or status word.
    GS_NONE = 1,
    // The transaction is not in the state that this needs; the state that was found is given.
    GS_LOST = 2,
    // The transaction has another owner; the owner that was found is given.
    GS_OWNED = 3,
    // The message is not after the last one applied to its task: skip it.
    GS_STALE = 4,
    // A pointer is NULL that must not be.
    GS_ERR_NULL = -1,
    // A pointer is not aligned to its type.
    GS_ERR_MISALIGNED = -2,
    // The view was not initialised.
    GS_ERR_NOT_INITIALISED = -3,
    // A fault of this library: please report it. Nothing can be said of what was done.
    GS_ERR_PANIC = -4,
    // No such ABI: 69, 84, 90 and 91 are known.
    GS_ERR_ABI = -5,
    // The text is not what it should be.
    GS_ERR_TEXT = -6,
    // The buffer is too small; how much is needed is given.
    GS_ERR_NO_ROOM = -7,
    // More than can be.
    GS_ERR_TOO_LONG = -8,
    // An argument is out of its range.
    GS_ERR_ARGUMENT = -9,
    // The ABI does not have that.
    GS_ERR_NOT_IN_ABI = -10,
    // There are fewer bytes than the message's header says, or than a header has.
    GS_ERR_TRUNCATED = -11,
    // The message is shorter than its type is in this ABI: is it the enclave's?
    GS_ERR_TOO_SHORT = -12,
    // The queue was full and messages were lost; said once each time. Go on reading, and discover the tasks anew.
    GS_ERR_OVERFLOW = -13,
    // The queue's memory is not what a kernel writes: gs_queue_resync, and discover the tasks anew.
    GS_ERR_QUEUE = -14,
    // No message was lent by gs_queue_peek.
    GS_ERR_NOT_PEEKED = -15,
    // The memory is smaller than what should be in it.
    GS_ERR_TOO_SMALL = -16,
    // The memory does not begin with what should be in it: another version or kind of file.
    GS_ERR_LAYOUT = -17,
    // There is no CPU, status word or task of this number.
    GS_ERR_RANGE = -18,
    // The task is in the table already.
    GS_ERR_EXISTS = -19,
    // The table has as many tasks as it takes.
    GS_ERR_FULL = -20,
    // The task is not in the table.
    GS_ERR_UNKNOWN_TASK = -21,
    // The gtid is no task's.
    GS_ERR_NO_TASK = -22,
    // A system call failed, and errno says why. Of ghostsched.hpp only.
    GS_ERR_SYSTEM = -23,
    // The PNT ring has no free slot. Of ghostsched.hpp only.
    GS_ERR_RING_FULL = -24,
    // The PNT ring is of a kind that takes nothing this way, or was not initialised. Of ghostsched.hpp only.
    GS_ERR_RING_KIND = -25,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum gs_status gs_status;
#else
typedef int32_t gs_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What differs between ABIs and concerns an agent.
typedef struct gs_abi_info {
    // 69, 84, 90 or 91.
    uint32_t version;
    // Whether an agent has to pin itself to its CPU before it becomes the CPU's agent.
    bool agent_pins_itself;
    // Whether an agent may open files of its enclave.
    bool agent_may_open_files;
    // Whether the latched thread of a CPU runs only while the CPU's agent is on the run queue.
    bool agent_must_stay_runnable;
    // Whether the file `tasks` takes gtids as well as tids.
    bool tasks_file_takes_gtids;
    // Whether writing a thread to `tasks` that is already in this enclave succeeds.
    bool joining_twice_succeeds;
    // Whether yielding by RUN is refused to threads that are no agents.
    bool only_agents_yield;
    // Whether the first TASK_NEW of a thread always has sequence number 1.
    bool first_seqnum_is_one;
    // Whether a transaction may read COMPLETE though its sync group failed.
    bool failed_sync_group_may_read_complete;
} gs_abi_info;

// A set of CPUs 0 to 1023: CPU c is bit c % 64 of word c / 64. Zeroed it is empty. As large as cpu_set_t and laid out alike,
// so it is also the mask of COMMIT_TXN.
typedef struct gs_cpuset {
    // The CPUs.
    uint64_t words[16];
} gs_cpuset;

// A message, as a value. `has` says which fields the message told, GS_HAS_*; the others are 0.
typedef struct gs_message {
    // The ABI of its enclave.
    uint32_t abi;
    // Its type, GS_MSG_*. A newer kernel may send others.
    uint16_t number;
    // Bytes of header and payload, as the header says.
    uint16_t length;
    // The barrier of the thread or agent it is about, after it. Gaps are legal; of one thread it only grows, modulo 2^32.
    uint32_t seqnum;
    // Which fields it told: GS_HAS_*.
    uint32_t has;
    // Claims that are true of it: GS_IS_*.
    uint32_t is;
    // The CPU it is about, as the kernel wrote it: check it before you use it as an index. Of TASK_WAKEUP the CPU on whose
    // run queue the thread was put.
    int32_t cpu;
    // The thread it is about.
    int64_t gtid;
    // What the thread has run so far, in ns.
    uint64_t runtime_ns;
    // Counter of the CPU.
    uint64_t cpu_seqnum;
    // For the agent's BPF-MSG program.
    uint64_t agent_data;
    // TASK_NEW: the thread's parent.
    int64_t parent_gtid;
    // CPU_NOT_IDLE: the thread that takes the CPU.
    int64_t next_gtid;
    // TASK_LATCHED, TASK_ON_CPU: CLOCK_MONOTONIC of the message, in ns.
    uint64_t commit_time_ns;
    // CPU_TIMER_EXPIRED: what the agent gave when it set the timer.
    uint64_t timer_type;
    // CPU_TIMER_EXPIRED: what the agent gave when it set the timer.
    uint64_t timer_cookie;
    // TASK_NEW: the region of the thread's status word.
    uint32_t region;
    // TASK_NEW: its index in the region.
    uint32_t index;
    // TASK_NEW, TASK_PRIORITY_CHANGED: the nice value, -20 to 19.
    int32_t nice;
    // TASK_WAKEUP: the CPU it last ran on.
    int32_t last_ran_cpu;
    // TASK_WAKEUP: the CPU that woke it.
    int32_t waker_cpu;
    // TASK_LATCH_FAILURE: the error number, positive.
    int32_t error;
    // Of a type that is not known: how many bytes its payload has; the first GS_UNKNOWN_BYTES of them follow.
    uint32_t unknown_length;
    // Of a type that is not known: its payload.
    uint8_t unknown[GS_UNKNOWN_BYTES];
} gs_message;

// The agent's side of a queue. Filled by gs_queue_init; not to be copied. One thread at a time.
typedef struct gs_queue {
    // The library's.
    uint64_t opaque[16];
} gs_queue;

// A region of status words. Filled by gs_status_words_init; may be copied and read by any number of threads.
typedef struct gs_status_words {
    // The library's.
    uint64_t opaque[8];
} gs_status_words;

// What a status word said.
typedef struct gs_status_word {
    // How many messages the thread or agent has caused, modulo 2^32. Read before the rest.
    uint32_t barrier;
    // Its state, GS_SW_*.
    uint32_t flags;
    // Whose it is.
    int64_t gtid;
    // CLOCK_MONOTONIC of the last time it got on a CPU, in ns.
    int64_t switch_time_ns;
    // What it has run so far, in ns; as of when it last left a CPU.
    uint64_t runtime_ns;
} gs_status_word;

// A table of tasks. Filled by gs_tasks_init; not to be copied. One thread at a time.
typedef struct gs_tasks {
    // The library's.
    uint64_t opaque[8];
} gs_tasks;

// Memory of a task in a table.
typedef struct gs_task_slot {
    // The library's.
    uint64_t opaque[3];
} gs_task_slot;

// A task in a table.
typedef struct gs_task {
    // Its gtid.
    int64_t gtid;
    // What the agent keeps of it: a number, an index, a pointer.
    uint64_t value;
    // The sequence number of the last message applied: the task barrier of a transaction for it.
    uint32_t seqnum;
} gs_task;

// The transactions of an enclave, one a CPU. Filled by gs_transactions_init; may be copied.
typedef struct gs_transactions {
    // The library's.
    uint64_t opaque[8];
} gs_transactions;

// What an agent asks for.
typedef struct gs_request {
    // The thread to run, or GS_GTID_NULL, GS_GTID_AGENT, GS_GTID_IDLE.
    int64_t gtid;
    // The sequence number of the newest message consumed of that thread.
    uint32_t task_barrier;
    // The barrier of the CPU's agent, read before its queue was drained. Compared only when an agent commits on its own CPU.
    uint32_t agent_barrier;
    // What happens to the agent and the thread afterwards: GS_RUN_*.
    uint16_t run_flags;
    // Where it is committed: GS_COMMIT_*.
    uint8_t commit_flags;
} gs_request;

// What a transaction said.
typedef struct gs_transaction {
    // What was asked for.
    struct gs_request request;
    // The CPU it is for.
    int32_t cpu;
    // Where it is on its way; see gs_txn_state.
    int32_t state;
    // Which CPU's agent owns it for a sync group; negative if none.
    int32_t sync_group_owner;
    // Version of the layout; 0.
    int32_t version;
    // CLOCK_MONOTONIC of its end, in ns.
    int64_t commit_time_ns;
    // Counter of the CPU after the last successful commit.
    uint64_t cpu_seqnum;
} gs_transaction;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What of an ABI concerns an agent. GS_ERR_ABI if the version is not known.
gs_status gs_abi_describe(uint32_t version, struct gs_abi_info *info);

// The newest ABI that this library and a kernel speak. `text` is `len` bytes of the file `/sys/fs/ghost/version`.
// GS_ERR_ABI if they speak none in common, GS_ERR_TEXT if it is no list of numbers.
gs_status gs_abi_negotiate(const char *text, size_t len, uint32_t *version);

// The kernel's name of a message type in this ABI without MSG_, such as "TASK_NEW"; NULL if the ABI has no such type.
const char *gs_message_name(uint32_t version, uint16_t number);

// The `length` in the header of a message of this type: header and payload in bytes. 0 if the ABI has no such type.
uint32_t gs_message_bytes(uint32_t version, uint16_t number);

// `expected_attach_type` to load a program of a hook with, GS_HOOK_*, and `attach_type` to attach it by. 0 if the ABI has
// no such hook.
uint32_t gs_expected_attach_type(uint32_t version,
                                 int32_t hook);

// The type of the programs of a hook, GS_HOOK_*. 0 if there is none.
uint32_t gs_program_type(int32_t hook);

// Whether programs of this ABI can call a helper, by its number GS_HELPER_*.
bool gs_abi_has_helper(uint32_t version, uint32_t number);

// What `ctl` in the top directory of ghostfs is told to make an enclave, in one write. `group` is negative for root's.
//
// Here and in all functions that write a text: it ends with a zero within the `len` bytes at `text`; `need`, which may be
// NULL, is how many bytes it has without it. GS_ERR_NO_ROOM if it was cut off.
gs_status gs_create_enclave_text(uint32_t version,
                                 uint64_t id,
                                 int64_t group,
                                 char *text,
                                 size_t len,
                                 size_t *need);

// What an enclave's `ctl` is told to make the caller the agent of a CPU. `queue` is negative for the default queue.
gs_status gs_become_agent_text(uint32_t version, uint32_t cpu, int32_t queue, char *text, size_t len, size_t *need);

// What an enclave's `ctl` is told to make a region of status words.
gs_status gs_create_region_text(uint32_t id, uint32_t node, char *text, size_t len, size_t *need);

// The number to write to `tasks` to bring in the thread of a gtid; 0 is the caller. GS_ERR_NOT_IN_ABI in ABI 69, which takes
// tids only.
gs_status gs_join_number(uint32_t version,
                         int64_t gtid,
                         int64_t *number);

// Adds a CPU. Whether that changed the set; one of 1024 and up never does.
bool gs_cpuset_insert(struct gs_cpuset *cpus, uint32_t cpu);

// Takes a CPU out. Whether that changed the set.
bool gs_cpuset_remove(struct gs_cpuset *cpus, uint32_t cpu);

// Whether a CPU is in the set.
bool gs_cpuset_contains(const struct gs_cpuset *cpus, uint32_t cpu);

// How many CPUs.
uint32_t gs_cpuset_count(const struct gs_cpuset *cpus);

// The lowest CPU; -1 of an empty set.
int32_t gs_cpuset_first(const struct gs_cpuset *cpus);

// The lowest CPU above `cpu`; -1 if there is none.
int32_t gs_cpuset_next(const struct gs_cpuset *cpus, uint32_t cpu);

// The CPU with `n` lower ones in the set; -1 if there is none.
int32_t gs_cpuset_nth(const struct gs_cpuset *cpus, uint32_t n);

// Reads a list of CPUs as the kernel does: "0-3,8,10-20:2/5". GS_ERR_TEXT says in gs_last_error where it went wrong.
gs_status gs_cpuset_parse_list(const char *text, size_t len, struct gs_cpuset *cpus);

// Reads a mask of CPUs as the kernel does: "1,0000000f".
gs_status gs_cpuset_parse_mask(const char *text, size_t len, struct gs_cpuset *cpus);

// The set as the kernel prints lists.
gs_status gs_cpuset_list(const struct gs_cpuset *cpus, char *text, size_t len, size_t *need);

// The set as the kernel prints masks.
gs_status gs_cpuset_mask(const struct gs_cpuset *cpus, char *text, size_t len, size_t *need);

// What a status means, in a few words. Never NULL; lives for ever.
const char *gs_status_text(int32_t status);

// What went wrong in the last call of this thread that returned an error, with its numbers: "message of type 67 says it
// has 40 bytes and needs 48: is this the enclave's ABI?". Never NULL, empty before the first error; changed by the next.
const char *gs_last_error(void);

// The version of this library, such as "0.1.0". The macros GS_VERSION_* are that of the header.
const char *gs_version(void);

// Divides a gtid into tid and sequence number; `tid` or `seqnum` may be NULL. `pid_max_max` is what the file
// `/proc/sys/kernel/pid_max_max` says, or 0 where there is none. GS_ERR_NO_TASK of special gtids.
gs_status gs_gtid_split(int64_t gtid, uint32_t pid_max_max, uint32_t *tid, uint64_t *seqnum);

// The gtid of a tid and a sequence number, for simulated kernels. GS_ERR_ARGUMENT if one does not fit or both are 0.
gs_status gs_gtid_join(uint32_t tid, uint64_t seqnum, uint32_t pid_max_max, int64_t *gtid);

// A gtid for people: "4242/17", or "null", "agent", "idle".
gs_status gs_gtid_text(int64_t gtid, uint32_t pid_max_max, char *text, size_t len, size_t *need);

// Whether messages of this type are about a thread, known or not.
bool gs_message_is_task(uint16_t number);

// Whether messages of this type are about a CPU, known or not.
bool gs_message_is_cpu(uint16_t number);

// The message at the start of `len` bytes. A type that is not known is no error. GS_ERR_TRUNCATED, GS_ERR_TOO_SHORT.
gs_status gs_message_decode(uint32_t version, const uint8_t *bytes, size_t len, struct gs_message *message);

// Writes a message as a kernel of its ABI would, padding zeroed. `need`, which may be NULL, is its length in bytes. Of a
// message that is not known (GS_HAS_UNKNOWN) it writes the bytes that were kept; GS_ERR_TOO_LONG if it had more of them.
// GS_ERR_NOT_IN_ABI if the ABI has no such type and the message does not say so. GS_ERR_NO_ROOM, GS_ERR_ABI.
gs_status gs_message_encode(const struct gs_message *message,
                            uint8_t *bytes,
                            size_t len,
                            size_t *need);

// The message for people: "TASK_PREEMPT #17 4242 cpu 3 ran 1200ns latched".
gs_status gs_message_text(const struct gs_message *message, char *text, size_t len, size_t *need);

// Bytes of the mapping of a queue of so many slots: what CREATE_QUEUE answers as `mapsize`.
size_t gs_queue_bytes(uint32_t slots);

// Writes the header of an empty queue: what a kernel does once. For simulated kernels. GS_ERR_LAYOUT if `slots` is no power
// of two up to 65,536.
gs_status gs_queue_format(uint8_t *base,
                          size_t len,
                          uint32_t slots);

// Makes `queue` the agent's side of the queue whose mapping of `len` bytes is at `base`. It goes on where the last consumer
// stopped. The view keeps the mapping.
gs_status gs_queue_init(struct gs_queue *queue,
                        uint8_t *base,
                        size_t len,
                        uint32_t version);

// Lends the next message, which stays in the queue until gs_queue_consume. GS_NONE if there is none. After GS_ERR_TOO_SHORT
// gs_queue_consume skips the message; GS_ERR_OVERFLOW is said once, so ask again; GS_ERR_QUEUE stays until gs_queue_resync.
gs_status gs_queue_peek(struct gs_queue *queue,
                        struct gs_message *message);

// Gives back the message that gs_queue_peek lent: the kernel may write over it. GS_ERR_NOT_PEEKED if none is lent.
gs_status gs_queue_consume(struct gs_queue *queue);

// Moves up to `max` messages from the queue to `messages`; `count` says how many, also after an error, which concerns the
// message behind them: see gs_queue_peek. GS_NONE if there was none.
gs_status gs_queue_drain(struct gs_queue *queue,
                         struct gs_message *messages,
                         size_t max,
                         size_t *count);

// Shows up to `max` messages, which all stay in the queue until gs_queue_consume_read; the next call shows the same again.
// `count` says how many, also after an error, which concerns the message behind them: see gs_queue_peek. GS_NONE if there
// was none. GS_ERR_OVERFLOW is said once, also if not all of them are consumed.
gs_status gs_queue_read(struct gs_queue *queue,
                        struct gs_message *messages,
                        size_t max,
                        size_t *count);

// Consumes the first `n` of the messages that gs_queue_read showed and that are not consumed. GS_ERR_NOT_PEEKED, and nothing
// is, if it did not show so many, or gs_queue_consume, gs_queue_drain or gs_queue_resync was called since. After
// GS_ERR_TOO_SHORT and all of them gs_queue_consume skips the message behind them.
gs_status gs_queue_consume_read(struct gs_queue *queue,
                                size_t n);

// Gives up what is in the queue, after a fault, and goes on with what comes next. `given_up`, which may be NULL, is how many
// slots that were.
gs_status gs_queue_resync(struct gs_queue *queue,
                          uint32_t *given_up);

// How many messages the kernel dropped in all because the queue was full, modulo 2^32. 0 of what is no queue.
uint32_t gs_queue_overflow(const struct gs_queue *queue);

// How many slots of 8 bytes hold messages that are not consumed.
uint32_t gs_queue_used(const struct gs_queue *queue);

// How many slots of 8 bytes it has; not messages.
uint32_t gs_queue_slots(const struct gs_queue *queue);

// Makes `words` the region whose mapping of `len` bytes, which may be read-only, is at `base`. The view keeps the mapping.
// GS_ERR_TOO_SMALL, GS_ERR_LAYOUT.
//
// When the enclave is destroyed the kernel takes the pages of its regions away, and touching them, also by a call of this
// library, is SIGBUS; queues stay. So watch `agent_online` (poll, POLLPRI), stop using the view when the enclave goes, and
// unmap the region before you destroy an enclave yourself.
gs_status gs_status_words_init(struct gs_status_words *words,
                               const uint8_t *base,
                               size_t len);

// How many words are mapped. 0 of what is no region.
uint32_t gs_status_words_count(const struct gs_status_words *words);

// All of a word; it may change between its fields. GS_ERR_RANGE if it is not mapped.
gs_status gs_status_words_read(const struct gs_status_words *words, uint32_t index, struct gs_status_word *status_word);

// The flags of a word, GS_SW_*; 0, as of a free word, if it is not mapped.
uint32_t gs_status_words_flags(const struct gs_status_words *words, uint32_t index);

// The barrier of a word; 0 if it is not mapped. What is read after it is not older.
uint32_t gs_status_words_barrier(const struct gs_status_words *words, uint32_t index);

// The next word in use at or after `*index`, and its index; add one to go on. GS_NONE if there is none. What an agent that
// takes over an enclave looks through.
gs_status gs_status_words_next(const struct gs_status_words *words,
                               uint32_t *index,
                               struct gs_status_word *status_word);

// Makes `tasks` an empty table in `count` slots, a power of two, of which it uses three quarters. The view keeps the slots.
gs_status gs_tasks_init(struct gs_tasks *tasks,
                        struct gs_task_slot *slots,
                        size_t count);

// How many tasks are in the table.
size_t gs_tasks_count(const struct gs_tasks *tasks);

// Adds a task, with the sequence number of the message that announced it. GS_ERR_EXISTS, GS_ERR_FULL, GS_ERR_NO_TASK.
gs_status gs_tasks_insert(struct gs_tasks *tasks, int64_t gtid, uint32_t seqnum, uint64_t value);

// The task that a message is for, its sequence number taken over. GS_STALE, and nothing changed, if that is not after the
// last one; GS_ERR_UNKNOWN_TASK. `task` may be NULL.
gs_status gs_tasks_apply(struct gs_tasks *tasks,
                         int64_t gtid,
                         uint32_t seqnum,
                         struct gs_task *task);

// The task of a gtid. GS_NONE if it is not in the table.
gs_status gs_tasks_find(const struct gs_tasks *tasks, int64_t gtid, struct gs_task *task);

// Changes what the agent keeps of a task. GS_ERR_UNKNOWN_TASK.
gs_status gs_tasks_set(struct gs_tasks *tasks, int64_t gtid, uint64_t value);

// Takes a task out; `value`, which may be NULL, is what was kept of it. GS_NONE if it is not in the table.
gs_status gs_tasks_remove(struct gs_tasks *tasks, int64_t gtid, uint64_t *value);

// Copies up to `max` tasks, in no order, to `list`; `count` says how many there are in the table. GS_ERR_NO_ROOM if they are
// more than `max`.
gs_status gs_tasks_list(const struct gs_tasks *tasks,
                        struct gs_task *list,
                        size_t max,
                        size_t *count);

// Makes `transactions` those of the file `cpu_data`, whose mapping of `len` bytes is at `base`. The view keeps the mapping.
//
// When the enclave is destroyed the kernel takes the pages of `cpu_data` away, and touching them, also by a call of this
// library, is SIGBUS; queues stay. So watch `agent_online` (poll, POLLPRI), stop using the view when the enclave goes, and
// unmap the file before you destroy an enclave yourself.
gs_status gs_transactions_init(struct gs_transactions *transactions,
                               uint8_t *base,
                               size_t len);

// How many CPUs have a transaction. 0 of what was not initialised.
uint32_t gs_transactions_count(const struct gs_transactions *transactions);

// Writes what an agent asks for, without submitting it. GS_LOST if the transaction has not ended; `found`, which may be NULL
// here and below, is then its state.
gs_status gs_txn_open(const struct gs_transactions *transactions,
                      uint32_t cpu,
                      const struct gs_request *request,
                      int32_t *found);

// Hands the transaction to the kernel, which is to be called next; with what gs_txn_open wrote if `request` is NULL. GS_LOST
// if it has not ended.
gs_status gs_txn_submit(const struct gs_transactions *transactions,
                        uint32_t cpu,
                        const struct gs_request *request,
                        int32_t *found);

// Takes a submitted transaction back. GS_LOST if the kernel was first or it was not submitted.
gs_status gs_txn_abort(const struct gs_transactions *transactions, uint32_t cpu, int32_t *found);

// Where the transaction is: GS_TXN_READY, the CPU of the kernel that commits it (0 and up), or how it ended (GS_TXN_*, all
// negative).
gs_status gs_txn_state(const struct gs_transactions *transactions,
                       uint32_t cpu,
                       int32_t *state);

// Spins until the transaction has ended, at most `spins` times. GS_LOST if it has not; `state` is where it is in any case.
gs_status gs_txn_wait(const struct gs_transactions *transactions,
                      uint32_t cpu,
                      uint32_t spins,
                      int32_t *state);

// All of a transaction; it may change between its fields unless it has ended.
gs_status gs_txn_read(const struct gs_transactions *transactions, uint32_t cpu, struct gs_transaction *txn);

// Becomes the owner of the transaction for a sync group, as the agent of CPU `agent`. GS_OWNED, and the owner, if it has one.
gs_status gs_txn_own(const struct gs_transactions *transactions,
                     uint32_t cpu,
                     uint32_t agent,
                     int32_t *owner);

// Gives the transaction back, after a group that failed or was never committed. GS_OWNED if another owns it, or nobody.
gs_status gs_txn_disown(const struct gs_transactions *transactions, uint32_t cpu, uint32_t agent, int32_t *owner);

// Hands the ownership from one agent to another.
gs_status gs_txn_hand_over(const struct gs_transactions *transactions,
                           uint32_t cpu,
                           uint32_t from,
                           uint32_t to,
                           int32_t *owner);

// Whether a state is an end: the agent may use the transaction again.
bool gs_txn_state_is_final(int32_t state);

// Whether a state says that the transaction was committed.
bool gs_txn_state_is_committed(int32_t state);

// What an agent does about a state: GS_REMEDY_*. Of a transaction that has not ended GS_REMEDY_NONE; of an end that this
// library does not know, which a newer kernel may write, GS_REMEDY_DRAIN_FROM_BARRIER.
int32_t gs_txn_state_remedy(int32_t state);

// A state for people: "READY", "claimed by cpu 3", "TARGET_STALE".
gs_status gs_txn_state_text(int32_t state, char *text, size_t len, size_t *need);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GHOSTSCHED_H */
