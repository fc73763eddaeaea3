/*
 * The memory and the numbers that a ghOSt kernel and its agents share, for the ABIs 69, 84, 90 and 91.
 *
 * A structure that all ABIs have alike has a plain name; one that differs has the first ABI of its layout as suffix, so that
 * gs_abi_task_new_v90 is that of 90 and 91. Structures that are written to the other side have their padding as fields. In a
 * queue everything is aligned to 4 bytes only: copy a payload out of it before you look at it through a pointer. Words that
 * the kernel changes while you look (status words, rings, transactions) have to be read atomically.
 *
 * Generated from core/src/abi: change that and run `make headers`.
 */
#ifndef GHOSTSCHED_ABI_H
#define GHOSTSCHED_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define GS_ABI_ASSERT(claim) static_assert(claim, #claim)
#else
#define GS_ABI_ASSERT(claim) _Static_assert(claim, #claim)
#endif
#define GS_ABI_ALIGNED(bytes) __attribute__((aligned(bytes)))

/* Sizes and limits. */
#define GS_SCHED_GHOST 18
#define GS_MAX_QUEUE_SLOTS 65536
#define GS_MAX_WAKEUP_CPUS 2
#define GS_STATUS_WORD_REGION_BYTES 2097152
#define GS_STATUS_WORD_REGION_CAPACITY 65534
#define GS_CPU_DATA_BYTES 4096
#define GS_MESSAGE_HEADER_BYTES 8
#define GS_LONGEST_MESSAGE_BYTES 56
#define GS_SLOT_BYTES 8
#define GS_GHOSTFS_MAGIC 0xbad1dea2u

/* Special gtids. */
#define GS_GTID_NULL 0
#define GS_GTID_AGENT (-1)
#define GS_GTID_IDLE (-2)

/* Types of messages. Number 73 is TASK_LATCHED in ABI 69 and TASK_ON_CPU since 78. */
#define GS_MSG_NOP 0
#define GS_MSG_TASK_DEAD 64
#define GS_MSG_TASK_BLOCKED 65
#define GS_MSG_TASK_WAKEUP 66
#define GS_MSG_TASK_NEW 67
#define GS_MSG_TASK_PREEMPT 68
#define GS_MSG_TASK_YIELD 69
#define GS_MSG_TASK_DEPARTED 70
#define GS_MSG_TASK_SWITCHTO 71
#define GS_MSG_TASK_AFFINITY_CHANGED 72
#define GS_MSG_TASK_LATCHED 73
#define GS_MSG_TASK_ON_CPU 73
#define GS_MSG_TASK_PRIORITY_CHANGED 74
#define GS_MSG_TASK_LATCH_FAILURE 75
#define GS_MSG_CPU_TICK 128
#define GS_MSG_CPU_TIMER_EXPIRED 129
#define GS_MSG_CPU_NOT_IDLE 130
#define GS_MSG_CPU_AVAILABLE 131
#define GS_MSG_CPU_BUSY 132
#define GS_MSG_CPU_AGENT_BLOCKED 133
#define GS_MSG_CPU_AGENT_WAKEUP 134

/* States of a transaction: submitted; 0 and up, the CPU of the kernel that commits it; and how it ended. */
#define GS_TXN_READY 2147483647
#define GS_TXN_COMPLETE (INT32_MIN + 0)
#define GS_TXN_ABORTED (INT32_MIN + 1)
#define GS_TXN_TARGET_ONCPU (INT32_MIN + 2)
#define GS_TXN_TARGET_STALE (INT32_MIN + 3)
#define GS_TXN_TARGET_NOT_FOUND (INT32_MIN + 4)
#define GS_TXN_TARGET_NOT_RUNNABLE (INT32_MIN + 5)
#define GS_TXN_AGENT_STALE (INT32_MIN + 6)
#define GS_TXN_CPU_OFFLINE (INT32_MIN + 7)
#define GS_TXN_CPU_UNAVAIL (INT32_MIN + 8)
#define GS_TXN_INVALID_FLAGS (INT32_MIN + 9)
#define GS_TXN_INVALID_TARGET (INT32_MIN + 10)
#define GS_TXN_NOT_PERMITTED (INT32_MIN + 11)
#define GS_TXN_INVALID_CPU (INT32_MIN + 12)
#define GS_TXN_NO_AGENT (INT32_MIN + 13)
#define GS_TXN_UNSUPPORTED_VERSION (INT32_MIN + 14)
#define GS_TXN_POISONED (INT32_MIN + 15)

