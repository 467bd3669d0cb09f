//! What services are told: published settings, by service and key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::clock::Timestamp;
use utoipa::ToSchema;

use super::ab_test::{AbTest, Arm, Swap};
use super::recommendation::RecommendationId;

/// Services that are told something; a change for one more is refused.
pub const MOST_SERVICES: usize = 1_000;
/// Instances of a service that are remembered to have fetched its settings; those with an older
/// version go first.
const MOST_INSTANCES: usize = 100;

/// A value that a service is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// The value.
    #[schema(value_type = Object)]
    pub value: Value,
    /// Since when.
    pub since: Timestamp,
    /// Which recommendation it came with; none where it is what was there before one.
    pub recommendation_id: Option<RecommendationId>,
}

/// A setting from one value to another; none where there is no such setting.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SettingChange {
    /// The setting.
    pub key: String,
    /// The value before.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The value after.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

impl SettingChange {
    /// The change back.
    pub fn inverse(&self) -> Self {
        Self { key: self.key.clone(), before: self.after.clone(), after: self.before.clone() }
    }
}

/// When an instance of a service fetched its settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The version that it got last.
    pub version: u64,
    /// When it first got that.
    pub at: Timestamp,
}

/// What one service is told.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// Grows with every change.
    pub version: u64,
    /// Its settings by key.
    pub settings: BTreeMap<String, Setting>,
    /// What half of the instances are told instead, while an A/B test lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Who has fetched them.
    #[serde(default)]
    pub deliveries: BTreeMap<Arc<str>, Delivery>,
}

/// An A/B test as the instances of a service see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Split {
    /// The recommendation whose change is tested.
    pub recommendation_id: RecommendationId,
    /// Which instance gets what.
    pub test: AbTest,
    /// What the control group is told, by key; nothing where there was no such setting.
    #[schema(value_type = Object)]
    pub control: BTreeMap<String, Option<Setting>>,
}

impl ServiceSettings {
    /// The group that an instance is in while an A/B test lasts.
    pub fn arm_of(&self, instance: &str) -> Option<Arm> {
        self.split.as_ref().map(|split| split.test.arm_of(instance))
    }

    /// The variant of the test that an instance has; none where nothing is being tested.
    pub fn variant_of(&self, instance: &str) -> Option<String> {
        let split = self.split.as_ref()?;
        Some(split.test.arm_of(instance).variant(&split.recommendation_id))
    }

    /// Whether a setting is being tested.
    pub fn is_tested(&self, key: &str) -> bool {
        self.split.as_ref().is_some_and(|split| split.control.contains_key(key))
    }

    /// What an instance is told, if it is told it at all.
    pub fn told_to(&self, instance: &str, key: &str) -> Option<&Setting> {
        let control = self.split.as_ref().filter(|split| split.test.arm_of(instance) == Arm::Control);
        match control.and_then(|split| split.control.get(key)) {
            Some(instead) => instead.as_ref(),
            None => self.settings.get(key),
        }
    }

    /// Whether a delivery can be noted without forgetting one that is as new: strangers can ask as any number of
    /// instances.
    pub fn has_room_for(&self, instance: &str, version: u64) -> bool {
        self.deliveries.len() < MOST_INSTANCES
            || self.deliveries.contains_key(instance)
            || self.deliveries.values().any(|delivery| delivery.version < version)
    }
}

/// What all services are told. A clone shares what is not changed afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings {
    by_service: Arc<BTreeMap<Arc<str>, Arc<ServiceSettings>>>,
}

impl Settings {
    /// What a service is told; none where it never was told anything.
    pub fn of(&self, service: &str) -> Option<&Arc<ServiceSettings>> {
        self.by_service.get(service)
    }

    /// All services that are, or once were, told something.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<ServiceSettings>)> {
        self.by_service.iter()
    }

    /// Whether nothing was changed between this and its clone.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.by_service, &other.by_service)
    }

    /// Services that are, or once were, told something.
    pub fn len(&self) -> usize {
        self.by_service.len()
    }

    /// Whether nobody was ever told anything.
    pub fn is_empty(&self) -> bool {
        self.by_service.is_empty()
    }

    /// The value of a setting.
    pub fn value(&self, service: &str, key: &str) -> Option<&Value> {
        self.of(service)?.settings.get(key).map(|setting| &setting.value)
    }

    /// The version of what a service is told; 0 where it never was told anything.
    pub fn version(&self, service: &str) -> u64 {
        self.of(service).map_or(0, |settings| settings.version)
    }

    /// Publishes changes for a service from this moment on.
    pub fn publish(
        &mut self,
        service: &Arc<str>,
        changes: &[SettingChange],
        at: Timestamp,
        recommendation_id: Option<&RecommendationId>,
    ) {
        let service = self.entry(service);
        service.version += 1;
        service.split = None;
        for SettingChange { key, after, .. } in changes {
            match after {
                Some(value) => {
                    let recommendation_id = recommendation_id.cloned();
                    let setting = Setting { value: value.clone(), since: at, recommendation_id };
                    service.settings.insert(key.clone(), setting);
                }
                None => drop(service.settings.remove(key)),
            }
        }
    }

    /// From now on half of the instances are told what all were told before these changes, which were just published.
    pub fn divide(
        &mut self,
        service: &Arc<str>,
        before: BTreeMap<String, Option<Setting>>,
        id: &RecommendationId,
        test: AbTest,
    ) {
        self.entry(service).split = Some(Split { recommendation_id: id.clone(), test, control: before });
    }

    /// The two groups of instances change places.
    pub fn swap(&mut self, service: &Arc<str>, at: Timestamp) -> Option<Swap> {
        let settings = self.entry(service);
        settings.version += 1;
        let swap = Swap { at, version: settings.version };
        settings.split.as_mut()?.test.swapped = Some(swap);
        Some(swap)
    }

    /// From now on all instances are told what one group was.
    pub fn unite(&mut self, service: &Arc<str>) {
        if self.of(service).is_some_and(|settings| settings.split.is_some()) {
            let settings = self.entry(service);
            settings.version += 1;
            settings.split = None;
        }
    }

    /// Notes that an instance has fetched a version.
    pub fn deliver(&mut self, service: &Arc<str>, instance: &Arc<str>, delivery: Delivery) {
        let deliveries = &mut self.entry(service).deliveries;
        deliveries.insert(Arc::clone(instance), delivery);
        if deliveries.len() > MOST_INSTANCES {
            let oldest = deliveries.iter().min_by_key(|(_, delivery)| (delivery.version, delivery.at));
            if let Some(oldest) = oldest.map(|(instance, _)| Arc::clone(instance)) {
                deliveries.remove(&oldest);
            }
        }
    }

    fn entry(&mut self, service: &Arc<str>) -> &mut ServiceSettings {
        Arc::make_mut(Arc::make_mut(&mut self.by_service).entry(Arc::clone(service)).or_default())
    }
}
