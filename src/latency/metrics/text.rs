//! The two text formats a Prometheus understands, byte by byte.
//!
//! OpenMetrics 1.0 and the classic text format 0.0.4 differ in four places, all of them here: the name under which a
//! counter is declared, the type of an info metric, the unit line, and `_created` with the closing `# EOF`.

use std::fmt::{self, Write as _};

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0: what a Prometheus asks for.
    OpenMetrics,
    /// Prometheus text 0.0.4: what everything reads, `promtool check metrics` and people with `curl` among them.
    Classic,
}

impl Format {
    /// The `Content-Type` of an answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The format an `Accept` header asks for: OpenMetrics if it is named, in a version this writes, and liked no less
    /// than `text/plain`; wildcards get the classic text, which everybody can read.
    pub fn from_accept(accept: &str) -> Self {
        let (mut open, mut plain) = (0, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut weight, mut version) = (1000, None);
            for parameter in parts {
                match parameter
                    .split_once('=')
                    .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
                {
                    Some(("q" | "Q", value)) => weight = permille(value),
                    Some(("version", value)) => version = Some(value),
                    _ => {}
                }
            }
            match kind.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("0.0.1" | "1.0.0")) => {
                    open = weight.max(open);
                }
                "text/plain" => plain = weight.max(plain),
                _ => {}
            }
        }
        if open > 0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }
}

/// The `q` of an `Accept` header in per mille; nonsense counts as 0, so that it never wins.
fn permille(q: &str) -> u32 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let thousandths = format!("{fraction:0<3}");
    match (
        whole,
        thousandths.get(..3).and_then(|digits| digits.parse::<u32>().ok()),
    ) {
        ("1", _) => 1000,
        ("0" | "", Some(part)) => part,
        _ => 0,
    }
}

/// What a family of metrics is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows, but for a reset.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts per bucket, sum, count.
    Histogram,
    /// Sum and count; no quantiles.
    Summary,
    /// Text in labels.
    Info,
}

/// The declaration of a family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Without the suffix of its samples (`_total`, `_info`, `_bucket`).
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// One line, without quotes or backslashes, so that neither format needs to escape it.
    pub help: &'static str,
}

impl Family {
    /// The unit, which OpenMetrics wants as the end of the name.
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "cpus"].into_iter().find(|unit| self.name.ends_with(unit))
    }

    /// The name under which the classic text declares the family, and people search for it.
    pub fn declared(&self) -> String {
        match self.kind {
            Type::Counter => format!("{}_total", self.name),
            Type::Info => format!("{}_info", self.name),
            Type::Gauge | Type::Histogram | Type::Summary => self.name.to_owned(),
        }
    }
}

/// A number as it stands in a sample: exact, made of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// Nanoseconds, written in seconds.
    Ns(u64),
    /// Thousandths, written in ones.
    Milli(u64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, digits, one) = match *self {
            Self::Count(n) => return write!(f, "{n}"),
            Self::Ns(ns) => (ns, 9, 1_000_000_000),
            Self::Milli(milli) => (milli, 3, 1_000),
        };
        let (whole, part) = (value / one, value % one);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:0digits$}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

/// A bound as the value of `le`, in seconds: the canonical form of OpenMetrics (`5e-05`, `0.001`, `1.0`), in both formats,
/// because Prometheus 3 rewrites any other form to it and a query must not depend on the server's version. All digits are
/// written, so that two bounds never become one.
pub fn le(bound_ns: u64) -> String {
    let digits = bound_ns.to_string();
    // The decimal exponent of the first digit, in seconds.
    let exponent = digits.len() as i32 - 1 - 9;
    if (-4..6).contains(&exponent) {
        let plain = Value::Ns(bound_ns).to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

/// Labels of one sample, in the order they are written.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Writes families and their samples.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    out: String,
}

impl Writer {
    /// An empty exposition.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            out: String::new(),
        }
    }

    /// Declares a family; its samples follow at once, as both formats demand.
    pub fn family(&mut self, family: &'static Family) -> Samples<'_> {
        let (name, kind) = match (self.format, family.kind) {
            (Format::Classic, Type::Info) => (family.declared(), "gauge"),
            (Format::Classic, _) => (family.declared(), kind_name(family.kind)),
            (Format::OpenMetrics, _) => (family.name.to_owned(), kind_name(family.kind)),
        };
        self.line(format_args!("# HELP {name} {}", family.help));
        self.line(format_args!("# TYPE {name} {kind}"));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit()) {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        Samples { writer: self, family }
    }

    /// The text, closed.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.line(format_args!("# EOF"));
        }
        self.out
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
        self.out.push('\n');
    }
}

