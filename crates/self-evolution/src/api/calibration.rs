//! How good the estimates were.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::domain::calibration::Accuracy;

/// How good the estimates were for the changes that one detector has led to.
#[derive(Serialize, ToSchema)]
pub(super) struct CalibrationBody {
    /// Over all services; none before a change of this kind was judged.
    all: Option<Accuracy>,
    /// By service.
    #[schema(value_type = BTreeMap<String, Accuracy>)]
    services: BTreeMap<Arc<str>, Accuracy>,
    /// Why the daemon does not make such changes on its own.
    distrusted_because: Option<String>,
}

/// What was expected of changes against what came of them, by detector.
#[utoipa::path(get, path = "/calibration", tag = "recommendations",
    responses((status = 200, description = "By detector; empty before the first verdict",
        body = BTreeMap<String, CalibrationBody>)))]
pub(super) async fn calibration(State(api): State<Api>) -> Json<BTreeMap<String, CalibrationBody>> {
    let calibration = &api.engine.view().calibration;
    let body = calibration.iter().map(|(detector, outcomes)| {
        let services = outcomes.services.iter();
        let services =
            services.filter_map(|(service, of)| Some((Arc::clone(service), of.accuracy()?))).collect();
        let (all, distrusted_because) = (outcomes.all.accuracy(), calibration.distrust(detector));
        (detector.to_owned(), CalibrationBody { all, services, distrusted_because })
    });
    Json(body.collect())
}