/* Flags of a status word. */
#define GS_SW_IN_USE 0x1u
#define GS_SW_CAN_FREE 0x2u
#define GS_SW_ALLOCATED 0x4u
#define GS_SW_CPU_AVAILABLE 0x100u
#define GS_SW_BOOST_PRIORITY 0x200u
#define GS_SW_ON_CPU 0x10000u
#define GS_SW_RUNNABLE 0x20000u
#define GS_SW_IS_AGENT 0x40000u
#define GS_SW_MESSAGES_GATED 0x80000u

/* Run flags of a transaction. */
#define GS_RUN_AGENT_ON_PREEMPT 0x1u
#define GS_RUN_AGENT_ON_BLOCKED 0x2u
#define GS_RUN_AGENT_ON_YIELD 0x4u
#define GS_RUN_AGENT_ON_IDLE 0x20u
#define GS_RUN_NEED_L1D_FLUSH 0x40u
#define GS_RUN_NEED_CPU_NOT_IDLE 0x80u
#define GS_RUN_ELIDE_PREEMPT 0x200u
#define GS_RUN_SEND_TASK_ON_CPU 0x400u
#define GS_RUN_DEFER_LATCHED_PREEMPTION_BY_AGENT 0x800u
#define GS_RUN_DO_NOT_PREEMPT 0x1000u

/* Commit flags of a transaction. */
#define GS_COMMIT_AT_SCHEDULE 0x1u
#define GS_COMMIT_AT_TXN_COMMIT 0x2u
#define GS_COMMIT_ALLOW_TASK_ON_CPU 0x4u
#define GS_COMMIT_ELIDE_AGENT_BARRIER_INC 0x8u
#define GS_COMMIT_INC_AGENT_BARRIER_ON_FAILURE 0x10u

/* What ASSOC_QUEUE returns. */
#define GS_ASSOC_ALREADY 0x1u
#define GS_ASSOC_BRAND_NEW 0x2u

/* Flags of the BPF helper resched_cpu2. */
#define GS_RESCHED_ANY_CLASS 0x1u
#define GS_RESCHED_GHOST_CLASS 0x2u
#define GS_RESCHED_IDLE_CLASS 0x4u
#define GS_RESCHED_OTHER_CLASS 0x8u
#define GS_RESCHED_SET_MUST_RESCHED 0x10u
#define GS_RESCHED_WAKE_AGENT 0x20u

/* Types of a gs_abi_msg_src. */
#define GS_SOURCE_AGENT 0
#define GS_SOURCE_TASK 1

/* ioctls of an enclave's `ctl`. */
#define GS_IOC_NULL 0x6700u
#define GS_IOC_SW_GET_INFO 0xc0186701u
#define GS_IOC_SW_FREE 0x40086702u
#define GS_IOC_CREATE_QUEUE 0xc0186703u
#define GS_IOC_ASSOC_QUEUE 0x40206704u
#define GS_IOC_SET_DEFAULT_QUEUE 0x40046705u
#define GS_IOC_CONFIG_QUEUE_WAKEUP 0x40186706u
#define GS_IOC_GET_CPU_TIME 0xc0106707u
#define GS_IOC_COMMIT_TXN 0x40106708u
#define GS_IOC_SYNC_GROUP_TXN 0x40106709u
#define GS_IOC_TIMERFD_SETTIME 0xc030670au
#define GS_IOC_RUN 0x4018670bu

/* Hooks of BPF programs, numbers of helpers, and special CPUs of BPF-MSG's pref_cpu. */
#define GS_HOOK_PICK_NEXT_TASK 0
#define GS_HOOK_MESSAGE_SEND 1
#define GS_HOOK_SELECT_RQ 2
#define GS_HOOK_HALT_POLL 3
#define GS_HELPER_WAKE_AGENT 3000
#define GS_HELPER_RUN_GTID 3001
#define GS_HELPER_RESCHED_CPU 3002
#define GS_HELPER_RESCHED_CPU2 3003
#define GS_HELPER_SYNC_COMMIT 3004
#define GS_HELPER_GET_AFFINITY 3005
#define GS_HELPER_GET_COMM 3006
#define GS_NO_WAKEUP_PREFERENCE (-1)
#define GS_SKIP_AGENT_WAKE (-2)
#define GS_SYNC_COMMIT_MAX_CPUS 2

