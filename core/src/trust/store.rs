use std::{collections::BTreeMap, io, path::Path, sync::Arc, thread};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tokio::sync::oneshot;

use super::{
    LaunchId, Ledger,
    ledger::{Known, PinName},
};
use crate::{
    catalog::{Catalog, Definition, DefinitionHash, DefinitionKind, Features},
    server::ServerName,
};

/// `trust.db`: one connection on one thread of its own. A write is durable when it is answered
/// (SQLite with `synchronous = FULL`).
#[derive(Debug)]
pub struct Store {
    jobs: std::sync::mpsc::Sender<Job>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Job {
    writes: Vec<Write>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Something to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A launch was approved.
    Approve {
        /// Of this server.
        server: ServerName,
        /// The launch.
        launch: LaunchId,
    },
    /// A launch has connected.
    Proven {
        /// Of this server.
        server: ServerName,
        /// The launch.
        launch: LaunchId,
    },
    /// A server was put in quarantine or let out of it.
    Suspended {
        /// The server.
        server: ServerName,
        /// Whether it is in quarantine.
        suspended: bool,
    },
    /// What a server offers was approved.
    Reviewed {
        /// The server.
        server: ServerName,
    },
    /// A person's word for whatever a server offers first.
    FirstSeen {
        /// The server.
        server: ServerName,
    },
    /// A definition was approved.
    Pin {
        /// Of this server.
        server: ServerName,
        /// Which definition.
        name: PinName,
        /// The form approved.
        hash: DefinitionHash,
    },
    /// A catalog was seen.
    Catalog {
        /// Of this server.
        server: ServerName,
        /// Its epoch.
        epoch: u64,
        /// What it was.
        catalog: Arc<Catalog>,
    },
    /// A server was switched off or on.
    Disconnected {
        /// The server.
        server: ServerName,
        /// Whether it is off.
        disconnected: bool,
    },
    /// All servers were paused or resumed.
    Paused(bool),
    /// A client was added.
    Client {
        /// What it is called.
        name: String,
        /// The SHA-256 of its token.
        token_hash: [u8; 32],
        /// When (RFC 3339, UTC).
        added: String,
    },
    /// A client was taken away.
    RemoveClient(String),
}

/// A client in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRow {
    /// What it is called.
    pub name: String,
    /// The SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// When it was added.
    pub added: String,
}

/// All that the store held when it was opened.
#[derive(Debug)]
pub struct Contents {
    /// The servers that anything is known of.
    pub ledgers: BTreeMap<ServerName, Ledger>,
    /// The clients.
    pub clients: Vec<ClientRow>,
    /// Whether all servers are paused.
    pub paused: bool,
    /// The key of the launch ids.
    pub launch_key: Vec<u8>,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's error.
    #[error("failed to keep it in trust.db")]
    Sqlite(#[from] rusqlite::Error),
    /// The store was closed.
    #[error("trust.db is closed")]
    Closed,
    /// The file was written by a newer version.
    #[error("trust.db was written by a newer Narthex (schema {0})")]
    Newer(i64),
    /// The file could not be made for this person alone.
    #[error("failed to make trust.db for this person alone")]
    Claim(#[source] io::Error),
    /// The system gave no random bytes.
    #[error("no random bytes for a new key")]
    Random,
}

/// The schema this version reads and writes. A change is a new step in [`migrate`].
const SCHEMA: i64 = 2;

impl Store {
    /// Opens `path`, brings its schema up to date and returns what it holds.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or is of a newer version.
    pub fn open(path: &Path) -> Result<(Self, Contents), StoreError> {
        claim(path).map_err(StoreError::Claim)?;
        let mut connection = Connection::open(path)?;
        // Whoever holds the home is alone to use the file: it is locked once, and not for every
        // statement, and needs no index that others share.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // The present is read from the view, so the cache serves writes alone.
        connection.pragma_update(None, "cache_size", -256)?;
        migrate(&mut connection)?;
        let contents = read(&connection)?;
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        let thread = thread::Builder::new()
            .name("trust".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                while let Ok(job) = queue.recv() {
                    let result = write_all(&mut connection, &job.writes);
                    // Whoever no longer waits still finds it done.
                    let _ = job.done.send(result.map_err(StoreError::from));
                }
            })
            .map_err(|_| StoreError::Closed)?;
        Ok((
            Self {
                jobs,
                thread: Some(thread),
            },
            contents,
        ))
    }

    /// Keeps all of `writes`, or none of them, and returns when they are durable.
    ///
    /// # Errors
    /// When they could not be kept.
    pub async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        self.jobs
            .send(Job { writes, done })
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let (closed, _) = std::sync::mpsc::channel();
        self.jobs = closed;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by then.
            let _ = thread.join();
        }
    }
}

