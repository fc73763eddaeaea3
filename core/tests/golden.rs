//! The core beside the kernel's own headers: layouts, constants, and the bytes of every message and structure of every ABI.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use ghostsched_core::abi::bpf::{self, Helper, Hook, ReschedFlags};
use ghostsched_core::abi::outcome::READY;
use ghostsched_core::abi::{self, Abi, Layout, MessageKind, Outcome, Structure};
use ghostsched_core::gtid::Gtid;
use ghostsched_core::wire::ioctl::{AssocStatus, Ioctl, MessageSource};
use ghostsched_core::wire::{
    CommitFlags, Message, Payload, RunFlags, StatusFlags, StatusWordRegionHeader, StatusWordSnapshot,
    TransactionSnapshot,
};
use support::{folder, golden, lines};

#[test]
fn the_table_is_what_a_compiler_makes_of_the_kernels_headers() {
    for abi in Abi::ALL {
        let mut structures: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut fields: BTreeMap<String, Vec<(String, String, usize, usize)>> = BTreeMap::new();
        for line in lines(&folder(abi).join("layout.txt")) {
            match line[0].as_str() {
                "struct" => {
                    structures.insert(line[1].clone(), (line[3].parse().unwrap(), line[5].parse().unwrap()));
                }
                "field" => {
                    let (structure, field) = line[1].split_once('.').unwrap();
                    let (offset, size): (usize, usize) = (line[3].parse().unwrap(), line[4].parse().unwrap());
                    if size > 0 {
                        let field = (field.to_owned(), line[2].clone(), offset, size);
                        fields.entry(structure.to_owned()).or_default().push(field);
                    }
                }
                other => panic!("{other}"),
            }
        }
        let ours: Vec<&Layout> = Structure::ALL
            .iter()
            .filter_map(|&structure| abi.layout(structure))
            .collect();
        let names: BTreeSet<&str> = ours.iter().map(|layout| layout.name).collect();
        assert_eq!(
            names,
            structures.keys().map(String::as_str).collect(),
            "structures of ABI {abi}"
        );
        for layout in ours {
            assert_eq!(
                (layout.size, layout.align),
                structures[layout.name],
                "{} of ABI {abi}",
                layout.name
            );
            let mut theirs = fields[layout.name].clone();
            if layout.name == "bpf_ghost_msg" {
                theirs.retain(|(name, ..)| !name.contains('.')); // the payloads overlay each other, and have their own
            }
            let ours: Vec<_> = layout
                .fields
                .iter()
                .map(|field| {
                    let kind = match field.count {
                        1 => field.kind.name().to_owned(),
                        count => format!("{}[{count}]", field.kind.name()),
                    };
                    (field.name.to_owned(), kind, field.offset, field.size())
                })
                .collect();
            assert_eq!(ours, theirs, "{} of ABI {abi}", layout.name);
        }
    }
}

