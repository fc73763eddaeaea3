"""The values are asserted by stubtest, so they are those of the native half's tables."""

import enum

class StatusFlags(enum.IntFlag):
    IN_USE = 0x1
    CAN_FREE = 0x2
    ALLOCATED = 0x4
    CPU_AVAILABLE = 0x100
    BOOST_PRIORITY = 0x200
    ON_CPU = 0x10000
    RUNNABLE = 0x20000
    IS_AGENT = 0x40000
    MESSAGES_GATED = 0x80000

class RunFlags(enum.IntFlag):
    AGENT_ON_PREEMPT = 0x1
    AGENT_ON_BLOCKED = 0x2
    AGENT_ON_YIELD = 0x4
    AGENT_ON_IDLE = 0x20
    NEED_L1D_FLUSH = 0x40
    NEED_CPU_NOT_IDLE = 0x80
    ELIDE_PREEMPT = 0x200
    SEND_TASK_ON_CPU = 0x400
    DEFER_LATCHED_PREEMPTION_BY_AGENT = 0x800
    DO_NOT_PREEMPT = 0x1000

class CommitFlags(enum.IntFlag):
    AT_SCHEDULE = 0x1
    AT_TXN_COMMIT = 0x2
    ALLOW_TASK_ON_CPU = 0x4
    ELIDE_AGENT_BARRIER_INC = 0x8
    INC_AGENT_BARRIER_ON_FAILURE = 0x10

class Outcome(enum.IntEnum):
    COMPLETE = -2147483648
    ABORTED = -2147483647
    TARGET_ONCPU = -2147483646
    TARGET_STALE = -2147483645
    TARGET_NOT_FOUND = -2147483644
    TARGET_NOT_RUNNABLE = -2147483643
    AGENT_STALE = -2147483642
    CPU_OFFLINE = -2147483641
    CPU_UNAVAIL = -2147483640
    INVALID_FLAGS = -2147483639
    INVALID_TARGET = -2147483638
    NOT_PERMITTED = -2147483637
    INVALID_CPU = -2147483636
    NO_AGENT = -2147483635
    UNSUPPORTED_VERSION = -2147483634
    POISONED = -2147483633

class Fields(enum.IntFlag):
    gtid = 0x1
    runtime_ns = 0x2
    cpu_seqnum = 0x4
    agent_data = 0x8
    parent = 0x10
    next = 0x20
    commit_time_ns = 0x40
    timer_type = 0x80
    timer_cookie = 0x100
    cpu = 0x200
    last_ran_cpu = 0x400
    waker_cpu = 0x800
    nice = 0x1000
    errno = 0x2000
    status_word_region = 0x4000
    status_word_index = 0x8000
    is_runnable = 0x10000
    from_switchto = 0x20000
    was_latched = 0x40000
    is_deferrable = 0x80000
    was_current = 0x100000
    was_preempted = 0x200000
    is_agent = 0x400000
