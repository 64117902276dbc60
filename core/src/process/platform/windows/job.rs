use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    ptr,
};

use tokio::process::Child;
use windows_sys::Win32::{
    Foundation::{HANDLE, INVALID_HANDLE_VALUE},
    System::{
        Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
        },
        JobObjects::{
            AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
            JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
            JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation,
            QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
        },
        Threading::{OpenThread, ResumeThread, THREAD_SUSPEND_RESUME},
    },
};

/// The exit code of processes that were ended with their job.
const TERMINATED: u32 = 1;

/// A job object that ends its members when it is closed.
#[derive(Debug)]
pub(super) struct Job {
    handle: OwnedHandle,
}

impl Job {
    /// Makes an empty job. Its handle is not inherited: the core is alone to hold it.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: both pointers may be null: default security, no name.
        let handle = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is open and nobody else owns it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        // SAFETY: the pointer and the length describe `limits`, which is of the class's type.
        checked(unsafe {
            SetInformationJobObject(
                handle.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_u32::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(),
            )
        })?;
        Ok(Self { handle })
    }

    /// Takes in a process that was created suspended, and lets it run.
    pub(super) fn take_in(&self, process: &Child) -> io::Result<()> {
        let (Some(handle), Some(id)) = (process.raw_handle(), process.id()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        // SAFETY: both handles are open.
        checked(unsafe { AssignProcessToJobObject(self.handle.as_raw_handle(), handle) })?;
        resume(id)
    }

    /// Ends every member.
    pub(super) fn terminate(&self) {
        // SAFETY: the handle is open. Failure means that there is nobody left.
        unsafe { TerminateJobObject(self.handle.as_raw_handle(), TERMINATED) };
    }

    /// Whether every member has ended.
    pub(super) fn is_empty(&self) -> bool {
        let mut accounting = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the pointer and the length describe `accounting`, which is of the class's type.
        let answered = unsafe {
            QueryInformationJobObject(
                self.handle.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut accounting).cast(),
                size_of_u32::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>(),
                ptr::null_mut(),
            )
        };
        answered != 0 && accounting.ActiveProcesses == 0
    }
}

/// Resumes the threads of a process that was created suspended: it has only the first, whose
/// handle the standard library does not give.
fn resume(process: u32) -> io::Result<()> {
    // SAFETY: a call without pointers.
    let snapshot = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut entry = THREADENTRY32 {
        dwSize: size_of_u32::<THREADENTRY32>(),
        ..Default::default()
    };
    // SAFETY: the handle is open, and `entry` knows its own size.
    let mut more = unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        if entry.th32OwnerProcessID == process {
            // SAFETY: a call without pointers.
            let thread =
                owned(unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) })?;
            // SAFETY: the handle is open and may be used for this.
            if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: as before.
        more = unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) };
    }
    Ok(())
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is open and nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn checked(succeeded: i32) -> io::Result<()> {
    if succeeded == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Returns the size of a structure; none of them is longer than some hundred bytes.
fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}
