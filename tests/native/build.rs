//! Compiles the BPF program's logic for this machine. Undefined behaviour in it traps, in every build.

use std::env;
use std::path::Path;

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&manifest).join("../..");
    let (include, logic) = (root.join("include"), root.join("bpf/c"));
    println!("cargo:rerun-if-changed=native.c");
    println!("cargo:rerun-if-changed={}", include.join("ghostsched_bpf.h").display());
    for header in ["latency_logic.h", "latency_record.h", "latency_walk.h"] {
        println!("cargo:rerun-if-changed={}", logic.join(header).display());
    }

    let mut build = cc::Build::new();
    build.file("native.c").include(include).include(logic).std("gnu11");
    for flag in ["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-omit-frame-pointer"] {
        build.flag(flag);
    }
    build
        .flag("-fsanitize=undefined")
        .flag("-fsanitize-undefined-trap-on-error");
    if env::var_os("CARGO_FEATURE_SANITIZE").is_some() {
        build.flag("-fsanitize=address");
        // rustc links without the compiler's default libraries, so the runtime is named, and whole, since it has to come first.
        let compiler = build.get_compiler();
        let found = compiler
            .to_command()
            .arg("-print-file-name=libasan.a")
            .output()
            .expect("the compiler runs");
        let library = String::from_utf8(found.stdout).expect("a path");
        println!(
            "cargo:rustc-link-arg=-Wl,--whole-archive,{},--no-whole-archive",
            library.trim()
        );
        for library in ["stdc++", "m", "dl", "pthread", "rt"] {
            println!("cargo:rustc-link-arg=-l{library}");
        }
    }
    build.compile("ghostsched_native");
}