/* ABI 69, 84, 90, 91: 8 bytes. */
struct gs_abi_agent_wakeup {
	int32_t cpu;
	int32_t prio;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_agent_wakeup) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_agent_wakeup, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_agent_wakeup *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_agent_wakeup, prio) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_agent_wakeup *)0)->prio) == 4);

/* ABI 69, 84, 90, 91: 16 bytes. */
struct gs_abi_msg_src {
	uint32_t type;
	uint8_t reserved0[4];
	uint64_t arg;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_msg_src) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_msg_src, type) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_msg_src *)0)->type) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_msg_src, arg) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_msg_src *)0)->arg) == 8);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_timerfd {
	int32_t cpu;
	int32_t flags;
	uint64_t type;
	uint64_t cookie;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_timerfd) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_timerfd, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_timerfd *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_timerfd, flags) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_timerfd *)0)->flags) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_timerfd, type) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_timerfd *)0)->type) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_timerfd, cookie) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_timerfd *)0)->cookie) == 8);

/* ABI 69, 84, 90, 91: 8 bytes. */
struct gs_abi_sw_info {
	uint32_t id;
	uint32_t index;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_sw_info) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_info, id) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_info *)0)->id) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_info, index) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_info *)0)->index) == 4);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_ioc_sw_get_info {
	uint32_t request_type;
	uint8_t reserved0[4];
	uint64_t request_arg;
	uint32_t response_id;
	uint32_t response_index;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_sw_get_info) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_sw_get_info, request_type) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_sw_get_info *)0)->request_type) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_sw_get_info, request_arg) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_sw_get_info *)0)->request_arg) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_sw_get_info, response_id) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_sw_get_info *)0)->response_id) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_sw_get_info, response_index) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_sw_get_info *)0)->response_index) == 4);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_ioc_create_queue {
	int32_t elems;
	int32_t node;
	int32_t flags;
	uint8_t reserved0[4];
	uint64_t mapsize;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_create_queue) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_create_queue, elems) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_create_queue *)0)->elems) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_create_queue, node) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_create_queue *)0)->node) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_create_queue, flags) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_create_queue *)0)->flags) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_create_queue, mapsize) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_create_queue *)0)->mapsize) == 8);

/* ABI 69: 32 bytes. */
struct gs_abi_ioc_assoc_queue_v69 {
	int32_t fd;
	uint8_t reserved0[4];
	uint32_t src_type;
	uint8_t reserved1[4];
	uint64_t src_arg;
	int32_t barrier;
	int32_t flags;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_assoc_queue_v69) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v69, fd) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v69 *)0)->fd) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v69, src_type) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v69 *)0)->src_type) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v69, src_arg) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v69 *)0)->src_arg) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v69, barrier) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v69 *)0)->barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v69, flags) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v69 *)0)->flags) == 4);

/* ABI 84, 90, 91: 32 bytes. */
struct gs_abi_ioc_assoc_queue_v84 {
	int32_t fd;
	uint8_t reserved0[4];
	uint32_t src_type;
	uint8_t reserved1[4];
	uint64_t src_arg;
	uint32_t barrier;
	int32_t flags;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_assoc_queue_v84) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v84, fd) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v84 *)0)->fd) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v84, src_type) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v84 *)0)->src_type) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v84, src_arg) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v84 *)0)->src_arg) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v84, barrier) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v84 *)0)->barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_assoc_queue_v84, flags) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_assoc_queue_v84 *)0)->flags) == 4);

/* ABI 69, 84, 90, 91: 4 bytes. */
struct gs_abi_ioc_set_default_queue {
	int32_t fd;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_set_default_queue) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_set_default_queue, fd) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_set_default_queue *)0)->fd) == 4);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_ioc_config_queue_wakeup {
	int32_t qfd;
	uint8_t reserved0[4];
	uint64_t w;
	int32_t ninfo;
	int32_t flags;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_config_queue_wakeup) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_config_queue_wakeup, qfd) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_config_queue_wakeup *)0)->qfd) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_config_queue_wakeup, w) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_config_queue_wakeup *)0)->w) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_config_queue_wakeup, ninfo) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_config_queue_wakeup *)0)->ninfo) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_config_queue_wakeup, flags) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_config_queue_wakeup *)0)->flags) == 4);

