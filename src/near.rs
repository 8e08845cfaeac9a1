//! What did they mean to write? The one known word that is nearest to an unknown one.

/// `; did you mean ‘severity’?` where a known word is near enough, else nothing.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let scored = known.into_iter().map(|k| (strsim::jaro_winkler(word, k), k));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_foreign_word_finds_none() {
        let known = ["severity", "sample", "lane_overrides"];
        assert_eq!(nearest("severty", known), "; did you mean `severity`?");
        assert_eq!(nearest("lane_override", known), "; did you mean `lane_overrides`?");
        assert_eq!(nearest("colour", known), "");
    }
}