/// Every constant of the headers by the kernel's name; `None` where this ABI does not have it.
fn constants(abi: Abi) -> Vec<(String, Option<i128>)> {
    let mut all: Vec<(String, Option<i128>)> = Vec::new();
    let mut put = |name: &str, value: i128| all.push((name.to_owned(), Some(value)));
    put("GHOST_VERSION", abi.version().into());
    put("SCHED_GHOST", abi::SCHED_GHOST.into());
    put("GHOST_MAX_WINFO", abi::MAX_WAKEUP_CPUS as i128);
    put("GHOST_MAX_QUEUE_ELEMS", abi::MAX_QUEUE_SLOTS.into());
    put("TIMERFD_GHOST_ENABLED", 1);
    for (name, ioctl) in [
        ("NULL", Ioctl::Null),
        ("SW_GET_INFO", Ioctl::SwGetInfo),
        ("SW_FREE", Ioctl::SwFree),
        ("CREATE_QUEUE", Ioctl::CreateQueue),
        ("ASSOC_QUEUE", Ioctl::AssocQueue),
        ("SET_DEFAULT_QUEUE", Ioctl::SetDefaultQueue),
        ("CONFIG_QUEUE_WAKEUP", Ioctl::ConfigQueueWakeup),
        ("GET_CPU_TIME", Ioctl::GetCpuTime),
        ("COMMIT_TXN", Ioctl::CommitTxn),
        ("SYNC_GROUP_TXN", Ioctl::SyncGroupTxn),
        ("TIMERFD_SETTIME", Ioctl::TimerfdSettime),
        ("RUN", Ioctl::Run),
    ] {
        put(&format!("GHOST_IOC_{name}"), ioctl.request().into());
    }
    for (name, flag) in [
        ("F_INUSE", StatusFlags::IN_USE),
        ("F_CANFREE", StatusFlags::CAN_FREE),
        ("F_ALLOCATED", StatusFlags::ALLOCATED),
        ("CPU_AVAIL", StatusFlags::CPU_AVAILABLE),
        ("BOOST_PRIO", StatusFlags::BOOST_PRIORITY),
        ("TASK_ONCPU", StatusFlags::ON_CPU),
        ("TASK_RUNNABLE", StatusFlags::RUNNABLE),
        ("TASK_IS_AGENT", StatusFlags::IS_AGENT),
        ("TASK_MSG_GATED", StatusFlags::MESSAGES_GATED),
    ] {
        put(&format!("GHOST_SW_{name}"), flag.bits().into());
    }
    for (name, flag) in [
        ("RTLA_ON_PREEMPT", RunFlags::AGENT_ON_PREEMPT),
        ("RTLA_ON_BLOCKED", RunFlags::AGENT_ON_BLOCKED),
        ("RTLA_ON_YIELD", RunFlags::AGENT_ON_YIELD),
        ("RTLA_ON_IDLE", RunFlags::AGENT_ON_IDLE),
        ("NEED_L1D_FLUSH", RunFlags::NEED_L1D_FLUSH),
        ("NEED_CPU_NOT_IDLE", RunFlags::NEED_CPU_NOT_IDLE),
        ("ELIDE_PREEMPT", RunFlags::ELIDE_PREEMPT),
        (
            "DEFER_LATCHED_PREEMPTION_BY_AGENT",
            RunFlags::DEFER_LATCHED_PREEMPTION_BY_AGENT,
        ),
        ("DO_NOT_PREEMPT", RunFlags::DO_NOT_PREEMPT),
        (
            if abi == Abi::V69 {
                "SEND_TASK_LATCHED"
            } else {
                "SEND_TASK_ON_CPU"
            },
            RunFlags::SEND_TASK_ON_CPU,
        ),
    ] {
        put(name, flag.bits().into());
    }
    for (name, flag) in [
        ("COMMIT_AT_SCHEDULE", CommitFlags::AT_SCHEDULE),
        ("COMMIT_AT_TXN_COMMIT", CommitFlags::AT_TXN_COMMIT),
        ("ALLOW_TASK_ONCPU", CommitFlags::ALLOW_TASK_ON_CPU),
        ("ELIDE_AGENT_BARRIER_INC", CommitFlags::ELIDE_AGENT_BARRIER_INC),
        (
            "INC_AGENT_BARRIER_ON_FAILURE",
            CommitFlags::INC_AGENT_BARRIER_ON_FAILURE,
        ),
        ("COMMIT_AT_FLAGS", CommitFlags::AT_SCHEDULE | CommitFlags::AT_TXN_COMMIT),
    ] {
        put(name, flag.bits().into());
    }
    put("GHOST_ASSOC_SF_ALREADY", AssocStatus::ALREADY.bits().into());
    put("GHOST_ASSOC_SF_BRAND_NEW", AssocStatus::BRAND_NEW.bits().into());
    put("GHOST_AGENT", MessageSource::AGENT.into());
    put("GHOST_TASK", MessageSource::TASK.into());
    for (name, gtid) in [("NULL", Gtid::NULL), ("AGENT", Gtid::AGENT), ("IDLE", Gtid::IDLE)] {
        put(&format!("GHOST_{name}_GTID"), gtid.raw().into());
    }
    for outcome in Outcome::ALL {
        put(&format!("GHOST_TXN_{}", outcome.name()), outcome.number().into());
    }
    put("GHOST_TXN_READY", READY.into());
    for version in ["GHOST_TXN_VERSION", "GHOST_QUEUE_VERSION", "GHOST_SW_REGION_VERSION"] {
        put(version, 0);
    }
    for (name, number) in [
        ("_MSG_TASK_FIRST", 64),
        ("_MSG_TASK_LAST", 127),
        ("_MSG_CPU_FIRST", 128),
        ("_MSG_CPU_LAST", 191),
    ] {
        put(name, number);
    }
    assert!(abi::message::is_task(64) && abi::message::is_task(127) && !abi::message::is_task(128));
    assert!(abi::message::is_cpu(128) && abi::message::is_cpu(191) && !abi::message::is_cpu(192));
    for kind in MessageKind::ALL {
        let number = abi.has(kind).then(|| kind.number().into());
        all.push((format!("MSG_{}", kind.name()), number));
    }
    let since_84 = |value: i128| (abi != Abi::V69).then_some(value);
    let since_90 = |value: i128| matches!(abi, Abi::V90 | Abi::V91).then_some(value);
    for (name, flag) in [
        ("RESCHED_ANY_CLASS", ReschedFlags::ANY_CLASS),
        ("RESCHED_GHOST_CLASS", ReschedFlags::GHOST_CLASS),
        ("RESCHED_IDLE_CLASS", ReschedFlags::IDLE_CLASS),
        ("RESCHED_OTHER_CLASS", ReschedFlags::OTHER_CLASS),
        ("SET_MUST_RESCHED", ReschedFlags::SET_MUST_RESCHED),
        ("WAKE_AGENT", ReschedFlags::WAKE_AGENT),
    ] {
        all.push((name.to_owned(), since_84(flag.bits().into())));
    }
    all.push((
        "BPF_GHOST_MSG_NO_WAKEUP_PREF".to_owned(),
        since_90(bpf::NO_WAKEUP_PREFERENCE.into()),
    ));
    all.push((
        "BPF_GHOST_MSG_SKIP_AGENT_WAKE".to_owned(),
        since_90(bpf::SKIP_AGENT_WAKE.into()),
    ));
    all.push((
        "BPF_SYNC_COMMIT_MAX_CPUS".to_owned(),
        since_90(bpf::SYNC_COMMIT_MAX_CPUS as i128),
    ));
    for (hook, program, attach) in [
        (Hook::PickNextTask, "SCHED", "SCHED_PNT"),
        (Hook::MessageSend, "MSG", "MSG_SEND"),
        (Hook::SelectRq, "SELECT_RQ", "SELECT_RQ"),
        (Hook::HaltPoll, "HALT_POLL", "HALT_POLL"),
    ] {
        let has = |value: u32| abi.has_hook(hook).then_some(i128::from(value));
        all.push((format!("BPF_PROG_TYPE_GHOST_{program}"), has(hook.program_type())));
        all.push((format!("BPF_GHOST_{attach}"), has(hook.attach_type())));
    }
    for (helper, name) in [
        (Helper::WakeAgent, "wake_agent"),
        (Helper::RunGtid, "run_gtid"),
        (Helper::ReschedCpu, "resched_cpu"),
        (Helper::ReschedCpu2, "resched_cpu2"),
        (Helper::SyncCommit, "sync_commit"),
        (Helper::GetAffinity, "get_affinity"),
        (Helper::GetComm, "get_comm"),
    ] {
        all.push((format!("bpf_ghost_{name}"), abi.helper(helper).map(i128::from)));
    }
    all
}

