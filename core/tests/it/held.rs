//! One core for a home and a port; a second one says who has them.

use narthex_testkit::core::Home;
use rustix::process::Signal;

#[tokio::test]
async fn a_second_core_on_a_held_home_says_by_whom() {
    let core = Home::new().start().await;
    let home = core.home.path().to_str().unwrap();

    let args = ["serve", "--json", "--home", home, "--listen", "127.0.0.1:0"];
    let second = core.home.command(&args).output().await.unwrap();

    assert_eq!(second.status.code(), Some(3), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&core.pid().to_string()), "{said}");
    assert!(said.contains(core.address()), "{said}");
    assert!(second.stdout.is_empty(), "{second:?}");
    // The first one does not notice.
    assert_eq!(core.get("/servers").await.status, 200);
}

#[tokio::test]
async fn a_taken_port_is_named_with_who_has_it() {
    let core = Home::new().start().await;

    let second = Home::new()
        .arg("--listen")
        .arg(core.address())
        .try_start()
        .await;

    let (_, refused) = second.expect_err("both listen on one port");
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains(core.address()), "{refused:?}");
    assert!(
        refused.stderr.contains(&core.pid().to_string()),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("narthex"), "{refused:?}");
}

#[tokio::test]
async fn a_port_taken_by_another_program_is_named_too() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();

    let refused = Home::new().arg("--listen").arg(&address).try_start().await;

    let (_, refused) = refused.expect_err("both listen on one port");
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains(&address), "{refused:?}");
    assert!(
        refused.stderr.contains(&std::process::id().to_string()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_home_is_free_after_any_end() {
    let mut core = Home::new().start().await;
    for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
        let (home, status) = core.end(signal).await;
        if signal != Signal::KILL {
            assert_eq!(status.code(), Some(0), "{signal:?}: {status}");
        }
        core = home.start().await;
    }
    assert_eq!(core.get("/servers").await.status, 200);
}

#[tokio::test]
async fn of_two_that_race_for_a_home_one_wins() {
    let home = Home::new();
    let path = home.path().to_str().unwrap().to_owned();
    let args = [
        "serve",
        "--json",
        "--home",
        &path,
        "--listen",
        "127.0.0.1:0",
    ];

    let mut racers: Vec<_> = (0..4)
        .map(|_| home.command(&args).spawn().unwrap())
        .collect();
    let mut codes = Vec::new();
    // Three of the four end by themselves.
    while codes.len() < 3 {
        let (ended, place, _) =
            futures_util::future::select_all(racers.iter_mut().map(|racer| Box::pin(racer.wait())))
                .await;
        codes.push(ended.unwrap().code());
        drop(racers.remove(place));
    }

    assert_eq!(codes, [Some(3); 3]);
    assert_eq!(racers[0].try_wait().unwrap(), None, "the winner ended too");
}
