//! Durations, lists of bounds and sizes as people write and read them. Integers only; every error says what to write.

use ghostsched_core::histogram::Bounds;

pub use ghostsched_bpf::report::verdict::cpus;

/// The units of a duration, the longest suffix first where one ends in another; in ns.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// The units of a size, in bytes.
const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("B", 1),
];

/// The longest text of a user that an error repeats, in characters.
const SHOWN: usize = 40;

/// A duration in ns: a number, with a fraction or not, and a unit: `50us`, `1.5ms`, `2s`, `5m`.
pub fn parse_duration_ns(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let shown = shorten(text, SHOWN);
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!(
            "{shown:?} is not a duration: write a number and a unit, such as 50us, 1.5ms or 2s"
        ));
    }
    let unit = unit.trim_start();
    if unit.is_empty() {
        let number = shorten(number, SHOWN);
        return Err(format!(
            "{shown:?} has no unit: write {number}us, {number}ms or {number}s"
        ));
    }
    let Some(&(_, unit_ns)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!(
            "{shown:?} has an unknown unit: write ns, us, ms, s, m or h, such as 50us or 2s"
        ));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(format!("{shown:?} is not a number and a unit: write it such as 1.5ms"));
    }
    let too_long = || format!("{shown:?} is too long: at most 292 years, such as 100000h");
    let whole_ns = decimal(whole)
        .and_then(|n| n.checked_mul(unit_ns))
        .ok_or_else(too_long)?;
    let fraction = fraction.trim_end_matches('0');
    let not_whole = || format!("{shown:?} is not a whole number of nanoseconds: leave out the last digits");
    // An hour is 3.6e12 ns: with more than 13 digits that do not end in 0, no unit gives a whole number.
    let power = 10u128.pow(
        u32::try_from(fraction.len())
            .ok()
            .filter(|&len| len <= 13)
            .ok_or_else(not_whole)?,
    );
    let part = u128::from(decimal(fraction).ok_or_else(not_whole)?) * u128::from(unit_ns);
    if part % power != 0 {
        return Err(not_whole());
    }
    // Less than one unit, so it fits.
    let ns = whole_ns.checked_add((part / power) as u64).ok_or_else(too_long)?;
    if ns > i64::MAX as u64 { Err(too_long()) } else { Ok(ns) }
}

/// A duration above zero, for `--for` and `--every`.
pub fn parse_span_ns(text: &str) -> Result<u64, String> {
    match parse_duration_ns(text)? {
        0 => Err(format!(
            "{:?} is no time at all: write at least 1ms, such as 2s",
            shorten(text, SHOWN)
        )),
        ns if ns < 1_000_000 => Err(format!(
            "{:?} is too short to measure anything: write at least 1ms, such as 2s",
            shorten(text, SHOWN)
        )),
        ns => Ok(ns),
    }
}

/// Bounds of histograms: `log2`, `loglinear`, or a list such as `50us,200us,1ms`.
pub fn parse_bounds(text: &str) -> Result<Bounds, String> {
    match text.trim() {
        "log2" => return Ok(Bounds::default()),
        // 4.1 us to 3.6 s, three buckets a doubling: a quantile is at most a third too high.
        "loglinear" => return Bounds::log_linear(4_096, 20, 3).map_err(|error| error.to_string()),
        _ => {}
    }
    let mut list = Vec::new();
    for (index, item) in text.split(',').enumerate() {
        if item.trim().is_empty() {
            return Err(if text.trim().is_empty() {
                "no bounds: give 1 to 64, such as 50us,1ms,20ms, or log2, or loglinear".to_owned()
            } else {
                format!(
                    "bound {} is empty: write one between each two commas, such as 50us,1ms,20ms",
                    index + 1
                )
            });
        }
        list.push(parse_duration_ns(item).map_err(|error| format!("bound {}: {error}", index + 1))?);
    }
    Bounds::new(&list).map_err(|error| error.to_string())
}

