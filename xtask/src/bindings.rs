//! `bpf/src/bindings.rs` from `include/ghostsched_bpf.h`, by bindgen.

use std::path::Path;

use crate::Failure;

const HEADER: &str = "include/ghostsched_bpf.h";

/// What the generated file starts with; an inner attribute applies to the whole module.
const PREAMBLE: &str = "\
//! The types and constants of `include/ghostsched_bpf.h`, which documents them.
//!
//! Generated: change the header and run `make bindings`.
#![allow(missing_docs, non_camel_case_types)]

pub type __u8 = u8;
pub type __u16 = u16;
pub type __u32 = u32;
pub type __u64 = u64;
pub type __s32 = i32;
pub type __s64 = i64;";

/// The kernel's integer types are defined by [`PREAMBLE`]: tells bindgen that they are as plain as Rust's.
#[derive(Debug)]
struct PlainIntegers;

impl bindgen::callbacks::ParseCallbacks for PlainIntegers {
    fn blocklisted_type_implements_trait(
        &self,
        _name: &str,
        _derive: bindgen::callbacks::DeriveTrait,
    ) -> Option<bindgen::callbacks::ImplementsTrait> {
        Some(bindgen::callbacks::ImplementsTrait::Yes)
    }
}

/// The bindings of the shared header, formatted as the rest of the tree is.
pub fn text(root: &Path) -> Result<String, Failure> {
    clang_sys::load().map_err(|reason| {
        let line = reason.lines().next().unwrap_or("not found");
        Failure::NoCompiler(format!("no libclang: {line}"))
    })?;
    let generated = bindgen::Builder::default()
        .header(root.join(HEADER).to_string_lossy())
        .raw_line(PREAMBLE)
        .disable_header_comment() // it names bindgen's version, and would change with it
        .allowlist_type("gs_.*")
        .allowlist_var("GS_.*")
        .blocklist_type("__[us](8|16|32|64)")
        .parse_callbacks(Box::new(PlainIntegers))
        .use_core()
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .explicit_padding(true)
        .rust_target(bindgen::RustTarget::stable(88, 0).map_err(|error| Failure::Other(error.to_string()))?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .rustfmt_configuration_file(Some(root.join("rustfmt.toml")))
        .generate()
        .map_err(|error| Failure::Other(format!("{HEADER}: {error}")))?;
    Ok(generated.to_string())
}
