//! Where a series changed its level: the test of Pettitt (A non-parametric approach to the change-point problem, 1979).

use super::ranks::ranks;

/// The chance of an accident above which no place is named.
const CHANCE: f64 = 0.05;

/// The place of the first value after the change to a higher level; none where there need not be one.
///
/// It is where the sum of the ranks before lies furthest below what it would be without a change. Its chance is that of
/// the paper, 2 exp(−6K² / (n³ + n²)), which is good where it is small.
pub fn rise(values: &[f64]) -> Option<usize> {
    let n = values.len() as f64;
    let (ranked, _) = ranks(values);
    let (mut sum, mut least, mut place) = (0.0, 0.0, 0);
    for (at, rank) in ranked.iter().enumerate() {
        sum += 2.0 * rank - (n + 1.0);
        if sum < least {
            (least, place) = (sum, at + 1);
        }
    }
    let chance = 2.0 * (-6.0 * least * least / (n.powi(3) + n.powi(2))).exp();
    (place > 0 && place < values.len() && chance < CHANCE).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flow of the Nile at Aswan from 1871 on (Cobb: The problem of the Nile, 1978), which fell after 1898: the dam was
    /// begun. The 28th year is the last before it by every published analysis.
    const NILE: [i32; 100] = [
        1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799,
        958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916,
        692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698,
        845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801,
        1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170,
        912, 746, 919, 718, 714, 740,
    ];

    #[test]
    fn it_names_the_year_in_which_the_nile_fell() {
        let upside_down: Vec<f64> = NILE.iter().map(|flow| f64::from(-flow)).collect();
        assert_eq!(rise(&upside_down), Some(28));
        let as_it_is: Vec<f64> = NILE.iter().map(|flow| f64::from(*flow)).collect();
        assert_eq!(rise(&as_it_is), None, "it did not rise");
    }

    #[test]
    fn what_does_not_change_has_no_such_place() {
        assert_eq!(rise(&[1.0; 75]), None);
        assert_eq!(rise(&[]), None);
        let swinging: Vec<f64> = (0..75).map(|at| f64::from(at * 7 % 11)).collect();
        assert_eq!(rise(&swinging), None);
    }
}
