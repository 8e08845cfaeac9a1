//! What is to be known of each project's runs? Folded from one pass, so that no join is needed.

use std::collections::HashMap;

use rusqlite::types::ValueRef;

/// At least one run.
pub const HAS_RUN: u8 = 1;
/// At least one run with `validation_pass` NULL or 0.
pub const HAS_UNVALIDATED_RUN: u8 = 2;
/// At least one run that must not feed calibration: a rehearsal or replay, in the sandbox, or failed.
pub const HAS_POLLUTING_RUN: u8 = 4;

/// Project ids from 0 to here are counted in an array, a byte each; others in a map.
const DENSE: usize = 1 << 22;

/// A project's id as SQLite compares it: numbers by value, text and blobs by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Integer(i64),
    Real(u64),
    Text(Box<[u8]>),
    Blob(Box<[u8]>),
}

impl Key {
    /// `None` for NULL, which equals nothing.
    fn of(value: ValueRef<'_>) -> Option<Self> {
        Some(match value {
            ValueRef::Null => return None,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => whole(number).map_or(Self::Real(number.to_bits()), Self::Integer),
            // One table may declare the column as TEXT and the other as INTEGER: SQLite then compares as
            // numbers. Where both are TEXT, only the plain spelling of a number reads back as itself.
            ValueRef::Text(text) => {
                plain_integer(text).map_or_else(|| Self::Text(text.into()), Self::Integer)
            }
            ValueRef::Blob(bytes) => Self::Blob(bytes.into()),
        })
    }
}

fn plain_integer(text: &[u8]) -> Option<i64> {
    let spelled = std::str::from_utf8(text).ok()?;
    let number: i64 = spelled.parse().ok()?;
    (number.to_string() == spelled).then_some(number)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the range is checked first"
)]
fn whole(number: f64) -> Option<i64> {
    let in_range = number >= i64::MIN as f64 && number < i64::MAX as f64;
    (in_range && number.fract() == 0.0).then_some(number as i64)
}

/// What is known of each project.
#[derive(Debug, Default)]
pub struct Facts {
    dense: Vec<u8>,
    sparse: HashMap<Key, u8>,
}

impl Facts {
    /// Adds what one run says of its project.
    pub fn add(&mut self, project: ValueRef<'_>, facts: u8) {
        if let Some(index) = dense_index(project) {
            if index >= self.dense.len() {
                self.dense.resize((index + 1).next_power_of_two().min(DENSE), 0);
            }
            if let Some(known) = self.dense.get_mut(index) {
                *known |= facts;
            }
        } else if let Some(key) = Key::of(project) {
            self.add_key(key, facts);
        }
    }

    fn add_key(&mut self, key: Key, facts: u8) {
        if let Key::Integer(number) = key
            && dense_index(ValueRef::Integer(number)).is_some()
        {
            return self.add(ValueRef::Integer(number), facts);
        }
        *self.sparse.entry(key).or_default() |= facts;
    }

    /// What is known of a project: 0 where it has no run.
    #[must_use]
    pub fn of(&self, project: ValueRef<'_>) -> u8 {
        if let Some(index) = dense_index(project) {
            return self.dense.get(index).copied().unwrap_or(0);
        }
        match Key::of(project) {
            None => 0,
            Some(Key::Integer(number)) if dense_index(ValueRef::Integer(number)).is_some() => {
                self.of(ValueRef::Integer(number))
            }
            Some(key) => self.sparse.get(&key).copied().unwrap_or(0),
        }
    }

    /// Adds what another worker saw.
    pub fn merge(&mut self, other: Self) {
        if self.dense.len() < other.dense.len() {
            self.dense.resize(other.dense.len(), 0);
        }
        for (known, more) in self.dense.iter_mut().zip(other.dense) {
            *known |= more;
        }
        for (key, facts) in other.sparse {
            *self.sparse.entry(key).or_default() |= facts;
        }
    }
}

fn dense_index(project: ValueRef<'_>) -> Option<usize> {
    match project {
        ValueRef::Integer(number) => usize::try_from(number).ok().filter(|&index| index < DENSE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_project_where_sqlite_says_so() {
        let mut facts = Facts::default();
        facts.add(ValueRef::Integer(7), HAS_RUN);
        facts.add(ValueRef::Text(b"8"), HAS_UNVALIDATED_RUN);
        facts.add(ValueRef::Integer(-1), HAS_RUN);
        facts.add(ValueRef::Text(b"x"), HAS_POLLUTING_RUN);
        facts.add(ValueRef::Null, HAS_RUN);
        assert_eq!(facts.of(ValueRef::Real(7.0)), HAS_RUN);
        assert_eq!(facts.of(ValueRef::Integer(8)), HAS_UNVALIDATED_RUN);
        assert_eq!(facts.of(ValueRef::Text(b"08")), 0);
        assert_eq!(facts.of(ValueRef::Real(7.5)), 0);
        assert_eq!(facts.of(ValueRef::Integer(-1)), HAS_RUN);
        assert_eq!(facts.of(ValueRef::Text(b"x")), HAS_POLLUTING_RUN);
        assert_eq!(facts.of(ValueRef::Blob(b"x")), 0);
        assert_eq!(facts.of(ValueRef::Null), 0);
    }

    #[test]
    fn what_two_workers_saw_adds_up() {
        let (mut one, mut two) = (Facts::default(), Facts::default());
        one.add(ValueRef::Integer(1), HAS_RUN);
        two.add(ValueRef::Integer(1), HAS_POLLUTING_RUN);
        two.add(ValueRef::Integer(i64::MAX), HAS_RUN);
        two.add(ValueRef::Integer(4_000_000), HAS_RUN);
        one.merge(two);
        assert_eq!(one.of(ValueRef::Integer(1)), HAS_RUN | HAS_POLLUTING_RUN);
        assert_eq!(one.of(ValueRef::Integer(i64::MAX)), HAS_RUN);
        assert_eq!(one.of(ValueRef::Integer(4_000_000)), HAS_RUN);
        assert_eq!(one.of(ValueRef::Integer(2)), 0);
    }
}
