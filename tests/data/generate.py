#!/usr/bin/env python3
"""Measures a ghOSt uapi header and writes what our tests hold our own tables against.

    generate.py HEADER ABI OUTDIR [--bpf HEADER ...] [--vmlinux HEADER]

HEADER is the kernel's uapi header of that ABI (google/ghost-userspace: `abi/*/kernel/ghost.h`, `kernel/ghost_uapi.h`).
--bpf names the headers of the same tree with the BPF numbers (`bpf/user/agent.h`, `third_party/bpf/common.bpf.h`);
without it those numbers are left out. --vmlinux names the dump of a kernel's types, from which `bpf_ghost_sched` is
taken where HEADER lacks it (ABI 69). README.md has the four command lines.

Every number is gcc's: the header is included in small C programs that print offsets, sizes, constants, and the bytes of
structs whose fields they set by name. Only names are parsed from the header. Needs gcc on x86-64, nothing else.
"""
import argparse
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

# What a header is, by its git blob id, so that no file can claim an origin it does not have.
SOURCES = {
    "87d1d8d0d7338b91f7bf051d2b1c5cb2efa5e222": "google/ghost-userspace kernel/ghost_uapi.h at ad357d42037b",
    "742086f00aa983acb5d2a4b64aef09acd423bee5": "google/ghost-userspace bpf/user/agent.h at ad357d42037b",
    "11d02f78f77169a9dac29b8f14f77d3a8ca8e7ea": "google/ghost-userspace third_party/bpf/common.bpf.h at ad357d42037b",
    "ad05068e8c78f860c72e6dc5e57c92fedb1050a6": "google/ghost-userspace kernel/vmlinux_ghost_5_11.h at ad357d42037b",
    "d73a3a492fd195fd6e3657cac0614749ada30ae3": "google/ghost-userspace abi/84/kernel/ghost.h at 9ca0a1fb6ed8",
    "db235502e8caeb05a2bd95c1b583773954490ee0": "google/ghost-userspace abi/90/kernel/ghost.h at 9ca0a1fb6ed8",
    "245dae1bb88f5f0edd845f1cd77bc807c355dc29": "google/ghost-userspace abi/latest/kernel/ghost.h at 9ca0a1fb6ed8",
    "7d4ce140c7815b962141e86acc9995cd4c5c14ae": "google/ghost-userspace bpf/user/agent.h at 9ca0a1fb6ed8",
    "17f644d1cb9894e355e7cc842440bbb4673d605c": "google/ghost-userspace third_party/bpf/common.bpf.h at 9ca0a1fb6ed8",
}

# The constants some ABI lacks. All others are found in the header; only a list can say that one is absent.
SOMETIMES = """
SEND_TASK_LATCHED SEND_TASK_ON_CPU RESCHED_ANY_CLASS RESCHED_GHOST_CLASS RESCHED_IDLE_CLASS RESCHED_OTHER_CLASS
SET_MUST_RESCHED WAKE_AGENT GHOST_RESCHED_CPU_MAX BPF_GHOST_MSG_NO_WAKEUP_PREF BPF_GHOST_MSG_SKIP_AGENT_WAKE
BPF_SYNC_COMMIT_MAX_CPUS MSG_TASK_LATCHED MSG_TASK_ON_CPU MSG_TASK_PRIORITY_CHANGED MSG_TASK_LATCH_FAILURE
MSG_CPU_AVAILABLE MSG_CPU_BUSY MSG_CPU_AGENT_BLOCKED MSG_CPU_AGENT_WAKEUP
""".split()

BPF_CONSTANTS = """
BPF_PROG_TYPE_GHOST_SCHED BPF_PROG_TYPE_GHOST_MSG BPF_PROG_TYPE_GHOST_SELECT_RQ BPF_PROG_TYPE_GHOST_HALT_POLL
BPF_GHOST_SCHED_PNT BPF_GHOST_MSG_SEND BPF_GHOST_SELECT_RQ BPF_GHOST_HALT_POLL
bpf_ghost_wake_agent bpf_ghost_run_gtid bpf_ghost_resched_cpu bpf_ghost_resched_cpu2 bpf_ghost_sync_commit
bpf_ghost_get_affinity bpf_ghost_get_comm
GHOST_PREPARE_HALT_POLL GHOST_CONTINUE_HALT_POLL GHOST_END_HALT_POLL
""".split()