/// A size in bytes: `64MiB`, `512K`, `1G`, or a plain number of bytes. K, M and G are powers of 1024.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let shown = shorten(text, SHOWN);
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = match SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        _ if number.is_empty() => None,
        _ if unit.is_empty() => Some(1),
        found => found.map(|&(_, factor)| factor),
    };
    let Some(factor) = factor else {
        return Err(format!(
            "{shown:?} is not a size: write a whole number and KiB, MiB or GiB, such as 64MiB"
        ));
    };
    match decimal(number).and_then(|n| n.checked_mul(factor)) {
        None => Err(format!(
            "{shown:?} is more memory than there can be: write it such as 64MiB"
        )),
        Some(0) => Err(format!("{shown:?} is no memory at all: write it such as 64MiB")),
        Some(bytes) => Ok(bytes),
    }
}

/// Digits to a number; no digits are 0, too many are `None`.
fn decimal(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0u64, |n, b| {
        n.checked_mul(10)?.checked_add(u64::from(b.wrapping_sub(b'0')))
    })
}

/// A duration for people, three digits of it: `0`, `870ns`, `9.3us`, `12.4ms`, `212ms`, `1.50s`, `312s`.
pub fn human_ns(ns: u64) -> String {
    let (unit_ns, unit) = match ns {
        0 => return "0".into(),
        1..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let whole = ns / unit_ns;
    match whole {
        // Cut, not rounded: 999.96 us must not become "1000.0us".
        0..10 => format!("{whole}.{:02}{unit}", ns % unit_ns / (unit_ns / 100)),
        10..100 => format!("{whole}.{}{unit}", ns % unit_ns / (unit_ns / 10)),
        _ => format!("{whole}{unit}"),
    }
}

/// A duration exactly as one would write it: the largest unit that leaves a whole number (`50us`, `1500us`, `2s`).
pub fn exact_ns(ns: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let unit = units
        .into_iter()
        .find(|(unit_ns, _)| ns != 0 && ns.is_multiple_of(*unit_ns));
    unit.map_or_else(
        || format!("{ns}ns"),
        |(unit_ns, unit)| format!("{}{unit}", ns / unit_ns),
    )
}

/// `part` of `whole` in per mille, rounded down; 0 of nothing. At most 1000 for a real part.
pub fn permille(part: u64, whole: u64) -> u64 {
    match u128::from(part) * 1000 {
        _ if whole == 0 => 0,
        thousand => u64::try_from(thousand / u128::from(whole)).unwrap_or(u64::MAX),
    }
}

/// Per mille as a percentage: `97%`, `0.4%` below 1 %, `0%` only for none.
pub fn percent(part: u64, whole: u64) -> String {
    match permille(part, whole) {
        0 if part == 0 => "0%".into(),
        0 => "<0.1%".into(),
        below @ 1..10 => format!("0.{below}%"),
        more => format!("{}%", more / 10),
    }
}

/// A text in at most `width` characters, its middle replaced by an ellipsis.
pub fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    if width < 3 {
        return text.chars().take(width).collect();
    }
    // The end tells cgroups apart better than the start: it gets the larger half.
    let head = (width - 1) / 2;
    let tail = width - 1 - head;
    text.chars()
        .take(head)
        .chain(['\u{2026}'])
        .chain(text.chars().skip(length - tail))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_exact() {
        for (text, ns) in [
            ("50us", 50_000),
            ("1.5ms", 1_500_000),
            ("2s", 2_000_000_000),
            ("0.000000001s", 1),
            ("1.50ms", 1_500_000),
            ("7ns", 7),
            (".5s", 500_000_000),
            ("1.0ns", 1),
            ("3m", 180_000_000_000),
            ("1.1m", 66_000_000_000),
            ("0.05h", 180_000_000_000),
            ("0.0000000000025h", 9),
            ("0s", 0),
            ("12 ms", 12_000_000),
        ] {
            assert_eq!(parse_duration_ns(text), Ok(ns), "{text}");
        }
    }

    #[test]
    fn a_bad_duration_is_refused_with_what_to_write() {
        for (text, says) in [
            ("", "such as 50us"),
            ("abc", "such as 50us"),
            ("-5ms", "such as 50us"),
            ("5", "write 5us, 5ms or 5s"),
            ("5parsecs", "write ns, us, ms, s, m or h"),
            ("1.2.3s", "such as 1.5ms"),
            (".s", "such as 1.5ms"),
            ("1.5ns", "not a whole number of nanoseconds"),
            ("0.0000000001s", "not a whole number of nanoseconds"),
            ("99999999999999999999s", "at most 292 years"),
            ("9223372036.854775808s", "at most 292 years"),
            ("18446744073709551615h", "at most 292 years"),
        ] {
            let error = parse_duration_ns(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!(parse_duration_ns("9223372036.854775807s"), Ok(i64::MAX as u64));
    }

    #[test]
    fn a_span_of_nothing_is_refused() {
        assert!(parse_span_ns("0s").is_err_and(|line| line.contains("at least 1ms")));
        assert!(parse_span_ns("10us").is_err_and(|line| line.contains("at least 1ms")));
        assert_eq!(parse_span_ns("1ms"), Ok(1_000_000));
    }

    #[test]
    fn an_unsorted_bound_is_refused_with_what_to_write() {
        assert!(parse_bounds("5ms,1ms").is_err_and(|line| line.contains("bound 2") && line.contains("sort them")));
        assert!(parse_bounds("0s,1ms").is_err_and(|line| line.contains("start at 1ns")));
        assert!(parse_bounds("1ms,,2ms").is_err_and(|line| line.contains("bound 2 is empty")));
        assert!(parse_bounds("1ms,x").is_err_and(|line| line.starts_with("bound 2:")));
        let many: Vec<String> = (1..=65).map(|n| format!("{n}us")).collect();
        assert!(parse_bounds(&many.join(",")).is_err_and(|line| line.contains("at most 64")));
        assert!(parse_bounds(&many[..64].join(",")).is_ok());
    }

    #[test]
    fn presets_and_lists_give_bounds() {
        assert_eq!(parse_bounds("log2"), Ok(Bounds::default()));
        assert_eq!(parse_bounds("loglinear").map(|b| b.as_slice().len()), Ok(60));
        assert_eq!(
            parse_bounds("50us, 1ms").map(|b| b.as_slice().to_vec()),
            Ok(vec![50_000, 1_000_000])
        );
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("512k"), Ok(512 << 10));
        assert_eq!(parse_bytes("4096"), Ok(4096));
        for bad in [
            "",
            "MiB",
            "1.5G",
            "64MB!",
            "0",
            "99999999999999999999",
            "18446744073709551615G",
        ] {
            assert!(parse_bytes(bad).is_err_and(|line| line.contains("64MiB")), "{bad}");
        }
    }

    #[test]
    fn people_read_three_digits() {
        for (ns, text) in [
            (0, "0"),
            (870, "870ns"),
            (9_310, "9.31us"),
            (12_400_000, "12.4ms"),
            (999_999, "999us"),
            (212_000_000, "212ms"),
            (1_500_000_000, "1.50s"),
            (312_000_000_000, "312s"),
        ] {
            assert_eq!(human_ns(ns), text);
        }
        assert_eq!(exact_ns(1_500_000), "1500us");
        assert_eq!(exact_ns(u64::MAX), format!("{}ns", u64::MAX));
        assert_eq!(cpus(1_215), "1.22");
    }

    #[test]
    fn a_long_path_loses_its_middle() {
        assert_eq!(shorten("/kubepods/burstable/pod1/api", 12), "/kube\u{2026}d1/api");
        assert_eq!(shorten("/short", 12), "/short");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC*") {
            let _ = (parse_duration_ns(&text), parse_span_ns(&text), parse_bounds(&text), parse_bytes(&text));
        }

        #[test]
        fn nearly_right_text_does_not_panic_either(text in "[0-9.,]{0,24} ?[nuµms hKMGiB,]{0,4}") {
            let _ = (parse_duration_ns(&text), parse_span_ns(&text), parse_bounds(&text), parse_bytes(&text));
        }

        #[test]
        fn what_exact_writes_is_read_back(ns in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse_duration_ns(&exact_ns(ns)), Ok(ns));
        }

        #[test]
        fn a_short_text_keeps_its_width(text in "\\PC{0,40}", width in 0..50usize) {
            prop_assert!(shorten(&text, width).chars().count() <= width);
        }
    }
}
