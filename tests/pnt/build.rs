//! Compiles the C half of the PNT rings for this machine. Undefined behaviour in it traps, in every build.

use std::env;
use std::path::Path;

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let include = Path::new(&manifest).join("../../include");
    println!("cargo:rerun-if-changed=native.c");
    println!("cargo:rerun-if-changed={}", include.join("ghostsched_pnt.h").display());

    let mut build = cc::Build::new();
    build.file("native.c").include(include).std("gnu11");
    for flag in ["-Wall", "-Wextra", "-Werror", "-O2", "-g", "-fno-omit-frame-pointer"] {
        build.flag(flag);
    }
    build
        .flag("-fsanitize=undefined")
        .flag("-fsanitize-undefined-trap-on-error");
    build.compile("ghostsched_pnt_native");
}
