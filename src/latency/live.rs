//! `--live`: the report full-screen, refreshed each interval. Keys are on the last line of the screen.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ghostsched_bpf::Snapshot;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use ghostsched_core::latency::Kind;

use super::columns::{Paint, Tone, printable};
use super::glob::Glob;
use super::source::Source;
use super::view::{Sort, View};
use super::{footer, hist, table};
use crate::exit::{Failure, in_words};
use crate::signals::{Event, Events};
use crate::units::percent;

/// The longest time until a signal is seen, while no key is pressed.
const GLANCE: Duration = Duration::from_millis(200);
/// Below this height there is only the table.
const TALL: u16 = 24;

/// What the keys change.
#[derive(Clone, Debug, Default)]
struct Screen {
    sort: Sort,
    /// The path of the selected row: rows move between refreshes, the selection stays with its cgroup.
    selected: Option<String>,
    /// The first row on the screen.
    top: usize,
    paused: bool,
    /// Everything since the start instead of the last interval.
    total: bool,
    filter: Option<Glob>,
    colour: bool,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Quit,
    Redraw,
    /// Another snapshot at once: `total` changed.
    Fetch,
    Nothing,
}

/// Shows the source until `q`, a signal or the end of `length`.
pub fn run(
    source: &mut dyn Source,
    every: Duration,
    length: Option<Duration>,
    filter: Option<Glob>,
    colour: bool,
    events: &Events,
) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "--live needs a terminal: run it in one, or write --every 2s instead".into(),
        ));
    }
    let broken = |error: io::Error| Failure::Error(format!("cannot use the terminal: {}", in_words(&error)));
    let end = length.and_then(|length| Instant::now().checked_add(length));
    let mut screen = Screen {
        filter,
        colour,
        ..Screen::default()
    };
    let mut snapshot = source.interval()?;
    let mut terminal = ratatui::try_init().map_err(broken)?;
    let result = (|| {
        let mut next = Instant::now() + every;
        let mut dirty = true;
        loop {
            if dirty {
                terminal
                    .draw(|frame| draw(frame, &snapshot, &mut screen))
                    .map_err(broken)?;
            }
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) || matches!(events.wait(Some(now)), Event::Signal(_)) {
                return Ok(());
            }
            dirty = false;
            let mut fetch = now >= next;
            if event::poll(next.saturating_duration_since(now).min(GLANCE)).map_err(broken)? {
                match event::read().map_err(broken)? {
                    Input::Key(key) => match key_pressed(&mut screen, &snapshot, key) {
                        Wish::Quit => return Ok(()),
                        Wish::Redraw => dirty = true,
                        Wish::Fetch => fetch = true,
                        Wish::Nothing => {}
                    },
                    Input::Resize(..) => dirty = true,
                    _ => {}
                }
            }
            if fetch {
                next = Instant::now() + every;
                if !screen.paused {
                    snapshot = if screen.total {
                        source.snapshot()?
                    } else {
                        source.interval()?
                    };
                    dirty = true;
                }
            }
        }
    })();
    // The screen comes back before any line of an error.
    let restored = ratatui::try_restore().map_err(broken);
    result.and(restored)
}

fn key_pressed(screen: &mut Screen, snapshot: &Snapshot, key: KeyEvent) -> Wish {
    if key.kind == KeyEventKind::Release {
        return Wish::Nothing;
    }
    let sort = match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Wish::Quit,
        KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
        KeyCode::Char('o') => Sort::Hurts,
        KeyCode::Char('w') => Sort::Wait,
        KeyCode::Char('9') => Sort::P99,
        KeyCode::Char('m') => Sort::Max,
        KeyCode::Char('c') => Sort::Cpu,
        KeyCode::Char('n') => Sort::Name,
        KeyCode::Char('p' | ' ') => {
            screen.paused = !screen.paused;
            return Wish::Redraw;
        }
        KeyCode::Char('t') => {
            screen.total = !screen.total;
            return Wish::Fetch;
        }
        KeyCode::Up | KeyCode::Char('k') => return select(screen, snapshot, |at| at.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => return select(screen, snapshot, |at| at + 1),
        KeyCode::PageUp => return select(screen, snapshot, |at| at.saturating_sub(10)),
        KeyCode::PageDown => return select(screen, snapshot, |at| at + 10),
        KeyCode::Home => return select(screen, snapshot, |_| 0),
        KeyCode::End => return select(screen, snapshot, |_| usize::MAX),
        KeyCode::Left | KeyCode::Right => next_sort(screen.sort, key.code == KeyCode::Right),
        _ => return Wish::Nothing,
    };
    screen.sort = sort;
    Wish::Redraw
}

/// The orders in the order of their columns.
fn next_sort(sort: Sort, forward: bool) -> Sort {
    const ORDER: [Sort; 6] = [Sort::Name, Sort::Cpu, Sort::P99, Sort::Max, Sort::Wait, Sort::Hurts];
    let at = ORDER.iter().position(|&other| other == sort).unwrap_or(0);
    let step = if forward { 1 } else { ORDER.len() - 1 };
    ORDER[(at + step) % ORDER.len()]
}

fn select(screen: &mut Screen, snapshot: &Snapshot, to: impl Fn(usize) -> usize) -> Wish {
    let view = View::new(snapshot, screen.filter.as_ref(), screen.sort);
    let at = to(selected(&view, screen)).min(view.rows.len().saturating_sub(1));
    screen.selected = view.rows.get(at).map(|row| row.group.path.clone());
    Wish::Redraw
}