# Messages whose payload struct is not simply named after them.
PAYLOADS = {"cpu_timer_expired": "timer", "cpu_agent_blocked": "agent_blocked", "cpu_agent_wakeup": "agent_wakeup"}

# Structs other than messages whose bytes are written: file name -> struct; the ghost_ioc_* structs are added as found.
FIXED = {"txn": "ghost_txn", "status_word": "ghost_status_word", "sw_region_header": "ghost_sw_region_header",
         "queue_header": "ghost_queue_header", "ioc_sw_free": "ghost_sw_info"}

# In front of the uapi header: the headers its users include before it. Not errno.h: a field is called errno.
UAPI_PRELUDE = "#include <linux/types.h>\n#include <stdbool.h>\n"

# In front of the BPF headers: what they take from libbpf, on which no number depends.
BPF_PRELUDE = """
#include <stdio.h>
typedef __u64 u64; typedef __s64 s64; typedef __u32 u32; typedef __s32 s32;
struct task_struct; struct bpf_dynptr;
#define BPF_CORE_READ(p, field) 0
#define BPF_CORE_READ_BITFIELD(p, field) 0
#define __CORE_RELO(p, field, info) 0
#define bpf_ktime_get_ns() 0
"""
BPF_INCLUDES = ["libbpf/bpf.h", "libbpf/libbpf.h", "libbpf/bpf_core_read.h", "lib/ghost_uapi.h"]

MEASURE = r"""
int printf(const char *, ...);
void *memcpy(void *, const void *, __SIZE_TYPE__);
#define SIGNED(x) ((__typeof__(x))-1 < 0)
#define POINTER(x) (__builtin_classify_type(x) == __builtin_classify_type((void *)0))
#define STRUCT(s) printf("struct %s size %d align %d\n", #s, (int)sizeof(struct s), (int)_Alignof(struct s))
#define FIELD(s, field, element, suffix) do { struct s *p = 0; \
    printf("field %s.%s ", #s, #field); \
    if (POINTER(p->element)) printf("ptr"); \
    else printf("%c%d", SIGNED(p->element) ? 'i' : 'u', (int)sizeof(p->element) * 8); \
    printf("%s %d %d\n", suffix, (int)__builtin_offsetof(struct s, field), (int)sizeof(p->field)); } while (0)
#define STRUCTS(s, field, suffix) \
    printf("field %s.%s %s %d %d\n", #s, #field, suffix, (int)__builtin_offsetof(struct s, field), \
           (int)sizeof(((struct s *)0)->field))
#define CONST(name) printf("const %s %lld\n", #name, (long long)(name))
#define SET(v, field, value) do { v.field = (__typeof__(v.field))value; \
    printf(SIGNED(v.field) ? "%s %lld\n" : "%s %llu\n", #field, (long long)v.field); } while (0)
static void bytes(const void *from, int n)
{
    printf("bytes");
    for (int i = 0; i < n; i++)
        printf(" %02x", ((const unsigned char *)from)[i]);
    printf("\n");
}
"""


class Compiler:
    """gcc in a directory of its own, where the libraries the headers include are empty files."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        for name in BPF_INCLUDES:
            (self.dir / name).parent.mkdir(exist_ok=True)
            (self.dir / name).touch()

    def gcc(self, source, *options):
        (self.dir / "program.c").write_text(source)
        command = ["gcc", "-std=gnu11", "-w", "-O0", "-I.", "program.c", *options]
        return subprocess.run(command, cwd=self.dir, check=True, stdout=subprocess.PIPE, text=True).stdout

    def run(self, source, body):
        """The lines that `body` prints, compiled after `source`."""
        self.gcc(source + MEASURE + "int main(void)\n{\n" + "\n".join(body) + "\nreturn 0;\n}\n", "-o", "program")
        return subprocess.run([self.dir / "program"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()

    def text(self, source, header):
        """The part of `source` that comes from `header`: without comments and untaken branches, but with #define."""
        own, lines = False, []
        for line in self.gcc(source, "-E", "-dD").splitlines():
            marker = re.match(r'# \d+ "(.*?)"', line)
            if marker:
                own = marker[1] == str(header)
            elif own:
                lines.append(line)
        return "\n".join(lines)


def include(*headers):
    return "".join(f'#include "{header}"\n' for header in headers)


