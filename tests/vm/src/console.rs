//! Reads a guest's console: finds the kernel's own cries in it, and keeps them apart from what programs print.

/// What the kernel writes when it has failed. `[#1]` is the counter that ends the first line of every oops.
const FAULTS: [&str; 6] = [
    "Kernel panic - not syncing",
    "Oops",
    "kernel BUG at",
    "BUG: ",
    "[#1]",
    "Unable to mount root fs",
];

/// Says something of the host's speed, not of the guest's kernel.
const HARMLESS: [&str; 1] = ["soft lockup"];

/// How many lines of a fault to report: registers and a short trace.
const LINES: usize = 40;

/// The console from the kernel's first fault on, at most 40 lines; empty when there is none.
pub fn fault(console: &str) -> Vec<String> {
    console
        .lines()
        .skip_while(|line| !is_fault(line))
        .take(LINES)
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The last `count` lines that are not empty.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn is_fault(line: &str) -> bool {
    kernel_message(line).is_some_and(|message| {
        FAULTS.iter().any(|fault| message.contains(fault)) && !HARMLESS.iter().any(|word| message.contains(word))
    })
}

/// What follows the kernel's time stamp, `[    1.234567] `, which a program's line has not. The stamp may stand in the middle
/// of a line, when the kernel cut into what a program was printing.
fn kernel_message(line: &str) -> Option<&str> {
    line.match_indices('[').find_map(|(at, _)| {
        let (stamp, message) = line[at + 1..].split_once(']')?;
        let (seconds, micros) = stamp.trim_start().split_once('.')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        (digits(seconds) && micros.len() == 6 && digits(micros)).then_some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_found_with_what_follows() {
        let console = "hello\r\n[    1.500000] Kernel panic - not syncing: why\r\n[    1.600000] Call Trace:\r\n";
        assert_eq!(
            fault(console),
            [
                "[    1.500000] Kernel panic - not syncing: why",
                "[    1.600000] Call Trace:"
            ]
        );
    }

    #[test]
    fn a_fault_in_the_middle_of_a_programs_line_is_found() {
        assert_eq!(
            fault("part[   12.000001][  T33] BUG: unable to handle page fault").len(),
            1
        );
    }

    #[test]
    fn a_programs_own_words_are_no_fault() {
        assert!(fault("Kernel panic - not syncing\n[x] BUG: mine\n[1.5] Oops\n").is_empty());
        assert!(fault("[    2.000000] traps: x[7] general protection fault ip:1 sp:2 error:0").is_empty());
        assert!(fault("[   30.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!").is_empty());
    }

    #[test]
    fn the_tail_skips_empty_lines() {
        assert_eq!(tail("a\r\n\r\nb\n\nc\n", 2), "b\nc");
        assert_eq!(tail("", 2), "");
    }
}
