//! How does a page look in a mail reader, with nothing in it that a reader would have to fetch or run?

use super::page::{Entry, Page};
use super::text::capital;
use crate::report::message::is_link;
use crate::verdict::State;

/// Long values wrap rather than widen the page past the edge of a telephone; names do not.
const BODY: &str = "<body style=\"font-family:sans-serif;overflow-wrap:anywhere\">";
const WHOLE: &str = "style=\"overflow-wrap:normal\"";
const TABLE: &str = "border=\"1\" cellpadding=\"6\" style=\"border-collapse:collapse\"";
const HEAD: &str =
    "<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"></head>";

pub(super) fn render(page: &Page) -> String {
    let mut html = vec![format!("<!DOCTYPE html>\n<html>{HEAD}")];
    html.push(BODY.to_owned());
    let edge = format!("border-left:8px solid {};padding-left:8px", colour(page.state));
    html.push(format!("<p style=\"{edge}\"><b>{}</b></p>", escape(&page.headline)));
    html.extend(page.late.iter().map(|late| format!("<p>{}</p>", escape(late))));
    if !page.entries.is_empty() {
        html.push(format!("<table {TABLE}>"));
        html.push("<tr align=\"left\"><th>Invariant</th><th>Violations</th></tr>".to_owned());
        html.extend(page.entries.iter().map(row));
        html.push("</table>".to_owned());
    }
    html.extend(page.more.iter().map(|more| format!("<p>{}</p>", escape(more))));
    if !page.not_checked.is_empty() {
        html.push("<p>Not everything could be checked:</p>\n<ul>".to_owned());
        html.extend(page.not_checked.iter().map(|why| format!("<li>{}</li>", escape(why))));
        html.push("</ul>".to_owned());
    }
    for (word, names) in &page.lists {
        html.push(format!("<p>{}: {}</p>", escape(&capital(word)), escape(names)));
    }
    html.push(format!("<table {TABLE}>"));
    html.extend(
        page.place
            .iter()
            .map(|(word, place)| format!("<tr><td {WHOLE}>{word}</td><td>{}</td></tr>", escape(place))),
    );
    html.push("</table>".to_owned());
    html.push("</body></html>".to_owned());
    html.join("\n") + "\n"
}

fn row(entry: &Entry) -> String {
    // Where it is too long, it breaks between its words.
    let id = escape(&entry.id).replace('_', "_<wbr>");
    let mut rule = vec![format!("<b {WHOLE}>{id}</b> ({})", entry.severity)];
    if !entry.title.is_empty() {
        rule.push(escape(&entry.title));
    }
    rule.extend(entry.runbook.as_deref().map(link));
    rule.extend(entry.owner.as_ref().map(|owner| format!("owner: {}", escape(owner))));
    let mut seen = vec![escape(&entry.seen)];
    seen.extend(entry.not_all_checked.as_ref().map(|why| format!("not all was checked: {}", escape(why))));
    seen.extend(entry.rows.iter().chain(&entry.more).map(|row| format!("<code>{}</code>", escape(row))));
    format!("<tr valign=\"top\"><td>{}</td><td>{}</td></tr>", rule.join("<br>\n"), seen.join("<br>\n"))
}

/// Of the edge only: what it means stands in words beside it.
fn colour(state: State) -> &'static str {
    match state {
        State::Ok => "#2e7d32",
        State::Warning => "#f9a825",
        State::Critical => "#c62828",
        State::Unknown => "#757575",
    }
}

/// A link only where a browser would make one of it.
fn link(runbook: &str) -> String {
    let shown = escape(runbook);
    if is_link(runbook) { format!("<a href=\"{shown}\">runbook</a>") } else { format!("runbook: {shown}") }
}

/// Text as HTML: in an element and in a quoted attribute alike.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
