//! One report, as text or JSON, on its way to stdout.

use std::io::{self, IsTerminal, Write};

use ghostsched_bpf::Snapshot;

use super::columns::Paint;
use super::glob::Glob;
use super::view::{Sort, View};
use super::{footer, hist, json, matrix, table};
use crate::exit::Failure;

/// Rows of the table, unless told otherwise.
pub const DEFAULT_TOP: usize = 20;

/// What a report shows and how.
#[derive(Clone, Debug)]
pub struct Style {
    /// JSON instead of text.
    pub json: bool,
    /// Add the matrix.
    pub matrix: bool,
    /// Add the histograms.
    pub hist: bool,
    /// The most groups, 0 for all; `None` is [`DEFAULT_TOP`] as text and all as JSON.
    pub top: Option<usize>,
    /// The groups shown.
    pub filter: Option<Glob>,
    /// Columns of the terminal; `usize::MAX` where there is none.
    pub width: usize,
    /// Whether to colour.
    pub paint: Paint,
}

impl Style {
    /// The width and colour of stdout. A pipe gets lines as long as they are, for grep; so does a file.
    pub fn of_stdout() -> (usize, Paint) {
        let terminal = io::stdout().is_terminal();
        let size = if terminal {
            ratatui::crossterm::terminal::size().ok()
        } else {
            None
        };
        let width = size.map_or(usize::MAX, |(columns, _)| usize::from(columns.max(20)));
        // https://no-color.org: set and not empty.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        (width, Paint(terminal && !no_color))
    }
}

/// The report as text that ends in a newline.
pub fn render(snapshot: &Snapshot, style: &Style) -> String {
    let view = View::new(snapshot, style.filter.as_ref(), Sort::Hurts);
    if style.json {
        return json::render(&view, style.top.unwrap_or(0)) + "\n";
    }
    let top = style.top.unwrap_or(DEFAULT_TOP);
    let mut out = footer::header(snapshot);
    out.push_str(&table::render(&view, top, style.width, style.paint));
    let mut section = |text: String| {
        if !text.is_empty() {
            out.push('\n');
            out.push_str(&text);
        }
    };
    if style.matrix {
        section(matrix::render(&view, style.width, style.paint));
    }
    if style.hist {
        // Bars of many groups are pages: the first few say it, unless asked for more.
        section(hist::render(
            &view,
            style.top.unwrap_or(5),
            style.width.min(120),
            style.paint,
        ));
    }
    section(footer::in_progress(&view, style.paint) + &footer::quality(snapshot));
    out
}

/// Writes all of a text and sees to it that it arrived.
pub fn write(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::write(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::source::fake;

    #[test]
    fn a_report_has_its_sections_in_order() {
        let style = Style {
            json: false,
            matrix: true,
            hist: true,
            top: None,
            filter: None,
            width: usize::MAX,
            paint: Paint(false),
        };
        let text = render(&fake::snapshot(), &style);
        let mut at = 0;
        for part in [
            "method log",
            "VERDICT",
            "WAITED, BY WHO RAN",
            "behind others",
            "in progress:",
            "cost",
            "missed",
        ] {
            let found = text[at..]
                .find(part)
                .unwrap_or_else(|| panic!("{part} is not after {at}: {text}"));
            at += found;
        }
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn an_empty_snapshot_is_reported_in_every_form() {
        let mut snapshot = fake::snapshot();
        snapshot.groups.clear();
        for json in [false, true] {
            let style = Style {
                json,
                matrix: true,
                hist: true,
                top: None,
                filter: None,
                width: 80,
                paint: Paint(true),
            };
            assert!(render(&snapshot, &style).ends_with('\n'));
        }
    }

    #[test]
    fn a_full_disk_fails_the_report() {
        let Ok(mut full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
            return;
        };
        let failure = write(&mut full, "text").expect_err("no room");
        assert_eq!(failure.status(), 1);
    }
}
