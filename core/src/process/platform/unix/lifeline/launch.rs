use std::{
    ffi::{OsStr, OsString},
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            net::UnixStream,
        },
    },
};

use rustix::{
    cmsg_space,
    io::{FdFlags, fcntl_setfd},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

use crate::process::command::Launch;

/// The first byte of a launch.
const VERSION: u8 = 2;

/// The version and the length of what follows.
const HEADER_BYTES: usize = 5;

/// Sends `launch` with the server's standard input, output and error.
pub(in super::super) fn send(
    lifeline: &UnixStream,
    launch: &Launch,
    streams: [BorrowedFd<'_>; 3],
) -> io::Result<()> {
    let message = encode(launch)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    attached.push(SendAncillaryMessage::ScmRights(&streams));
    let sent = sendmsg(
        lifeline,
        &[IoSlice::new(&message)],
        &mut attached,
        SendFlags::empty(),
    )?;
    let mut lifeline = lifeline;
    lifeline.write_all(message.get(sent..).unwrap_or_default())
}

/// Receives what [`send`] sent.
pub(in super::super) fn receive(lifeline: &UnixStream) -> io::Result<(Launch, [OwnedFd; 3])> {
    let mut header = [0; HEADER_BYTES];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        lifeline,
        &mut [IoSliceMut::new(&mut header)],
        &mut attached,
        RecvFlags::empty(),
    )?;
    let mut streams = Vec::new();
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            streams.extend(descriptors);
        }
    }
    let streams = <[OwnedFd; 3]>::try_from(streams).map_err(|_| malformed())?;
    for stream in &streams {
        fcntl_setfd(stream, FdFlags::CLOEXEC)?;
    }
    let mut lifeline = lifeline;
    if let Some(rest) = header.get_mut(received.bytes..) {
        lifeline.read_exact(rest)?;
    }
    let [version, length @ ..] = header;
    if version != VERSION {
        return Err(malformed());
    }
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    lifeline.read_exact(&mut message)?;
    let launch = decode(&message).ok_or_else(malformed)?;
    Ok((launch, streams))
}

fn encode(launch: &Launch) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEADER_BYTES];
    put(&mut message, launch.program.as_os_str())?;
    put(&mut message, launch.cwd.as_os_str())?;
    put_count(&mut message, launch.args.len())?;
    for argument in &launch.args {
        put(&mut message, argument)?;
    }
    put_count(&mut message, launch.env.len())?;
    for (name, value) in &launch.env {
        put(&mut message, name)?;
        put(&mut message, value)?;
    }
    let length = u32::try_from(message.len() - HEADER_BYTES).map_err(io::Error::other)?;
    let [version, rest @ ..] = &mut message[..HEADER_BYTES] else {
        return Err(malformed());
    };
    *version = VERSION;
    rest.copy_from_slice(&length.to_le_bytes());
    Ok(message)
}

fn put_count(message: &mut Vec<u8>, count: usize) -> io::Result<()> {
    let count = u32::try_from(count).map_err(io::Error::other)?;
    message.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

fn put(message: &mut Vec<u8>, text: &OsStr) -> io::Result<()> {
    put_count(message, text.len())?;
    message.extend_from_slice(text.as_bytes());
    Ok(())
}

fn decode(mut message: &[u8]) -> Option<Launch> {
    let message = &mut message;
    let program = take(message)?.into();
    let cwd = take(message)?.into();
    let args = (0..take_count(message)?)
        .map(|_| take(message))
        .collect::<Option<_>>()?;
    let env = (0..take_count(message)?)
        .map(|_| Some((take(message)?, take(message)?)))
        .collect::<Option<_>>()?;
    Some(Launch {
        program,
        args,
        cwd,
        env,
    })
}

fn take_count(message: &mut &[u8]) -> Option<u32> {
    let (count, rest) = message.split_first_chunk()?;
    *message = rest;
    Some(u32::from_le_bytes(*count))
}

fn take(message: &mut &[u8]) -> Option<OsString> {
    let length = take_count(message)? as usize;
    let (text, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(OsString::from_vec(text.to_owned()))
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