/// What the headers define and nothing here needs: leftovers of a system call that is gone, and the first value that the
/// flags of `resched_cpu2` may not have.
const NOT_NEEDED: [&str; 8] = [
    "GHOST_GTID_LOOKUP",
    "_GHOST_BASE_OP_FIRST",
    "GHOST_BASE_GET_GTID",
    "GHOST_GTID_LOOKUP_TGID",
    "GHOST_RESCHED_CPU_MAX",
    "GHOST_PREPARE_HALT_POLL",
    "GHOST_CONTINUE_HALT_POLL",
    "GHOST_END_HALT_POLL",
];

#[test]
fn constants_are_the_kernels() {
    for abi in Abi::ALL {
        let ours: BTreeMap<String, Option<i128>> = constants(abi).into_iter().collect();
        let mut seen = BTreeSet::new();
        for line in lines(&folder(abi).join("constants.txt")) {
            let name = line[1].as_str();
            seen.insert(name.to_owned());
            let expected = match line[0].as_str() {
                "const" => Some(line[2].parse::<i128>().unwrap()),
                "absent" => None,
                other => panic!("{other}"),
            };
            match ours.get(name) {
                Some(&value) => assert_eq!(value, expected, "{name} of ABI {abi}"),
                // Renamed with its number: the other name is compared.
                None if ["SEND_TASK_ON_CPU", "SEND_TASK_LATCHED"].contains(&name) => assert_eq!(expected, None),
                None => assert!(
                    NOT_NEEDED.contains(&name),
                    "{name} of ABI {abi} is not known to the core"
                ),
            }
        }
        for name in ours.keys() {
            assert!(seen.contains(name), "{name} of ABI {abi} is in no header");
        }
    }
}

