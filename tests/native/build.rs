//! Compiles the BPF program's logic for this machine. Undefined behaviour in it traps, in every build.

use std::env;
use std::path::Path;

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&manifest).join("../..");
    let (include, logic) = (root.join("include"), root.join("bpf/c"));
    println!("cargo:rerun-if-changed=native.c");
    println!("cargo:rerun-if-changed={}", include.join("ghostsched_bpf.h").display());
    println!("cargo:rerun-if-changed={}", logic.join("latency_logic.h").display());

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
        println!("cargo:rustc-link-arg=-fsanitize=address");
    }
    build.compile("ghostsched_native");
}
