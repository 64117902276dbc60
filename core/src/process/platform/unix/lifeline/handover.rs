use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    cmsg_space,
    io::{Errno, FdFlags, fcntl_setfd},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

/// The byte to which a lifeline is attached.
const WISH: u8 = b'g';

/// Hands the guard's end of a lifeline to the warden at the other end of `warden`.
pub(in super::super) fn hand_over(warden: &UnixStream, lifeline: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let lifelines = [lifeline];
    attached.push(SendAncillaryMessage::ScmRights(&lifelines));
    sendmsg(
        warden,
        &[IoSlice::new(&[WISH])],
        &mut attached,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// Receives what [`hand_over`] sent; `None` when the core is gone.
pub(in super::super) fn take_over(core: &UnixStream) -> io::Result<Option<UnixStream>> {
    let mut wish = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(&mut wish)];
        match recvmsg(core, &mut parts, &mut attached, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut lifeline: Option<OwnedFd> = None;
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            lifeline = descriptors.next();
        }
    }
    let lifeline = lifeline.ok_or(io::ErrorKind::InvalidData)?;
    fcntl_setfd(&lifeline, FdFlags::CLOEXEC)?;
    Ok(Some(lifeline.into()))
}
