/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's structures, as little of them as is read here. Offsets come from the running kernel's BTF when the object
 * is loaded (CO-RE), so order and omissions do not matter; names and types do.
 */
#ifndef GHOSTSCHED_KERNEL_BPF_H
#define GHOSTSCHED_KERNEL_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef _Bool bool;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup_subsys_state;

struct cgroup {
	int level;
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cfs_rq;

struct task_group {
	struct cgroup_subsys_state css;
	struct cfs_rq **cfs_rq; /* one a CPU */
};

struct rq {
	__u64 clock;
	int cpu;
};

struct cfs_rq {
	struct rq *rq;
	/* Linux 6.6 (677ea015f231): time this group was throttled on this CPU with threads queued. */
	__u64 throttled_clock_self;      /* since when it is, 0 = it is not */
	__u64 throttled_clock_self_time; /* total of the times that are over */
};

struct sched_entity {
	struct cfs_rq *cfs_rq;
	unsigned char sched_delayed; /* Linux 6.12 */
};

/* Only with CONFIG_SCHED_INFO. */
struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_arrival;
	unsigned long long last_queued;
};

struct task_struct {
	unsigned int __state;
	unsigned int on_cpu; /* u8 from Linux 7: unsigned here, so that libbpf may narrow the load */
	unsigned int on_rq; /* likewise */
	int pid;
	int tgid;
	char comm[16];
	struct sched_entity se;
	struct task_group *sched_task_group;
	struct sched_info sched_info;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define TASK_UNINTERRUPTIBLE 2
#define TASK_DEAD 0x80
#define TASK_NOLOAD 0x400
#define ROOT_CGROUP_ID 1 /* kernfs gives each tree's root this id */
#define TASK_ON_RQ_MIGRATING 2

#endif