/// Makes the file for this person alone: it holds the key of the launch ids. SQLite gives the files
/// beside it the same mode.
#[cfg(unix)]
fn claim(path: &Path) -> io::Result<()> {
    use std::{
        fs::{OpenOptions, Permissions},
        os::unix::fs::{OpenOptionsExt, PermissionsExt},
    };

    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options
        .open(path)?
        .set_permissions(Permissions::from_mode(0o600))
}

/// A person's folders are private by what they inherit.
#[cfg(not(unix))]
fn claim(_: &Path) -> io::Result<()> {
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA {
        return Err(StoreError::Newer(found));
    }
    if found < 1 {
        first(connection)?;
    }
    if found < 2 {
        second(connection)?;
    }
    Ok(())
}

fn first(connection: &mut Connection) -> Result<(), StoreError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| StoreError::Random)?;
    let step = connection.transaction()?;
    step.execute_batch(
        "CREATE TABLE launch (server TEXT NOT NULL, id TEXT NOT NULL, approved INTEGER NOT NULL DEFAULT 0,
             proven INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (server, id)) WITHOUT ROWID;
         CREATE TABLE server (name TEXT PRIMARY KEY, suspended INTEGER NOT NULL DEFAULT 0,
             reviewed INTEGER NOT NULL DEFAULT 0, first_seen INTEGER NOT NULL DEFAULT 0,
             disconnected INTEGER NOT NULL DEFAULT 0, epoch INTEGER, instructions BLOB) WITHOUT ROWID;
         CREATE TABLE tool (server TEXT NOT NULL, place INTEGER NOT NULL, definition BLOB NOT NULL,
             PRIMARY KEY (server, place)) WITHOUT ROWID;
         CREATE TABLE pin (server TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL,
             PRIMARY KEY (server, kind, name, hash)) WITHOUT ROWID;
         CREATE TABLE client (name TEXT PRIMARY KEY, token_hash BLOB NOT NULL, added TEXT NOT NULL) WITHOUT ROWID;
         CREATE TABLE core (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;",
    )?;
    step.execute(
        "INSERT INTO core (key, value) VALUES ('launch_key', ?1)",
        params![&key[..]],
    )?;
    step.pragma_update(None, "user_version", 1)?;
    step.commit()?;
    Ok(())
}

/// Definitions of every kind beside the tools, and what a server said it can do.
fn second(connection: &mut Connection) -> Result<(), StoreError> {
    let step = connection.transaction()?;
    step.execute_batch(
        "CREATE TABLE definition (server TEXT NOT NULL, kind TEXT NOT NULL, place INTEGER NOT NULL,
             definition BLOB NOT NULL, PRIMARY KEY (server, kind, place)) WITHOUT ROWID;
         INSERT INTO definition (server, kind, place, definition)
             SELECT server, 'tool', place, definition FROM tool;
         DROP TABLE tool;
         ALTER TABLE server ADD COLUMN features INTEGER NOT NULL DEFAULT 1;",
    )?;
    step.pragma_update(None, "user_version", 2)?;
    step.commit()?;
    Ok(())
}

