//! Leaps: moments at which a measurement moves from one point to the next as it hardly ever did before.

use std::collections::VecDeque;

/// How many deviations from what is usual are a leap.
const FAR: f64 = 5.0;
/// Differences that say what is usual: the last so many, and at least so many.
const TRAIL: usize = 1_000;
const LEAST: usize = 300;
/// After a leap so many points say nothing: what leaps goes on to swing, or leaps back.
const REFRACTORY: usize = 200;

/// When values leapt, in the order of time. Of fewer than 300 points nothing is said.
pub fn leaps<T: Copy>(points: &[(T, f64)]) -> Vec<T> {
    let (mut found, mut usual, mut silent) = (Vec::new(), Usual::default(), 0);
    for (before, after) in points.iter().zip(points.iter().skip(1)) {
        let difference = after.1 - before.1;
        if silent == 0 && usual.is_far_from(difference) {
            found.push(after.0);
            silent = REFRACTORY;
        } else {
            silent = silent.saturating_sub(1);
        }
        usual.add(difference);
    }
    found
}

/// The differences that say what is usual.
#[derive(Default)]
struct Usual {
    trail: VecDeque<f64>,
    sum: f64,
    squares: f64,
}

impl Usual {
    fn is_far_from(&self, difference: f64) -> bool {
        let number = self.trail.len() as f64;
        let mean = self.sum / number;
        let deviation = (self.squares / number - mean * mean).max(0.0).sqrt();
        self.trail.len() >= LEAST && deviation > 0.0 && (difference - mean).abs() > FAR * deviation
    }

    fn add(&mut self, difference: f64) {
        self.trail.push_back(difference);
        let gone = if self.trail.len() > TRAIL { self.trail.pop_front().unwrap_or(0.0) } else { 0.0 };
        self.sum += difference - gone;
        self.squares += difference * difference - gone * gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that swing by one.
    fn swinging(number: u16) -> Vec<(u16, f64)> {
        (0..number).map(|at| (at, f64::from(at * 7 % 11) / 10.0)).collect()
    }

    #[test]
    fn a_step_is_a_leap_at_its_first_point_and_swings_are_none() {
        let mut points = swinging(900);
        assert!(leaps(&points).is_empty());
        points[600..].iter_mut().for_each(|(_, value)| *value += 10.0);
        assert_eq!(leaps(&points), [600]);
        points[850..].iter_mut().for_each(|(_, value)| *value -= 10.0);
        assert_eq!(leaps(&points), [600, 850], "and back");
    }

    #[test]
    fn soon_after_a_leap_there_is_no_other_and_little_is_never_enough() {
        let mut points = swinging(900);
        points[600..].iter_mut().for_each(|(_, value)| *value += 10.0);
        points[750..].iter_mut().for_each(|(_, value)| *value += 50.0);
        assert_eq!(leaps(&points), [600]);
        let mut early = swinging(300);
        early[290].1 = 50.0;
        assert!(leaps(&early).is_empty(), "after 290 points nobody knows what is usual");
        assert!(leaps(&[(0, 1.0); 500]).is_empty(), "neither where nothing ever moved");
        assert!(leaps::<u16>(&[]).is_empty());
    }
}