/// The fields of a payload by the kernel's names; those that the ABI does not have are left out.
fn fields(message: &Message, abi: Abi) -> BTreeMap<String, i128> {
    let mut all: BTreeMap<String, i128> = BTreeMap::new();
    let mut put = |name: &str, value: i128| assert!(all.insert(name.to_owned(), value).is_none());
    if let Some(gtid) = message.gtid() {
        put("gtid", gtid.bits().into());
    }
    match message.payload {
        Payload::Nop => {}
        Payload::TaskNew(new) => {
            put("runtime", new.runtime_ns.into());
            put("runnable", new.is_runnable.into());
            put("sw_info.id", new.status_word.region.into());
            put("sw_info.index", new.status_word.index.into());
            if abi != Abi::V69 {
                put("parent_gtid", new.parent.map_or(0, Gtid::bits).into());
            }
            new.nice.into_iter().for_each(|nice| put("nice", nice.into()));
            new.agent_data
                .into_iter()
                .for_each(|data| put("agent_data", data.into()));
        }
        Payload::TaskPreempt(preempt) => {
            put("runtime", preempt.runtime_ns.into());
            put("cpu_seqnum", preempt.cpu_seqnum.into());
            put("agent_data", preempt.agent_data.into());
            put("cpu", preempt.cpu.into());
            put("from_switchto", preempt.from_switchto.into());
            put("was_latched", preempt.was_latched.into());
        }
        Payload::TaskYield(yielded) => {
            put("runtime", yielded.runtime_ns.into());
            put("cpu_seqnum", yielded.cpu_seqnum.into());
            put("agent_data", yielded.agent_data.into());
            put("cpu", yielded.cpu.into());
            put("from_switchto", yielded.from_switchto.into());
        }
        Payload::TaskBlocked(blocked) => {
            put("runtime", blocked.runtime_ns.into());
            put("cpu_seqnum", blocked.cpu_seqnum.into());
            put("cpu", blocked.cpu.into());
            put("from_switchto", blocked.from_switchto.into());
        }
        Payload::TaskWakeup(wakeup) => {
            put("agent_data", wakeup.agent_data.into());
            put("deferrable", wakeup.is_deferrable.into());
            put("last_ran_cpu", wakeup.last_ran_cpu.into());
            put("wake_up_cpu", wakeup.wake_up_cpu.into());
            put("waker_cpu", wakeup.waker_cpu.into());
        }
        Payload::TaskDead(dead) => dead.cpu.into_iter().for_each(|cpu| put("cpu", cpu.into())),
        Payload::TaskDeparted(departed) => {
            put("cpu_seqnum", departed.cpu_seqnum.into());
            put("cpu", departed.cpu.into());
            put("from_switchto", departed.from_switchto.into());
            put("was_current", departed.was_current.into());
        }
        Payload::TaskSwitchto(switchto) => {
            put("runtime", switchto.runtime_ns.into());
            put("cpu_seqnum", switchto.cpu_seqnum.into());
            put("cpu", switchto.cpu.into());
        }
        Payload::TaskAffinityChanged(_) => {}
        Payload::TaskLatched(latched) => {
            put("commit_time", latched.commit_time_ns.into());
            put("cpu_seqnum", latched.cpu_seqnum.into());
            put("cpu", latched.cpu.into());
            put("latched_preempt", latched.was_preempted.into());
        }
        Payload::TaskOnCpu(on_cpu) => {
            put("commit_time", on_cpu.commit_time_ns.into());
            put("cpu_seqnum", on_cpu.cpu_seqnum.into());
            put("cpu", on_cpu.cpu.into());
        }
        Payload::TaskPriorityChanged(changed) => put("nice", changed.nice.into()),
        Payload::TaskLatchFailure(failure) => put("errno", failure.errno.into()),
        Payload::CpuTick(tick) => {
            put("cpu", tick.cpu.into());
            tick.is_agent
                .into_iter()
                .for_each(|is_agent| put("is_agent", is_agent.into()));
        }
        Payload::CpuTimerExpired(timer) => {
            put("cpu", timer.cpu.into());
            put("type", timer.kind.into());
            put("cookie", timer.cookie.into());
        }
        Payload::CpuNotIdle(not_idle) => {
            put("cpu", not_idle.cpu.into());
            put("next_gtid", not_idle.next.bits().into());
        }
        Payload::CpuAvailable(_) | Payload::CpuBusy(_) | Payload::CpuAgentBlocked(_) | Payload::CpuAgentWakeup(_) => {
            put("cpu", message.cpu().expect("it has one").into());
        }
        other => panic!("{other:?} has no golden bytes"),
    }
    all
}

