//! The types and constants of `include/ghostsched_bpf.h`, which documents them.
//!
//! Generated: change the header and run `make bindings`.
#![allow(missing_docs, non_camel_case_types)]

pub type __u8 = u8;
pub type __u16 = u16;
pub type __u32 = u32;
pub type __u64 = u64;
pub type __s32 = i32;
pub type __s64 = i64;

pub const GS_GROUP_IDLE: u32 = 0;
pub const GS_GROUP_REST: u32 = 1;
pub const GS_GROUP_UNKNOWN: u32 = 2;
pub const GS_FIRST_GROUP: u32 = 3;
pub const GS_KIND_WAIT: u32 = 0;
pub const GS_KIND_SAME: u32 = 1;
pub const GS_KIND_OTHER: u32 = 2;
pub const GS_KIND_IDLE: u32 = 3;
pub const GS_KIND_THROTTLED: u32 = 4;
pub const GS_KIND_ON: u32 = 5;
pub const GS_KIND_SLEEP: u32 = 6;
pub const GS_KIND_BLOCK: u32 = 7;
pub const GS_KINDS: u32 = 8;
pub const GS_MAX_BOUNDS: u32 = 64;
pub const GS_MAX_BUCKETS: u32 = 65;
pub const GS_LOG_LEN: u32 = 1024;
pub const GS_MATRIX_CELLS: u32 = 2048;
pub const GS_MATRIX_PROBES: u32 = 8;
pub const GS_NAME_LEN: u32 = 64;
pub const GS_CLOCK_OF_NEXT: u32 = 4294967295;
pub const GS_METHOD_LOG: u32 = 0;
pub const GS_METHOD_CLOCK: u32 = 1;
pub const GS_EVENT_SWITCH: u32 = 1;
pub const GS_EVENT_WAKEUP: u32 = 2;
pub const GS_EVENT_MIGRATE: u32 = 3;
pub const GS_LEFT_QUEUED: u32 = 1;
pub const GS_LEFT_BLOCKED: u32 = 2;
pub const GS_LEFT_DEAD: u32 = 4;
pub const GS_STAMPED: u32 = 8;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_config {
    pub bounds: [__u64; 64usize],
    pub buckets: __u32,
    pub method: __u32,
    pub level: __u32,
    pub max_groups: __u32,
    pub max_blocks: __u32,
    pub cpus: __u32,
    pub recording: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_config"][::core::mem::size_of::<gs_config>() - 544usize];
    ["Alignment of gs_config"][::core::mem::align_of::<gs_config>() - 8usize];
    ["Offset of field: gs_config::bounds"][::core::mem::offset_of!(gs_config, bounds) - 0usize];
    ["Offset of field: gs_config::buckets"][::core::mem::offset_of!(gs_config, buckets) - 512usize];
    ["Offset of field: gs_config::method"][::core::mem::offset_of!(gs_config, method) - 516usize];
    ["Offset of field: gs_config::level"][::core::mem::offset_of!(gs_config, level) - 520usize];
    ["Offset of field: gs_config::max_groups"][::core::mem::offset_of!(gs_config, max_groups) - 524usize];
    ["Offset of field: gs_config::max_blocks"][::core::mem::offset_of!(gs_config, max_blocks) - 528usize];
    ["Offset of field: gs_config::cpus"][::core::mem::offset_of!(gs_config, cpus) - 532usize];
    ["Offset of field: gs_config::recording"][::core::mem::offset_of!(gs_config, recording) - 536usize];
    ["Offset of field: gs_config::reserved"][::core::mem::offset_of!(gs_config, reserved) - 540usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_state {
    pub window: __u64,
    pub watching: __u32,
    pub generation: __u32,
    pub groups: __u32,
    pub blocks: __u32,
    pub groups_over_capacity: __u64,
    pub blocks_over_capacity: __u64,
    pub fork_failures: __u64,
    pub records_lost: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_state"][::core::mem::size_of::<gs_state>() - 56usize];
    ["Alignment of gs_state"][::core::mem::align_of::<gs_state>() - 8usize];
    ["Offset of field: gs_state::window"][::core::mem::offset_of!(gs_state, window) - 0usize];
    ["Offset of field: gs_state::watching"][::core::mem::offset_of!(gs_state, watching) - 8usize];
    ["Offset of field: gs_state::generation"][::core::mem::offset_of!(gs_state, generation) - 12usize];
    ["Offset of field: gs_state::groups"][::core::mem::offset_of!(gs_state, groups) - 16usize];
    ["Offset of field: gs_state::blocks"][::core::mem::offset_of!(gs_state, blocks) - 20usize];
    ["Offset of field: gs_state::groups_over_capacity"]
        [::core::mem::offset_of!(gs_state, groups_over_capacity) - 24usize];
    ["Offset of field: gs_state::blocks_over_capacity"]
        [::core::mem::offset_of!(gs_state, blocks_over_capacity) - 32usize];
    ["Offset of field: gs_state::fork_failures"][::core::mem::offset_of!(gs_state, fork_failures) - 40usize];
    ["Offset of field: gs_state::records_lost"][::core::mem::offset_of!(gs_state, records_lost) - 48usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_parts {
    pub same_ns: __u64,
    pub other_ns: __u64,
    pub idle_ns: __u64,
    pub throttled_ns: __u64,
    pub unattributed_ns: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_parts"][::core::mem::size_of::<gs_parts>() - 40usize];
    ["Alignment of gs_parts"][::core::mem::align_of::<gs_parts>() - 8usize];
    ["Offset of field: gs_parts::same_ns"][::core::mem::offset_of!(gs_parts, same_ns) - 0usize];
    ["Offset of field: gs_parts::other_ns"][::core::mem::offset_of!(gs_parts, other_ns) - 8usize];
    ["Offset of field: gs_parts::idle_ns"][::core::mem::offset_of!(gs_parts, idle_ns) - 16usize];
    ["Offset of field: gs_parts::throttled_ns"][::core::mem::offset_of!(gs_parts, throttled_ns) - 24usize];
    ["Offset of field: gs_parts::unattributed_ns"][::core::mem::offset_of!(gs_parts, unattributed_ns) - 32usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_segment {
    pub start_ns: __u64,
    pub clock_start_ns: __u64,
    pub clock_end_ns: __u64,
    pub group: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_segment"][::core::mem::size_of::<gs_segment>() - 32usize];
    ["Alignment of gs_segment"][::core::mem::align_of::<gs_segment>() - 8usize];
    ["Offset of field: gs_segment::start_ns"][::core::mem::offset_of!(gs_segment, start_ns) - 0usize];
    ["Offset of field: gs_segment::clock_start_ns"][::core::mem::offset_of!(gs_segment, clock_start_ns) - 8usize];
    ["Offset of field: gs_segment::clock_end_ns"][::core::mem::offset_of!(gs_segment, clock_end_ns) - 16usize];
    ["Offset of field: gs_segment::group"][::core::mem::offset_of!(gs_segment, group) - 24usize];
    ["Offset of field: gs_segment::reserved"][::core::mem::offset_of!(gs_segment, reserved) - 28usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_cpu {
    pub current: __u64,
    pub switched_ns: __u64,
    pub group: __u32,
    pub head: __u32,
    pub filled: __u32,
    pub reserved: __u32,
    pub broken_ns: __u64,
    pub switches: __u64,
    pub chain_breaks: __u64,
    pub unknown_ns: __u64,
    pub missed_waits: __u64,
    pub missed_ns: __u64,
    pub extra_waits: __u64,
    pub extra_ns: __u64,
    pub suspect_waits: __u64,
    pub suspect_ns: __u64,
    pub migrated_waits: __u64,
    pub moving_ns: __u64,
    pub storage_failures: __u64,
    pub throttle_clipped: __u64,
    pub matrix_overflow_ns: __u64,
    pub log: [gs_segment; 1024usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_cpu"][::core::mem::size_of::<gs_cpu>() - 32920usize];
    ["Alignment of gs_cpu"][::core::mem::align_of::<gs_cpu>() - 8usize];
    ["Offset of field: gs_cpu::current"][::core::mem::offset_of!(gs_cpu, current) - 0usize];
    ["Offset of field: gs_cpu::switched_ns"][::core::mem::offset_of!(gs_cpu, switched_ns) - 8usize];
    ["Offset of field: gs_cpu::group"][::core::mem::offset_of!(gs_cpu, group) - 16usize];
    ["Offset of field: gs_cpu::head"][::core::mem::offset_of!(gs_cpu, head) - 20usize];
    ["Offset of field: gs_cpu::filled"][::core::mem::offset_of!(gs_cpu, filled) - 24usize];
    ["Offset of field: gs_cpu::reserved"][::core::mem::offset_of!(gs_cpu, reserved) - 28usize];
    ["Offset of field: gs_cpu::broken_ns"][::core::mem::offset_of!(gs_cpu, broken_ns) - 32usize];
    ["Offset of field: gs_cpu::switches"][::core::mem::offset_of!(gs_cpu, switches) - 40usize];
    ["Offset of field: gs_cpu::chain_breaks"][::core::mem::offset_of!(gs_cpu, chain_breaks) - 48usize];
    ["Offset of field: gs_cpu::unknown_ns"][::core::mem::offset_of!(gs_cpu, unknown_ns) - 56usize];
    ["Offset of field: gs_cpu::missed_waits"][::core::mem::offset_of!(gs_cpu, missed_waits) - 64usize];
    ["Offset of field: gs_cpu::missed_ns"][::core::mem::offset_of!(gs_cpu, missed_ns) - 72usize];
    ["Offset of field: gs_cpu::extra_waits"][::core::mem::offset_of!(gs_cpu, extra_waits) - 80usize];
    ["Offset of field: gs_cpu::extra_ns"][::core::mem::offset_of!(gs_cpu, extra_ns) - 88usize];
    ["Offset of field: gs_cpu::suspect_waits"][::core::mem::offset_of!(gs_cpu, suspect_waits) - 96usize];
    ["Offset of field: gs_cpu::suspect_ns"][::core::mem::offset_of!(gs_cpu, suspect_ns) - 104usize];
    ["Offset of field: gs_cpu::migrated_waits"][::core::mem::offset_of!(gs_cpu, migrated_waits) - 112usize];
    ["Offset of field: gs_cpu::moving_ns"][::core::mem::offset_of!(gs_cpu, moving_ns) - 120usize];
    ["Offset of field: gs_cpu::storage_failures"][::core::mem::offset_of!(gs_cpu, storage_failures) - 128usize];
    ["Offset of field: gs_cpu::throttle_clipped"][::core::mem::offset_of!(gs_cpu, throttle_clipped) - 136usize];
    ["Offset of field: gs_cpu::matrix_overflow_ns"][::core::mem::offset_of!(gs_cpu, matrix_overflow_ns) - 144usize];
    ["Offset of field: gs_cpu::log"][::core::mem::offset_of!(gs_cpu, log) - 152usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_cell {
    pub victim: __u32,
    pub by: __u32,
    pub ns: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_cell"][::core::mem::size_of::<gs_cell>() - 16usize];
    ["Alignment of gs_cell"][::core::mem::align_of::<gs_cell>() - 8usize];
    ["Offset of field: gs_cell::victim"][::core::mem::offset_of!(gs_cell, victim) - 0usize];
    ["Offset of field: gs_cell::by"][::core::mem::offset_of!(gs_cell, by) - 4usize];
    ["Offset of field: gs_cell::ns"][::core::mem::offset_of!(gs_cell, ns) - 8usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_matrix {
    pub cells: [gs_cell; 2048usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_matrix"][::core::mem::size_of::<gs_matrix>() - 32768usize];
    ["Alignment of gs_matrix"][::core::mem::align_of::<gs_matrix>() - 8usize];
    ["Offset of field: gs_matrix::cells"][::core::mem::offset_of!(gs_matrix, cells) - 0usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_block {
    pub sum_ns: [__u64; 8usize],
    pub max_ns: [__u64; 8usize],
    pub last_max_ns: [__u64; 8usize],
    pub window: __u64,
    pub throttled_on_ns: __u64,
    pub missed_waits: __u64,
    pub missed_ns: __u64,
    pub counts: [__u64; 520usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_block"][::core::mem::size_of::<gs_block>() - 4384usize];
    ["Alignment of gs_block"][::core::mem::align_of::<gs_block>() - 8usize];
    ["Offset of field: gs_block::sum_ns"][::core::mem::offset_of!(gs_block, sum_ns) - 0usize];
    ["Offset of field: gs_block::max_ns"][::core::mem::offset_of!(gs_block, max_ns) - 64usize];
    ["Offset of field: gs_block::last_max_ns"][::core::mem::offset_of!(gs_block, last_max_ns) - 128usize];
    ["Offset of field: gs_block::window"][::core::mem::offset_of!(gs_block, window) - 192usize];
    ["Offset of field: gs_block::throttled_on_ns"][::core::mem::offset_of!(gs_block, throttled_on_ns) - 200usize];
    ["Offset of field: gs_block::missed_waits"][::core::mem::offset_of!(gs_block, missed_waits) - 208usize];
    ["Offset of field: gs_block::missed_ns"][::core::mem::offset_of!(gs_block, missed_ns) - 216usize];
    ["Offset of field: gs_block::counts"][::core::mem::offset_of!(gs_block, counts) - 224usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_task {
    pub group_key: __u64,
    pub generation: __u32,
    pub group: __u32,
    pub known: __u32,
    pub left_kind: __u32,
    pub suspect: __u32,
    pub moved: __u32,
    pub queued_group: __u32,
    pub unsplit: __u32,
    pub clock_cpu: __u32,
    pub reserved: __u32,
    pub delay_ns: __u64,
    pub arrivals: __u64,
    pub first_delay_ns: __u64,
    pub counted_ns: __u64,
    pub missed_ns: __u64,
    pub on_ns: __u64,
    pub left_ns: __u64,
    pub queued_ns: __u64,
    pub began_ns: __u64,
    pub clock_ns: __u64,
    pub same_clock_ns: __u64,
    pub idle_clock_ns: __u64,
    pub parts: gs_parts,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_task"][::core::mem::size_of::<gs_task>() - 184usize];
    ["Alignment of gs_task"][::core::mem::align_of::<gs_task>() - 8usize];
    ["Offset of field: gs_task::group_key"][::core::mem::offset_of!(gs_task, group_key) - 0usize];
    ["Offset of field: gs_task::generation"][::core::mem::offset_of!(gs_task, generation) - 8usize];
    ["Offset of field: gs_task::group"][::core::mem::offset_of!(gs_task, group) - 12usize];
    ["Offset of field: gs_task::known"][::core::mem::offset_of!(gs_task, known) - 16usize];
    ["Offset of field: gs_task::left_kind"][::core::mem::offset_of!(gs_task, left_kind) - 20usize];
    ["Offset of field: gs_task::suspect"][::core::mem::offset_of!(gs_task, suspect) - 24usize];
    ["Offset of field: gs_task::moved"][::core::mem::offset_of!(gs_task, moved) - 28usize];
    ["Offset of field: gs_task::queued_group"][::core::mem::offset_of!(gs_task, queued_group) - 32usize];
    ["Offset of field: gs_task::unsplit"][::core::mem::offset_of!(gs_task, unsplit) - 36usize];
    ["Offset of field: gs_task::clock_cpu"][::core::mem::offset_of!(gs_task, clock_cpu) - 40usize];
    ["Offset of field: gs_task::reserved"][::core::mem::offset_of!(gs_task, reserved) - 44usize];
    ["Offset of field: gs_task::delay_ns"][::core::mem::offset_of!(gs_task, delay_ns) - 48usize];
    ["Offset of field: gs_task::arrivals"][::core::mem::offset_of!(gs_task, arrivals) - 56usize];
    ["Offset of field: gs_task::first_delay_ns"][::core::mem::offset_of!(gs_task, first_delay_ns) - 64usize];
    ["Offset of field: gs_task::counted_ns"][::core::mem::offset_of!(gs_task, counted_ns) - 72usize];
    ["Offset of field: gs_task::missed_ns"][::core::mem::offset_of!(gs_task, missed_ns) - 80usize];
    ["Offset of field: gs_task::on_ns"][::core::mem::offset_of!(gs_task, on_ns) - 88usize];
    ["Offset of field: gs_task::left_ns"][::core::mem::offset_of!(gs_task, left_ns) - 96usize];
    ["Offset of field: gs_task::queued_ns"][::core::mem::offset_of!(gs_task, queued_ns) - 104usize];
    ["Offset of field: gs_task::began_ns"][::core::mem::offset_of!(gs_task, began_ns) - 112usize];
    ["Offset of field: gs_task::clock_ns"][::core::mem::offset_of!(gs_task, clock_ns) - 120usize];
    ["Offset of field: gs_task::same_clock_ns"][::core::mem::offset_of!(gs_task, same_clock_ns) - 128usize];
    ["Offset of field: gs_task::idle_clock_ns"][::core::mem::offset_of!(gs_task, idle_clock_ns) - 136usize];
    ["Offset of field: gs_task::parts"][::core::mem::offset_of!(gs_task, parts) - 144usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_group {
    pub cgroup_id: __u64,
    pub level: __u32,
    pub reserved: __u32,
    pub name: [::core::ffi::c_char; 64usize],
    pub parent: [::core::ffi::c_char; 64usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_group"][::core::mem::size_of::<gs_group>() - 144usize];
    ["Alignment of gs_group"][::core::mem::align_of::<gs_group>() - 8usize];
    ["Offset of field: gs_group::cgroup_id"][::core::mem::offset_of!(gs_group, cgroup_id) - 0usize];
    ["Offset of field: gs_group::level"][::core::mem::offset_of!(gs_group, level) - 8usize];
    ["Offset of field: gs_group::reserved"][::core::mem::offset_of!(gs_group, reserved) - 12usize];
    ["Offset of field: gs_group::name"][::core::mem::offset_of!(gs_group, name) - 16usize];
    ["Offset of field: gs_group::parent"][::core::mem::offset_of!(gs_group, parent) - 80usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_seen {
    pub tid: __u32,
    pub pid: __u32,
    pub cpu: __u32,
    pub group: __u32,
    pub waiting: __u32,
    pub known: __u32,
    pub queued_ns: __u64,
    pub began_ns: __u64,
    pub clock_ns: __u64,
    pub now_clock_ns: __u64,
    pub kernel_ns: __u64,
    pub counted_ns: __u64,
    pub missed_ns: __u64,
    pub parts: gs_parts,
    pub comm: [::core::ffi::c_char; 16usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_seen"][::core::mem::size_of::<gs_seen>() - 136usize];
    ["Alignment of gs_seen"][::core::mem::align_of::<gs_seen>() - 8usize];
    ["Offset of field: gs_seen::tid"][::core::mem::offset_of!(gs_seen, tid) - 0usize];
    ["Offset of field: gs_seen::pid"][::core::mem::offset_of!(gs_seen, pid) - 4usize];
    ["Offset of field: gs_seen::cpu"][::core::mem::offset_of!(gs_seen, cpu) - 8usize];
    ["Offset of field: gs_seen::group"][::core::mem::offset_of!(gs_seen, group) - 12usize];
    ["Offset of field: gs_seen::waiting"][::core::mem::offset_of!(gs_seen, waiting) - 16usize];
    ["Offset of field: gs_seen::known"][::core::mem::offset_of!(gs_seen, known) - 20usize];
    ["Offset of field: gs_seen::queued_ns"][::core::mem::offset_of!(gs_seen, queued_ns) - 24usize];
    ["Offset of field: gs_seen::began_ns"][::core::mem::offset_of!(gs_seen, began_ns) - 32usize];
    ["Offset of field: gs_seen::clock_ns"][::core::mem::offset_of!(gs_seen, clock_ns) - 40usize];
    ["Offset of field: gs_seen::now_clock_ns"][::core::mem::offset_of!(gs_seen, now_clock_ns) - 48usize];
    ["Offset of field: gs_seen::kernel_ns"][::core::mem::offset_of!(gs_seen, kernel_ns) - 56usize];
    ["Offset of field: gs_seen::counted_ns"][::core::mem::offset_of!(gs_seen, counted_ns) - 64usize];
    ["Offset of field: gs_seen::missed_ns"][::core::mem::offset_of!(gs_seen, missed_ns) - 72usize];
    ["Offset of field: gs_seen::parts"][::core::mem::offset_of!(gs_seen, parts) - 80usize];
    ["Offset of field: gs_seen::comm"][::core::mem::offset_of!(gs_seen, comm) - 120usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_wait_record {
    pub now_ns: __u64,
    pub queued_ns: __u64,
    pub began_ns: __u64,
    pub tid: __u32,
    pub cpu: __u32,
    pub group: __u32,
    pub moved: __u32,
    pub clock_ns: __u64,
    pub now_clock_ns: __u64,
    pub parts: gs_parts,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_wait_record"][::core::mem::size_of::<gs_wait_record>() - 96usize];
    ["Alignment of gs_wait_record"][::core::mem::align_of::<gs_wait_record>() - 8usize];
    ["Offset of field: gs_wait_record::now_ns"][::core::mem::offset_of!(gs_wait_record, now_ns) - 0usize];
    ["Offset of field: gs_wait_record::queued_ns"][::core::mem::offset_of!(gs_wait_record, queued_ns) - 8usize];
    ["Offset of field: gs_wait_record::began_ns"][::core::mem::offset_of!(gs_wait_record, began_ns) - 16usize];
    ["Offset of field: gs_wait_record::tid"][::core::mem::offset_of!(gs_wait_record, tid) - 24usize];
    ["Offset of field: gs_wait_record::cpu"][::core::mem::offset_of!(gs_wait_record, cpu) - 28usize];
    ["Offset of field: gs_wait_record::group"][::core::mem::offset_of!(gs_wait_record, group) - 32usize];
    ["Offset of field: gs_wait_record::moved"][::core::mem::offset_of!(gs_wait_record, moved) - 36usize];
    ["Offset of field: gs_wait_record::clock_ns"][::core::mem::offset_of!(gs_wait_record, clock_ns) - 40usize];
    ["Offset of field: gs_wait_record::now_clock_ns"][::core::mem::offset_of!(gs_wait_record, now_clock_ns) - 48usize];
    ["Offset of field: gs_wait_record::parts"][::core::mem::offset_of!(gs_wait_record, parts) - 56usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gs_event {
    pub now_ns: __u64,
    pub cgroup_id: __u64,
    pub queued_ns: __u64,
    pub arrived_ns: __u64,
    pub prev_clock_ns: __u64,
    pub clock_ns: __u64,
    pub tid: __u32,
    pub prev_tid: __u32,
    pub kind: __u16,
    pub flags: __u16,
    pub cpu: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gs_event"][::core::mem::size_of::<gs_event>() - 64usize];
    ["Alignment of gs_event"][::core::mem::align_of::<gs_event>() - 8usize];
    ["Offset of field: gs_event::now_ns"][::core::mem::offset_of!(gs_event, now_ns) - 0usize];
    ["Offset of field: gs_event::cgroup_id"][::core::mem::offset_of!(gs_event, cgroup_id) - 8usize];
    ["Offset of field: gs_event::queued_ns"][::core::mem::offset_of!(gs_event, queued_ns) - 16usize];
    ["Offset of field: gs_event::arrived_ns"][::core::mem::offset_of!(gs_event, arrived_ns) - 24usize];
    ["Offset of field: gs_event::prev_clock_ns"][::core::mem::offset_of!(gs_event, prev_clock_ns) - 32usize];
    ["Offset of field: gs_event::clock_ns"][::core::mem::offset_of!(gs_event, clock_ns) - 40usize];
    ["Offset of field: gs_event::tid"][::core::mem::offset_of!(gs_event, tid) - 48usize];
    ["Offset of field: gs_event::prev_tid"][::core::mem::offset_of!(gs_event, prev_tid) - 52usize];
    ["Offset of field: gs_event::kind"][::core::mem::offset_of!(gs_event, kind) - 56usize];
    ["Offset of field: gs_event::flags"][::core::mem::offset_of!(gs_event, flags) - 58usize];
    ["Offset of field: gs_event::cpu"][::core::mem::offset_of!(gs_event, cpu) - 60usize];
};
