//! The view as cells. Pure: every string that comes from elsewhere was made harmless before, or is here.

mod table;
mod text;

use super::{
    data::Link,
    pane::Pane,
    view::{Mode, View},
};
use crate::{
    show::{self, costs::usd},
    term::{self, Style, escape},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style as Look},
};
use skep_server::api::{Gravity, Status};

/// What a style is on this terminal.
pub(super) fn look(color: bool, style: Style) -> Look {
    let plain = Look::new();
    match style {
        Style::Good if color => plain.fg(Color::Green),
        Style::Bad if color => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
        Style::Care if color => plain.fg(Color::Yellow),
        Style::Bad | Style::Strong => plain.add_modifier(Modifier::BOLD),
        Style::Dim if color => plain.add_modifier(Modifier::DIM),
        Style::Good | Style::Care | Style::Dim | Style::Plain => plain,
    }
}

/// A screen that is smaller shows nothing but how the swarm stands.
const LEAST: (u16, u16) = (20, 5);

/// Draws everything.
pub(super) fn draw(view: &View, color: bool, area: Rect, buf: &mut Buffer) {
    let mut page = Page { color, buf };
    if area.is_empty() {
        return;
    }
    head(view, area, &mut page);
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return;
    }
    tabs(view, row(area, 1), &mut page);
    let body = Rect {
        y: area.y + 2,
        height: area.height - 3,
        ..area
    };
    match &view.mode {
        Mode::Help => text::show(&text::help(body), view.scroll, body, &mut page),
        Mode::Detail(name) => {
            let lines = text::detail(view, name, body);
            text::show(&lines, view.scroll, body, &mut page);
        }
        Mode::Mend(concern) => text::show(&text::mend(concern, body), 0, body, &mut page),
        Mode::Answer(ask, typed) => text::show(&text::answer(ask, typed, body), 0, body, &mut page),
        Mode::List | Mode::Filter | Mode::Confirm(_) if view.pane == Pane::Logs => {
            text::log(view, body, &mut page);
        }
        Mode::List | Mode::Filter | Mode::Confirm(_) => table::draw(view, body, &mut page),
    }
    foot(view, row(area, area.height - 1), &mut page);
    if let Mode::Confirm(deed) = &view.mode {
        let below = Rect {
            y: area.y + 2,
            height: area.height - 2,
            ..area
        };
        text::confirm(&deed.ask, below, &mut page);
    }
}

/// Where is drawn, and how.
pub(super) struct Page<'b> {
    color: bool,
    buf: &'b mut Buffer,
}

impl Page<'_> {
    /// Puts text in a line, at most so wide, and says how wide it became.
    fn put(&mut self, x: u16, y: u16, most: u16, text: &str, style: Style) -> u16 {
        let text = term::fit(text, usize::from(most));
        let look = look(self.color, style);
        let (end, _) = self.buf.set_stringn(x, y, text, usize::from(most), look);
        end.saturating_sub(x)
    }

    fn clear(&mut self, area: Rect) {
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buf[(x, y)].reset();
            }
        }
    }

    fn reverse(&mut self, area: Rect) {
        let turned = Look::new().add_modifier(Modifier::REVERSED);
        self.buf.set_style(area, turned);
    }
}

fn row(area: Rect, n: u16) -> Rect {
    Rect {
        y: area.y + n,
        height: 1,
        ..area
    }
}

/// Parts in one line, each with its style, for as long as there is room.
fn parts(line: Rect, parts: &[(String, Style)], page: &mut Page<'_>) {
    let mut x = line.x;
    for (text, style) in parts {
        let left = line.right().saturating_sub(x);
        if left == 0 {
            return;
        }
        x += page.put(x, line.y, left, text, *style);
    }
}

fn head(view: &View, area: Rect, page: &mut Page<'_>) {
    let line = row(area, 0);
    let Some(status) = &view.data.status else {
        let text = match &view.data.link {
            Link::Trouble(why) => (escape(why).into_owned(), Style::Bad),
            _ => ("skep: looking for the swarm".into(), Style::Dim),
        };
        return parts(line, &[text], page);
    };
    let mut all = Vec::new();
    match &view.data.link {
        Link::Kept | Link::Looking => {}
        Link::Unkept => all.push(("no keeper; waiting  ".into(), Style::Bad)),
        Link::Trouble(why) => all.push((format!("{}; waiting  ", escape(why)), Style::Bad)),
    }
    all.extend(swarm(status));
    // What needs a person stands before what is only good to know.
    if let Some(concerns) = &view.data.concerns {
        let count = |gravity| concerns.count(gravity);
        let (critical, warning) = (count(Gravity::Critical), count(Gravity::Warning));
        if critical + warning > 0 {
            let style = match critical {
                0 => Style::Care,
                _ => Style::Bad,
            };
            let text = format!("{} (p)  ", show::count(critical + warning, "problem"));
            all.insert(1.min(all.len()), (text, style));
        }
    }
    parts(line, &all, page);
}

