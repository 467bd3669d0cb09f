//! How much more likely counts of errors are if the rate has changed than if it has not.

use statrs::function::beta::ln_beta;

/// The natural logarithm of the Bayes factor for two different rates against one, after `errors` of `requests` in either
/// group; every rate is equally likely beforehand (Kass and Raftery: Bayes factors, 1995).
///
/// It may be looked at after every request: while nothing is different, the chance that it ever reaches ln k is at most
/// 1/k (Ville, 1939). Counts need not be whole: where errors come in bursts, they are divided by how much more they vary
/// than by chance.
pub fn ln_rates_differ(before: (f64, f64), after: (f64, f64)) -> f64 {
    let counts = |(errors, requests): (f64, f64)| {
        let errors = errors.clamp(0.0, requests.max(0.0));
        (errors, requests.max(0.0) - errors)
    };
    let ((bad, good), (bad_after, good_after)) = (counts(before), counts(after));
    let one = |bad: f64, good: f64| ln_beta(1.0 + bad, 1.0 + good);
    one(bad, good) + one(bad_after, good_after) - one(bad + bad_after, good + good_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Bayes factor of two fair-looking samples has a closed form: B(1+1,1+1)² / B(1+2,1+2) = (1/6)² / (1/30) = 30/36.
    #[test]
    fn it_gives_the_value_that_is_worked_out_by_hand() {
        let found = ln_rates_differ((1.0, 2.0), (1.0, 2.0)).exp();
        assert!((found - 30.0 / 36.0).abs() < 1e-9, "{found}");
        assert!((ln_rates_differ((0.0, 0.0), (0.0, 0.0))).abs() < 1e-9, "nothing seen, nothing said");
    }

    #[test]
    fn it_grows_with_the_evidence_and_falls_where_nothing_has_changed() {
        assert!(ln_rates_differ((10.0, 1e3), (100.0, 1e3)) > 100.0_f64.ln());
        assert!(ln_rates_differ((10.0, 1e3), (13.0, 1e3)) < 0.0);
        assert!(ln_rates_differ((1.0, 1e5), (1e5, 1e5)).is_finite());
    }
}
