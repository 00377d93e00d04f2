/* The schema in PostgreSQL: applies what is missing, one transaction per migration, under an
 * advisory lock, so any number of processes may start at once and an interrupted one is taken up
 * where it ended. Blocking. */
#include "common/obs/log.h"
#include "common/store/pg.h"
#include "schema/schema.h"

static void result_free(PGresult **r)
{
    PQclear(*r);
}

static void conn_free(PGconn **pg)
{
    PQfinish(*pg);
}

#define RESULT __attribute__((cleanup(result_free))) PGresult
#define CONN   __attribute__((cleanup(conn_free))) PGconn

static int newest(void)
{
    int n = 0;
    while (schema_postgres[n].version) {
        n++;
    }
    return n;
}

static void notice_drop(void *arg, const PGresult *r)
{
}

static PGconn *connect(struct store *store, struct fail *f)
{
    const struct pg_store *s = container_of(store, struct pg_store, store);
    const char *keywords[PG_KEYWORDS], *values[PG_KEYWORDS];
    pg_connect_params(s, keywords, values);
    PGconn *pg = PQconnectdbParams(keywords, values, 1);
    PQsetNoticeReceiver(pg, notice_drop, NULL);
    if (PQstatus(pg) != CONNECTION_OK) {
        struct str text = str_trim(str_from_cstr(PQerrorMessage(pg)));
        (void)fail(f, ERR_UNAVAILABLE, STR_FMT, STR_ARG(text));
        PQfinish(pg);
        return NULL;
    }
    return pg;
}

static enum err run(PGconn *pg, const char *sql, struct fail *f)
{
    RESULT *r = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        return ERR_NONE;
    }
    struct str text = str_trim(str_from_cstr(PQerrorMessage(pg)));
    return fail(f, PQstatus(pg) == CONNECTION_BAD ? ERR_UNAVAILABLE : ERR_STORE, STR_FMT,
            STR_ARG(text));
}

static enum err read_number(PGconn *pg, const char *sql, int *ret, struct fail *f)
{
    RESULT *r = PQexec(pg, sql);
    int64_t n = 0;
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1 ||
            !str_to_i64(str_from_cstr(PQgetvalue(r, 0, 0)), &n)) {
        return fail(f, PQstatus(pg) == CONNECTION_BAD ? ERR_UNAVAILABLE : ERR_STORE, "%s",
                PQerrorMessage(pg));
    }
    *ret = (int)n;
    return ERR_NONE;
}

static enum err read_version(PGconn *pg, int *ret, struct fail *f)
{
    int exists;
    enum err err =
            read_number(pg, "SELECT (to_regclass('schema_version') IS NOT NULL)::int", &exists, f);
    if (err) {
        return err;
    }
    if (!exists) {
        *ret = 0;
        return ERR_NONE;
    }
    return read_number(pg, "SELECT coalesce(max(version), 0) FROM schema_version", ret, f);
}

static enum err apply(PGconn *pg, const struct schema_migration *m, struct fail *f)
{
    char record[160];
    snprintf(record, sizeof(record), "INSERT INTO schema_version (version, name) VALUES (%d, '%s')",
            m->version, m->name);
    enum err err = run(pg, "BEGIN", f);
    if (!err) {
        err = run(pg, m->sql, f);
    }
    if (!err) {
        err = run(pg, record, f);
    }
    if (err) {
        (void)run(pg, "ROLLBACK", NULL);
        return err;
    }
    return run(pg, "COMMIT", f);
}

static enum err migrate_locked(PGconn *pg, struct fail *f)
{
    int found;
    enum err err = run(pg,
            "CREATE TABLE IF NOT EXISTS schema_version (version int PRIMARY KEY, name text NOT "
            "NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())",
            f);
    if (!err) {
        err = read_version(pg, &found, f);
    }
    if (err) {
        return err;
    }
    if (found > newest()) {
        return fail(f, ERR_FAILED_PRECONDITION,
                "the schema has version %d, this executable serves up to %d", found, newest());
    }
    for (int i = found; i < newest(); i++) {
        err = apply(pg, &schema_postgres[i], f);
        if (err) {
            return err;
        }
        log_info("schema_migrated", LOG_I64("version", schema_postgres[i].version));
    }
    return run(pg, "SELECT make_log_partitions(4)", f);
}

enum err pg_migrate(struct store *store, struct fail *f)
{
    CONN *pg = connect(store, f);
    if (!pg) {
        return ERR_UNAVAILABLE;
    }
    enum err err = run(pg, "SELECT pg_advisory_lock(1885696612, 1)", f);
    return err ? err : migrate_locked(pg, f); /* the session's end releases the lock */
}

enum err pg_schema_version(struct store *store, int *found, int *ours, struct fail *f)
{
    CONN *pg = connect(store, f);
    if (!pg) {
        return ERR_UNAVAILABLE;
    }
    int n;
    enum err err = read_version(pg, &n, f);
    if (err) {
        return err;
    }
    *found = n;
    *ours = newest();
    return ERR_NONE;
}