const fn kind_name(kind: Type) -> &'static str {
    match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram => "histogram",
        Type::Summary => "summary",
        Type::Info => "info",
    }
}

/// The samples of one family.
#[derive(Debug)]
pub struct Samples<'w> {
    writer: &'w mut Writer,
    family: &'static Family,
}

impl Samples<'_> {
    /// A counter, and since when it counts.
    pub fn counter(&mut self, labels: Labels<'_>, value: Value, created_unix_ns: u64) {
        self.sample("_total", labels, None, value);
        self.created(labels, created_unix_ns);
    }

    /// A gauge.
    pub fn gauge(&mut self, labels: Labels<'_>, value: Value) {
        self.sample("", labels, None, value);
    }

    /// An info metric: 1, and the text in its labels.
    pub fn info(&mut self, labels: Labels<'_>) {
        self.sample("_info", labels, None, Value::Count(1));
    }

    /// A summary without quantiles.
    pub fn summary(&mut self, labels: Labels<'_>, count: u64, sum_ns: u64, created_unix_ns: u64) {
        self.sample("_sum", labels, None, Value::Ns(sum_ns));
        self.sample("_count", labels, None, Value::Count(count));
        self.created(labels, created_unix_ns);
    }

    /// A histogram from counts a bucket, the last of them above the last bound.
    pub fn histogram(
        &mut self,
        labels: Labels<'_>,
        bounds_ns: &[u64],
        counts: &[u64],
        sum_ns: u64,
        created_unix_ns: u64,
    ) {
        let mut below = 0u64;
        for (bound_ns, count) in bounds_ns.iter().zip(counts) {
            below = below.saturating_add(*count);
            self.sample("_bucket", labels, Some(&le(*bound_ns)), Value::Count(below));
        }
        // The total is the sum of the same counts that the buckets show, so that the three agree in every scrape.
        let count = counts
            .iter()
            .skip(bounds_ns.len())
            .fold(below, |sum, n| sum.saturating_add(*n));
        self.sample("_bucket", labels, Some("+Inf"), Value::Count(count));
        self.sample("_sum", labels, None, Value::Ns(sum_ns));
        self.sample("_count", labels, None, Value::Count(count));
        self.created(labels, created_unix_ns);
    }

    fn created(&mut self, labels: Labels<'_>, unix_ns: u64) {
        // The classic format has no place for it: a `_created` there would be a family of its own, without a type.
        if self.writer.format == Format::OpenMetrics {
            self.sample("_created", labels, None, Value::Ns(unix_ns));
        }
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: Value) {
        let out = &mut self.writer.out;
        out.push_str(self.family.name);
        out.push_str(suffix);
        let mut open = '{';
        for (name, text) in labels.iter().copied().chain(le.map(|le| ("le", le))) {
            out.push(open);
            open = ',';
            out.push_str(name);
            out.push_str("=\"");
            escape(text, out);
            out.push('"');
        }
        if open == ',' {
            out.push('}');
        }
        self.writer.line(format_args!(" {value}"));
    }
}

