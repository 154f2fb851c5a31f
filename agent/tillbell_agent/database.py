"""The one SQLite file: how it is opened, its schema by numbered migrations, and what "durable" and "erased" mean.

WAL with ``synchronous=FULL``: a commit is an fsync. ``secure_delete=ON`` overwrites what is deleted, but the WAL keeps
old pages whatever that says, so whoever commits a ratchet calls ``truncate_wal`` and looks at its answer.
Pages of 1 KiB: a sale then writes about half as much flash as with 4 KiB pages. A page cache of 256 KiB: a sale's pages
fit, the kernel keeps the rest, and 1 MiB made nothing faster.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

FILE_NAME = "tillbell.db"
_BUSY_S = 5.0
# Waiting for a reader may not stall the lines: a serial port's buffer fills in seconds.
_TRUNCATE_WAIT_MS = 200

_VERSION_1 = """
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    seq INTEGER UNIQUE,             -- the number in texts; only what moves money has one
    source TEXT NOT NULL,
    kind INTEGER NOT NULL,
    heard_at INTEGER,               -- Unix seconds; NULL: the clock was not to be trusted
    day TEXT NOT NULL,              -- local date of heard_at
    amount_minor INTEGER,           -- NULL: unknown
    currency TEXT NOT NULL,
    day_total_minor INTEGER NOT NULL,
    event TEXT NOT NULL             -- JSON of every field
);
CREATE INDEX ledger_day ON ledger (day);

