//! What storms have shown, each in a few steps.

use std::{sync::Arc, time::Duration};

use narthex_core::{
    api::wire::{Accepted, Approval, Offers, Wish},
    server::{Phase, ServerName},
    supervisor::{CommandError, Order},
    view::{Change, Entry, Subscriber, Told},
};
use tokio::{join, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Core,
    clock::Clock,
    file::{File, names},
    home,
    script::{Nature, Script},
    settle,
};

/// A core with one server, `s0`, approved and connected.
struct Scene {
    core: Core,
    clock: Clock,
    script: Arc<Script>,
    file: File,
    s0: ServerName,
    #[expect(dead_code, reason = "the folder goes with it")]
    home: tempfile::TempDir,
}

impl Scene {
    async fn new(nature: Nature) -> Self {
        Self::with(nature, Some("2s")).await
    }

    async fn with(nature: Nature, init_timeout: Option<&'static str>) -> Self {
        let home = home();
        let mut file = File::new(home.path().join("narthex.json"), 0);
        file.entries.get_mut("s0").unwrap().init_timeout = init_timeout;
        names().skip(1).for_each(|name| file.remove(&name));
        let natures = names().map(|name| (name, nature));
        let script = Arc::new(Script::new(0, natures));
        script.calm();
        let core = Core::start(home.path(), &script);
        script.watch(core.view.clone());
        let scene = Self {
            clock: Clock::hold(core.handle.clone()),
            s0: ServerName::new("s0").unwrap(),
            core,
            script,
            file,
            home,
        };
        let launch = scene.launch();
        let approval = Approval {
            launch: Some(launch),
            epoch: None,
            offers: Some(Offers::FirstSeen),
        };
        scene.order(scene.approve(approval)).await;
        scene.settle().await;
        scene
    }

    fn entry(&self) -> Arc<Entry> {
        Arc::clone(self.core.view.snapshot().server("s0").unwrap())
    }

    fn launch(&self) -> String {
        self.entry().desire.launch.as_ref().unwrap().to_string()
    }

    fn approve(&self, approval: Approval) -> Order {
        let server = self.s0.clone();
        Order::Approve {
            server,
            approval,
            command: None,
        }
    }

    fn wish(&self, wish: Wish) -> Order {
        let server = self.s0.clone();
        Order::Wish { server, wish }
    }

    async fn try_order(&self, order: Order) -> Result<Accepted, CommandError> {
        self.core.handle.order(order).await
    }

    async fn order(&self, order: Order) -> Accepted {
        self.try_order(order).await.unwrap()
    }

    async fn settle(&self) {
        settle(&self.clock, &self.core.view, &self.script).await;
    }

    async fn assert_answers(&self) {
        let entry = self.entry();
        let endpoint = entry.endpoint().expect("it is connected");
        let ping = narthex_core::mcp::Outgoing::new("ping", "{}");
        let answer = endpoint.lease().request(&ping, None).await;
        assert!(answer.is_ok(), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_has_an_actor_of_its_own() {
    let mut scene = Scene::new(Nature::Stubborn).await;
    scene.file.remove("s0");
    scene.core.handle.reload().await.unwrap();
    scene.clock.step(Duration::from_millis(100)).await;
    assert_eq!(scene.script.left("s0"), 1, "it is still on its way down");

    scene.file.add("s0");
    scene.core.handle.reload().await.unwrap();
    scene.order(scene.wish(Wish::Connected)).await;
    scene.settle().await;
    scene.assert_answers().await;
}

#[tokio::test(start_paused = true)]
async fn each_of_two_commands_in_a_rush_is_shown_as_it_was_wished() {
    let scene = Scene::new(Nature::Healthy).await;
    let before = scene.core.view.read(|now| now.revision);
    let (off, on) = join!(
        scene.order(scene.wish(Wish::Disconnected)),
        scene.order(scene.wish(Wish::Connected)),
    );
    assert!(off.revision < on.revision);
    let mut subscriber = Subscriber::after(scene.core.view.clone(), before);
    for (accepted, wish) in [(off, Wish::Disconnected), (on, Wish::Connected)] {
        let Told::Happening(happening) = subscriber.next().await else {
            panic!("an event expected")
        };
        let Change::Server(entry) = &happening.change else {
            panic!("{happening:?}")
        };
        assert_eq!(happening.command.as_deref(), Some(&*accepted.command));
        assert_eq!(
            (happening.revision, entry.desire.wish),
            (accepted.revision, wish)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_quarantine_at_once_answers() {
    let scene = Scene::new(Nature::Healthy).await;
    let approval = Approval {
        launch: Some(scene.launch()),
        epoch: scene.entry().catalog.as_ref().map(|catalog| catalog.epoch),
        offers: None,
    };
    let (quarantined, approved) = join!(
        scene.order(Order::Quarantine(scene.s0.clone())),
        scene.order(scene.approve(approval)),
    );
    assert!(quarantined.revision < approved.revision);
    scene.settle().await;
    scene.assert_answers().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_beside_a_reload_has_a_revision() {
    let mut scene = Scene::new(Nature::Healthy).await;
    scene.file.remove("s0");
    let (accepted, reloaded) = join!(
        scene.order(scene.wish(Wish::Disconnected)),
        scene.core.handle.reload(),
    );
    assert!(0 < accepted.revision && accepted.revision < reloaded.unwrap());
    assert!(scene.core.view.read(|now| now.server("s0").is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_read_within_a_second_however_many_commands_come() {
    let mut scene = Scene::new(Nature::Healthy).await;
    let done = CancellationToken::new();
    let mut people = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (handle, s0, done) = (scene.core.handle.clone(), scene.s0.clone(), done.clone());
        people.spawn(async move {
            while !done.is_cancelled() {
                let server = s0.clone();
                let wish = Wish::Disconnected;
                handle.order(Order::Wish { server, wish }).await.unwrap();
                let server = s0.clone();
                let wish = Wish::Connected;
                handle.order(Order::Wish { server, wish }).await.unwrap();
            }
        });
    }
    scene.file.add("s1");
    let changed = Instant::now();
    while scene.core.view.read(|now| now.server("s1").is_none()) {
        // It changes all the time, too.
        scene.core.handle.file_changed();
        scene.clock.step(Duration::from_millis(40)).await;
        assert!(
            changed.elapsed() <= Duration::from_secs(1),
            "it is not read"
        );
    }
    done.cancel();
    while let Some(ended) = people.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_has_connected_is_not_waited_for_as_long_as_a_download() {
    let scene = Scene::with(Nature::Healthy, None).await;
    scene.assert_answers().await;
    scene.script.turn("s0", Nature::Deaf);
    scene.script.kill("s0");
    for _ in 0..61 {
        scene.clock.step(Duration::from_secs(1)).await;
    }
    let entry = scene.entry();
    assert!(
        matches!(
            entry.phase,
            Phase::Error { .. } | Phase::Connecting { attempt: 3.., .. }
        ),
        "{:?}",
        entry.phase
    );
}
