use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};

use super::{Answer, Api, servers::bad_body, wire};

/// The settings of the file, and what of them is in force.
#[utoipa::path(get, operation_id = "get_settings", path = "/api/v1/settings", tag = "settings", responses((status = 200, body = wire::Settings)))]
pub(super) async fn get(State(api): State<Api>) -> Json<wire::Settings> {
    Json(api.settings())
}

/// Changes settings of the file by a merge patch (RFC 7386).
#[utoipa::path(patch, operation_id = "patch_settings", path = "/api/v1/settings", tag = "settings", request_body = wire::SettingsPatch,
    responses((status = 200, body = wire::Settings), (status = 422, body = wire::ProblemDetails)))]
pub(super) async fn patch(
    State(api): State<Api>,
    body: Result<Json<wire::SettingsPatch>, JsonRejection>,
) -> Answer<Json<wire::Settings>> {
    let Json(patch) = body.map_err(|error| bad_body(&error))?;
    api.change_settings(patch).await.map(Json)
}
