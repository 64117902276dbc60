//! Which processes there are, read from `/proc`: what a test started, what a core started, and what
//! is left of either.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// The variable that marks everything a test's servers start: it is inherited by children and
/// daemons alike, and nobody can leave it behind by changing a session or a group.
pub const MARKER: &str = "NARTHEX_TEST_MARKER";

/// How often `/proc` is looked at where nothing announces the end of a process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The unit of processor times in `/proc`: `USER_HZ` is 100 on every architecture of ours.
const TICK_MS: u64 = 10;

/// A process as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// `R`, `S`, `Z`, …
    pub state: char,
    /// When it started, in clock ticks since boot; with the id it names a process for good.
    pub started: u64,
    /// Its command line.
    pub command_line: Vec<String>,
    /// The value of [`MARKER`] in the environment it was started with.
    pub marker: Option<String>,
}

impl Process {
    /// Reads what `/proc` says of `pid`; `None` when it is gone.
    pub fn look(pid: u32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The name in parentheses may hold anything, spaces and parentheses included.
        let after_name = stat.rsplit_once(") ")?.1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let texts = |file: &str| -> Vec<String> {
            let bytes = fs::read(folder.join(file)).unwrap_or_default();
            bytes
                .split(|byte| *byte == 0)
                .filter(|text| !text.is_empty())
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect()
        };
        let marker = texts("environ").into_iter().find_map(|variable| {
            let (name, value) = variable.split_once('=')?;
            (name == MARKER).then(|| value.to_owned())
        });
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            started: fields.get(19)?.parse().ok()?,
            command_line: texts("cmdline"),
            marker,
        })
    }

    /// Returns whether this very process is still there; a zombie is.
    pub fn is_there(&self) -> bool {
        Self::look(self.pid).is_some_and(|other| other.started == self.started)
    }

    /// Returns whether it is a scripted server: not its shell, its guard, its child or its daemon.
    pub fn is_scripted_server(&self) -> bool {
        let mut words = self.command_line.iter();
        words
            .next()
            .is_some_and(|program| program.ends_with("narthex-testkit-server"))
            && !words.next().is_some_and(|word| word.starts_with("--as-"))
    }
}

/// Returns every process there is.
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::look)
        .collect()
}

/// Returns the processes whose environment or command line carries `marker`.
pub fn marked(marker: &str) -> Vec<Process> {
    all()
        .into_iter()
        .filter(|process| {
            let own = process.marker.as_deref();
            own.is_some_and(|own| own.contains(marker))
                || process
                    .command_line
                    .iter()
                    .any(|word| word.contains(marker))
        })
        .collect()
}

/// Returns the children of `pid`, their children, and so on; zombies too.
pub fn descendants(pid: u32) -> Vec<Process> {
    let mut left = all();
    let mut parents = vec![pid];
    let mut found = Vec::new();
    while let Some(parent) = parents.pop() {
        let (children, others) = left
            .into_iter()
            .partition(|process| process.parent == parent);
        left = others;
        parents.extend(children.iter().map(|child: &Process| child.pid));
        found.extend(children);
    }
    found
}

/// Waits until nothing carries `marker` and none of `others` is there.
///
/// # Panics
/// When something is left at the deadline; the message says what.
pub async fn wait_until_gone(marker: &str, others: &[Process], deadline: Duration) {
    let end = Instant::now() + deadline;
    loop {
        let mut left = marked(marker);
        left.extend(others.iter().filter(|other| other.is_there()).cloned());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left after {deadline:?}: {left:#?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until no descendant of `pid` is a zombie.
///
/// # Panics
/// When one is left at the deadline; the message says which.
pub async fn wait_until_reaped(pid: u32, deadline: Duration) {
    let end = Instant::now() + deadline;
    loop {
        let zombies: Vec<Process> = descendants(pid)
            .into_iter()
            .filter(|process| process.state == 'Z')
            .collect();
        if zombies.is_empty() {
            return;
        }
        assert!(
            Instant::now() < end,
            "not reaped in {deadline:?}: {zombies:#?}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Sends SIGKILL to everything that carries `marker`, until nothing does.
pub fn kill_marked(marker: &str) {
    // Each round may meet what the last one's victims had just started.
    for _ in 0..100 {
        let marked: Vec<Process> = marked(marker)
            .into_iter()
            .filter(|process| process.state != 'Z')
            .collect();
        if marked.is_empty() {
            return;
        }
        for process in marked {
            kill(process.pid);
        }
    }
}

/// Sends SIGKILL to `pid`; one that is gone is fine.
pub fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

/// Sends `signal` to `pid`; one that is gone is fine.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // The process may have ended since it was looked at.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Returns how many descriptors `pid` has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Returns the resident memory of `pid` in bytes.
pub fn resident(pid: u32) -> u64 {
    status_number(pid, "VmRSS:").unwrap_or_default() * 1024
}

/// Returns the memory of `pid` that no other process shares, in bytes.
pub fn private(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kilobytes: u64 = rollup
        .lines()
        .filter(|line| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    kilobytes * 1024
}

/// Returns how often a thread of `pid` has been given a processor: every wake-up is one.
pub fn context_switches(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
        .flat_map(|status| {
            let switches = status
                .lines()
                .filter(|line| line.contains("ctxt_switches:"))
                .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            switches.collect::<Vec<_>>()
        })
        .sum()
}

/// Returns the processor time that `pid` has used.
pub fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks: u64 = stat
        .rsplit_once(") ")
        .map(|(_, after_name)| {
            let times = after_name.split(' ').skip(11).take(2);
            times.filter_map(|time| time.parse::<u64>().ok()).sum()
        })
        .unwrap_or_default();
    Duration::from_millis(ticks * TICK_MS)
}

fn status_number(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
