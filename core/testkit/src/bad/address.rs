//! Bad servers at an address. They write HTTP by hand: what they send is what no library sends.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::{
    Bad, definitions,
    pipes::{HELLO, answer, returned},
};
use crate::{http, scripted::Incoming};

/// The bytes of a compressed answer, and what they come to: a run of 258 zeros takes 13 bits.
const BOMB_BYTES: usize = 8_000_000;

/// How much of it is sent at once.
const BOMB_PIECE_BYTES: usize = 64 * 1024;

/// The time between two pieces.
const BOMB_PAUSE: Duration = Duration::from_millis(1);

pub(super) fn serve(bad: Bad, elsewhere: Option<&str>) -> ExitCode {
    let server = Arc::new(Server {
        bad,
        // Made once: what it costs to make is not what it costs to be sent.
        bomb: if bad == Bad::GzipBomb {
            bomb()
        } else {
            Vec::new()
        },
        elsewhere: elsewhere.unwrap_or("/").to_owned(),
        stream: Arc::default(),
        between: Arc::default(),
    });
    let listened = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
        http::say_url(listener.local_addr()?, server.path())?;
        Ok(listener)
    });
    let Ok(listener) = listened else {
        return ExitCode::FAILURE;
    };
    for connection in listener.incoming().flatten() {
        let server = Arc::clone(&server);
        thread::spawn(move || {
            // A client that breaks off has had what it is to have.
            let _ = server.talk(&connection);
        });
    }
    ExitCode::SUCCESS
}

struct Server {
    bad: Bad,
    bomb: Vec<u8>,
    elsewhere: String,
    /// The stream of the one session of HTTP+SSE.
    stream: Arc<Mutex<Option<TcpStream>>>,
    /// What is to be said in the middle of a flood.
    between: Arc<Mutex<Option<Vec<u8>>>>,
}

/// A request, as far as it matters here.
struct Request {
    method: String,
    body: Vec<u8>,
}

impl Server {
    /// Whether it speaks HTTP+SSE.
    fn is_older(&self) -> bool {
        matches!(self.bad, Bad::EndlessEventOlder | Bad::EventFloodOlder)
    }

    fn path(&self) -> &'static str {
        if self.is_older() { "/sse" } else { "/mcp" }
    }

    fn talk(&self, connection: &TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut reader = BufReader::new(connection);
        let mut writer = connection;
        while let Some(request) = read(&mut reader)? {
            match request.method.as_str() {
                // Whoever has no stream looks for one at an address of Streamable HTTP.
                "POST" if self.is_older() && self.stream().is_none() => {
                    writer.write_all(NOT_ALLOWED)?;
                }
                "POST" => self.post(&request.body, &mut writer)?,
                "GET" if self.is_older() => {
                    writer.write_all(STREAM)?;
                    writer.write_all(b"event: endpoint\ndata: /message\n\n")?;
                    *held(&self.between) = None;
                    *self.stream() = Some(connection.try_clone()?);
                }
                "GET" if matches!(self.bad, Bad::EventFlood | Bad::CommentFlood) => {
                    writer.write_all(STREAM)?;
                    return flood(self.bad, &mut writer);
                }
                "DELETE" => writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?,
                _ => writer.write_all(NOT_ALLOWED)?,
            }
        }
        Ok(())
    }

    fn post(&self, body: &[u8], writer: &mut impl Write) -> io::Result<()> {
        let message = serde_json::from_slice::<Incoming<'_>>(body)?;
        let (Some(method), Some(id)) = (message.method.as_deref(), message.id) else {
            return writer.write_all(ACCEPTED);
        };
        let id = id.get();
        let result = match method {
            "initialize" => HELLO.to_owned(),
            "tools/list" => {
                let tools = definitions::list(self.bad, 0);
                self.say(&answer(id, &tools), writer)?;
                if self.bad == Bad::EventFloodOlder {
                    self.flood_stream();
                }
                return Ok(());
            }
            "tools/call" => {
                let params = message.params_value();
                let result = returned(&params);
                if params["name"] != "well" {
                    return self.misbehave(&answer(id, &result), writer);
                }
                result
            }
            _ => "{}".to_owned(),
        };
        self.say(&answer(id, &result), writer)
    }

    /// Floods the one stream on a thread of its own; answers find their place in between.
    fn flood_stream(&self) {
        let some = flooding(self.bad);
        let stream = self.stream().as_ref().and_then(|it| it.try_clone().ok());
        let Some(mut stream) = stream else {
            return;
        };
        let (own, between) = (Arc::clone(&self.stream), Arc::clone(&self.between));
        *held(&between) = Some(Vec::new());
        thread::spawn(move || {
            loop {
                let answers = held(&between).replace(Vec::new()).unwrap_or_default();
                let written = stream
                    .write_all(&answers)
                    .and_then(|()| stream.write_all(some.as_bytes()));
                if written.is_err() {
                    // Whoever comes next looks for a stream again.
                    *held(&own) = None;
                    return;
                }
            }
        });
    }

    /// Answers as it should.
    fn say(&self, answer: &str, writer: &mut impl Write) -> io::Result<()> {
        if self.is_older() {
            writer.write_all(ACCEPTED)?;
            let event = format!("data: {answer}\n\n");
            if let Some(between) = &mut *held(&self.between) {
                between.extend_from_slice(event.as_bytes());
                return Ok(());
            }
            let mut stream = self.stream();
            let stream = stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            return stream.write_all(event.as_bytes());
        }
        let length = answer.len();
        writer.write_all(
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{answer}")
                .as_bytes(),
        )
    }

    /// Answers as it should not.
    fn misbehave(&self, answer: &str, writer: &mut impl Write) -> io::Result<()> {
        let half = &answer[..answer.len() / 2];
        let length = answer.len();
        match self.bad {
            Bad::EndlessEvent => {
                writer.write_all(STREAM)?;
                endless(writer)
            }
            Bad::EndlessEventOlder => {
                writer.write_all(ACCEPTED)?;
                let stream = self.stream().take();
                endless(&mut stream.ok_or(io::ErrorKind::NotConnected)?)
            }
            Bad::GzipBomb => {
                writer.write_all(
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
                         Content-Length: {BOMB_BYTES}\r\n\r\n"
                    )
                    .as_bytes(),
                )?;
                // A little at a time: what it costs to fill the buffers of the system is its own doing.
                for piece in self.bomb.chunks(BOMB_PIECE_BYTES) {
                    writer.write_all(piece)?;
                    thread::sleep(BOMB_PAUSE);
                }
                Ok(())
            }
            Bad::Redirect => writer.write_all(
                format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                    self.elsewhere
                )
                .as_bytes(),
            ),
            _ => {
                writer.write_all(
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{half}"
                    )
                    .as_bytes(),
                )?;
                if self.bad == Bad::StalledBody {
                    loop {
                        thread::park();
                    }
                }
                // The end of the connection is the end of the answer.
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Option<TcpStream>> {
        held(&self.stream)
    }
}