fn write_all(connection: &mut Connection, writes: &[Write]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for write in writes {
        write_one(&transaction, write)?;
    }
    transaction.commit()
}

fn write_one(db: &Transaction<'_>, write: &Write) -> rusqlite::Result<()> {
    let set = |server: &ServerName, column: &str, value: bool| {
        let sql = format!(
            "INSERT INTO server (name, {column}) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET {column} = ?2"
        );
        db.prepare_cached(&sql)?
            .execute(params![server.as_str(), value])
            .map(drop)
    };
    let launch = |server: &ServerName, launch: &LaunchId, column: &str| {
        let sql = format!(
            "INSERT INTO launch (server, id, {column}) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET {column} = 1"
        );
        db.prepare_cached(&sql)?
            .execute(params![server.as_str(), launch.as_str()])
            .map(drop)
    };
    match write {
        Write::Approve { server, launch: id } => launch(server, id, "approved"),
        Write::Proven { server, launch: id } => launch(server, id, "proven"),
        Write::Suspended { server, suspended } => set(server, "suspended", *suspended),
        Write::Reviewed { server } => {
            set(server, "reviewed", true)?;
            set(server, "first_seen", false)
        }
        Write::FirstSeen { server } => set(server, "first_seen", true),
        Write::Disconnected { server, disconnected } => set(server, "disconnected", *disconnected),
        Write::Pin { server, name, hash } => {
            let (kind, name) = pin_columns(name);
            db.prepare_cached("INSERT OR IGNORE INTO pin (server, kind, name, hash) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![server.as_str(), kind, name, &hash.0[..]])
                .map(drop)
        }
        Write::Catalog { server, epoch, catalog } => write_catalog(db, server, *epoch, catalog),
        Write::Paused(paused) => db
            .execute(
                "INSERT INTO core (key, value) VALUES ('paused', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1",
                params![paused],
            )
            .map(drop),
        Write::Client { name, token_hash, added } => db
            .execute(
                "INSERT INTO client (name, token_hash, added) VALUES (?1, ?2, ?3)",
                params![name, &token_hash[..], added],
            )
            .map(drop),
        Write::RemoveClient(name) => db.execute("DELETE FROM client WHERE name = ?1", params![name]).map(drop),
    }
}

fn write_catalog(
    db: &Transaction<'_>,
    server: &ServerName,
    epoch: u64,
    catalog: &Catalog,
) -> rusqlite::Result<()> {
    let instructions = catalog.instructions.as_ref().map(|text| &text.raw[..]);
    db.prepare_cached(
        "INSERT INTO server (name, epoch, instructions, features) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET epoch = ?2, instructions = ?3, features = ?4",
    )?
    .execute(params![
        server.as_str(),
        i64::try_from(epoch).unwrap_or(i64::MAX),
        instructions,
        catalog.features.bits()
    ])?;
    db.prepare_cached("DELETE FROM definition WHERE server = ?1")?
        .execute(params![server.as_str()])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO definition (server, kind, place, definition) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for kind in DefinitionKind::ALL {
        for (place, definition) in catalog.of(kind).iter().enumerate() {
            insert.execute(params![
                server.as_str(),
                kind.as_str(),
                i64::try_from(place).unwrap_or(i64::MAX),
                &definition.raw[..]
            ])?;
        }
    }
    Ok(())
}

fn pin_columns(name: &PinName) -> (&'static str, &str) {
    match name {
        PinName::Of(kind, name) => (kind.as_str(), name),
        PinName::Instructions => ("instructions", ""),
    }
}

fn read(db: &Connection) -> Result<Contents, StoreError> {
    let mut ledgers: BTreeMap<ServerName, Ledger> = BTreeMap::new();
    each(
        db,
        "SELECT name, suspended, reviewed, first_seen, disconnected, epoch, instructions, features FROM server",
        |row| {
            let Some(server) = server_of(row)? else {
                return Ok(());
            };
            let ledger = ledgers.entry(server).or_default();
            (ledger.suspended, ledger.reviewed) = (row.get(1)?, row.get(2)?);
            (ledger.first_seen, ledger.disconnected) = (row.get(3)?, row.get(4)?);
            let instructions: Option<Vec<u8>> = row.get(6)?;
            let instructions =
                instructions.map(|raw| Arc::new(Definition::of_instructions(Bytes::from(raw))));
            let features = Features::from_bits(row.get(7)?);
            ledger.known = row.get::<_, Option<i64>>(5)?.map(|epoch| Known {
                epoch: epoch.unsigned_abs(),
                catalog: Arc::new(Catalog {
                    instructions,
                    features,
                    ..Catalog::default()
                }),
            });
            Ok(())
        },
    )?;
    each(
        db,
        "SELECT server, id, approved, proven FROM launch",
        |row| {
            let Some(server) = server_of(row)? else {
                return Ok(());
            };
            let ledger = ledgers.entry(server).or_default();
            let id = LaunchId::from_text(&row.get::<_, String>(1)?);
            if row.get(2)? {
                ledger.approved.insert(id.clone());
            }
            if row.get(3)? {
                ledger.proven.insert(id);
            }
            Ok(())
        },
    )?;
    each(db, "SELECT server, kind, name, hash FROM pin", |row| {
        let Some(server) = server_of(row)? else {
            return Ok(());
        };
        let name = match DefinitionKind::of(&row.get::<_, String>(1)?) {
            Some(kind) => PinName::Of(kind, row.get(2)?),
            None => PinName::Instructions,
        };
        ledgers
            .entry(server)
            .or_default()
            .pins
            .entry(name)
            .or_default()
            .insert(DefinitionHash(row.get(3)?));
        Ok(())
    })?;
    each(
        db,
        "SELECT server, kind, definition FROM definition ORDER BY server, kind, place",
        |row| {
            let Some(server) = server_of(row)? else {
                return Ok(());
            };
            let Some(kind) = DefinitionKind::of(&row.get::<_, String>(1)?) else {
                return Ok(());
            };
            let raw: Vec<u8> = row.get(2)?;
            if let (Some(known), Some(definition)) = (
                &mut ledgers.entry(server).or_default().known,
                Definition::of(kind, Bytes::from(raw)),
            ) {
                let of_kind = Arc::make_mut(&mut known.catalog).of_mut(kind);
                of_kind.push(Arc::new(definition));
            }
            Ok(())
        },
    )?;
    let mut clients = Vec::new();
    each(
        db,
        "SELECT name, token_hash, added FROM client ORDER BY name",
        |row| {
            clients.push(ClientRow {
                name: row.get(0)?,
                token_hash: row.get(1)?,
                added: row.get(2)?,
            });
            Ok(())
        },
    )?;
    let core = |key: &str| {
        db.prepare("SELECT value FROM core WHERE key = ?1")
            .map(|statement| (statement, key.to_owned()))
    };
    let (mut statement, key) = core("paused")?;
    let paused: Option<bool> = statement.query_row([key], |row| row.get(0)).optional()?;
    let (mut statement, key) = core("launch_key")?;
    let launch_key = statement.query_row([key], |row| row.get(0))?;
    Ok(Contents {
        ledgers,
        clients,
        paused: paused.unwrap_or_default(),
        launch_key,
    })
}

/// A row whose server's name this version would not take is passed over; it can concern no entry.
fn server_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<ServerName>> {
    Ok(ServerName::new(&row.get::<_, String>(0)?).ok())
}

fn each(
    db: &Connection,
    sql: &str,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.db");
        let server = ServerName::new("s").unwrap();
        let launch = LaunchId::from_text("l1");
        let tool = Definition::of_tool(Bytes::from_static(br#"{"name":"a","x":1e400}"#)).unwrap();
        let resource = Bytes::from_static(br#"{"uri":"a://b","size":1.0}"#);
        let resource = Definition::of(DefinitionKind::Resource, resource).unwrap();
        let (pin, hash) = (PinName::Of(DefinitionKind::Tool, "a".to_owned()), tool.hash);
        let catalog = Arc::new(Catalog {
            tools: vec![Arc::new(tool)],
            resources: vec![Arc::new(resource)],
            instructions: Some(Arc::new(Definition::of_instructions(Bytes::from_static(
                b"\"be kind\"",
            )))),
            features: Features::ALL,
            ..Catalog::default()
        });

        let (store, first) = Store::open(&path).unwrap();
        let s = || server.clone();
        store
            .write(vec![
                Write::Approve {
                    server: s(),
                    launch: launch.clone(),
                },
                Write::Proven {
                    server: s(),
                    launch: launch.clone(),
                },
                Write::Suspended {
                    server: s(),
                    suspended: true,
                },
                Write::Reviewed { server: s() },
                Write::Pin {
                    server: s(),
                    name: pin.clone(),
                    hash,
                },
                Write::Catalog {
                    server: s(),
                    epoch: 4,
                    catalog: Arc::clone(&catalog),
                },
                Write::Disconnected {
                    server: s(),
                    disconnected: true,
                },
                Write::Paused(true),
                Write::Client {
                    name: "c".into(),
                    token_hash: [7; 32],
                    added: "t".into(),
                },
            ])
            .await
            .unwrap();
        drop(store);

        let (_store, contents) = Store::open(&path).unwrap();
        let ledger = &contents.ledgers[&server];
        assert!(ledger.approved.contains(&launch) && ledger.proven.contains(&launch));
        assert!(ledger.suspended && ledger.reviewed && ledger.disconnected && contents.paused);
        let known = ledger.known.as_ref().unwrap();
        assert_eq!((known.epoch, &known.catalog), (4, &catalog));
        assert!(ledger.pins[&pin].contains(&hash));
        assert_eq!(contents.clients.len(), 1);
        assert_eq!(contents.launch_key, first.launch_key);
    }

    #[tokio::test]
    async fn what_an_earlier_version_kept_is_there_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.db");
        let mut earlier = Connection::open(&path).unwrap();
        first(&mut earlier).unwrap();
        earlier
            .execute_batch(
                r#"INSERT INTO server (name, epoch) VALUES ('s', 3);
                   INSERT INTO tool VALUES ('s', 0, CAST('{"name":"a"}' AS BLOB));
                   INSERT INTO pin VALUES ('s', 'tool', 'a', zeroblob(32));"#,
            )
            .unwrap();
        drop(earlier);

        let (_store, contents) = Store::open(&path).unwrap();

        let ledger = &contents.ledgers[&ServerName::new("s").unwrap()];
        let known = ledger.known.as_ref().unwrap();
        assert_eq!(
            (known.epoch, known.catalog.tools[0].name.as_str()),
            (3, "a")
        );
        assert!(known.catalog.features.tools && !known.catalog.features.prompts);
        let pin = PinName::Of(DefinitionKind::Tool, "a".to_owned());
        assert!(ledger.pins.contains_key(&pin));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn its_files_are_for_this_person_only() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        // As an earlier version left it.
        std::fs::write(folder.path().join("trust.db"), "").unwrap();
        let (store, _) = Store::open(&folder.path().join("trust.db")).unwrap();
        store.write(vec![Write::Paused(true)]).await.unwrap();

        let mut modes: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| {
                let file = file.unwrap();
                let mode = file.metadata().unwrap().permissions().mode() & 0o777;
                (file.file_name().into_string().unwrap(), mode)
            })
            .collect();

        modes.sort();
        let names = ["trust.db", "trust.db-wal"];
        assert_eq!(modes, names.map(|name| (name.to_owned(), 0o600)));
    }

    #[tokio::test]
    async fn a_newer_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.db");
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Newer(99))));
    }
}