CREATE TABLE heard (
    source TEXT NOT NULL, key TEXT NOT NULL, ledger_id INTEGER NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;

CREATE TABLE day_total (
    day TEXT NOT NULL, currency TEXT NOT NULL,
    count INTEGER NOT NULL, net_minor INTEGER NOT NULL, unknown_count INTEGER NOT NULL,
    PRIMARY KEY (day, currency)
) WITHOUT ROWID;

CREATE TABLE pairing (
    recipient TEXT PRIMARY KEY,
    binding BLOB NOT NULL, bundle BLOB NOT NULL, card BLOB NOT NULL,
    check_key BLOB NOT NULL, back_root BLOB,
    counter INTEGER NOT NULL, next_era BLOB NOT NULL, next_epoch BLOB NOT NULL, chain BLOB NOT NULL,
    last_counter INTEGER,           -- the one sealed last; NULL: none yet
    defaults TEXT NOT NULL,         -- JSON: the bundle's defaults, the lists grown by what was named since
    host TEXT NOT NULL,             -- JSON: what this board was when it paired
    run TEXT NOT NULL,              -- the run of the agent that sealed last; another one first jumps two epochs
    paired_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE text_key (recipient TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL, phone TEXT NOT NULL, format TEXT NOT NULL, class TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    ledger_id INTEGER,
    counter INTEGER,                -- of a sealed message
    body BLOB,                      -- text (UTF-8) or sealed octets; NULL: held, or wiped when final
    left_out TEXT,                  -- fields an armored message had no room for
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,    -- queued: due then; unknown: repeated then, 0: never
    attempts INTEGER NOT NULL DEFAULT 0,
    unknowns INTEGER NOT NULL DEFAULT 0,  -- how often a try ended without an answer
    repeated INTEGER NOT NULL DEFAULT 0,
    modem TEXT, last_answer TEXT, updated_at INTEGER NOT NULL
);
CREATE INDEX message_due ON message (priority, id) WHERE state = 'queued';
CREATE INDEX message_open ON message (state, id) WHERE state IN ('claimed', 'unknown', 'held');
CREATE INDEX message_ledger ON message (ledger_id);

CREATE TABLE segment (
    message_id INTEGER NOT NULL, part INTEGER NOT NULL,
    state TEXT NOT NULL, mr INTEGER, modem TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (message_id, part)
) WITHOUT ROWID;
CREATE INDEX segment_mr ON segment (modem, mr) WHERE state = 'sent';

CREATE TABLE check_code (
    recipient TEXT NOT NULL, seq INTEGER NOT NULL, code TEXT NOT NULL,
    PRIMARY KEY (recipient, seq, code)
) WITHOUT ROWID;

CREATE TABLE incoming (
    id INTEGER PRIMARY KEY AUTOINCREMENT, modem TEXT NOT NULL, tpdu BLOB NOT NULL, received_at INTEGER NOT NULL
);
"""

# Received texts: ``incoming`` becomes one row a TPDU, ``received`` one row a message that people can read.
_VERSION_INBOX = """
ALTER TABLE incoming ADD COLUMN content BLOB;       -- digest that tells a copy from another message; NULL: not read yet
ALTER TABLE incoming ADD COLUMN copies INTEGER NOT NULL DEFAULT 0;  -- how often the same came again
ALTER TABLE incoming ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incoming ADD COLUMN received_id INTEGER;                -- NULL: not read yet
CREATE UNIQUE INDEX incoming_content ON incoming (content);
CREATE INDEX incoming_new ON incoming (id) WHERE received_id IS NULL;
CREATE INDEX incoming_received ON incoming (received_id);
CREATE TABLE received (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, state TEXT NOT NULL, modem TEXT NOT NULL,
    sender TEXT NOT NULL, sender_is_name INTEGER NOT NULL,
    text TEXT, data BLOB,           -- scrubbed text or octets; both NULL while parts are missing
    why TEXT,                       -- why it is incomplete, or cannot be read
    sent_at TEXT NOT NULL,          -- the service centre's time stamp
    received_at INTEGER NOT NULL,
    kept_from INTEGER NOT NULL,     -- retention counts from here: received_at, or when the clock was first to be trusted
    parts INTEGER NOT NULL, total INTEGER NOT NULL,
    variants INTEGER NOT NULL DEFAULT 0   -- contents that claimed to be a part which was there already
);
CREATE INDEX received_open ON received (id) WHERE state = 'partial';
"""

# With a million finished messages behind it, nothing that happens with a sale reads more than its own few rows: each
# question has an index that holds only the rows in question, and what status counts is counted as it happens.
_VERSION_OUTBOX = """
UPDATE message SET not_before = 0 WHERE state = 'queued' AND attempts = 0;  -- 0: at once, whatever the clock says

DROP INDEX message_due;
DROP INDEX message_open;
DROP INDEX segment_mr;
-- With state in it, which is always the same, the index answers by itself.
CREATE INDEX message_due ON message (priority, id, not_before, phone, state) WHERE state = 'queued';
CREATE INDEX message_later ON message (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX message_held ON message (recipient, id) WHERE state = 'held';
CREATE INDEX message_claimed ON message (id) WHERE state = 'claimed';
CREATE INDEX message_unknown ON message (id) WHERE state = 'unknown';
CREATE INDEX message_repeat ON message (not_before, id) WHERE state = 'unknown' AND not_before > 0;
CREATE INDEX segment_mr ON segment (modem, mr, at) WHERE state = 'sent';

CREATE TABLE message_count (
    recipient TEXT NOT NULL, state TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (recipient, state)
) WITHOUT ROWID;
INSERT INTO message_count SELECT recipient, state, count(*) FROM message GROUP BY recipient, state;
CREATE TRIGGER message_put AFTER INSERT ON message BEGIN
    INSERT INTO message_count VALUES (NEW.recipient, NEW.state, 1)
    ON CONFLICT (recipient, state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER message_moved AFTER UPDATE OF state ON message WHEN NEW.state != OLD.state BEGIN
    UPDATE message_count SET count = count - 1 WHERE recipient = OLD.recipient AND state = OLD.state;
    INSERT INTO message_count VALUES (NEW.recipient, NEW.state, 1)
    ON CONFLICT (recipient, state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER message_gone AFTER DELETE ON message BEGIN
    UPDATE message_count SET count = count - 1 WHERE recipient = OLD.recipient AND state = OLD.state;
END;
"""

# Segments of a try that was repeated keep their rows, under a part below 0, for the reports that still come.
_VERSION_EARLIER_TRIES = """
ALTER TABLE message ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;  -- those that speak against the message itself
CREATE INDEX segment_earlier ON segment (modem, at) WHERE part < 0 AND state = 'handed';
"""

# How far each source has used the chunks of a bridge's log (``bridge_rows``).
_VERSION_BRIDGE = """
CREATE TABLE bridge_log (
    log TEXT NOT NULL, source TEXT NOT NULL,
    board TEXT NOT NULL,
    seq INTEGER NOT NULL,           -- chunks up to this one are needed no more
    told_seq INTEGER NOT NULL,      -- what is stored came out as the told-th behind this chunk, or before
    told INTEGER NOT NULL,
    begins INTEGER NOT NULL,        -- whether what follows seq begins something
    begun INTEGER NOT NULL,         -- logs of a board, in the order in which they were first heard
    PRIMARY KEY (log, source)
) WITHOUT ROWID;
"""

# Appended to, never edited: a board in a shop runs every step it has not run yet.
MIGRATIONS = (_VERSION_1, _VERSION_INBOX, _VERSION_OUTBOX, _VERSION_EARLIER_TRIES, _VERSION_BRIDGE)


# What SQLite calls a file that is not as it wrote it: SQLITE_CORRUPT, SQLITE_NOTADB.
_DAMAGE = frozenset({11, 26})
# A store of up to this size is looked through whole at each opening: 7 ms a MiB on a server's core, before any port is open.
# Of a larger one only what is small and needed for every sale; the rest shows damage where it is read.
LOOKED_THROUGH_WHOLE = 16 * 1024 * 1024
_LOOKED_THROUGH = ("counter", "pairing", "text_key", "message_count")


class StoreError(Exception):
    """The state cannot be opened or written; the message says what, where and the next step."""


class DamagedStoreError(StoreError):
    """The file is not as it was written: ``rescue`` sets it aside and saves what can be read."""


def open_database(
    state_dir: Path, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """Open (or make) the database for writing, migrated to the newest schema, its WAL emptied.

    ``factory``: of the connection; a simulation has its own. Raises StoreError: not writable, full, corrupt, or written by a newer version.
    """
    path = state_dir / FILE_NAME
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, factory=factory)
        path.chmod(0o600)
        connection.execute("PRAGMA page_size=1024")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-256")
        _migrate(connection)
        _look_through(connection, path.stat().st_size)
        truncate_wal(connection)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        kind = DamagedStoreError if is_damage(error) else StoreError
        raise kind(
            f"cannot open {path}: {error}. Check the disk (df) and the owner of {state_dir}"
        ) from error
    return connection


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that the file is broken, rather than the disk full or the statement wrong.

    Where it quotes a name that is damaged, its complaint is no UTF-8.
    """
    return isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def store_error(error: sqlite3.Error) -> StoreError:
    """The store's own error for one of SQLite's."""
    if is_damage(error):
        return DamagedStoreError(f"the state is damaged: {error}. Check the disk or card, and its power")
    return StoreError(f"cannot use the state: {error}. Check the disk (df) and its mount")


def _look_through(connection: sqlite3.Connection, octets: int) -> None:
    parts = ("1",) if octets <= LOOKED_THROUGH_WHOLE else _LOOKED_THROUGH
    for part in parts:
        found = connection.execute(f"PRAGMA quick_check({part})").fetchone()
        if found != ("ok",):
            error = sqlite3.DatabaseError(f"it is not whole: {found[0]}")
            error.sqlite_errorcode = min(_DAMAGE)
            raise error


def open_for_reading(state_dir: Path) -> sqlite3.Connection:
    """Open the database of an agent that may be running, read-only. Raises StoreError where there is none."""
    path = state_dir / FILE_NAME
    if not path.exists():
        raise StoreError(f"no state in {state_dir}: tillbell has not run with this configuration yet")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
        )
        _check_version(connection)
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, begun IMMEDIATE so that what is read inside cannot change before the commit.

    Raises StoreError where the disk refuses: nothing of it has happened then.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        if is_damage(error):
            raise store_error(error) from error
        raise StoreError(f"cannot write the state: {error}. Check the disk (df) and its mount") from error
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:  # SQLite has rolled back by itself where the disk was full
            connection.execute("ROLLBACK")
    except sqlite3.ProgrammingError:
        return  # closed: a damaged store that could not be replaced yet


def truncate_wal(connection: sqlite3.Connection) -> bool:
    """Move the WAL into the database and cut it to nothing; False where it has to be tried again later.

    That is where a reader is in the way, or a disk refuses. Never an error: what was committed stays committed.
    """
    try:
        connection.execute(f"PRAGMA busy_timeout={_TRUNCATE_WAIT_MS}")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout={int(_BUSY_S * 1000)}")
    except sqlite3.Error:
        return False
    return not busy


def remember(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Keep one number under a name, beyond the end of the program."""
    with transaction(connection):
        keep(connection, name, value)


def keep(connection: sqlite3.Connection, name: str, value: int) -> None:
    """The same inside the caller's transaction."""
    connection.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (name, value))


def recall(connection: sqlite3.Connection, name: str) -> int | None:
    """The number kept under a name; None: none was."""
    row = connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def _migrate(connection: sqlite3.Connection) -> None:
    version = _check_version(connection)
    for number in range(version, len(MIGRATIONS)):
        script = f"BEGIN IMMEDIATE;{MIGRATIONS[number]};PRAGMA user_version={number + 1};COMMIT"
        try:
            connection.executescript(script)
        except sqlite3.OperationalError:
            _roll_back(connection)
            if _check_version(connection) <= number:  # otherwise another process has done it meanwhile
                raise


def _check_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the state was written by a newer tillbell (schema {version}, this one knows {len(MIGRATIONS)}). "
            "Install that version again"
        )
    return version
