//! `include/ghostsched_abi.h` from the tables of `core::abi`: constants, and each structure of each ABI with an assertion of
//! its size and of every offset.

use std::fmt::Write;

use ghostsched_core::abi::bpf::{
    Helper, Hook, NO_WAKEUP_PREFERENCE, ReschedFlags, SKIP_AGENT_WAKE, SYNC_COMMIT_MAX_CPUS,
};
use ghostsched_core::abi::message::{HEADER_BYTES, LONGEST_MESSAGE_BYTES, SLOT_BYTES};
use ghostsched_core::abi::outcome::READY;
use ghostsched_core::abi::{self, Abi, Field, FieldType, Layout, MessageKind, Outcome, Structure};
use ghostsched_core::gtid::Gtid;
use ghostsched_core::wire::ioctl::{AssocStatus, Ioctl, MessageSource};
use ghostsched_core::wire::{CommitFlags, RunFlags, StatusFlags};

const HEAD: &str = "\
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
";

/// The header.
pub fn text() -> String {
    let mut out = String::from(HEAD);
    constants(&mut out);
    for &structure in Structure::ALL {
        for (layout, versions) in layouts(structure) {
            write_structure(&mut out, structure, layout, &versions);
        }
    }
    out.push_str("\n#endif\n");
    out
}

fn constants(out: &mut String) {
    let mut group = |title: &str, lines: Vec<(String, String)>| {
        let _ = write!(out, "\n/* {title} */\n");
        for (name, value) in lines {
            let _ = writeln!(out, "#define GS_{name} {value}");
        }
    };
    let number = |name: &str, value: i64| {
        let text = if value < 0 {
            format!("({value})")
        } else {
            value.to_string()
        };
        (name.to_owned(), text)
    };
    group(
        "Sizes and limits.",
        vec![
            number("SCHED_GHOST", abi::SCHED_GHOST.into()),
            number("MAX_QUEUE_SLOTS", abi::MAX_QUEUE_SLOTS.into()),
            number("MAX_WAKEUP_CPUS", abi::MAX_WAKEUP_CPUS as i64),
            number("STATUS_WORD_REGION_BYTES", abi::STATUS_WORD_REGION_BYTES as i64),
            number("STATUS_WORD_REGION_CAPACITY", abi::STATUS_WORD_REGION_CAPACITY.into()),
            number("CPU_DATA_BYTES", abi::CPU_DATA_BYTES as i64),
            number("MESSAGE_HEADER_BYTES", HEADER_BYTES as i64),
            number("LONGEST_MESSAGE_BYTES", LONGEST_MESSAGE_BYTES as i64),
            number("SLOT_BYTES", SLOT_BYTES as i64),
            ("GHOSTFS_MAGIC".into(), format!("{:#x}u", abi::GHOSTFS_MAGIC)),
        ],
    );
    group(
        "Special gtids.",
        vec![
            number("GTID_NULL", Gtid::NULL.raw()),
            number("GTID_AGENT", Gtid::AGENT.raw()),
            number("GTID_IDLE", Gtid::IDLE.raw()),
        ],
    );
    group(
        "Types of messages. Number 73 is TASK_LATCHED in ABI 69 and TASK_ON_CPU since 78.",
        MessageKind::ALL
            .iter()
            .map(|kind| number(&format!("MSG_{}", kind.name()), kind.number().into()))
            .collect(),
    );
    group(
        "States of a transaction: submitted; 0 and up, the CPU of the kernel that commits it; and how it ended.",
        std::iter::once(number("TXN_READY", READY.into()))
            .chain(Outcome::ALL.iter().map(|outcome| {
                let from_lowest = outcome.number().wrapping_sub(i32::MIN);
                (
                    format!("TXN_{}", outcome.name()),
                    format!("(INT32_MIN + {from_lowest})"),
                )
            }))
            .collect(),
    );
    fn flags<F: bitflags::Flags<Bits: Into<u64>>>(prefix: &str) -> Vec<(String, String)> {
        let named = F::FLAGS.iter().filter(|flag| flag.is_named());
        let line = |flag: &bitflags::Flag<F>| {
            let bits: u64 = flag.value().bits().into();
            (format!("{prefix}_{}", flag.name()), format!("{bits:#x}u"))
        };
        named.map(line).collect()
    }
    group("Flags of a status word.", flags::<StatusFlags>("SW"));
    group("Run flags of a transaction.", flags::<RunFlags>("RUN"));
    group("Commit flags of a transaction.", flags::<CommitFlags>("COMMIT"));
    group("What ASSOC_QUEUE returns.", flags::<AssocStatus>("ASSOC"));
    group(
        "Flags of the BPF helper resched_cpu2.",
        flags::<ReschedFlags>("RESCHED"),
    );
    group(
        "Types of a gs_abi_msg_src.",
        vec![
            number("SOURCE_AGENT", MessageSource::AGENT.into()),
            number("SOURCE_TASK", MessageSource::TASK.into()),
        ],
    );
    group(
        "ioctls of an enclave's `ctl`.",
        Ioctl::ALL
            .iter()
            .map(|ioctl| {
                (
                    format!("IOC_{}", upper(&format!("{ioctl:?}"))),
                    format!("{:#x}u", ioctl.request()),
                )
            })
            .collect(),
    );
    let mut bpf: Vec<_> = (0..)
        .zip(Hook::ALL)
        .map(|(index, hook)| number(&format!("HOOK_{}", upper(&format!("{hook:?}"))), index))
        .collect();
    for helper in Helper::ALL {
        bpf.push(number(
            &format!("HELPER_{}", upper(&format!("{helper:?}"))),
            helper.number().into(),
        ));
    }
    bpf.push(number("NO_WAKEUP_PREFERENCE", NO_WAKEUP_PREFERENCE.into()));
    bpf.push(number("SKIP_AGENT_WAKE", SKIP_AGENT_WAKE.into()));
    bpf.push(number("SYNC_COMMIT_MAX_CPUS", SYNC_COMMIT_MAX_CPUS as i64));
    group(
        "Hooks of BPF programs, numbers of helpers, and special CPUs of BPF-MSG's pref_cpu.",
        bpf,
    );
}

