/* The SQLite file: opening with the settings that durability needs, cached statements, values,
 * errors, migrations. Used by one thread at a time. */
#include "common/store/sqlite.h"

#include <stdio.h>
#include <time.h>

#include "common/obs/log.h"
#include "schema/schema.h"

static const char *const texts[] = {
#define SQL(name, text) text,
#include "common/store/sqlite_sql.def"
#undef SQL
};

sqlite3_stmt *sq(struct sqlite_db *db, enum sqlite_statement statement)
{
    sqlite3_stmt **q = &db->statements[statement];
    if (!*q && sqlite3_prepare_v3(db->db, texts[statement], -1, SQLITE_PREPARE_PERSISTENT, q,
                       NULL) != SQLITE_OK) {
        return NULL;
    }
    sqlite3_reset(*q);
    sqlite3_clear_bindings(*q);
    return *q;
}

void sq_text(sqlite3_stmt *q, int n, struct str s)
{
    sqlite3_bind_text64(q, n, s.ptr ? s.ptr : "", s.len, SQLITE_STATIC, SQLITE_UTF8);
}

void sq_blob(sqlite3_stmt *q, int n, struct str s)
{
    sqlite3_bind_blob64(q, n, s.len ? s.ptr : "", s.len, SQLITE_STATIC);
}

void sq_i64(sqlite3_stmt *q, int n, int64_t v)
{
    sqlite3_bind_int64(q, n, v);
}

void sq_uuid(sqlite3_stmt *q, int n, struct uuid id)
{
    if (!uuid_is_zero(id)) {
        sqlite3_bind_blob(q, n, id.b, sizeof(id.b), SQLITE_TRANSIENT);
    }
}

int sq_run(sqlite3_stmt *q)
{
    if (!q) {
        return SQLITE_ERROR;
    }
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

bool sq_row(sqlite3_stmt *q, int *rc)
{
    if (!q) {
        *rc = SQLITE_ERROR;
        return false;
    }
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW) {
        return true;
    }
    sqlite3_reset(q);
    *rc = step == SQLITE_DONE ? SQLITE_OK : step;
    return false;
}

struct str sq_get_str(sqlite3_stmt *q, int col, struct arena *arena)
{
    const void *p = sqlite3_column_blob(q, col);
    return str_dup(arena, str_of(p ? p : "", (size_t)sqlite3_column_bytes(q, col)));
}

struct uuid sq_get_uuid(sqlite3_stmt *q, int col)
{
    struct uuid id = { { 0 } };
    const void *p = sqlite3_column_blob(q, col);
    if (p && sqlite3_column_bytes(q, col) == sizeof(id.b)) {
        memcpy(id.b, p, sizeof(id.b));
    }
    return id;
}

bool sq_is_data_error(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH ||
           primary == SQLITE_RANGE;
}

enum err sq_fail(struct sqlite_db *db, int rc, struct fail *f)
{
    enum err err = ERR_STORE;
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        err = ERR_ALREADY_EXISTS;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        err = ERR_UNAVAILABLE;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err = ERR_CORRUPT;
        break;
    default:
        break;
    }
    return fail(f, err, "%s", sqlite3_errmsg(db->db));
}

void sq_rollback(struct sqlite_db *db)
{
    if (!sqlite3_get_autocommit(db->db)) {
        (void)sq_run(sq(db, SQ_ROLLBACK));
    }
}

struct instant sq_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct instant){ (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec };
}

static int note_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    *(int *)arg = pages;
    return SQLITE_OK;
}

static enum err pragma_failed(
        struct sqlite_db *db, const char *path, const char *pragma, struct fail *f)
{
    enum err err = fail(f, ERR_INVALID_ARGUMENT, "%s: pragma %s: %s",
            path ? path : ":memory:", pragma, sqlite3_errmsg(db->db));
    sqlite_db_close(db);
    return err;
}

enum err sqlite_db_open(
        const char *path, const char *const *pragmas, struct sqlite_db *db, struct fail *f)
{
    static const char *const ours[] = { "journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF",
        "temp_store=MEMORY", "cache_size=-16384", "wal_autocheckpoint=0", NULL };
    struct sqlite_db opened = { 0 };
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path ? path : ":memory:", &opened.db, flags, NULL);
    if (rc != SQLITE_OK) {
        enum err err = fail(f, ERR_UNAVAILABLE, "%s: %s", path, sqlite3_errmsg(opened.db));
        sqlite3_close(opened.db);
        return err;
    }
    sqlite3_extended_result_codes(opened.db, 1);
    sqlite3_busy_timeout(opened.db, 2000);
    const char *const *lists[] = { ours, pragmas };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (const char *const *p = lists[i]; p && *p; p++) {
            char sql[256];
            snprintf(sql, sizeof(sql), "PRAGMA %s", *p);
            if (sqlite3_exec(opened.db, sql, NULL, NULL, NULL) != SQLITE_OK) {
                return pragma_failed(&opened, path, *p, f);
            }
        }
    }
    *db = opened;
    return ERR_NONE;
}

void sqlite_db_close(struct sqlite_db *db)
{
    for (size_t i = 0; i < SQ_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    sqlite3_close(db->db);
    *db = (struct sqlite_db){ 0 };
}

/* ---- schema ---- */

static int newest(void)
{
    int n = 0;
    while (schema_sqlite[n].version) {
        n++;
    }
    return n;
}

static enum err read_version(struct sqlite_db *db, int *ret, struct fail *f)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db->db,
            "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'", -1, &q, NULL);
    bool exists = rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) > 0;
    sqlite3_finalize(q);
    if (rc != SQLITE_OK) {
        return sq_fail(db, rc, f);
    }
    *ret = 0;
    if (!exists) {
        return ERR_NONE;
    }
    rc = sqlite3_prepare_v2(
            db->db, "SELECT coalesce(max(version), 0) FROM schema_version", -1, &q, NULL);
    if (rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW) {
        *ret = sqlite3_column_int(q, 0);
    }
    sqlite3_finalize(q);
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err exec(struct sqlite_db *db, const char *sql, struct fail *f)
{
    int rc = sqlite3_exec(db->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err migrate_locked(struct sqlite_db *db, struct fail *f)
{
    int found;
    enum err err = exec(db,
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT "
            "NULL,"
            " applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            f);
    if (!err) {
        err = read_version(db, &found, f);
    }
    if (!err && found > newest()) {
        err = fail(f, ERR_FAILED_PRECONDITION,
                "the schema has version %d, this executable serves up to %d", found, newest());
    }
    for (int i = err ? newest() : found; i < newest() && !err; i++) {
        char record[160];
        snprintf(record, sizeof(record),
                "INSERT INTO schema_version (version, name) VALUES (%d, '%s')",
                schema_sqlite[i].version, schema_sqlite[i].name);
        err = exec(db, schema_sqlite[i].sql, f);
        if (!err) {
            err = exec(db, record, f);
        }
    }
    return err;
}

enum err sqlite_db_migrate(struct sqlite_db *db, struct fail *f)
{
    enum err err = exec(db, "BEGIN IMMEDIATE", f);
    if (err) {
        return err;
    }
    err = migrate_locked(db, f);
    if (!err) {
        err = exec(db, "COMMIT", f);
    }
    if (err) {
        sq_rollback(db);
    }
    sqlite3_wal_hook(db->db, note_wal, &db->wal_pages);
    return err;
}

enum err sqlite_db_version(struct sqlite_db *db, int *found, int *ours, struct fail *f)
{
    *ours = newest();
    return read_version(db, found, f);
}
