import { DatabaseSync } from "node:sqlite";

/** One write of a group commit: `text` undefined deletes the row. */
export interface JournalWrite {
  readonly bucket: string;
  readonly key: string;
  readonly text: string | undefined;
}

export interface JournalRow {
  readonly bucket: string;
  readonly key: string;
  readonly text: string;
}

export interface Journal {
  /** All that was committed so far, and the last revision. */
  load(): { readonly rows: readonly JournalRow[]; readonly revision: number };
  /** One transaction; returns once SQLite has taken it. Throws when the disk refuses. */
  commit(writes: readonly JournalWrite[], revision: number): void;
  close(): void;
}

/**
 * The state file: SQLite in WAL mode, one row per object. `synchronous=OFF` leaves the flush to the kernel: what was
 * committed survives the death of the process at any moment (kill -9), which is what a lab needs; only a crash of the
 * whole machine may lose the last seconds. The file is locked: a second server on it is refused at its start.
 */
export function openJournal(file: string): Journal {
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE IF NOT EXISTS object (bucket TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 0), value INTEGER NOT NULL);
    INSERT OR IGNORE INTO revision (id, value) VALUES (0, 1);
  `);
  const upsert = database.prepare(
    "INSERT INTO object (bucket, key, text) VALUES (?, ?, ?) ON CONFLICT (bucket, key) DO UPDATE SET text = excluded.text",
  );
  const remove = database.prepare("DELETE FROM object WHERE bucket = ? AND key = ?");
  const advance = database.prepare("UPDATE revision SET value = ? WHERE id = 0");
  return {
    load() {
      const rows = database.prepare("SELECT bucket, key, text FROM object ORDER BY bucket, key").all();
      const revision = database.prepare("SELECT value FROM revision").get()?.value;
      return {
        rows: rows.map((row) => ({
          bucket: String(row.bucket),
          key: String(row.key),
          text: String(row.text),
        })),
        revision: Number(revision ?? 1),
      };
    },
    commit(writes, revision) {
      database.exec("BEGIN");
      try {
        for (const { bucket, key, text } of writes) {
          if (text === undefined) remove.run(bucket, key);
          else upsert.run(bucket, key, text);
        }
        advance.run(revision);
        database.exec("COMMIT");
      } catch (error) {
        if (database.isTransaction) database.exec("ROLLBACK");
        throw error;
      }
    },
    close: () => database.close(),
  };
}
