/// Gives memory back to the system that was freed, where the allocator keeps it: glibc's gives back
/// by itself only what is free at the end of its heap. Takes about a millisecond of a few MiB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    // SAFETY: it takes no pointer, and locks what it walks through.
    let given = unsafe { libc::malloc_trim(0) };
    tracing::debug!(given = given != 0, "memory given back");
}

/// Gives memory back to the system that was freed: other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) const fn give_back() {}