fn swarm(status: &Status) -> Vec<(String, Style)> {
    let Some(name) = &status.swarm else {
        let text = "no plan has been loaded; `skep run PLAN` loads one";
        return vec![(text.into(), Style::Plain)];
    };
    let tasks = &status.tasks;
    let mut all = vec![
        (format!("{}  ", status.status), show::tone(&status.status)),
        (format!("{}  ", escape(name)), Style::Strong),
        (
            format!("{}/{} merged  ", tasks.merged, tasks.total()),
            Style::Plain,
        ),
    ];
    let over = tasks.flagged + tasks.dead;
    if over > 0 {
        all.push((format!("{over} failed  "), Style::Bad));
    }
    let busy = status.workers.iter().filter(|w| w.attempt.is_some());
    all.push((
        format!(
            "{} of {} at work  ",
            busy.count(),
            show::count(status.workers.len(), "worker")
        ),
        Style::Plain,
    ));
    if let Some(spent) = status.budget.spent_usd {
        let cap = status.budget.cap_usd;
        let cap = cap.map_or_else(String::new, |cap| format!(" of {}", usd(cap)));
        all.push((format!("{}{cap}  ", usd(spent)), Style::Plain));
    }
    let last = status.waves.iter().map(|w| w.id).max();
    all.push((
        format!("wave {} of {}", status.wave, last.unwrap_or(status.wave)),
        Style::Dim,
    ));
    all
}

fn tabs(view: &View, line: Rect, page: &mut Page<'_>) {
    let count = |pane: Pane| match pane {
        Pane::Asks => view.data.status.as_ref().map_or(0, |s| s.asks as usize),
        Pane::Problems => view
            .data
            .concerns
            .as_ref()
            .map_or(0, |c| c.concerns.len() + c.more),
        _ => 0,
    };
    let label = |pane: Pane, long: bool| {
        let title = match long {
            true => format!(" {}", pane.title()),
            false => String::new(),
        };
        let count = match count(pane) {
            0 => String::new(),
            n => format!(" ({n})"),
        };
        format!(" {}{title}{count} ", pane.number() + 1)
    };
    // Where not all names fit, only that of the pane that is shown stands beside the numbers.
    let whole: usize = Pane::ALL
        .iter()
        .map(|p| term::width(&label(*p, true)))
        .sum();
    let roomy = whole <= usize::from(line.width);
    let mut x = line.x;
    for pane in Pane::ALL {
        let shown = pane == view.pane;
        let text = label(pane, roomy || shown);
        let style = match (shown, pane, count(pane)) {
            (true, ..) => Style::Strong,
            (_, Pane::Asks | Pane::Problems, 1..) => Style::Care,
            _ => Style::Dim,
        };
        let wide = page.put(x, line.y, line.right().saturating_sub(x), &text, style);
        if shown {
            page.reverse(Rect {
                x,
                width: wide,
                ..line
            });
        }
        x += wide;
    }
}

fn foot(view: &View, line: Rect, page: &mut Page<'_>) {
    let keys = match (&view.mode, view.pane) {
        (Mode::Filter, _) => return typed(&format!("/{}", view.filter), line, page),
        // Drawn over more than this line.
        (Mode::Confirm(_), _) => return,
        (Mode::Help | Mode::Detail(_), _) => "j k scroll  any other key goes back",
        (Mode::Mend(_), _) => "a number does it  any other key goes back",
        (Mode::Answer(..), _) => "Enter sends  Esc goes back",
        (Mode::List, Pane::Workers) => "? keys  Enter log  d why  r restart  Space pause  q quit",
        (Mode::List, Pane::Queue) => {
            "? keys  Enter log  d why  r retry  x cancel  / filter  q quit"
        }
        (Mode::List, Pane::Asks) => "? keys  Enter answer  y allow  n deny  d why  q quit",
        (Mode::List, Pane::Problems) => "? keys  Enter mend  d why  q quit",
        (Mode::List, Pane::Cost) => "? keys  b by what  q quit",
        (Mode::List, Pane::Logs) => "? keys  k up  G end  d why  q quit",
        (Mode::List, Pane::Waves) => "? keys  Enter tasks  q quit",
    };
    let mut all = Vec::new();
    match &view.said {
        Some(said) => {
            let style = if said.bad { Style::Bad } else { Style::Good };
            all.push((escape(&said.text).into_owned(), style));
        }
        None => {
            if !view.filter.is_empty() {
                let filter = format!("only {:?} (Esc: all)  ", view.filter);
                all.push((escape(&filter).into_owned(), Style::Care));
            }
            all.push((keys.into(), Style::Dim));
        }
    }
    parts(line, &all, page);
}

/// What is being typed: its end, with a cursor.
fn typed(text: &str, line: Rect, page: &mut Page<'_>) {
    let text = escape(text);
    let most = usize::from(line.width).saturating_sub(1);
    let mut shown = &*text;
    while term::width(shown) > most {
        shown = shown
            .char_indices()
            .nth(1)
            .map_or("", |(at, _)| &shown[at..]);
    }
    let wide = page.put(line.x, line.y, line.width, shown, Style::Plain);
    page.reverse(Rect {
        x: line.x + wide.min(line.width.saturating_sub(1)),
        width: 1,
        ..line
    });
}
