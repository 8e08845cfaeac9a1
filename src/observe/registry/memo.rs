//! Was this very text judged a moment ago? Cells of a column repeat, and comparing is cheaper than parsing.

use std::cell::RefCell;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// Places for two texts each, of which the older makes way for a third.
const PLACES: usize = 1 << 9;
/// Longer texts seldom repeat, and would cost memory.
const LONGEST: usize = 512;

/// Two texts and what was said of them.
type Place<T> = [Option<(Box<[u8]>, T)>; 2];

/// What was said of the texts seen last.
pub struct Memo<T> {
    hasher: RandomState,
    places: RefCell<Vec<Place<T>>>,
}

impl<T: Clone> Memo<T> {
    /// Nothing is remembered.
    #[must_use]
    pub fn new() -> Self {
        Self { hasher: RandomState::default(), places: RefCell::new(vec![[const { None }; 2]; PLACES]) }
    }

    /// What `judge` says of the text, or said of the same text before.
    pub fn of(&self, text: &[u8], judge: impl FnOnce(&[u8]) -> T) -> T {
        if text.len() > LONGEST {
            return judge(text);
        }
        let place = usize::try_from(self.hasher.hash_one(text) % PLACES as u64).unwrap_or(0);
        if let Some(known) = self.places.borrow().get(place)
            && let Some((_, said)) = known.iter().flatten().find(|(known, _)| **known == *text)
        {
            return said.clone();
        }
        let said = judge(text);
        if let Some([newer, older]) = self.places.borrow_mut().get_mut(place) {
            *older = newer.replace((text.into(), said.clone()));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_keeps_its_own_answer_however_many_share_a_place() {
        let memo = Memo::new();
        for round in 0..2 {
            for number in 0..5_000_u32 {
                let text = number.to_string();
                let said = memo.of(text.as_bytes(), |text| String::from_utf8_lossy(text).into_owned());
                assert_eq!(said, text, "round {round}");
            }
        }
        assert_eq!(memo.of(&[b'x'; LONGEST + 1], |text| text.len().to_string()), (LONGEST + 1).to_string());
    }
}
