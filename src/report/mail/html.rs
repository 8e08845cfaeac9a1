//! How does a page look in a mail reader, with nothing in it that a reader would have to fetch or run?

use super::page::{Entry, Page};
use super::text::capital;
use super::words::is_link;

/// Long values wrap rather than widen the table.
const TABLE: &str = "border=\"1\" cellpadding=\"4\" style=\"border-collapse:collapse\"";

pub(super) fn render(page: &Page) -> String {
    let mut html = vec!["<!DOCTYPE html>".to_owned(), "<html><body>".to_owned()];
    html.push(format!("<p><b>{}</b></p>", escape(&page.headline)));
    html.extend(page.late.iter().map(|late| format!("<p>{}</p>", escape(late))));
    if !page.entries.is_empty() {
        html.push(format!("<table {TABLE}>"));
        html.push("<tr><th>Invariant</th><th>Severity</th><th>Seen</th><th>Rows</th></tr>".to_owned());
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
        page.place.iter().map(|(word, place)| format!("<tr><td>{word}</td><td>{}</td></tr>", escape(place))),
    );
    html.push("</table>".to_owned());
    html.push("</body></html>".to_owned());
    html.join("\n") + "\n"
}

fn row(entry: &Entry) -> String {
    let mut rule = vec![format!("<b>{}</b>", escape(&entry.id))];
    if !entry.title.is_empty() {
        rule.push(escape(&entry.title));
    }
    rule.extend(entry.runbook.as_deref().map(link));
    rule.extend(entry.owner.as_ref().map(|owner| format!("owner: {}", escape(owner))));
    let mut seen = vec![escape(&entry.seen)];
    seen.extend(entry.not_all_checked.as_ref().map(|why| format!("not all was checked: {}", escape(why))));
    let rows: Vec<String> = entry.rows.iter().chain(&entry.more).map(|row| escape(row)).collect();
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        rule.join("<br>\n"),
        entry.severity,
        seen.join("<br>\n"),
        rows.join("<br>\n")
    )
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
