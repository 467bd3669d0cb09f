//! How small a chance has to be when many were looked at: the procedure of Benjamini and Hochberg (Controlling the false
//! discovery rate: a practical and powerful approach to multiple testing, 1995).

/// The largest of these chances that is no accident, so that at most the part `rate` of what is found is expected to be
/// one; none where all may be. The tests may depend on each other, as long as that is positively (Benjamini and
/// Yekutieli, 2001), as endpoints of one service do.
pub fn largest_discovery(chances: &[f64], rate: f64) -> Option<f64> {
    let mut sorted = chances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let step = rate / sorted.len() as f64;
    let found = sorted.into_iter().zip(1_u32..).filter(|(chance, rank)| *chance <= f64::from(*rank) * step);
    found.last().map(|(chance, _)| chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fifteen comparisons of the paper (page 293): at 0.05 four are found, where Bonferroni's procedure finds three.
    #[test]
    fn it_finds_what_the_paper_finds() {
        let chances = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        assert_eq!(largest_discovery(&chances, 0.05), Some(0.0095));
        let mut backwards = chances;
        backwards.reverse();
        assert_eq!(largest_discovery(&backwards, 0.05), Some(0.0095), "in whatever order");
    }

    #[test]
    fn a_chance_that_is_too_large_for_its_rank_is_carried_by_a_later_one() {
        assert_eq!(largest_discovery(&[0.03, 0.04, 0.045, 0.05], 0.05), Some(0.05));
        assert_eq!(largest_discovery(&[0.03, 0.04, 0.045, 0.06], 0.05), None);
        assert_eq!(largest_discovery(&[], 0.05), None);
    }
}
