//! Gives the shared library its name: `libghostsched.so.0`, which changes when the C ABI breaks.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libghostsched.so.0");
}
