//! The runtime that a core works on: one worker, and a way aside for work that takes long.
//!
//! What a gateway does for a call takes some ten microseconds and touches two sockets. A second
//! worker makes that slower, not faster: each hop wakes it to look for work (1.8 futex calls a
//! call, twice the CPU; `docs/performance.md`). What takes long goes aside by [`by_size`], so that
//! one server's huge answer does not hold up the others' calls.

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

/// Bytes that are scanned aside: some 100 microseconds of work, ten times a call's.
const LONG_BYTES: usize = 256 * 1024;

/// Makes the runtime of a core.
///
/// # Errors
/// When the system refuses threads or descriptors.
pub fn of_core() -> std::io::Result<Runtime> {
    // Not a current-thread runtime: that one has no way aside.
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}

/// Does work over so many bytes: at once if they are few, else while another thread takes over
/// whatever else there is to do.
pub fn by_size<R>(bytes: usize, work: impl FnOnce() -> R) -> R {
    let has_way_aside = || {
        let runtime = Handle::try_current();
        runtime.is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
    };
    if bytes > LONG_BYTES && has_way_aside() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn long_work_holds_up_nobody() {
        let runtime = of_core().unwrap();
        let (say, heard) = mpsc::channel();
        let long = runtime.spawn(async move { by_size(LONG_BYTES + 1, || heard.recv()) });
        // The one worker waits for this task, which only another thread can run.
        runtime.spawn(async move { say.send(7) });
        assert_eq!(runtime.block_on(long).unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn without_a_way_aside_it_is_done_at_once() {
        assert_eq!(by_size(usize::MAX, || 7), 7);
    }
}
