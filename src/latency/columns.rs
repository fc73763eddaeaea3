//! Text in columns that fit a width: the least important columns go first, long names lose their middle.

use crate::units::shorten;

/// How a cell is coloured; see [`Paint`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it comes.
    #[default]
    Plain,
    /// Headings.
    Bold,
    /// Act on it.
    Red,
    /// Look at it.
    Yellow,
    /// Good.
    Green,
    /// Hardly worth reading.
    Dim,
}

/// Whether to colour at all: only on a terminal, and never with `NO_COLOR` set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    /// The text in a tone.
    pub fn apply(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            _ if !self.0 || text.is_empty() => return text.to_owned(),
            Tone::Bold => 1,
            Tone::Red => 31,
            Tone::Yellow => 33,
            Tone::Green => 32,
            Tone::Dim => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading.
    pub title: &'static str,
    /// Names stand left, numbers right.
    pub left: bool,
    /// Columns with the highest number go first when there is too little room; 0 never goes.
    pub drop: u8,
    /// The width a name may be shortened to; 0 is for cells that are never shortened.
    pub shrink_to: usize,
    /// One cell a row.
    pub cells: Vec<(String, Tone)>,
}

impl Column {
    /// A column of names, which stand left and may be shortened to `shrink_to`.
    pub fn names(title: &'static str, drop: u8, shrink_to: usize) -> Self {
        Self {
            title,
            left: true,
            drop,
            shrink_to,
            cells: Vec::new(),
        }
    }

    /// A column of numbers.
    pub fn numbers(title: &'static str, drop: u8) -> Self {
        Self {
            title,
            left: false,
            drop,
            shrink_to: 0,
            cells: Vec::new(),
        }
    }

    /// Adds a cell. Control characters of names (a cgroup or a thread may be called anything) become `?`.
    pub fn push(&mut self, text: impl Into<String>, tone: Tone) {
        self.cells.push((printable(&text.into()), tone));
    }

    fn full_width(&self) -> usize {
        let cells = self.cells.iter().map(|(text, _)| text.chars().count());
        cells.chain([self.title.chars().count()]).max().unwrap_or(0)
    }

    fn least_width(&self) -> usize {
        if self.shrink_to == 0 {
            self.full_width()
        } else {
            self.full_width().min(self.shrink_to)
        }
    }
}

/// A name without control characters: it can neither break a line nor command a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The least width that shows every column, names at their shortest.
pub fn least_width(columns: &[Column]) -> usize {
    columns
        .iter()
        .map(|column| column.least_width() + 1)
        .sum::<usize>()
        .saturating_sub(1)
}

/// Which columns are shown in `width`, and how wide each.
pub fn fit(columns: &[Column], width: usize) -> Vec<(usize, usize)> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let least = |shown: &[usize]| {
        shown
            .iter()
            .map(|&i| columns[i].least_width() + 1)
            .sum::<usize>()
            .saturating_sub(1)
    };
    while least(&shown) > width {
        let droppable = shown.iter().enumerate().filter(|&(_, &i)| columns[i].drop > 0);
        let Some((at, _)) = droppable.max_by_key(|&(_, &i)| columns[i].drop) else {
            break;
        };
        shown.remove(at);
    }
    let mut spare = width.saturating_sub(least(&shown));
    shown
        .into_iter()
        .map(|i| {
            let more = (columns[i].full_width() - columns[i].least_width()).min(spare);
            spare -= more;
            (i, columns[i].least_width() + more)
        })
        .collect()
}

/// The table as lines that end in a newline, its heading first.
pub fn render(columns: &[Column], width: usize, paint: Paint) -> String {
    let fitted = fit(columns, width);
    let rows = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut line = |cell: &dyn Fn(usize) -> (String, Tone)| {
        for (nth, &(i, width)) in fitted.iter().enumerate() {
            let (text, tone) = cell(i);
            let text = shorten(&text, width);
            let pad = " ".repeat(width - text.chars().count());
            if nth > 0 {
                out.push(' ');
            }
            match (columns[i].left, nth + 1 == fitted.len()) {
                (true, true) => out.push_str(&paint.apply(tone, &text)),
                (true, false) => out.push_str(&(paint.apply(tone, &text) + &pad)),
                (false, _) => out.push_str(&(pad + &paint.apply(tone, &text))),
            }
        }
        out.push('\n');
    };
    line(&|i| (columns[i].title.to_owned(), Tone::Bold));
    for row in 0..rows {
        line(&|i| columns[i].cells.get(row).cloned().unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<Column> {
        let mut name = Column::names("NAME", 0, 6);
        let mut number = Column::numbers("N", 1);
        name.push("/a/very/long/path", Tone::Plain);
        number.push("12", Tone::Red);
        vec![name, number]
    }

    #[test]
    fn names_shrink_before_columns_go() {
        assert_eq!(
            render(&two(), 80, Paint(false)),
            "NAME               N\n/a/very/long/path 12\n"
        );
        assert_eq!(render(&two(), 10, Paint(false)), "NAME     N\n/a/\u{2026}ath 12\n");
        assert_eq!(render(&two(), 6, Paint(false)), "NAME\n/a\u{2026}ath\n");
    }

    #[test]
    fn colour_is_only_added_where_wanted_and_never_counted_as_width() {
        assert!(render(&two(), 80, Paint(true)).ends_with("path \x1b[31m12\x1b[0m\n"));
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[2J\n"), "a?[2J?");
    }
}
