//! A scripted server over its standard input and output.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Stdout, Write},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::scripted::{Incoming, Outlet, Scripted};

/// Serves until the end of the input; a deaf server does not stop there.
pub fn serve(scripted: Scripted) -> ExitCode {
    let server = Arc::new(Server {
        scripted,
        out: Mutex::new(BufWriter::with_capacity(1 << 16, io::stdout())),
        silent: AtomicBool::new(false),
    });
    #[cfg(unix)]
    if server.scripted.script().announce_on_hangup {
        let server = Arc::clone(&server);
        crate::offspring::on_hangup(move || server.scripted.announce(&*server));
    }
    let mut input = BufReader::with_capacity(1 << 16, io::stdin());
    let mut line = String::new();
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        server.scripted.record(&line);
        let Ok(message) = serde_json::from_str::<Incoming<'_>>(&line) else {
            continue;
        };
        if server.scripted.takes_its_time(&message) {
            let (server, line) = (Arc::clone(&server), line.clone());
            thread::spawn(move || {
                if let Ok(message) = serde_json::from_str(&line) {
                    server.answer(&message);
                    server.flush();
                }
            });
        } else {
            server.answer(&message);
        }
        // What arrived in one read is answered in one write.
        if input.buffer().is_empty() {
            server.flush();
        }
    }
    if server.scripted.script().deaf {
        loop {
            thread::park();
        }
    }
    server.flush();
    ExitCode::SUCCESS
}

struct Server {
    scripted: Scripted,
    out: Mutex<BufWriter<Stdout>>,
    silent: AtomicBool,
}

impl Server {
    fn answer(&self, message: &Incoming<'_>) {
        let Some(answer) = self.scripted.answer(message, self) else {
            return;
        };
        let script = self.scripted.script();
        if message.method.as_deref() != Some(&script.at) {
            return self.send(&answer);
        }
        if script.half_line {
            self.send_raw(&answer.as_bytes()[..answer.len() / 2]);
            self.flush();
            self.silent.store(true, Ordering::SeqCst);
        } else if let Some(bytes) = script.long_line {
            self.send_long(&answer, bytes);
        } else if script.wrong_id {
            let id = message.id.map_or("null", |id| id.get());
            let wrong = answer.replacen(&format!(r#""id":{id}"#), r#""id":"nobody's""#, 1);
            self.send(&wrong);
        } else if script.answer_twice {
            self.send(&answer);
            self.send(&answer);
        } else {
            self.send(&answer);
        }
    }

    /// Sends `answer` with so many spaces before its end that the line has `bytes` bytes.
    fn send_long(&self, answer: &str, bytes: usize) {
        let (start, end) = answer.split_at(answer.len() - 1);
        self.send_raw(start.as_bytes());
        let spaces = [b' '; 1 << 16];
        let mut left = bytes.saturating_sub(answer.len());
        while left > 0 {
            let part = left.min(spaces.len());
            self.send_raw(&spaces[..part]);
            left -= part;
        }
        self.send_raw(format!("{end}\n").as_bytes());
    }

    fn send(&self, message: &str) {
        let mut line = String::with_capacity(message.len() + 1);
        if self.scripted.script().noise {
            line.push_str("Listening on the usual port.\n\n{not json at all\n[1, 2\n");
        }
        line.push_str(message);
        line.push('\n');
        self.send_raw(line.as_bytes());
    }

    fn send_raw(&self, bytes: &[u8]) {
        if self.silent.load(Ordering::SeqCst) {
            return;
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has gone is noticed at the end of the input.
        let _ = out.write_all(bytes);
    }

    fn flush(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // As above.
        let _ = out.flush();
    }
}

impl Outlet for Server {
    fn related(&self, message: &Value) {
        self.send(&message.to_string());
        self.flush();
    }

    fn broadcast(&self, message: &Value) {
        self.related(message);
    }

    fn say(&self, text: &str, _: bool) {
        self.send(text);
        self.flush();
    }
}