/// Escapes a label's value; both formats agree. A NUL, which no path holds, would end the text for Prometheus' parser.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static WAIT: Family = Family {
        name: "x_wait_seconds",
        kind: Type::Histogram,
        help: "Waits.",
    };
    static LOST: Family = Family {
        name: "x_lost",
        kind: Type::Counter,
        help: "Losses.",
    };

    fn text(format: Format, write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::new(format);
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn a_counter_is_declared_with_total_in_the_classic_text_only() {
        let write = |writer: &mut Writer| writer.family(&LOST).counter(&[], Value::Count(7), 1_500_000_000);
        assert_eq!(
            text(Format::Classic, write),
            "# HELP x_lost_total Losses.\n# TYPE x_lost_total counter\nx_lost_total 7\n"
        );
        assert_eq!(
            text(Format::OpenMetrics, write),
            "# HELP x_lost Losses.\n# TYPE x_lost counter\nx_lost_total 7\nx_lost_created 1.5\n# EOF\n"
        );
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_in_inf() {
        let write = |writer: &mut Writer| {
            writer
                .family(&WAIT)
                .histogram(&[("c", "/a")], &[50_000, 1_000_000_000], &[3, 0, 2], 7_000_000_001, 9);
        };
        assert_eq!(
            text(Format::OpenMetrics, write),
            "# HELP x_wait_seconds Waits.\n# TYPE x_wait_seconds histogram\n# UNIT x_wait_seconds seconds\n\
             x_wait_seconds_bucket{c=\"/a\",le=\"5e-05\"} 3\nx_wait_seconds_bucket{c=\"/a\",le=\"1.0\"} 3\n\
             x_wait_seconds_bucket{c=\"/a\",le=\"+Inf\"} 5\nx_wait_seconds_sum{c=\"/a\"} 7.000000001\n\
             x_wait_seconds_count{c=\"/a\"} 5\nx_wait_seconds_created{c=\"/a\"} 0.000000009\n# EOF\n"
        );
    }

    #[test]
    fn quotes_backslashes_newlines_and_utf8_survive_in_a_label() {
        let mut out = String::new();
        escape("/a\"b\\c\nd/\u{e9}\0", &mut out);
        assert_eq!(out, "/a\\\"b\\\\c\\nd/\u{e9}\u{fffd}");
    }

    #[test]
    fn bounds_are_canonical() {
        for (ns, text) in [
            (1, "1e-09"),
            (1_024, "1.024e-06"),
            (50_000, "5e-05"),
            (100_000, "0.0001"),
            (1_000_000, "0.001"),
            (1_500_000_000, "1.5"),
            (2_000_000_000, "2.0"),
            (999_999_000_000_000, "999999.0"),
            (1_000_000_000_000_000, "1e+06"),
            (i64::MAX as u64, "9.223372036854775807e+09"),
        ] {
            assert_eq!(le(ns), text);
        }
    }

    #[test]
    fn the_format_is_what_the_client_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\"", Format::OpenMetrics),
            ("text/plain, Application/OpenMetrics-Text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", Format::Classic),
            ("application/openmetrics-text;q=0", Format::Classic),
            ("application/openmetrics-text;q=banana", Format::Classic),
            ("application/openmetrics-text;version=9.0", Format::Classic),
            ("text/html,*/*;q=0.8", Format::Classic),
            ("", Format::Classic),
        ] {
            assert_eq!(Format::from_accept(accept), format, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn seconds_lose_no_nanosecond(ns: u64) {
            let text = Value::Ns(ns).to_string();
            let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
            prop_assert_eq!(format!("{whole}{part:0<9}").parse::<u64>(), Ok(ns));
        }

        #[test]
        fn distinct_bounds_have_distinct_labels(a in 1..=i64::MAX as u64, step in 1..1000u64) {
            let b = a.saturating_add(step).min(i64::MAX as u64);
            prop_assert_eq!(le(a) == le(b), a == b);
            let near = |ns: u64| (ns as f64 / 1e9 - le(ns).parse::<f64>().unwrap_or(f64::NAN)).abs() <= ns as f64 * 1e-15;
            prop_assert!(near(a), "{}", le(a));
        }

        #[test]
        fn no_accept_header_panics(text in "\\PC*") {
            let _ = Format::from_accept(&text);
        }

        #[test]
        fn a_label_stays_on_its_line(label in "(\\PC|[\\n\\r\\\\\"\\x00])*") {
            static GAUGE: Family = Family { name: "x", kind: Type::Gauge, help: "X." };
            let text = text(Format::Classic, |writer| writer.family(&GAUGE).gauge(&[("l", &label)], Value::Count(1)));
            prop_assert_eq!(text.split('\n').count(), 4);
        }
    }
}
