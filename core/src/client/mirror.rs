mod merge;
mod present;

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::{sync::watch, try_join};
use tokio_util::task::AbortOnDropHandle;

use super::{Client, ClientError, retry::Retry};
use crate::api::wire::Event;
use merge::Merge;

pub use present::Present;

/// Keeps what a surface shows in line with a core, until it is dropped.
///
/// It subscribes first, fetches then, and takes each event by its revision; it fetches again where
/// something was missed, and asks for nothing in between. A core that is gone is shown as it last
/// was, as not reachable, until it is back.
#[derive(Debug)]
pub struct Mirror {
    present: watch::Receiver<Arc<Present>>,
    _following: AbortOnDropHandle<()>,
}

impl Mirror {
    /// Begins to follow a core, on the runtime that this is called on.
    pub fn follow(client: Client) -> Self {
        let (sender, present) = watch::channel(Arc::default());
        let following = Following {
            client,
            merge: Merge::default(),
            present: sender,
            retry: Retry::default(),
        };
        Self {
            present,
            _following: AbortOnDropHandle::new(tokio::spawn(following.run())),
        }
    }

    /// Returns what holds the present. Before the first fetch nothing is reachable.
    pub fn present(&self) -> watch::Receiver<Arc<Present>> {
        self.present.clone()
    }
}

struct Following {
    client: Client,
    merge: Merge,
    present: watch::Sender<Arc<Present>>,
    retry: Retry,
}

impl Following {
    async fn run(mut self) {
        loop {
            if let Err(error) = self.until_lost().await {
                tracing::debug!(%error, "core not reachable");
            }
            self.update(|_, present| present.reachable = false);
            if self.client.is_local() {
                // It has ended, and what is in process does not come back.
                return;
            }
            self.retry.lost();
            self.retry.due().await;
        }
    }

    /// Follows the core until it is gone. An event that cannot be had, or a fetch that fails, is
    /// answered with a new subscription: whoever says hello is fetched from anew.
    async fn until_lost(&mut self) -> Result<(), ClientError> {
        let mut events = self.client.events();
        while let Some(event) = events.next().await {
            match event? {
                Event::Hello(hello) => {
                    self.merge.begin(&hello.instance);
                    self.fetch().await?;
                }
                Event::Gap(_) => self.fetch().await?,
                event @ (Event::Server(_) | Event::Removed(_) | Event::Core(_)) => {
                    self.update(|merge, present| merge.heard(present, event));
                }
            }
        }
        Ok(())
    }

    async fn fetch(&mut self) -> Result<(), ClientError> {
        let (list, status) = try_join!(self.client.servers(), self.client.status())?;
        self.retry.connected();
        self.update(|merge, present| {
            merge.listed(present, list);
            merge.told(present, status);
            present.reachable = true;
        });
        Ok(())
    }

    /// Changes the present where it is: it is copied only if somebody looks at it.
    fn update(&mut self, change: impl FnOnce(&mut Merge, &mut Present)) {
        let merge = &mut self.merge;
        self.present
            .send_modify(|present| change(merge, Arc::make_mut(present)));
    }
}
