use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::{Environment, platform::Standby};

/// The environment of children, found out by whoever wants it first and shared by the rest.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentSource {
    known: Arc<OnceCell<Environment>>,
    standby: Arc<Mutex<Option<Standby>>>,
}

impl EnvironmentSource {
    /// Uses `environment`.
    pub fn of(environment: Environment) -> Self {
        Self {
            known: Arc::new(OnceCell::new_with(Some(environment))),
            standby: Arc::default(),
        }
    }

    /// Returns the environment, once the login shell has told its `PATH`.
    ///
    /// What starts processes is kept ready from the time when the shell is asked until
    /// [`began`](Self::began).
    pub async fn get(&self) -> Environment {
        let ask = || async {
            self.keep(Some(Standby::begin()));
            Environment::of_login().await
        };
        self.known.get_or_init(ask).await.clone()
    }

    /// Says that a process was started in the environment, could not be, or will not be soon.
    pub fn began(&self) {
        self.keep(None);
    }

    fn keep(&self, standby: Option<Standby>) {
        let mut kept = self.standby.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = standby;
    }
}