/* ABI 69, 84, 90, 91: 16 bytes. */
struct gs_abi_ioc_get_cpu_time {
	int64_t gtid;
	uint64_t runtime;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_get_cpu_time) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_get_cpu_time, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_get_cpu_time *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_get_cpu_time, runtime) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_get_cpu_time *)0)->runtime) == 8);

/* ABI 69, 84, 90, 91: 16 bytes. */
struct gs_abi_ioc_commit_txn {
	uint64_t mask_ptr;
	uint32_t mask_len;
	int32_t flags;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_commit_txn) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_commit_txn, mask_ptr) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_commit_txn *)0)->mask_ptr) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_commit_txn, mask_len) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_commit_txn *)0)->mask_len) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_commit_txn, flags) == 12);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_commit_txn *)0)->flags) == 4);

/* ABI 69, 84, 90, 91: 48 bytes. */
struct gs_abi_ioc_timerfd_settime {
	int32_t timerfd;
	int32_t flags;
	uint64_t in_tmr;
	uint64_t out_tmr;
	int32_t timerfd_ghost_cpu;
	int32_t timerfd_ghost_flags;
	uint64_t timerfd_ghost_type;
	uint64_t timerfd_ghost_cookie;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_timerfd_settime) == 48);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, timerfd) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->timerfd) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, flags) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->flags) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, in_tmr) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->in_tmr) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, out_tmr) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->out_tmr) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, timerfd_ghost_cpu) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->timerfd_ghost_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, timerfd_ghost_flags) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->timerfd_ghost_flags) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, timerfd_ghost_type) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->timerfd_ghost_type) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_timerfd_settime, timerfd_ghost_cookie) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_timerfd_settime *)0)->timerfd_ghost_cookie) == 8);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_ioc_run {
	int64_t gtid;
	uint32_t agent_barrier;
	uint32_t task_barrier;
	int32_t run_cpu;
	int32_t run_flags;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ioc_run) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_run, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_run *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_run, agent_barrier) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_run *)0)->agent_barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_run, task_barrier) == 12);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_run *)0)->task_barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_run, run_cpu) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_run *)0)->run_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ioc_run, run_flags) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ioc_run *)0)->run_flags) == 4);

/* ABI 69, 84, 90, 91: 64 bytes. */
struct GS_ABI_ALIGNED(64) gs_abi_sw_region_header {
	uint32_t version;
	uint32_t id;
	uint32_t numa_node;
	uint32_t start;
	uint32_t capacity;
	uint32_t available;
	uint8_t reserved0[40];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_sw_region_header) == 64);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_region_header, version) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_region_header *)0)->version) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_region_header, id) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_region_header *)0)->id) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_region_header, numa_node) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_region_header *)0)->numa_node) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_region_header, start) == 12);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_region_header *)0)->start) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_region_header, capacity) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_region_header *)0)->capacity) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_sw_region_header, available) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_sw_region_header *)0)->available) == 4);

/* ABI 69, 84, 90, 91: 32 bytes. */
struct GS_ABI_ALIGNED(32) gs_abi_status_word {
	uint32_t barrier;
	uint32_t flags;
	uint64_t gtid;
	int64_t switch_time;
	uint64_t runtime;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_status_word) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_status_word, barrier) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_status_word *)0)->barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_status_word, flags) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_status_word *)0)->flags) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_status_word, gtid) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_status_word *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_status_word, switch_time) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_status_word *)0)->switch_time) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_status_word, runtime) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_status_word *)0)->runtime) == 8);

/* ABI 69, 84, 90, 91: 64 bytes. */
struct GS_ABI_ALIGNED(64) gs_abi_queue_header {
	uint32_t version;
	uint32_t start;
	uint32_t nelems;
	uint8_t reserved0[52];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_queue_header) == 64);
GS_ABI_ASSERT(offsetof(struct gs_abi_queue_header, version) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_queue_header *)0)->version) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_queue_header, start) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_queue_header *)0)->start) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_queue_header, nelems) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_queue_header *)0)->nelems) == 4);

/* ABI 69, 84, 90, 91: 12 bytes. */
struct gs_abi_ring {
	uint32_t head;
	uint32_t tail;
	uint32_t overflow;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_ring) == 12);
GS_ABI_ASSERT(offsetof(struct gs_abi_ring, head) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ring *)0)->head) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ring, tail) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ring *)0)->tail) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_ring, overflow) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_ring *)0)->overflow) == 4);

/* ABI 69, 84, 90, 91: 8 bytes. */
struct gs_abi_msg {
	uint16_t type;
	uint16_t length;
	uint32_t seqnum;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_msg) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_msg, type) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_msg *)0)->type) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_msg, length) == 2);