/// `SwGetInfo` -> `SW_GET_INFO`.
fn upper(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.char_indices() {
        let starts =
            letter.is_ascii_uppercase() || (letter.is_ascii_digit() && !out.ends_with(|c: char| c.is_ascii_digit()));
        if starts && index > 0 && !letter.is_ascii_digit() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// The layouts of a structure, each with the ABIs that have it.
fn layouts(structure: Structure) -> Vec<(&'static Layout, Vec<Abi>)> {
    let mut found: Vec<(&Layout, Vec<Abi>)> = Vec::new();
    for abi in Abi::ALL {
        let Some(layout) = abi.layout(structure) else { continue };
        match found.iter_mut().find(|(known, _)| *known == layout) {
            Some((_, versions)) => versions.push(abi),
            None => found.push((layout, vec![abi])),
        }
    }
    found
}

fn write_structure(out: &mut String, structure: Structure, layout: &Layout, versions: &[Abi]) {
    let differs = layouts(structure).len() > 1;
    let suffix = if differs {
        format!("_v{}", versions[0])
    } else {
        String::new()
    };
    let name = format!("gs_abi_{}{suffix}", plain(structure, layout));
    let list = versions.iter().map(Abi::to_string).collect::<Vec<_>>().join(", ");
    let _ = write!(out, "\n/* ABI {list}: {} bytes. */\nstruct ", layout.size);
    let natural = layout.fields.iter().map(|field| field.kind.size()).max().unwrap_or(1);
    if layout.align > natural {
        let _ = write!(out, "GS_ABI_ALIGNED({}) ", layout.align);
    }
    let _ = writeln!(out, "{name} {{");
    let (mut end, mut pads) = (0, 0);
    let mut pad = |out: &mut String, bytes: usize| {
        if bytes > 0 {
            let _ = writeln!(out, "\tuint8_t reserved{pads}[{bytes}];");
            pads += 1;
        }
    };
    for field in layout.fields {
        pad(out, field.offset - end);
        end = field.offset + field.size();
        let array = if field.count == 1 {
            String::new()
        } else {
            format!("[{}]", field.count)
        };
        let _ = writeln!(out, "\t{} {}{array};", c_type(field.kind), field_name(field));
    }
    pad(out, layout.size - end);
    let _ = writeln!(out, "}};");
    let mut claim = |text: String| {
        let _ = writeln!(out, "GS_ABI_ASSERT({text});");
    };
    claim(format!("sizeof(struct {name}) == {}", layout.size));
    for field in layout.fields {
        let member = field_name(field);
        claim(format!("offsetof(struct {name}, {member}) == {}", field.offset));
        claim(format!("sizeof(((struct {name} *)0)->{member}) == {}", field.size()));
    }
}

/// The kernel's name without what all of them have in common; of a payload that of its message.
fn plain(structure: Structure, layout: &Layout) -> String {
    let message = MessageKind::ALL.iter().find(|kind| kind.payload() == Some(structure));
    message.map_or_else(
        || layout.name.replace("ghost_", "").replace("_ghost", ""),
        |kind| kind.name().to_lowercase(),
    )
}

/// A field's name, where a nested one has an underscore and one that is a macro of C another name.
fn field_name(field: &Field) -> String {
    match field.name {
        "errno" => "error".into(),
        name => name.strip_prefix("u.").unwrap_or(name).replace('.', "_"),
    }
}

/// The type in C; an address is a number, so that the structure is the same in 32-bit programs.
fn c_type(kind: FieldType) -> &'static str {
    match kind {
        FieldType::U8 => "uint8_t",
        FieldType::I8 => "int8_t",
        FieldType::U16 => "uint16_t",
        FieldType::I32 => "int32_t",
        FieldType::U32 => "uint32_t",
        FieldType::I64 => "int64_t",
        FieldType::U64 | FieldType::Pointer => "uint64_t",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_c_has_them() {
        assert_eq!(upper("SwGetInfo"), "SW_GET_INFO");
        assert_eq!(upper("ReschedCpu2"), "RESCHED_CPU2");
        let plain = |structure| plain(structure, layouts(structure)[0].0);
        assert_eq!(plain(Structure::TaskNew), "task_new");
        assert_eq!(plain(Structure::TimerfdGhost), "timerfd");
        assert_eq!(plain(Structure::BpfMessage), "bpf_msg");
    }

    #[test]
    fn structures_differ_where_the_abis_do() {
        let suffixes = |structure| {
            layouts(structure)
                .iter()
                .map(|(_, abis)| abis.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(suffixes(Structure::TaskNew), [1, 1, 2]);
        assert_eq!(suffixes(Structure::Transaction), [4]);
        assert_eq!(suffixes(Structure::BpfHaltPoll), [3]);
    }

    #[test]
    fn every_field_is_asserted() {
        let text = text();
        let fields: usize = Structure::ALL
            .iter()
            .flat_map(|&s| layouts(s))
            .map(|(layout, _)| layout.fields.len())
            .sum();
        assert_eq!(text.matches("GS_ABI_ASSERT(offsetof").count(), fields);
        let mut names: Vec<_> = text.lines().filter(|line| line.starts_with("struct ")).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]) && names.iter().all(|name| name.contains(" gs_abi_")));
    }
}