#[test]
fn every_message_of_every_abi_is_read_and_written_byte_for_byte() {
    for abi in Abi::ALL {
        let mut kinds = BTreeSet::new();
        for golden in golden(abi, "msg") {
            let name = format!("{} of ABI {abi}", golden.name);
            let [header, payload] = [&golden.fields[..3], &golden.fields[3..]];
            let message = Message::decode(&golden.bytes, abi).unwrap_or_else(|error| panic!("{name}: {error}"));
            let kind = message.kind().unwrap_or_else(|| panic!("{name} is not known"));
            kinds.insert(kind.name());
            assert_eq!(golden.name.trim_end_matches(".2"), kind.name().to_lowercase());
            assert_eq!(header[0], ("type".to_owned(), kind.number().into()), "{name}");
            assert_eq!(header[1], ("length".to_owned(), golden.bytes.len() as i128), "{name}");
            assert_eq!(header[2], ("seqnum".to_owned(), message.seqnum.into()), "{name}");
            assert_eq!(fields(&message, abi), payload.iter().cloned().collect(), "{name}");

            let mut bytes = vec![0xaa; golden.bytes.len() + 5];
            let length = message.encode(abi, &mut bytes).unwrap();
            if kind != MessageKind::Nop {
                assert_eq!(bytes[..length], golden.bytes, "{name}");
            }
            assert!(
                bytes[length..].iter().all(|&byte| byte == 0xaa),
                "{name} is written beyond its end"
            );
            assert!(!message.to_string().is_empty());
        }
        assert_eq!(
            kinds,
            abi.messages().map(MessageKind::name).collect(),
            "kinds of ABI {abi}"
        );
    }
}

/// The value at a field's offset.
fn at(layout: &Layout, name: &str, bytes: &[u8]) -> i128 {
    let field = layout
        .field(name)
        .unwrap_or_else(|| panic!("{} has no {name}", layout.name));
    let mut value = [0; 16];
    value[..field.size()].copy_from_slice(&bytes[field.offset..field.offset + field.size()]);
    let value = i128::from_le_bytes(value);
    let signed = matches!(field.kind.name(), "i8" | "i32" | "i64");
    let bits = field.size() * 8;
    if signed {
        value << (128 - bits) >> (128 - bits)
    } else {
        value
    }
}

