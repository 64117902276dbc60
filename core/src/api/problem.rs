use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::wire::{Problem, ProblemDetails};
use crate::{config::EditError, supervisor::CommandError};

/// Answers with problem details (RFC 9457). `kind` is the last part of the type.
pub fn problem(
    status: StatusCode,
    kind: &str,
    detail: &str,
    remedy: &str,
    fields: &[&str],
) -> Response {
    let details = ProblemDetails {
        kind: format!("urn:narthex:{kind}"),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        detail: detail.to_owned(),
        remedy: remedy.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    };
    let mut response = (status, axum::Json(details)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// Answers that no server has this name.
pub(super) fn no_such_server(name: &str) -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not-found",
        &format!("no server is called `{name}`"),
        "See the names: narthex servers",
        &[],
    )
}

/// Answers that an entry cannot be used.
pub(super) fn bad_entry(found: &Problem) -> Response {
    let field = found.field.as_deref().map(|field| format!("entry.{field}"));
    let fields: Vec<&str> = field.as_deref().into_iter().collect();
    problem(
        StatusCode::UNPROCESSABLE_ENTITY,
        "bad-entry",
        &found.message,
        &found.remedy,
        &fields,
    )
}

impl IntoResponse for CommandError {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::NotFound(name) => no_such_server(name.as_str()),
            Self::Refused { kind, remedy, .. } => problem(
                StatusCode::CONFLICT,
                &kind.replace('_', "-"),
                &detail,
                &remedy,
                &[],
            ),
            Self::Invalid { field, remedy, .. } => problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad-request",
                &detail,
                &remedy,
                &[field],
            ),
            Self::NotKept(_) => {
                let remedy =
                    "Check that the disk has room and that Narthex may write to its folder.";
                problem(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "not-kept",
                    &detail,
                    remedy,
                    &[],
                )
            }
            Self::Busy => {
                let mut response = problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "busy",
                    &detail,
                    "Try again in a second.",
                    &[],
                );
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
            Self::Ending => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "ending",
                &detail,
                "Start Narthex again.",
                &[],
            ),
        }
    }
}

/// Answers that the file could not be edited.
pub(super) fn not_written(error: &EditError, name: &str) -> Response {
    match error {
        EditError::NotFound { .. } => no_such_server(name),
        EditError::Exists { .. } => problem(
            StatusCode::CONFLICT,
            "exists",
            &error.to_string(),
            "Choose another name, or change the entry that is there.",
            &["name"],
        ),
        EditError::Broken(found) => problem(
            StatusCode::CONFLICT,
            "broken-file",
            &found.message,
            &found.remedy,
            &[],
        ),
        EditError::NotAnObject | EditError::Entangled | EditError::Io { .. } => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not-written",
            &error.to_string(),
            "Look at the file and its folder; nothing was changed.",
            &[],
        ),
    }
}
