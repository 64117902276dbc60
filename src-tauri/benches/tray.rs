//! How long a change takes from a person's word to the signal that a panel hears: 200 changes,
//! each from before it is asked for until the menu, kept by signals alone, shows it.
//!
//! `npm run bench -- --bench tray`

#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]

#[cfg(target_os = "linux")]
#[path = "../tests/it/desktop.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod desktop;
#[cfg(target_os = "linux")]
#[path = "../tests/it/session.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod session;
#[cfg(target_os = "linux")]
#[path = "../tests/it/tray_host.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod tray_host;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the tray is measured on Linux, where it speaks over a bus");
}

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() {
    linux::run().await;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use narthex_core::client::Command;
    use narthex_testkit::{core::Home, entry::Entry};
    use tokio::time::Instant;

    use crate::{
        desktop::{Desktop, client},
        session::Session,
        tray_host::Host,
    };

    const CHANGES: usize = 200;

    pub(super) async fn run() {
        let session = Session::new();
        let home = Home::new().with([
            ("alpha", Entry::scripted([])),
            ("beta", Entry::scripted([])),
        ]);
        let mut host = Host::open(session.bus()).await;
        let _desktop = Desktop::start(&session, &home, &["--hidden", "--trust-config"]);
        host.item().await;
        let client = client(home.path()).await;
        host.until("both are up", |menu| {
            menu.find(&["2 of 2 connected"]).is_some()
        })
        .await;

        let mut waits: Vec<Duration> = Vec::with_capacity(CHANGES);
        for number in 0..CHANGES {
            let (command, label) = if number % 2 == 0 {
                (Command::Disconnect, "alpha: Disconnected")
            } else {
                (Command::Connect, "alpha: Conne")
            };
            let asked = Instant::now();
            client.wish("alpha", command).await.expect("it is accepted");
            let heard = host
                .until(label, |menu| menu.find(&[label]).is_some())
                .await;
            waits.push(heard.saturating_duration_since(asked));
            if number % 2 == 1 {
                host.until("up", |menu| menu.find(&["alpha: Connected"]).is_some())
                    .await;
            }
        }
        waits.sort_unstable();
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place among 200"
            )]
            let place = (share * (CHANGES - 1) as f64).round() as usize;
            waits[place]
        };
        println!("{CHANGES} changes, from the word to the signal (all heard):");
        println!(
            "median {:.1?}, 90th percentile {:.1?}, 99th {:.1?}, longest {:.1?}",
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
    }
}
