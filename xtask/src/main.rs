//! Generates the code that is checked in. `cargo run -p xtask -- bindings|header|abi-header [--check]`
//!
//! | | writes | from |
//! |---|---|---|
//! | `bindings` | `bpf/src/bindings.rs` | `include/ghostsched_bpf.h` |
//! | `header` | `include/ghostsched.h` | `ffi-c/src` |
//! | `abi-header` | `include/ghostsched_abi.h` | `core/src/abi` |
//!
//! With `--check` it writes nothing and compares. Exit status: 0 done or equal, 1 different or failed, 2 wrong arguments, 3 no
//! libclang on this machine.

mod abi_header;
mod bindings;
mod header;

use std::path::Path;
use std::process::ExitCode;

/// Why nothing was generated.
pub enum Failure {
    /// This machine lacks a compiler.
    NoCompiler(String),
    /// Anything else.
    Other(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, check) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [what] => (what, false),
        [what, "--check"] => (what, true),
        _ => ("", false),
    };
    // Asked when it runs, not when it is compiled: a target folder may be shared by several copies of the repository.
    let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") else {
        eprintln!("xtask: run it by cargo");
        return ExitCode::from(2);
    };
    let root = &Path::new(&folder).join("..");
    let (output, make, text) = match what {
        "bindings" => ("bpf/src/bindings.rs", "bindings", bindings::text(root)),
        "header" => ("include/ghostsched.h", "headers", header::text(root)),
        "abi-header" => ("include/ghostsched_abi.h", "headers", Ok(abi_header::text())),
        _ => {
            eprintln!("usage: cargo run -p xtask -- bindings|header|abi-header [--check]");
            return ExitCode::from(2);
        }
    };
    let done = text.and_then(|text| {
        if check {
            compare(root, output, make, &text)
        } else {
            std::fs::write(root.join(output), text).map_err(|error| Failure::Other(format!("{output}: {error}")))
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::NoCompiler(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(3)
        }
        Err(Failure::Other(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn compare(root: &Path, output: &str, make: &str, text: &str) -> Result<(), Failure> {
    let committed = std::fs::read_to_string(root.join(output));
    let committed = committed.map_err(|error| Failure::Other(format!("{output}: {error}")))?;
    match first_difference(&committed, text) {
        None => Ok(()),
        Some(line) => Err(Failure::Other(format!(
            "{output} is not what its source gives, from line {line} on: run `make {make}`"
        ))),
    }
}

/// The number, from 1, of the first line that is not the same in both; `None` when the texts are equal.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    let common = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
    Some(common + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_different_line_is_found_also_when_one_text_ends_earlier() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a\n", "a"), Some(2));
    }
}