#[test]
fn every_structure_of_every_abi_has_its_fields_where_the_table_says() {
    let structures = [
        ("ioc_assoc_queue", Structure::IocAssocQueue),
        ("ioc_commit_txn", Structure::IocCommitTxn),
        ("ioc_config_queue_wakeup", Structure::IocConfigQueueWakeup),
        ("ioc_create_queue", Structure::IocCreateQueue),
        ("ioc_get_cpu_time", Structure::IocGetCpuTime),
        ("ioc_run", Structure::IocRun),
        ("ioc_set_default_queue", Structure::IocSetDefaultQueue),
        ("ioc_sw_free", Structure::StatusWordInfo),
        ("ioc_sw_get_info", Structure::IocSwGetInfo),
        ("ioc_timerfd_settime", Structure::IocTimerfdSettime),
        ("queue_header", Structure::QueueHeader),
        ("status_word", Structure::StatusWord),
        ("sw_region_header", Structure::StatusWordRegionHeader),
        ("txn", Structure::Transaction),
    ];
    for abi in Abi::ALL {
        let mut seen = BTreeSet::new();
        for golden in golden(abi, "bytes") {
            let base = golden.name.trim_end_matches(".2");
            let (name, structure) = structures
                .into_iter()
                .find(|(name, _)| *name == base)
                .expect("a structure");
            seen.insert(name);
            let layout = abi.layout(structure).expect("every ABI has it");
            assert_eq!(golden.bytes.len(), layout.size, "{name} of ABI {abi}");
            for (field, value) in &golden.fields {
                assert_eq!(at(layout, field, &golden.bytes), *value, "{name}.{field} of ABI {abi}");
            }
            let value = |field: &str| golden.fields.iter().find(|(name, _)| name == field).expect("a field").1;
            match structure {
                Structure::Transaction => {
                    let txn = TransactionSnapshot::decode(&golden.bytes).unwrap();
                    assert_eq!(i128::from(txn.version), value("version"));
                    assert_eq!(i128::from(txn.cpu), value("cpu"));
                    assert_eq!(i128::from(txn.state.word()), value("state"));
                    assert_eq!(i128::from(txn.agent_barrier), value("agent_barrier"));
                    assert_eq!(i128::from(txn.task_barrier), value("task_barrier"));
                    assert_eq!(i128::from(txn.run_flags.bits()), value("run_flags"));
                    assert_eq!(i128::from(txn.commit_flags.bits()), value("commit_flags"));
                    assert_eq!(i128::from(txn.gtid.raw()), value("gtid"));
                    assert_eq!(i128::from(txn.commit_time_ns), value("commit_time"));
                    assert_eq!(i128::from(txn.cpu_seqnum), value("cpu_seqnum"));
                    assert_eq!(i128::from(txn.sync_group_owner), value("u.sync_group_owner"));
                }
                Structure::StatusWord => {
                    let word = StatusWordSnapshot::decode(&golden.bytes).unwrap();
                    assert_eq!(i128::from(word.barrier), value("barrier"));
                    assert_eq!(i128::from(word.flags.bits()), value("flags"));
                    assert_eq!(i128::from(word.gtid.bits()), value("gtid"));
                    assert_eq!(i128::from(word.switch_time_ns), value("switch_time"));
                    assert_eq!(i128::from(word.runtime_ns), value("runtime"));
                }
                Structure::StatusWordRegionHeader => {
                    let header = StatusWordRegionHeader::decode(&golden.bytes).unwrap();
                    assert_eq!(i128::from(header.version), value("version"));
                    assert_eq!(i128::from(header.id), value("id"));
                    assert_eq!(i128::from(header.numa_node), value("numa_node"));
                    assert_eq!(i128::from(header.start), value("start"));
                    assert_eq!(i128::from(header.capacity), value("capacity"));
                    assert_eq!(i128::from(header.available), value("available"));
                }
                _ => {}
            }
        }
        assert_eq!(seen, structures.iter().map(|&(name, _)| name).collect());
    }
}
