//! A list as a table: what a narrow screen has no room for is left out, column by column.

use super::{Page, row};
use crate::{
    show::costs::usd,
    term::{self, Style, escape},
    top::{
        pane::{Pane, Row},
        view::View,
    },
};
use ratatui::layout::Rect;
use skep_server::api::{CapDoc, CostsDoc};

/// No column but the last is wider.
const WIDEST: usize = 24;
/// The last column gets at least so much, or others go.
const LAST: usize = 24;
const GAP: usize = 2;

pub(super) fn draw(view: &View, mut area: Rect, page: &mut Page<'_>) {
    if let (Pane::Cost, Some(costs)) = (view.pane, &view.data.costs) {
        area = caps(costs, area, page);
    }
    let rows = view.rows();
    let columns = view.pane.columns();
    let shown = fitting(columns, &rows, usize::from(area.width));
    let head: Vec<(String, Style)> = columns
        .iter()
        .map(|(name, _)| ((*name).to_string(), Style::Dim))
        .collect();
    line(&head, &shown, area, page);
    if area.height < 2 {
        return;
    }
    let list = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    if rows.is_empty() {
        let text = match view.filter.is_empty() {
            true => view.pane.nothing(),
            false => "no row contains that",
        };
        page.put(list.x, list.y, list.width, text, Style::Dim);
        return;
    }
    let at = view.index(&rows);
    let height = usize::from(list.height);
    // The cursor stays in the middle where it can, so that what is around it is seen.
    let most = rows.len().saturating_sub(height);
    let first = at.saturating_sub(height / 2).min(most);
    for (n, (index, entry)) in (0..).zip(rows.iter().enumerate().skip(first).take(height)) {
        let place = row(list, n);
        line(&entry.cells, &shown, place, page);
        if index == at {
            page.reverse(place);
        }
    }
}

/// Which columns are shown, each with how wide it is.
fn fitting(columns: &[(&str, bool)], rows: &[Row], room: usize) -> Vec<(usize, usize)> {
    let wide = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(n));
        let cells = cells.map(|(text, _)| term::width(text));
        let head = columns.get(n).map_or(0, |(name, _)| term::width(name));
        cells.chain([head]).max().unwrap_or(0)
    };
    let last = columns.len().saturating_sub(1);
    let needed = wide(last).min(LAST);
    let mut shown: Vec<(usize, usize)> = (0..last).map(|n| (n, wide(n).min(WIDEST))).collect();
    let taken = |shown: &[(usize, usize)]| shown.iter().map(|(_, w)| w + GAP).sum::<usize>();
    while taken(&shown) + needed > room {
        let goes = |(n, _): &(usize, usize)| columns.get(*n).is_some_and(|(_, goes)| *goes);
        match shown.iter().rposition(goes) {
            Some(at) => drop(shown.remove(at)),
            None => break,
        }
    }
    // Names may be long: where there is still no room they are cut before the reason is.
    while taken(&shown) + needed.min(room / 3) > room {
        let widest = shown.iter_mut().max_by_key(|(_, w)| *w);
        match widest.filter(|(_, w)| *w > 4) {
            Some((_, w)) => *w -= 1,
            None => break,
        }
    }
    let left = room.saturating_sub(taken(&shown));
    shown.push((last, left));
    shown
}

fn line(cells: &[(String, Style)], shown: &[(usize, usize)], place: Rect, page: &mut Page<'_>) {
    let mut x = place.x;
    for (n, wide) in shown {
        let left = place.right().saturating_sub(x);
        let wide = u16::try_from(*wide).unwrap_or(u16::MAX);
        if let Some((text, style)) = cells.get(*n) {
            page.put(x, place.y, wide.min(left), text, *style);
        }
        x = x
            .saturating_add(wide)
            .saturating_add(GAP as u16)
            .min(place.right());
    }
}

/// What was spent in all and where the caps stand; the rest of the area is the rows'.
fn caps(costs: &CostsDoc, area: Rect, page: &mut Page<'_>) -> Rect {
    let total = costs.total.usd.map_or_else(|| "unknown".into(), usd);
    let waste = costs.waste_percent;
    let waste = waste.map_or_else(String::new, |p| format!(", {p:.0} % of it wasted"));
    let by = costs.by.word();
    let mut lines = vec![(format!("{total} in all{waste}, by {by}"), Style::Strong)];
    lines.extend(costs.caps.iter().map(cap));
    let most = usize::from(area.height) / 2;
    lines.truncate(most);
    for (n, (text, style)) in (0..).zip(&lines) {
        let place = row(area, n);
        page.put(place.x, place.y, place.width, text, *style);
    }
    let taken = u16::try_from(lines.len()).unwrap_or(0);
    Rect {
        y: area.y + taken,
        height: area.height - taken,
        ..area
    }
}

fn cap(cap: &CapDoc) -> (String, Style) {
    let shown = |amount: f64| match cap.measure.as_str() {
        "usd" => usd(amount),
        measure => format!("{amount:.0} {measure}"),
    };
    let part = (cap.spent / cap.cap.max(f64::MIN_POSITIVE) * 100.0).min(999.0);
    let text = format!(
        "{}: {} of {} ({part:.0} %), {} reserved",
        escape(&cap.scope),
        shown(cap.spent),
        shown(cap.cap),
        shown(cap.reserved)
    );
    let style = match cap.level.as_str() {
        "fine" => Style::Plain,
        "alert" => Style::Care,
        _ => Style::Bad,
    };
    (text, style)
}
