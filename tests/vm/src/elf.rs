//! Tells a static program from a dynamic one, so that a wrong file is refused before a boot and not by an odd ENOENT in it.

/// Program header type of "this program wants an interpreter", that is, a dynamic loader.
const PT_INTERP: u32 = 3;

/// Whether `file` is an x86-64 ELF program that asks for a dynamic loader. Scripts and data do not.
pub fn wants_a_loader(file: &[u8]) -> bool {
    headers(file).is_some_and(|mut types| types.any(|kind| kind == PT_INTERP))
}

/// The types of the program headers, or nothing when this is not a little-endian 64-bit ELF file.
fn headers(file: &[u8]) -> Option<impl Iterator<Item = u32> + '_> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let offset = usize::try_from(u64::from_le_bytes(file.get(32..40)?.try_into().ok()?)).ok()?;
    let size = usize::from(u16::from_le_bytes(file.get(54..56)?.try_into().ok()?));
    let count = usize::from(u16::from_le_bytes(file.get(56..58)?.try_into().ok()?));
    Some((0..count).filter_map(move |i| {
        let at = offset.checked_add(i * size)?;
        Some(u32::from_le_bytes(file.get(at..at.checked_add(4)?)?.try_into().ok()?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_wants_a_loader_unless_it_is_static() {
        let me = std::fs::read("/proc/self/exe").unwrap_or_default();
        assert_eq!(wants_a_loader(&me), !cfg!(target_feature = "crt-static"));
    }

    #[test]
    fn junk_and_cut_files_want_nothing() {
        assert!(!wants_a_loader(b""));
        assert!(!wants_a_loader(b"#!/bin/sh\n"));
        let me = std::fs::read("/proc/self/exe").unwrap_or_default();
        for end in 0..me.len().min(200) {
            wants_a_loader(&me[..end]);
        }
    }
}
