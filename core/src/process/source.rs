use std::sync::Arc;

use tokio::sync::OnceCell;

use super::Environment;

/// The environment of children, found out by whoever wants it first and shared by the rest.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentSource {
    known: Arc<OnceCell<Environment>>,
}

impl EnvironmentSource {
    /// Uses `environment`.
    pub fn of(environment: Environment) -> Self {
        Self {
            known: Arc::new(OnceCell::new_with(Some(environment))),
        }
    }

    /// Returns the environment, once the login shell has told its `PATH`.
    pub async fn get(&self) -> Environment {
        self.known.get_or_init(Environment::of_login).await.clone()
    }
}
