//! Linux: the guard adopts orphans, so that all that a server started stays below it, whatever
//! group or session it has moved to.
//!
//! Processes are found by reading every `stat` below `/proc`. The kernel's own list of children
//! would be shorter to read, but is not part of every kernel and may miss some while they come and
//! go. This happens only when a server ends.

use std::{fs, io::Read};

use rustix::{
    io,
    process::{
        Pid, PidfdFlags, Signal, getpid, getppid, kill_process, kill_process_group, pidfd_open,
        set_child_subreaper, set_parent_process_death_signal,
    },
};
use tokio::io::{Interest, unix::AsyncFd};

/// Makes this process the parent of every descendant whose own parent ends.
pub(in super::super) fn adopt_orphans() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))
}

/// Has the kernel kill this process when `parent`, which has just forked it, ends.
pub(in super::super) fn die_with_parent(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before that call will not end again.
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::Errno::SRCH)
    }
}

/// Waits until `process`, which was seen to be on its way out, has ended. A kernel that cannot tell
/// is believed to have ended it.
pub(in super::super) async fn ended(process: Pid) {
    // No such process is what is waited for.
    let Ok(process) = pidfd_open(process, PidfdFlags::empty()) else {
        return;
    };
    // SAFETY: what is owned stays the same descriptor until it is dropped, which ends this too.
    let ended = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    if let Ok(process) = ended {
        let _ = process.readable().await;
    }
}

/// Sends `signal` once to every descendant of this process.
///
/// Whole groups get it at once, so that no member can slip away by forking meanwhile.
pub(in super::super) fn signal_descendants(_server: Pid, signal: Signal) {
    let own = getpid().as_raw_pid();
    signal_all(&below(own, &processes()), own, signal);
}

/// Whether anything is left when we have no children any more: all that was left is our child.
pub(in super::super) fn any_left(_server: Pid) -> bool {
    false
}

/// Kills what a killed guard has left behind: the kernel has killed the server itself, and what
/// stayed in the guard's session can still be told by it. Only a daemon in a session of its own
/// cannot: it belongs to nobody.
pub(in super::super) fn kill_abandoned(guard: Pid, server: Option<Pid>) {
    let guard = guard.as_raw_pid();
    // What forks while we look is there when we look again. The number of looks is bounded, since
    // a process that we may not kill would keep us here.
    for _ in 0..3 {
        let all = processes();
        let left: Vec<_> = all
            .iter()
            .filter(|process| process.pid != guard && !process.is_zombie)
            .filter(|process| {
                process.session == guard
                    || server.is_some_and(|it| process.group == it.as_raw_pid())
            })
            .flat_map(|process| {
                let mut family = below(process.pid, &all);
                family.push(*process);
                family
            })
            .collect();
        if left.is_empty() {
            return;
        }
        signal_all(&left, guard, Signal::KILL);
    }
}

/// A line of the list of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    is_zombie: bool,
}

/// Signals whole groups, and one by one those in `spared`, the group of the guard itself.
fn signal_all(processes: &[Process], spared: i32, signal: Signal) {
    let mut groups = Vec::new();
    for process in processes {
        // Both fail when the process has ended meanwhile, which is what is wanted.
        if process.group == spared {
            let _ = Pid::from_raw(process.pid).map(|pid| kill_process(pid, signal));
        } else if !groups.contains(&process.group) {
            groups.push(process.group);
            let _ = Pid::from_raw(process.group).map(|group| kill_process_group(group, signal));
        }
    }
}

/// Returns those of `all` that descend from `ancestor` and still run.
fn below(ancestor: i32, all: &[Process]) -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid);
            if !process.is_zombie {
                found.push(*process);
            }
        }
    }
    found
}

/// Returns every process that we may see.
fn processes() -> Vec<Process> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        })
        .filter_map(|entry| {
            // The fields that are read here come well within this; a process that has ended since
            // the folder was listed is none.
            let mut line = [0; 512];
            let length = fs::File::open(entry.path().join("stat"))
                .ok()?
                .read(&mut line)
                .ok()?;
            parse(line.get(..length)?)
        })
        .collect()
}

/// Reads a line such as `42 (a name) S 1 42 42 …`; the name may hold anything.
fn parse(line: &[u8]) -> Option<Process> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let (start, rest) = line.split_at(name_end);
    let pid = std::str::from_utf8(start).ok()?.split(' ').next()?;
    let mut fields = std::str::from_utf8(rest).ok()?.split(' ').skip(1);
    let state = fields.next()?;
    let mut number = || fields.next()?.parse().ok();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: number()?,
        group: number()?,
        session: number()?,
        is_zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_end_of_a_name() {
        let process = parse(b"42 (a) Z 7 (b) S 3 40 39 0 -1 4194560").unwrap();

        assert_eq!(
            process,
            Process {
                pid: 42,
                parent: 3,
                group: 40,
                session: 39,
                is_zombie: false
            }
        );
    }

    #[test]
    fn descendants_are_found_through_a_zombie() {
        let process = |pid, parent, is_zombie| Process {
            pid,
            parent,
            group: 1,
            session: 1,
            is_zombie,
        };
        let all = [
            process(12, 11, false),
            process(11, 10, true),
            process(20, 2, false),
        ];

        let found: Vec<_> = below(10, &all).iter().map(|process| process.pid).collect();

        assert_eq!(found, [12]);
    }
}
