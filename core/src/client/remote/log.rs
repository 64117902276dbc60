use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use reqwest_eventsource::{Error, Event, EventSource};
use serde::de::Error as _;

use super::{ClientError, Remote, open, problem};
use crate::{api::wire::LogEvent, client::LogEvents};

impl Remote {
    /// `GET /servers/{name}/logs/stream`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_log(&self, name: &str, lines: usize) -> Result<LogEvents, ClientError> {
        let request = self.stream(Method::GET, &["servers", name, "logs", "stream"]);
        let mut source = open(request.query(&[("lines", lines)]));
        // It opens or fails before its first line.
        if let Some(Err(error)) = source.next().await {
            return Err(failed(error).await);
        }
        Ok(Box::pin(stream::unfold(source, async |mut source| {
            let event = next(&mut source).await?;
            if event.is_err() {
                source.close();
            }
            Some((event, source))
        })))
    }
}

async fn next(source: &mut EventSource) -> Option<Result<LogEvent, ClientError>> {
    loop {
        match source.next().await? {
            Ok(Event::Open) => {}
            Ok(Event::Message(message)) => match decode(&message.event, &message.data) {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(ClientError::Malformed(error))),
            },
            Err(Error::StreamEnded) => return None,
            Err(error) => return Some(Err(failed(error).await)),
        }
    }
}

/// Decodes an event; nothing for one of a name that this version does not know.
fn decode(name: &str, data: &str) -> Result<Option<LogEvent>, serde_json::Error> {
    Ok(Some(match name {
        "line" => LogEvent::Line(serde_json::from_str(data)?),
        "gap" => LogEvent::Gap(serde_json::from_str(data)?),
        _ => return Ok(None),
    }))
}

async fn failed(error: Error) -> ClientError {
    match error {
        Error::InvalidStatusCode(_, response) | Error::InvalidContentType(_, response) => {
            problem(response).await
        }
        Error::Transport(error) => error.into(),
        Error::StreamEnded => ClientError::NoCore,
        Error::Utf8(_) | Error::Parser(_) | Error::InvalidLastEventId(_) => {
            ClientError::Malformed(serde_json::Error::custom(error))
        }
    }
}
