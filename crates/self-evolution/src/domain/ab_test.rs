//! Half of a service's instances get a change and half do not, so that both are seen over the same minutes.
//!
//! After half of the trial the two groups change places. What an instance is by itself, on slower hardware, say, or next to a
//! busy neighbour, is then in both groups for the same time, and is not mistaken for what the change does (the design AB/BA;
//! Hills and Armitage: The two-period cross-over clinical trial, 1979).

use std::sync::Arc;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

use super::recommendation::RecommendationId;

/// Divisions of the instances that are tried, to find one that halves them.
const TRIED: u32 = 64;

/// Which value an instance gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// What it had before.
    Control,
    /// The change.
    Treatment,
}

impl Arm {
    /// Its word in variants and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Treatment => "treatment",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Control => Self::Treatment,
            Self::Treatment => Self::Control,
        }
    }

    /// What instances of this arm report as `variant` with their usage.
    pub fn variant(self, id: &RecommendationId) -> String {
        format!("{id}-{}", self.as_str())
    }
}

/// How the instances of a service are divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AbTest {
    /// Which of many divisions by hash it is.
    pub salt: u32,
    /// When the groups changed places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swapped: Option<Swap>,
}

/// That the groups changed places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Swap {
    /// When.
    pub at: Timestamp,
    /// The version of the service's settings with it.
    pub version: u64,
}

impl AbTest {
    /// The division that comes closest to halving these instances.
    pub fn halving<'a>(instances: impl Iterator<Item = &'a Arc<str>> + Clone) -> Self {
        let all = instances.clone().count();
        let of_salt = |salt| Self { salt, swapped: None };
        let treated =
            |test: &Self| instances.clone().filter(|one| test.arm_of(one) == Arm::Treatment).count();
        let tests = (0..TRIED).map(of_salt);
        tests.min_by_key(|test| (treated(test) * 2).abs_diff(all)).unwrap_or_else(|| of_salt(0))
    }

    /// The arm of an instance, by the hash of what it is called (its `targetingKey`).
    pub fn arm_of(&self, instance: &str) -> Arm {
        let digest = Md5::digest(format!("{}:{instance}", self.salt));
        let is_odd = digest.first().is_some_and(|byte| byte & 1 == 1);
        let arm = if is_odd { Arm::Treatment } else { Arm::Control };
        if self.swapped.is_some() { arm.other() } else { arm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(number: usize) -> Vec<Arc<str>> {
        (0..number).map(|number| format!("web-{number}").into()).collect()
    }

    #[test]
    fn few_instances_are_halved_whatever_they_are_called() {
        for number in 2..30 {
            let instances = instances(number);
            let test = AbTest::halving(instances.iter());
            let treated = instances.iter().filter(|one| test.arm_of(one) == Arm::Treatment).count();
            assert!(treated == number / 2 || treated == number.div_ceil(2), "{treated} of {number}");
        }
    }

    #[test]
    fn an_instance_stays_where_it_is_until_the_groups_change_places() {
        let instances = instances(10);
        let test = AbTest::halving(instances.iter());
        let swap = Swap { at: Timestamp::from_micros(0), version: 2 };
        let swapped = AbTest { swapped: Some(swap), ..test };
        for instance in &instances {
            assert_eq!(test.arm_of(instance), test.arm_of(instance));
            assert_eq!(swapped.arm_of(instance), test.arm_of(instance).other());
        }
    }
}