/// The row of the selected cgroup; the first when it is not there (any more).
fn selected(view: &View<'_>, screen: &Screen) -> usize {
    let is = |path: &str| view.rows.iter().position(|row| row.group.path == path);
    screen.selected.as_deref().and_then(is).unwrap_or(0)
}

fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, screen: &mut Screen) {
    let view = View::new(snapshot, screen.filter.as_ref(), screen.sort);
    let area = frame.area();
    let width = usize::from(area.width);
    let waiting = lines_of(&footer::in_progress(&view, Paint(false)), Tone::Yellow);
    let quality = lines_of(&footer::quality(snapshot), Tone::Dim);
    let tall = area.height >= TALL;
    let length = |lines: usize| Constraint::Length(u16::try_from(lines).unwrap_or(u16::MAX));
    // The table takes what it needs, at most half; the details what is left.
    let table_height = match tall {
        true => length((view.rows.len() + 1).clamp(3, usize::from(area.height) / 2)),
        false => Constraint::Min(3),
    };
    let [head, rows, detail, wait, foot, keys] = Layout::vertical([
        Constraint::Length(1),
        table_height,
        if tall {
            Constraint::Min(0)
        } else {
            Constraint::Length(0)
        },
        length(if tall { waiting.len() } else { waiting.len().min(2) }),
        length(if tall { quality.len() } else { 0 }),
        Constraint::Length(1),
    ])
    .areas(area);
    let header = footer::header(snapshot);
    put(frame, screen, head, &[(header.trim_end().to_owned(), Tone::Bold)], None);
    let at = selected(&view, screen);
    let fits = usize::from(rows.height.saturating_sub(1)).max(1);
    screen.top = screen
        .top
        .clamp(at.saturating_sub(fits - 1), at)
        .min(view.rows.len().saturating_sub(fits));
    let last = view.rows.len().min(screen.top + fits);
    if view.rows.is_empty() {
        put(
            frame,
            screen,
            rows,
            &[("no cgroup ran or waited yet".into(), Tone::Dim)],
            None,
        );
    } else {
        let lines = table::lines(&view, &view.rows[screen.top..last], width);
        put(frame, screen, rows, &lines, Some(at - screen.top + 1));
    }
    put(
        frame,
        screen,
        detail,
        &details(&view, at, width, usize::from(detail.height)),
        None,
    );
    put(frame, screen, wait, &waiting, None);
    put(frame, screen, foot, &quality, None);
    put(frame, screen, keys, &[(key_line(screen), Tone::Bold)], None);
}

/// The selected cgroup: its verdict, who made it wait, and its histogram; of that the long waits, if not all fits.
fn details(view: &View<'_>, at: usize, width: usize, height: usize) -> Vec<(String, Tone)> {
    let Some(row) = view.rows.get(at) else {
        return Vec::new();
    };
    let stats = &row.group.stats;
    let mut lines = vec![(String::new(), Tone::Plain)];
    let verdict = format!(
        "{}: {}",
        printable(&row.group.path),
        printable(&table::sentence_of(view, row))
    );
    lines.push((verdict, Tone::Bold));
    let culprits: Vec<String> = view
        .snapshot
        .culprits(row.index)
        .into_iter()
        .take(4)
        .map(|(by, ns)| format!("{} {}", printable(view.path(by)), percent(ns, row.parts.other_ns)))
        .collect();
    if !culprits.is_empty() {
        lines.push((format!("waits behind {}", culprits.join(", ")), Tone::Plain));
    }
    let bar = (width.saturating_sub(36) / 2).clamp(4, 40);
    let mut bars = hist::pair(
        &view.snapshot.bounds,
        stats.kind(Kind::Wait),
        stats.kind(Kind::Other),
        bar,
    );
    let too_many = (lines.len() + bars.len())
        .saturating_sub(height)
        .min(bars.len().saturating_sub(1));
    // The first line is the heading.
    bars.drain(bars.len().min(1)..bars.len().min(1) + too_many);
    lines.extend(bars.into_iter().map(|line| (line, Tone::Plain)));
    lines
}

fn key_line(screen: &Screen) -> String {
    let sort = match screen.sort {
        Sort::Hurts => "wait behind others",
        Sort::Wait => "total wait",
        Sort::P99 => "p99",
        Sort::Max => "max",
        Sort::Cpu => "CPU used",
        Sort::Name => "name",
    };
    let span = if screen.total {
        "since the start"
    } else {
        "last interval"
    };
    let paused = if screen.paused { ", PAUSED" } else { "" };
    format!("[{span}, by {sort}{paused}] q quit, arrows select and sort (or o w 9 m c n), t total, p pause")
}

fn lines_of(text: &str, tone: Tone) -> Vec<(String, Tone)> {
    text.lines().map(|line| (line.to_owned(), tone)).collect()
}

fn put(frame: &mut Frame<'_>, screen: &Screen, area: Rect, lines: &[(String, Tone)], marked: Option<usize>) {
    let lines: Vec<Line<'_>> = lines
        .iter()
        .enumerate()
        .map(|(nth, (text, tone))| {
            let style = style_of(*tone, screen.colour);
            let marked = marked == Some(nth);
            Line::styled(
                text.as_str(),
                if marked {
                    style.add_modifier(Modifier::REVERSED)
                } else {
                    style
                },
            )
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn style_of(tone: Tone, colour: bool) -> Style {
    match tone {
        Tone::Bold => Style::new().add_modifier(Modifier::BOLD),
        Tone::Red if colour => Style::new().fg(Color::Red),
        Tone::Yellow if colour => Style::new().fg(Color::Yellow),
        Tone::Green if colour => Style::new().fg(Color::Green),
        Tone::Dim if colour => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests;