def members(tokens):
    """[(field, struct it is of or None, array dimension or None)] up to the brace that closes the struct."""
    fields = []
    while (first := tokens.pop(0)) != "}":
        if first in ("struct", "union") and "{" in tokens[:2]:
            del tokens[:tokens.index("{") + 1]
            inner = members(tokens)
            name = tokens.pop(0)  # of the member, or the semicolon of an anonymous one
            prefix = "" if name == ";" else name + "."
            if prefix:
                tokens.pop(0)
            fields += [(prefix + field, of, dim) for field, of, dim in inner]
            continue
        end = tokens.index(";")
        words = [first] + tokens[:end]
        del tokens[:end + 1]
        dim = words[words.index("[") + 1] if "[" in words else None
        name = words[words.index("[") - 1] if dim else words[-1]
        fields.append((name, words[1] if first == "struct" and "*" not in words else None, dim))
    return fields


def parse_structs(text):
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    return {m[1]: members(re.findall(r"\w+|\S", text[m.end():])) for m in re.finditer(r"\bstruct (\w+)\s*\{", text)}


def layout_program(structs, names):
    """The statements that print the layout of each of `names`, nested structs flattened with dots."""
    def flat(top, name, prefix=""):
        for field, of, dim in structs[name]:
            path = prefix + field
            if of and dim:
                yield f'STRUCTS({top}, {path}, "{of}[{dim}]");'
            elif of:
                yield from flat(top, of, path + ".")
            else:
                yield f'FIELD({top}, {path}, {path + "[0]" if dim else path}, "{f"[{dim}]" if dim else ""}");'
    for name in names:
        yield f"STRUCT({name});"
        yield from flat(name, name)


def parse_constants(text):
    macros = re.findall(r"^#define ((?!__)\w+) +\S", text, re.M)
    enums = re.findall(r"\benum\s*\w*\s*\{([^}]*)\}", text)
    return macros + [item.split()[0] for body in enums for item in body.split(",") if item.strip()]


# What a field is set to in the first and in the second file; a list serves the fields of its kind in turn.
MEANT = {
    "gtid u64": (0x1122334455667788, 0x7FFFFFFFFFFFFFFF), "gtid i64": (0x1122334455667788, -2), "nice i32": (-7, 19),
    "errno i32": (3, 16), "state i32": (2147483647, -2147483645), "u.sync_group_owner i32": (1023, -1),
    "cpu": ([111, 222, 333], [4095, 4094, 4093]), "bool": ([1, 0], [0, 1]),
    "ptr": ([0x7F1234567890, 0x7F1234567A90], [0x7FFFFFFFE000, 0x7FFFFFFFF000]),
}