GS_ABI_ASSERT(sizeof(((struct gs_abi_msg *)0)->length) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_msg, seqnum) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_msg *)0)->seqnum) == 4);

/* ABI 69: 32 bytes. */
struct gs_abi_task_new_v69 {
	uint64_t gtid;
	uint64_t runtime;
	uint16_t runnable;
	uint8_t reserved0[2];
	uint32_t sw_info_id;
	uint32_t sw_info_index;
	uint8_t reserved1[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_new_v69) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v69, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v69 *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v69, runtime) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v69 *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v69, runnable) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v69 *)0)->runnable) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v69, sw_info_id) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v69 *)0)->sw_info_id) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v69, sw_info_index) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v69 *)0)->sw_info_index) == 4);

/* ABI 84: 40 bytes. */
struct gs_abi_task_new_v84 {
	uint64_t gtid;
	uint64_t parent_gtid;
	uint64_t runtime;
	uint16_t runnable;
	uint8_t reserved0[2];
	int32_t nice;
	uint32_t sw_info_id;
	uint32_t sw_info_index;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_new_v84) == 40);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, parent_gtid) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->parent_gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, runtime) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, runnable) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->runnable) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, nice) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->nice) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, sw_info_id) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->sw_info_id) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v84, sw_info_index) == 36);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v84 *)0)->sw_info_index) == 4);

/* ABI 90, 91: 48 bytes. */
struct gs_abi_task_new_v90 {
	uint64_t gtid;
	uint64_t parent_gtid;
	uint64_t runtime;
	uint16_t runnable;
	uint8_t reserved0[2];
	int32_t nice;
	uint32_t sw_info_id;
	uint32_t sw_info_index;
	uint64_t agent_data;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_new_v90) == 48);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, parent_gtid) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->parent_gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, runtime) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, runnable) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->runnable) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, nice) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->nice) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, sw_info_id) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->sw_info_id) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, sw_info_index) == 36);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->sw_info_index) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_new_v90, agent_data) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_new_v90 *)0)->agent_data) == 8);

/* ABI 69, 84, 90, 91: 40 bytes. */
struct gs_abi_task_preempt {
	uint64_t gtid;
	uint64_t runtime;
	uint64_t cpu_seqnum;
	uint64_t agent_data;
	int32_t cpu;
	int8_t from_switchto;
	int8_t was_latched;
	uint8_t reserved0[2];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_preempt) == 40);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, runtime) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, cpu_seqnum) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, agent_data) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->agent_data) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, cpu) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, from_switchto) == 36);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->from_switchto) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_preempt, was_latched) == 37);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_preempt *)0)->was_latched) == 1);

/* ABI 69, 84, 90, 91: 40 bytes. */
struct gs_abi_task_yield {
	uint64_t gtid;
	uint64_t runtime;
	uint64_t cpu_seqnum;
	uint64_t agent_data;
	int32_t cpu;
	int8_t from_switchto;
	uint8_t reserved0[3];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_yield) == 40);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_yield, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_yield *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_yield, runtime) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_yield *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_yield, cpu_seqnum) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_yield *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_yield, agent_data) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_yield *)0)->agent_data) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_yield, cpu) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_yield *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_yield, from_switchto) == 36);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_yield *)0)->from_switchto) == 1);

/* ABI 69, 84, 90, 91: 32 bytes. */
struct gs_abi_task_blocked {
	uint64_t gtid;
	uint64_t runtime;
	uint64_t cpu_seqnum;
	int32_t cpu;
	int8_t from_switchto;
	uint8_t reserved0[3];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_blocked) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_blocked, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_blocked *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_blocked, runtime) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_blocked *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_blocked, cpu_seqnum) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_blocked *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_blocked, cpu) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_blocked *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_blocked, from_switchto) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_blocked *)0)->from_switchto) == 1);

/* ABI 69, 84: 8 bytes. */
struct gs_abi_task_dead_v69 {
	uint64_t gtid;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_dead_v69) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_dead_v69, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_dead_v69 *)0)->gtid) == 8);

