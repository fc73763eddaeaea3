//! Where `unsafe` is: blocks in `handle.rs` only; elsewhere nothing but the attribute that names an entry.

#[test]
fn only_handle_has_unsafe_blocks_and_every_entry_is_guarded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut entries = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if path.ends_with("handle.rs") {
            assert!(
                !text.contains("no_mangle"),
                "an entry is not the place for unsafe blocks"
            );
            continue;
        }
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//") && !line.contains("reason = "));
        for line in code.filter(|line| line.contains("unsafe")) {
            assert_eq!(line.trim(), "#[unsafe(no_mangle)]", "{}", path.display());
            entries += 1;
        }
        // Each of these lets nothing out; what has none of them calls the core's total functions on plain values.
        for entry in text.split("#[unsafe(no_mangle)]").skip(1) {
            let body = entry.split("\n}\n").next().unwrap();
            let takes_pointers = body
                .lines()
                .take_while(|line| !line.contains('{'))
                .any(|line| line.contains("*mut "));
            let is_guarded = ["entry(", "value(", "change("].iter().any(|guard| body.contains(guard));
            assert!(is_guarded || !takes_pointers, "{}: {body}", path.display());
        }
    }
    assert!(entries > 60, "{entries}");
}
