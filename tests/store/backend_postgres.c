/* A PostgreSQL of our own for the time of the suite, made by scripts/pg in a directory under /tmp.
 */
#include <libpq-fe.h>
#include <stdarg.h>
#include <string.h>

#include "tests/store/contract.h"

static char dir[64], conninfo[256];
static PGconn *pg;

static void script(const char *command)
{
    char line[512], out[256] = "";
    const char *scripts = getenv("PERDURE_SCRIPTS");
    snprintf(line, sizeof(line), "%s/pg %s --dir %s", scripts ? scripts : "scripts", command, dir);
    FILE *p = popen(line, "r");
    expect(p);
    (void)!fgets(out, sizeof(out), p);
    expect(pclose(p) == 0);
    if (strncmp(out, "host=", 5) == 0) {
        out[strcspn(out, "\n")] = 0;
        snprintf(conninfo, sizeof(conninfo), "%s", out);
    }
}

static void connect_again(void)
{
    PQfinish(pg);
    pg = PQconnectdb(conninfo);
    expect(PQstatus(pg) == CONNECTION_OK);
    PQclear(PQexec(pg, "SET client_min_messages = error"));
}

void pg_sql(const char *fmt, ...)
{
    char sql[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sql, sizeof(sql), fmt, args);
    va_end(args);
    PGresult *r = PQexec(pg, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s", sql, PQerrorMessage(pg));
        expect_failed("statement", __FILE__, __LINE__);
    }
    PQclear(r);
}

int64_t pg_number(const char *sql)
{
    PQclear(PQexec(pg, "SELECT pg_stat_clear_snapshot()")); /* kept for a transaction otherwise */
    PGresult *r = PQexec(pg, sql);
    int64_t n = 0;
    if (PQresultStatus(r) != PGRES_TUPLES_OK ||
            !str_to_i64(str_from_cstr(PQgetvalue(r, 0, 0)), &n)) {
        fprintf(stderr, "%s: %s", sql, PQerrorMessage(pg));
        expect_failed("number", __FILE__, __LINE__);
    }
    PQclear(r);
    return n;
}

const char *pg_conninfo(void)
{
    return conninfo;
}

void pg_server_stop(bool now)
{
    script(now ? "stop --now" : "stop");
}

void pg_server_start(void)
{
    script("start");
    connect_again();
}

struct store *pg_store_at(const char *where)
{
    struct store_pg_config config = { .conninfo = where, .lane_count = 1 };
    return store_pg_new(&config);
}

/* As a process has it, which is fenced by its name. */
struct store *pg_store_of(struct uuid member, const char *where)
{
    struct store_pg_config config = { .conninfo = where, .member = member, .lane_count = 1 };
    return store_pg_new(&config);
}

static void drop(void)
{
    PQfinish(pg);
    pg = NULL;
    script("drop");
}

static struct store *fresh(void)
{
    if (!pg) {
        snprintf(dir, sizeof(dir), "/tmp/store-contract-%d", (int)getpid());
        script("start --fast");
        connect_again();
    }
    pg_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
           "'perdure%%'");
    pg_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    struct store *store = pg_store_at(conninfo);
    struct fail f = { 0 };
    if (store_migrate(store, &f)) {
        fprintf(stderr, "%s\n", f.message);
        expect_failed("migrated", __FILE__, __LINE__);
    }
    return store;
}

static struct store *another(void)
{
    return pg_store_at(conninfo);
}

const struct backend backend_postgres = { .name = "postgres",
    .fresh = fresh,
    .another = another,
    .cleanup = drop,
    .own_cases = cases_postgres };