/* ABI 90, 91: 16 bytes. */
struct gs_abi_task_dead_v90 {
	uint64_t gtid;
	int32_t cpu;
	uint8_t reserved0[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_dead_v90) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_dead_v90, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_dead_v90 *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_dead_v90, cpu) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_dead_v90 *)0)->cpu) == 4);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_task_departed {
	uint64_t gtid;
	uint64_t cpu_seqnum;
	int32_t cpu;
	int8_t from_switchto;
	int8_t was_current;
	uint8_t reserved0[2];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_departed) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_departed, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_departed *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_departed, cpu_seqnum) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_departed *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_departed, cpu) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_departed *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_departed, from_switchto) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_departed *)0)->from_switchto) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_departed, was_current) == 21);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_departed *)0)->was_current) == 1);

/* ABI 69, 84, 90, 91: 8 bytes. */
struct gs_abi_task_affinity_changed {
	uint64_t gtid;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_affinity_changed) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_affinity_changed, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_affinity_changed *)0)->gtid) == 8);

/* ABI 84, 90, 91: 16 bytes. */
struct gs_abi_task_priority_changed {
	uint64_t gtid;
	int32_t nice;
	uint8_t reserved0[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_priority_changed) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_priority_changed, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_priority_changed *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_priority_changed, nice) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_priority_changed *)0)->nice) == 4);

/* ABI 69, 84, 90, 91: 32 bytes. */
struct gs_abi_task_wakeup {
	uint64_t gtid;
	uint64_t agent_data;
	int8_t deferrable;
	uint8_t reserved0[3];
	int32_t last_ran_cpu;
	int32_t wake_up_cpu;
	int32_t waker_cpu;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_wakeup) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_wakeup, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_wakeup *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_wakeup, agent_data) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_wakeup *)0)->agent_data) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_wakeup, deferrable) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_wakeup *)0)->deferrable) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_wakeup, last_ran_cpu) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_wakeup *)0)->last_ran_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_wakeup, wake_up_cpu) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_wakeup *)0)->wake_up_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_wakeup, waker_cpu) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_wakeup *)0)->waker_cpu) == 4);

/* ABI 69, 84, 90, 91: 32 bytes. */
struct gs_abi_task_switchto {
	uint64_t gtid;
	uint64_t runtime;
	uint64_t cpu_seqnum;
	int32_t cpu;
	uint8_t reserved0[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_switchto) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_switchto, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_switchto *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_switchto, runtime) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_switchto *)0)->runtime) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_switchto, cpu_seqnum) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_switchto *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_switchto, cpu) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_switchto *)0)->cpu) == 4);

/* ABI 69: 32 bytes. */
struct gs_abi_task_latched {
	uint64_t gtid;
	uint64_t commit_time;
	uint64_t cpu_seqnum;
	int32_t cpu;
	int8_t latched_preempt;
	uint8_t reserved0[3];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_latched) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latched, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latched *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latched, commit_time) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latched *)0)->commit_time) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latched, cpu_seqnum) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latched *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latched, cpu) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latched *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latched, latched_preempt) == 28);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latched *)0)->latched_preempt) == 1);

/* ABI 84, 90, 91: 32 bytes. */
struct gs_abi_task_on_cpu {
	uint64_t gtid;
	uint64_t commit_time;
	uint64_t cpu_seqnum;
	int32_t cpu;
	uint8_t reserved0[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_on_cpu) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_on_cpu, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_on_cpu *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_on_cpu, commit_time) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_on_cpu *)0)->commit_time) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_on_cpu, cpu_seqnum) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_on_cpu *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_on_cpu, cpu) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_on_cpu *)0)->cpu) == 4);

/* ABI 84, 90, 91: 16 bytes. */
struct gs_abi_task_latch_failure {
	uint64_t gtid;
	int32_t error;
	uint8_t reserved0[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_task_latch_failure) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latch_failure, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latch_failure *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_task_latch_failure, error) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_task_latch_failure *)0)->error) == 4);

/* ABI 69, 84, 90, 91: 16 bytes. */
struct gs_abi_cpu_not_idle {
	int32_t cpu;
	uint8_t reserved0[4];
	uint64_t next_gtid;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_not_idle) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_not_idle, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_not_idle *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_not_idle, next_gtid) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_not_idle *)0)->next_gtid) == 8);

/* ABI 69, 84: 4 bytes. */
struct gs_abi_cpu_tick_v69 {
	int32_t cpu;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_tick_v69) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_tick_v69, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_tick_v69 *)0)->cpu) == 4);

/* ABI 90, 91: 8 bytes. */
struct gs_abi_cpu_tick_v90 {
	int32_t cpu;
	int32_t is_agent;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_tick_v90) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_tick_v90, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_tick_v90 *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_tick_v90, is_agent) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_tick_v90 *)0)->is_agent) == 4);

