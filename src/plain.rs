//! In which words does an operator read an error of the system?

use std::fmt::Display;

const NUMBER: &str = " (os error ";

/// The system's sentence without its number, and in lower case: `permission denied`.
#[must_use]
pub fn plain(error: &impl Display) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(NUMBER) {
        let after = text.get(start + NUMBER.len()..).unwrap_or_default();
        let Some((number, rest)) = after.split_once(')') else { break };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        let rest = rest.to_owned();
        text.truncate(start);
        text.push_str(&rest);
    }
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // `I/O error` stays.
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_system_error_is_its_sentence_without_its_number() {
        let system = std::io::Error::from_raw_os_error;
        assert_eq!(plain(&system(2)), "no such file or directory");
        assert_eq!(plain(&system(13)), "permission denied");
        assert_eq!(plain(&format!("I/O error: {}; twice: {}", system(13), system(5))), {
            "I/O error: Permission denied; twice: Input/output error"
        });
        for other in ["", "x", "I/O error", "disk is full", "ends in (os error 5", "odd (os error x)"] {
            assert_eq!(plain(&other), other);
        }
    }
}
