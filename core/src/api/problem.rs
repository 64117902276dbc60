use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::wire::{Problem, ProblemDetails};
use crate::{config::EditError, supervisor::CommandError};

/// What an operation answers: what was asked for, or the problem that REST sends and the handle in
/// process returns.
pub type Answer<T> = Result<T, Box<ProblemDetails>>;

impl ProblemDetails {
    /// Makes problem details (RFC 9457). `kind` is the last part of the type.
    pub fn new(
        status: StatusCode,
        kind: &str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self {
            kind: format!("urn:narthex:{kind}"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            remedy: remedy.into(),
            fields: Vec::new(),
        })
    }

    /// Names a field of the request that is concerned.
    #[must_use]
    pub fn about(mut self: Box<Self>, field: impl Into<String>) -> Box<Self> {
        self.fields.push(field.into());
        self
    }

    /// Says that no server has this name.
    pub(super) fn no_such_server(name: &str) -> Box<Self> {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("no server is called `{name}`"),
            "See the names: narthex servers",
        )
    }

    /// Says that an entry cannot be used.
    pub(super) fn bad_entry(found: &Problem) -> Box<Self> {
        let details = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-entry",
            &found.message,
            &found.remedy,
        );
        match &found.field {
            Some(field) => details.about(format!("entry.{field}")),
            None => details,
        }
    }

    /// Says that the file could not be edited.
    pub(super) fn not_written(error: &EditError) -> Box<Self> {
        match error {
            EditError::NotFound(name) => Self::no_such_server(name.as_str()),
            EditError::Exists(_) => Self::new(
                StatusCode::CONFLICT,
                "exists",
                error.to_string(),
                "Choose another name, or change the entry that is there.",
            )
            .about("name"),
            EditError::Broken(found) => Self::new(
                StatusCode::CONFLICT,
                "broken-file",
                &found.message,
                &found.remedy,
            ),
            EditError::NotAnObject | EditError::Entangled | EditError::Io { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "not-written",
                error.to_string(),
                "Look at the file and its folder; nothing was changed.",
            ),
        }
    }
}

impl IntoResponse for Box<ProblemDetails> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_busy = self.kind == "urn:narthex:busy";
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if is_busy {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<CommandError> for Box<ProblemDetails> {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NotFound(name) => ProblemDetails::no_such_server(name.as_str()),
            CommandError::Refused { kind, remedy, .. } => ProblemDetails::new(
                StatusCode::CONFLICT,
                &kind.replace('_', "-"),
                detail,
                remedy,
            ),
            CommandError::Invalid { field, remedy, .. } => ProblemDetails::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad-request",
                detail,
                remedy,
            )
            .about(field),
            CommandError::NotKept(_) => ProblemDetails::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "not-kept",
                detail,
                "Check that the disk has room and that Narthex may write to its folder.",
            ),
            CommandError::Busy => ProblemDetails::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                detail,
                "Try again in a second.",
            ),
            CommandError::Ending => ProblemDetails::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ending",
                detail,
                "Start Narthex again.",
            ),
        }
    }
}