/* ABI 69, 84, 90, 91: 24 bytes. */
struct gs_abi_cpu_timer_expired {
	int32_t cpu;
	uint8_t reserved0[4];
	uint64_t type;
	uint64_t cookie;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_timer_expired) == 24);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_timer_expired, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_timer_expired *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_timer_expired, type) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_timer_expired *)0)->type) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_timer_expired, cookie) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_timer_expired *)0)->cookie) == 8);

/* ABI 84, 90, 91: 4 bytes. */
struct gs_abi_cpu_available {
	int32_t cpu;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_available) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_available, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_available *)0)->cpu) == 4);

/* ABI 84, 90, 91: 4 bytes. */
struct gs_abi_cpu_busy {
	int32_t cpu;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_busy) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_busy, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_busy *)0)->cpu) == 4);

/* ABI 84, 90, 91: 4 bytes. */
struct gs_abi_cpu_agent_blocked {
	int32_t cpu;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_agent_blocked) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_agent_blocked, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_agent_blocked *)0)->cpu) == 4);

/* ABI 84, 90, 91: 4 bytes. */
struct gs_abi_cpu_agent_wakeup {
	int32_t cpu;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_agent_wakeup) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_agent_wakeup, cpu) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_agent_wakeup *)0)->cpu) == 4);

/* ABI 69: 48 bytes. */
struct GS_ABI_ALIGNED(8) gs_abi_bpf_msg_v69 {
	uint8_t reserved0[40];
	uint16_t type;
	uint8_t reserved1[2];
	uint32_t seqnum;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_msg_v69) == 48);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v69, type) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v69 *)0)->type) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v69, seqnum) == 44);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v69 *)0)->seqnum) == 4);

/* ABI 84: 56 bytes. */
struct GS_ABI_ALIGNED(8) gs_abi_bpf_msg_v84 {
	uint8_t reserved0[40];
	uint16_t type;
	uint8_t reserved1[2];
	uint32_t seqnum;
	int32_t pref_cpu;
	uint8_t reserved2[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_msg_v84) == 56);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v84, type) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v84 *)0)->type) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v84, seqnum) == 44);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v84 *)0)->seqnum) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v84, pref_cpu) == 48);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v84 *)0)->pref_cpu) == 4);

/* ABI 90, 91: 64 bytes. */
struct GS_ABI_ALIGNED(8) gs_abi_bpf_msg_v90 {
	uint8_t reserved0[48];
	uint16_t type;
	uint8_t reserved1[2];
	uint32_t seqnum;
	int32_t pref_cpu;
	uint8_t reserved2[4];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_msg_v90) == 64);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v90, type) == 48);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v90 *)0)->type) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v90, seqnum) == 52);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v90 *)0)->seqnum) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_msg_v90, pref_cpu) == 56);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_msg_v90 *)0)->pref_cpu) == 4);

/* ABI 69: 16 bytes. */
struct gs_abi_bpf_sched_v69 {
	uint8_t agent_on_rq;
	uint8_t agent_runnable;
	uint8_t might_yield;
	uint8_t dont_idle;
	uint8_t reserved0[4];
	uint64_t next_gtid;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_sched_v69) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v69, agent_on_rq) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v69 *)0)->agent_on_rq) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v69, agent_runnable) == 1);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v69 *)0)->agent_runnable) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v69, might_yield) == 2);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v69 *)0)->might_yield) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v69, dont_idle) == 3);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v69 *)0)->dont_idle) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v69, next_gtid) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v69 *)0)->next_gtid) == 8);

/* ABI 84, 90, 91: 16 bytes. */
struct gs_abi_bpf_sched_v84 {
	uint8_t agent_on_rq;
	uint8_t agent_runnable;
	uint8_t might_yield;
	uint8_t dont_idle;
	uint8_t must_resched;
	uint8_t reserved0[3];
	uint64_t next_gtid;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_sched_v84) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v84, agent_on_rq) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v84 *)0)->agent_on_rq) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v84, agent_runnable) == 1);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v84 *)0)->agent_runnable) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v84, might_yield) == 2);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v84 *)0)->might_yield) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v84, dont_idle) == 3);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v84 *)0)->dont_idle) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v84, must_resched) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v84 *)0)->must_resched) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sched_v84, next_gtid) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sched_v84 *)0)->next_gtid) == 8);

