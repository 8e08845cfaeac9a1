//! Which of the invariants does this run ask, and is that all of them?

use thiserror::Error;

use super::{Catalogue, Invariant};
use crate::near::nearest;

/// The two built-in groups.
const GROUPS: [&str; 2] = ["standard", "strict"];

/// What the operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// `--standard`: only that group; else both groups and every operator's invariant.
    pub standard_only: bool,
    /// `--only`: these ids and no others.
    pub only: Vec<String>,
    /// `--skip`: not these ids.
    pub skip: Vec<String>,
    /// `--tag`: with at least one of these tags; takes the place of `configured_tags`.
    pub tags: Vec<String>,
    /// `INVARIANT_TAGS`: what a full run is in this installation; empty means everything.
    pub configured_tags: Vec<String>,
}

/// The invariants of one run.
#[derive(Clone, Debug)]
pub struct Selection {
    /// In the catalogue's order; never empty.
    pub invariants: Vec<Invariant>,
    /// Both built-in groups were asked for.
    pub strict: bool,
    /// The flags that made it a part (`--only lane_overrides`), so that it touches no state.
    pub partial: Option<String>,
}

/// Why nothing can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// An id that no invariant has.
    #[error("no invariant is named `{id}`{}", suggestion(near))]
    UnknownId {
        /// The id.
        id: String,
        /// What was perhaps meant.
        near: String,
    },
    /// A tag that no invariant has.
    #[error("{origin} {tag}: no invariant has this tag{}", suggestion(near))]
    UnknownTag {
        /// The flag or variable.
        origin: &'static str,
        /// The tag.
        tag: String,
        /// What was perhaps meant.
        near: String,
    },
    /// `--only` names what another flag takes away.
    #[error("--only {id}: another flag leaves this invariant out")]
    Excluded {
        /// The id.
        id: String,
    },
    /// Nothing is left.
    #[error("no invariant is selected: nothing would be checked")]
    Nothing,
}

fn suggestion(near: &str) -> &str {
    if near.is_empty() { "; `plms-invariants list` shows them" } else { near }
}

impl Catalogue {
    /// The part of the catalogue that was asked for.
    ///
    /// # Errors
    /// Where an id or tag is unknown, or nothing is left: a run of nothing would look like a pass.
    pub fn select(&self, choice: &Choice) -> Result<Selection, SelectionError> {
        self.know_ids(&choice.only)?;
        self.know_ids(&choice.skip)?;
        let (origin, tags) = if choice.tags.is_empty() {
            ("INVARIANT_TAGS", &choice.configured_tags)
        } else {
            ("--tag", &choice.tags)
        };
        self.know_tags(origin, tags)?;
        let selected = |i: &&Invariant| {
            (!choice.standard_only || has_tag(i, "standard"))
                && (tags.is_empty() || tags.iter().any(|t| has_tag(i, t)))
                && (choice.only.is_empty() || choice.only.contains(&i.id))
                && !choice.skip.contains(&i.id)
        };
        let invariants: Vec<Invariant> = self.invariants.iter().filter(selected).cloned().collect();
        if let Some(id) = choice.only.iter().find(|id| !invariants.iter().any(|i| i.id == **id)) {
            return Err(SelectionError::Excluded { id: id.clone() });
        }
        if invariants.is_empty() {
            return Err(SelectionError::Nothing);
        }
        let both = tags.is_empty() || GROUPS.iter().all(|g| tags.iter().any(|t| t == g));
        Ok(Selection { invariants, strict: !choice.standard_only && both, partial: choice.partial() })
    }

    /// The invariant of that id, for a verb that takes one.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(&self, id: &str) -> Result<&Invariant, SelectionError> {
        self.get(id).ok_or_else(|| self.unknown_id(id))
    }

    fn know_ids(&self, ids: &[String]) -> Result<(), SelectionError> {
        ids.iter().find(|id| self.get(id).is_none()).map_or(Ok(()), |id| Err(self.unknown_id(id)))
    }

    fn unknown_id(&self, id: &str) -> SelectionError {
        let near = nearest(id, self.invariants.iter().map(|i| i.id.as_str()));
        SelectionError::UnknownId { id: id.to_owned(), near }
    }

    fn know_tags(&self, origin: &'static str, tags: &[String]) -> Result<(), SelectionError> {
        // The built-in groups are known, even to a catalogue without them.
        let known = || self.invariants.iter().flat_map(|i| &i.tags).map(String::as_str).chain(GROUPS);
        let unknown = tags.iter().find(|t| known().all(|k| k != *t));
        unknown.map_or(Ok(()), |tag| {
            Err(SelectionError::UnknownTag { origin, tag: tag.clone(), near: nearest(tag, known()) })
        })
    }
}

fn has_tag(invariant: &Invariant, tag: &str) -> bool {
    invariant.tags.iter().any(|t| t == tag)
}

impl Choice {
    /// The flags that make a run a part, as they were given.
    fn partial(&self) -> Option<String> {
        let mut flags: Vec<String> = Vec::new();
        if self.standard_only {
            flags.push("--standard".into());
        }
        for (flag, values) in [("--only", &self.only), ("--skip", &self.skip), ("--tag", &self.tags)] {
            flags.extend(values.iter().map(|v| format!("{flag} {v}")));
        }
        (!flags.is_empty()).then(|| flags.join(" "))
    }
}
