//! The end: asked for by tray, window or system, and carried out in order, once. The task here
//! owns the core that this process runs.

use narthex_core::app::EndSignal;
use tauri::AppHandle;
use tauri_plugin_dialog::{DialogExt as _, MessageDialogButtons};
use tokio::sync::{mpsc, oneshot};

use crate::host::Host;

/// Who wants the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuitRequest {
    /// A person; they are asked where calls would be cut off.
    ByPerson,
    /// The system, which does not wait for answers.
    BySystem,
}

/// Waits for the end, and carries it out.
pub(crate) async fn run(
    app: AppHandle,
    host: Host,
    mut requests: mpsc::UnboundedReceiver<QuitRequest>,
) {
    while let Some(request) = requests.recv().await {
        let calls = host.calls_in_flight();
        let is_certain = request == QuitRequest::BySystem || calls == 0 || {
            tokio::select! {
                answer = ask(&app, calls) => answer,
                Some(QuitRequest::BySystem) = requests.recv() => true,
            }
        };
        if is_certain {
            break;
        }
    }
    tracing::info!("ending");
    // From here on nobody asks again, and the window goes without a word.
    requests.close();
    crate::window::close(&app);
    host.stop().await;
    app.exit(0);
}

/// Hears the system's word that it shall end.
pub(crate) async fn on_signal(quit: mpsc::UnboundedSender<QuitRequest>) {
    match EndSignal::listen() {
        Ok(told) => {
            told.wait().await;
            // The end may have begun already.
            let _ = quit.send(QuitRequest::BySystem);
        }
        Err(error) => tracing::error!(%error, "signals of the system are not heard"),
    }
}

/// Asks whether calls shall be cut off.
async fn ask(app: &AppHandle, calls: usize) -> bool {
    let (answer, answered) = oneshot::channel();
    app.dialog()
        .message(question(calls))
        .title("Quit Narthex?")
        .buttons(MessageDialogButtons::OkCancelCustom(
            "Quit".to_owned(),
            "Keep running".to_owned(),
        ))
        .show(move |quits| {
            // Whoever asked may have been told by the system meanwhile.
            let _ = answer.send(quits);
        });
    answered.await.unwrap_or(false)
}

fn question(calls: usize) -> String {
    let running = if calls == 1 {
        "A call is running".to_owned()
    } else {
        format!("{calls} calls are running")
    };
    format!("{running}. If you quit, they are cut off and all servers end.")
}