/* ABI 84, 90, 91: 32 bytes. */
struct gs_abi_bpf_select_rq {
	uint64_t gtid;
	uint32_t task_cpu;
	uint32_t waker_cpu;
	uint32_t sd_flag;
	uint32_t wake_flags;
	uint8_t skip_ttwu_queue;
	uint8_t reserved0[7];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_select_rq) == 32);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_select_rq, gtid) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_select_rq *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_select_rq, task_cpu) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_select_rq *)0)->task_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_select_rq, waker_cpu) == 12);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_select_rq *)0)->waker_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_select_rq, sd_flag) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_select_rq *)0)->sd_flag) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_select_rq, wake_flags) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_select_rq *)0)->wake_flags) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_select_rq, skip_ttwu_queue) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_select_rq *)0)->skip_ttwu_queue) == 1);

/* ABI 84, 90, 91: 4 bytes. */
struct gs_abi_bpf_halt_poll {
	uint32_t type;
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_halt_poll) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_halt_poll, type) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_halt_poll *)0)->type) == 4);

/* ABI 90, 91: 48 bytes. */
struct gs_abi_bpf_sync_commit_args {
	int32_t cpus[2];
	uint64_t gtids[2];
	uint32_t task_barriers[2];
	int32_t run_flags[2];
	int32_t commit_flags[2];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_bpf_sync_commit_args) == 48);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sync_commit_args, cpus) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sync_commit_args *)0)->cpus) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sync_commit_args, gtids) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sync_commit_args *)0)->gtids) == 16);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sync_commit_args, task_barriers) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sync_commit_args *)0)->task_barriers) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sync_commit_args, run_flags) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sync_commit_args *)0)->run_flags) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_bpf_sync_commit_args, commit_flags) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_bpf_sync_commit_args *)0)->commit_flags) == 8);

/* ABI 69, 84, 90, 91: 64 bytes. */
struct GS_ABI_ALIGNED(64) gs_abi_txn {
	int32_t version;
	int32_t cpu;
	int32_t state;
	uint32_t agent_barrier;
	uint32_t task_barrier;
	uint16_t run_flags;
	uint8_t commit_flags;
	uint8_t unused;
	int64_t gtid;
	int64_t commit_time;
	uint64_t cpu_seqnum;
	int32_t sync_group_owner;
	uint8_t reserved0[12];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_txn) == 64);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, version) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->version) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, cpu) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, state) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->state) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, agent_barrier) == 12);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->agent_barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, task_barrier) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->task_barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, run_flags) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->run_flags) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, commit_flags) == 22);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->commit_flags) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, unused) == 23);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->unused) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, gtid) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, commit_time) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->commit_time) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, cpu_seqnum) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_txn, sync_group_owner) == 48);
GS_ABI_ASSERT(sizeof(((struct gs_abi_txn *)0)->sync_group_owner) == 4);

/* ABI 69, 84, 90, 91: 4096 bytes. */
struct GS_ABI_ALIGNED(4096) gs_abi_cpu_data {
	int32_t txn_version;
	int32_t txn_cpu;
	int32_t txn_state;
	uint32_t txn_agent_barrier;
	uint32_t txn_task_barrier;
	uint16_t txn_run_flags;
	uint8_t txn_commit_flags;
	uint8_t txn_unused;
	int64_t txn_gtid;
	int64_t txn_commit_time;
	uint64_t txn_cpu_seqnum;
	int32_t txn_u_sync_group_owner;
	uint8_t reserved0[4044];
};
GS_ABI_ASSERT(sizeof(struct gs_abi_cpu_data) == 4096);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_version) == 0);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_version) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_cpu) == 4);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_cpu) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_state) == 8);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_state) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_agent_barrier) == 12);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_agent_barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_task_barrier) == 16);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_task_barrier) == 4);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_run_flags) == 20);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_run_flags) == 2);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_commit_flags) == 22);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_commit_flags) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_unused) == 23);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_unused) == 1);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_gtid) == 24);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_gtid) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_commit_time) == 32);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_commit_time) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_cpu_seqnum) == 40);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_cpu_seqnum) == 8);
GS_ABI_ASSERT(offsetof(struct gs_abi_cpu_data, txn_u_sync_group_owner) == 48);
GS_ABI_ASSERT(sizeof(((struct gs_abi_cpu_data *)0)->txn_u_sync_group_owner) == 4);

#endif