fn held<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

const NOT_ALLOWED: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

/// The head of a stream of events.
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// Says without end what nobody asked for, as fast as it is read.
fn flood(bad: Bad, writer: &mut impl Write) -> io::Result<()> {
    let some = flooding(bad);
    loop {
        writer.write_all(some.as_bytes())?;
    }
}

/// Returns what a flood says again and again: some 64 KiB of it.
fn flooding(bad: Bad) -> String {
    if bad == Bad::CommentFlood {
        return ":\n\n: nothing of interest\n\n".repeat(2500);
    }
    concat!(
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"nothing\"}}\n\n",
        "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n\n",
        "id: 7\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/none\"}\n\n",
        "data: {not json at all\n\n",
    )
    .repeat(256)
}

/// Writes an event that has no end, as fast as it is read.
fn endless(writer: &mut impl Write) -> io::Result<()> {
    let line = format!("data: {}\n", "x".repeat(4096)).repeat(16);
    loop {
        writer.write_all(line.as_bytes())?;
    }
}

/// Returns gzip (RFC 1952) that inflates to more than a gigabyte: one block with the fixed codes of
/// RFC 1951, a zero, and runs of 258 that repeat it.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let (mut word, mut filled) = (0_u32, 0);
    let mut put = |bits: u32, count: u32| {
        word |= bits << filled;
        filled += count;
        while filled >= 8 {
            bytes.push(word.to_le_bytes()[0]);
            word >>= 8;
            filled -= 8;
        }
        bytes.len()
    };
    // The last block, of fixed codes; the literal 0, whose code 00110000 is sent from its high end.
    put(0b011, 3);
    put(0b0000_1100, 8);
    // The length 258 is 11000101, from its high end; the distance 1 is 00000.
    while put(0b1010_0011, 13) < BOMB_BYTES {}
    bytes.truncate(BOMB_BYTES);
    bytes
}

fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bomb_inflates_to_a_hundred_times_its_size() {
        let mut bits = bomb()[10..]
            .to_vec()
            .into_iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
        let mut take = |count: usize| -> Vec<u8> { bits.by_ref().take(count).collect() };
        assert_eq!(take(3), [1, 1, 0]);
        assert_eq!(take(8), [0, 0, 1, 1, 0, 0, 0, 0]);
        let mut inflated = 1_usize;
        loop {
            let run = take(13);
            if run.len() < 13 {
                break;
            }
            assert_eq!(run, [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
            inflated += 258;
        }
        assert!(inflated > 100 * BOMB_BYTES, "{inflated}");
    }
}
