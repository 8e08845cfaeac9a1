//! Which invariants would a run ask?

use serde_json::{Value, json};

use super::{Asked, VerbError, catalogue};
use crate::cli::Output;
use crate::cli::runner::SelectFlags;
use crate::report::catalogue::object;
use crate::report::json;
use crate::report::table::{Align, Table, visible};

pub(super) fn list(asked: &Asked<'_>, flags: &SelectFlags, out: &mut Output) -> Result<(), VerbError> {
    let catalogue = catalogue(asked.settings)?;
    let selection = catalogue.select(&flags.choice(&asked.settings.invariant_tags))?;
    let selected = &selection.invariants;
    let left_out = catalogue.invariants.len() - selected.len();
    if asked.common.is_json() {
        let invariants: Vec<Value> = selected.iter().map(object).collect();
        let whole = json!({ "invariants": invariants, "left_out": left_out, "notes": catalogue.notes });
        out.say(&json::document(&whole));
        return Ok(());
    }
    let headings = ["ID", "SEVERITY", "TAGS", "TITLE", "FILE"].map(|h| (h, Align::Left));
    let mut table = Table::new(&mut *out, &headings);
    for i in selected {
        let tags = i.tags.join(" ");
        table.row([&i.id, i.severity.word(), &tags, &i.title, &i.source.to_string()])?;
    }
    table.finish()?;
    let count = catalogue.invariants.len();
    let by_tags = !asked.settings.invariant_tags.is_empty() && flags.tag.is_empty();
    let why = if by_tags { " (INVARIANT_TAGS is set)" } else { "" };
    out.say(&match left_out {
        0 => format!("{count} invariants\n"),
        _ => format!("{} of {count} invariants{why}\n", selected.len()),
    });
    for note in &catalogue.notes {
        out.say(&format!("note: {}\n", visible(note)));
    }
    Ok(())
}