def values(fields, second):
    """A value for each (field, type), unlike the others; in the first file mostly of bytes unlike each other too."""
    used, out = {}, []
    for k, (field, kind) in enumerate(fields, 1):
        key = f"{field} {kind}"
        if kind == "ptr":
            key = "ptr"
        elif kind == "i8" or field in ("runnable", "is_agent"):
            key = "bool"
        elif re.search(r"(^|[._])cpu$", field):
            key = "cpu"
        bits = 64 if kind == "ptr" else int(kind[1:])
        if key in MEANT:
            meant = MEANT[key][second]
            value = meant[used.get(key, 0)] if isinstance(meant, list) else meant
            used[key] = used.get(key, 0) + 1
        elif second:  # the far end of the range: near the maximum, or negative
            value = 2**bits - k if kind[0] == "u" else -100 - k
        else:  # 37 is odd, so no byte comes twice; the top bit stays clear
            value = int.from_bytes([(37 * (8 * k + j) + 0x11) % 256 for j in range(bits // 8)], "big")
            value &= 2**(bits - 1) - 1
        out.append((field, value))
    return out


def struct_program(struct, fields, second):
    """The statements that set each field of `v` and print it."""
    yield f"static struct {struct} v;"
    yield from (f"SET(v, {field}, {value}{'ULL' if value >= 0 else 'LL'});" for field, value in values(fields, second))


def message_program(name, payload, fields, second):
    if payload:
        yield f"enum {{ length = sizeof(struct ghost_msg) + sizeof(struct {payload}) }};"
    else:  # what fills a ring up to its end: any number of whole slots
        yield f"enum {{ length = {8 if second else 24} }};"
    yield "static char out[length]; static struct ghost_msg m;"
    yield f"SET(m, type, {name}); SET(m, length, length); SET(m, seqnum, {'0xffffffff' if second else '0x12345678'});"
    if payload:
        yield from struct_program(payload, fields, second)
        yield "memcpy(out + __builtin_offsetof(struct ghost_msg, payload), &v, sizeof v);"
    yield "memcpy(out, &m, sizeof m); bytes(out, length);"


def origin(header):
    data = header.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return SOURCES.get(blob, f"an unlisted header, git blob {blob}")


def main():
    parser = argparse.ArgumentParser(description="Writes the layout, constants and example bytes of one ghOSt ABI.")
    parser.add_argument("header", type=pathlib.Path)
    parser.add_argument("abi", type=int)
    parser.add_argument("outdir", type=pathlib.Path)
    parser.add_argument("--bpf", type=pathlib.Path, action="append", default=[], metavar="HEADER")
    parser.add_argument("--vmlinux", type=pathlib.Path, metavar="HEADER")
    args = parser.parse_args()
    args.outdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        generate(args, Compiler(directory))


def generate(args, compiler):
    header, bpf = args.header.resolve(), [path.resolve() for path in args.bpf]

    def write(name, lines):
        (args.outdir / name).write_text("\n".join(lines) + "\n")

    def measured(what):
        return [f"# {what} of the ghOSt uapi, ABI {args.abi}, x86-64, as gcc compiles the kernel's own header",
                f"# ({origin(header)}).",
                f"# To produce it again, run tests/data/generate.py as tests/data/README.md says for ABI {args.abi}."]

    uapi = UAPI_PRELUDE + include(header)
    text = compiler.text(uapi, header)
    structs = parse_structs(text)

    # layout.txt
    comments, lines = measured("Layout"), compiler.run(uapi, layout_program(structs, structs))
    if args.vmlinux and "bpf_ghost_sched" not in structs:
        vmlinux = args.vmlinux.resolve()
        found = re.search(r"struct bpf_ghost_sched \{.*?\};", compiler.text(include(vmlinux), vmlinux), re.S)
        types = parse_structs(found[0])
        comments.append(f"# bpf_ghost_sched is from {origin(vmlinux)}.")
        lines += compiler.run(include(vmlinux), layout_program(types, types))
    write("layout.txt", comments + lines)

    # constants.txt
    defined = parse_constants(text)
    both = uapi + (BPF_PRELUDE + include(*bpf) if bpf else "")
    declared = {word for path in bpf for word in re.findall(r"\w+", compiler.text(both, path))}
    names = defined + [name for name in BPF_CONSTANTS if name in declared]
    comments = measured("Constants") + [f"# The BPF numbers are from {origin(path)}." for path in bpf]
    lines = compiler.run(both, (f"CONST({name});" for name in names))
    if f"const GHOST_VERSION {args.abi}" not in lines:
        sys.exit(f"{header} is not of ABI {args.abi}")
    listed = SOMETIMES + (BPF_CONSTANTS if bpf else [])
    write("constants.txt", comments + lines + [f"absent {name}" for name in listed if name not in names])

    # *.msg and *.bytes, of the fields as they were just measured
    layout = compiler.run(uapi, layout_program(structs, structs))
    fields = {name: [(word[1].split(".", 1)[1], word[2]) for word in map(str.split, layout)
                     if word[0] == "field" and word[1].split(".")[0] == name] for name in structs}
    for second, suffix in enumerate(["", ".2"]):
        for name in (name for name in defined if name.startswith("MSG_")):
            kind = name.removeprefix("MSG_").lower()
            payload = None if kind == "nop" else "ghost_msg_payload_" + PAYLOADS.get(kind, kind)
            then = f"then struct {payload}" if payload else "then what the ring held before (here zeros)"
            lines = compiler.run(uapi, message_program(name, payload, fields.get(payload), second))
            write(f"{kind}{suffix}.msg", [f"# {name} of ABI {args.abi}: struct ghost_msg, {then}", *lines])
        fixed = FIXED | {name.removeprefix("ghost_"): name for name in structs if name.startswith("ghost_ioc_")}
        for file, name in fixed.items():
            body = [*struct_program(name, fields[name], second), "bytes(&v, sizeof v);"]
            write(f"{file}{suffix}.bytes", [f"# struct {name} of ABI {args.abi}", *compiler.run(uapi, body)])


if __name__ == "__main__":
    main()
