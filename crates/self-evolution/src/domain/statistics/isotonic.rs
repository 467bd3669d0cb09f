//! The best line that never falls, through points that scatter: the isotonic regression of least squares, by pooling
//! neighbours that fall (Ayer, Brunk, Ewing, Reid, Silverman: An empirical distribution function for sampling with
//! incomplete information, 1955).

/// A line that never falls, given by the points at which it is known; straight between them, level beyond them.
#[derive(Clone, PartialEq, Debug)]
pub struct Isotonic {
    /// Where it is known and how high it is there, in order; one at least.
    points: Vec<(f64, f64)>,
}

/// A measurement: where, how high, and how much it counts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    /// Where.
    pub x: f64,
    /// How high.
    pub y: f64,
    /// How much it counts; more than 0.
    pub weight: f64,
}

/// Neighbours that are as high as each other.
struct Pool {
    y: f64,
    weight: f64,
    /// Where they lie, weighted.
    x: f64,
}

impl From<&Measured> for Pool {
    fn from(&Measured { x, y, weight }: &Measured) -> Self {
        Self { y, weight, x }
    }
}

impl Pool {
    /// The two as one.
    fn with(self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        let mean = |one: f64, another: f64| (one * self.weight + another * other.weight) / weight;
        Self { y: mean(self.y, other.y), x: mean(self.x, other.x), weight }
    }
}

impl Isotonic {
    /// Through these; none where there are none.
    pub fn fit(measured: &[Measured]) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(|a, b| a.x.total_cmp(&b.x));
        // What lies at one place has one height, whatever comes before and after it.
        let places = sorted.chunk_by(|a, b| a.x == b.x);
        let places = places.filter_map(|at| at.iter().map(Pool::from).reduce(Pool::with));
        let mut pools: Vec<Pool> = Vec::with_capacity(sorted.len());
        for mut pool in places {
            while let Some(before) = pools.pop_if(|before| before.y >= pool.y) {
                pool = before.with(pool);
            }
            pools.push(pool);
        }
        (!pools.is_empty()).then(|| Self { points: pools.iter().map(|pool| (pool.x, pool.y)).collect() })
    }

    /// How high it is at a place.
    pub fn at(&self, x: f64) -> f64 {
        let after = self.points.partition_point(|(at, _)| *at < x);
        match (after.checked_sub(1).and_then(|before| self.points.get(before)), self.points.get(after)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
            (Some((_, y)), None) | (None, Some((_, y))) => *y,
            (None, None) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(ys: &[f64]) -> Vec<f64> {
        let points = (0..).zip(ys).map(|(x, y)| Measured { x: f64::from(x), y: *y, weight: 1.0 });
        let fit = Isotonic::fit(&points.collect::<Vec<_>>()).unwrap();
        fit.points.iter().map(|(_, y)| *y).collect()
    }

    /// Pools as the definition has them: every level is the mean of its pool, and they rise.
    #[test]
    fn neighbours_that_fall_are_pooled() {
        assert_eq!(fit(&[1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
        assert_eq!(fit(&[4.0, 5.0, 1.0, 6.0, 8.0, 7.0]), [10.0 / 3.0, 6.0, 7.5]);
        assert_eq!(fit(&[3.0, 2.0, 1.0]), [2.0]);
    }

    #[test]
    fn what_counts_more_pulls_more() {
        let points = [(0.0, 3.0, 3.0), (1.0, 1.0, 1.0)].map(|(x, y, weight)| Measured { x, y, weight });
        assert_eq!(Isotonic::fit(&points).unwrap().at(0.5), 2.5);
    }

    #[test]
    fn it_is_straight_between_points_and_level_beyond_them() {
        let points = [(10.0, 1.0), (20.0, 3.0)].map(|(x, y)| Measured { x, y, weight: 1.0 });
        let fit = Isotonic::fit(&points).unwrap();
        assert_eq!([0.0, 10.0, 15.0, 20.0, 30.0].map(|x| fit.at(x)), [1.0, 1.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn what_lies_at_one_place_has_one_height() {
        let fit = |points: &[(f64, f64)]| {
            let points = points.iter().map(|(x, y)| Measured { x: *x, y: *y, weight: 1.0 });
            Isotonic::fit(&points.collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(fit(&[(1.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).at(1.0), 2.0);
        let one = fit(&[(1.0, 1.0), (2.0, 0.0), (2.0, 3.0)]);
        assert_eq!(one, fit(&[(1.0, 1.0), (2.0, 3.0), (2.0, 0.0)]), "in any order of what was measured");
        assert_eq!([one.at(1.0), one.at(2.0)], [1.0, 1.5]);
        assert_eq!(Isotonic::fit(&[]), None);
    }
}
