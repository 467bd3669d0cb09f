//! The word that was probably meant.

/// The candidate that is closest to what was written, when it is close enough to be worth naming.
pub fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing is quadratic, and no key or word of ours is longer than this.
    if written.len() > 64 {
        return None;
    }
    let written = written.to_ascii_lowercase().replace('-', "_");
    let limit = (written.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&written, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether `variable` looks like a slip of the finger in `ours`. Short names need to be closer, because many
/// unrelated ones are two letters apart.
pub(super) fn is_misspelling(variable: &str, ours: &str) -> bool {
    let limit = if ours.len() < 12 { 1 } else { 2 };
    variable.len().abs_diff(ours.len()) <= limit && strsim::damerau_levenshtein(variable, ours) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        assert_eq!(closest("dokcer", ["auto", "docker"]), Some("docker"));
        assert_eq!(closest("dry-run", ["dry_run"]), Some("dry_run"));
        assert_eq!(closest("kubernetes", ["auto", "docker"]), None);
        assert_eq!(closest(&"x".repeat(1_000_000), ["auto"]), None);
    }

    #[test]
    fn a_short_variable_must_be_closer_than_a_long_one_to_count_as_misspelt() {
        assert!(is_misspelling("HEALTH_CHEK_INTERVL", "HEALTH_CHECK_INTERVAL"));
        assert!(is_misspelling("DATADIR", "DATA_DIR"));
        assert!(!is_misspelling("APP_TOKEN", "API_TOKENS"));
        assert!(!is_misspelling("API_GATEWAY_PORT", "API_GATEWAY_URL"));
    }
}
