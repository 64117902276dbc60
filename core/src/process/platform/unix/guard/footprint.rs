/// Gives back the pages of the program's own file that the start has brought in.
///
/// Two thirds of a small Rust program are there to print a panic, and the kernel maps them along
/// with what lies beside them. A sleeping guard needs none of it; what it does need after a
/// wake-up comes back from the page cache.
pub(super) fn let_go() {
    #[cfg(target_os = "linux")]
    {
        // Both symbols come with every linker of this system.
        unsafe extern "C" {
            static __executable_start: u8;
            static etext: u8;
        }
        const PAGE_BYTES_MAX: usize = 64 * 1024;
        let start = &raw const __executable_start;
        let length = (&raw const etext).addr().saturating_sub(start.addr());
        // SAFETY: the range holds only code and constants, mapped from the file and never written,
        // which the kernel maps again when they are read. Rounded down to the largest page size,
        // it ends before the data that follow. Refused, it changes nothing.
        unsafe {
            libc::madvise(
                start.cast_mut().cast(),
                length / PAGE_BYTES_MAX * PAGE_BYTES_MAX,
                libc::MADV_DONTNEED,
            );
        }
    }
}
