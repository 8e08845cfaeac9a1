//! How does a page read as plain text?

use super::page::{Entry, Page};

pub(super) fn render(page: &Page) -> String {
    let mut lines = vec![page.headline.clone()];
    lines.extend(page.late.clone());
    for entry in &page.entries {
        lines.push(String::new());
        describe(entry, &mut lines);
    }
    if let Some(more) = &page.more {
        lines.extend([String::new(), more.clone()]);
    }
    if !page.not_checked.is_empty() {
        lines.extend([String::new(), "Not everything could be checked:".to_owned()]);
        lines.extend(page.not_checked.iter().map(|why| format!("  {why}")));
    }
    for (word, names) in &page.lists {
        lines.extend([String::new(), format!("{}: {names}", capital(word))]);
    }
    lines.push(String::new());
    lines.extend(page.place.iter().map(|(word, place)| format!("{word}: {place}")));
    lines.join("\n") + "\n"
}

fn describe(entry: &Entry, lines: &mut Vec<String>) {
    lines.push(format!("{} ({}): {}", entry.id, entry.severity, entry.seen));
    if !entry.title.is_empty() {
        lines.push(format!("  {}", entry.title));
    }
    let said = [
        ("runbook", &entry.runbook),
        ("owner", &entry.owner),
        ("not all was checked", &entry.not_all_checked),
    ];
    lines.extend(said.into_iter().filter_map(|(word, text)| Some(format!("  {word}: {}", text.as_ref()?))));
    lines.extend(entry.rows.iter().chain(&entry.more).map(|row| format!("    {row}")));
}

pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
