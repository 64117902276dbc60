use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::{ClientError, Events, LogEvents};
use crate::api::{Api, Following};

/// A core in this process. Nothing crosses a wire: events and answers are handed over as they are.
#[derive(Debug, Clone)]
pub struct Local {
    api: Arc<Api>,
}

impl Local {
    /// Makes a handle to the core behind `api`.
    pub fn new(api: Api) -> Self {
        Self { api: Arc::new(api) }
    }

    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn events(&self) -> Events {
        let following = Following::from_now(Api::clone(&self.api));
        let events = stream::unfold(following, async |mut following| {
            let event = following.next().await?;
            Some((event, following))
        });
        Box::pin(events.map(Ok))
    }

    pub(super) fn follow_log(&self, name: &str, lines: usize) -> Result<LogEvents, ClientError> {
        let following = self.api.follow_log(name, lines)?;
        let events = stream::unfold(following, async |mut following| {
            let event = following.next().await?;
            Some((event, following))
        });
        Ok(Box::pin(events.map(Ok)))
    }
}
