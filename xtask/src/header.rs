//! `include/ghostsched.h` from `ffi-c/src`, by cbindgen.

use std::path::Path;

use cbindgen::{Config, DocumentationStyle, EnumConfig, Language, Style};

use crate::Failure;

/// What the header says first: what it is, and what its caller promises.
const HEAD: &str = "\
/*
 * ghostsched for C and C++: what an agent of ghOSt needs of its kernel, for the ABIs 69, 84, 90 and 91, chosen at run time.
 *
 * The caller owns all memory, and nothing here allocates, exits or throws. A function that can fail returns a gs_status: 0
 * is success, positive numbers are answers that are no failures, negative ones errors; gs_status_text has a text for each,
 * gs_last_error the numbers of the thread's last error. Functions that return something else return 0, false, -1 or NULL of
 * what they cannot answer, and take the same pointers.
 *
 * A pointer must not be NULL unless that is said, and points to as many values of its type as the function says: readable,
 * and, where it is not const, writable and used by nobody else during the call. NULL and misaligned pointers are errors.
 * Results are written on success only, unless that is said.
 *
 * A view (gs_queue, gs_status_words, gs_transactions, gs_tasks) is a value of the caller's that points to memory of the
 * caller's. That memory has to stay where it is, mapped, for as long as the view is used; it may say anything: whatever
 * the kernel or another process writes there, the answer is a status or a value. In this program it may otherwise be used
 * by atomic operations only. A view that was not initialised and is all zero is an error.
 *
 * Constants and the layouts of the kernel's own structures are in ghostsched_abi.h. PNT rings have a C API of their own,
 * which BPF programs share: ghostsched_pnt.h. For C++ there is ghostsched.hpp.
 *
 * Generated from ffi-c/src: change that and run `make headers`.
 */";

pub fn text(root: &Path) -> Result<String, Failure> {
    let version = env!("CARGO_PKG_VERSION").split('.').collect::<Vec<_>>();
    let &[major, minor, patch] = version.as_slice() else {
        return Err(Failure::Other(format!("the version is not three numbers: {version:?}")));
    };
    let config = Config {
        language: Language::C,
        style: Style::Both,
        documentation_style: DocumentationStyle::C99,
        cpp_compat: true,
        usize_is_size_t: true,
        include_guard: Some("GHOSTSCHED_H".into()),
        header: Some(HEAD.into()),
        no_includes: true,
        sys_includes: vec!["stdbool.h".into(), "stddef.h".into(), "stdint.h".into()],
        includes: vec!["ghostsched_abi.h".into()],
        after_includes: Some(format!(
            "\n/* The version of this header; gs_version() is that of the library. */\n\
             #define GS_VERSION_MAJOR {major}\n#define GS_VERSION_MINOR {minor}\n#define GS_VERSION_PATCH {patch}"
        )),
        enumeration: EnumConfig::default(),
        line_length: 120,
        tab_width: 4,
        ..Config::default()
    };
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_crate(root.join("ffi-c"))
        .generate()
        .map_err(|error| Failure::Other(format!("ffi-c: {error}")))?
        .write(&mut text);
    String::from_utf8(text).map_err(|error| Failure::Other(error.to_string()))
}
