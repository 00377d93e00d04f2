/* The life of one connection to PostgreSQL on a lane's loop: non-blocking, in pipeline mode,
 * statements prepared when it is made. What travels on it is pg_pipe.c's.
 *
 *   AWAY --connect--> CONNECTING --established--> PREPARING --prepared--> READY
 *    ^                    |                           |                     |
 *    +--------------------+---------------------------+---------------------+   lost: back-off
 *
 * Relies on the lane's loop; a name in the connection string is looked up by libpq, which blocks (use addresses
 * or a local resolver). */
#include <stdlib.h>
#include <uv.h>

#include "common/io/lane_uv.h"
#include "common/obs/log.h"
#include "common/obs/metrics.h"
#include "common/store/pg_conn.h"

enum { BACKOFF_MIN_MS = 30, BACKOFF_MAX_MS = 500 };

/* Lives until libuv has let go of it, maybe longer than the connection. */
struct pg_poll {
    uv_poll_t uv;
    int events;           /* polled for; 0: nothing yet */
    struct pg_conn *conn; /* NULL: abandoned */
};

const struct pg_statement_row pg_statements[PG_STATEMENT_COUNT] = {
#define WRITER                PG_WRITER
#define READER                PG_READER
#define SQL(name, role, text) { #name, text, role },
#include "common/store/pg_sql.def"
#undef SQL
};

/* ---- the log's view ---- */

void pg_conn_away(struct pg_conn *c, const char *why)
{
    if (!c->away) {
        c->away = true;
        metric_add(lane_metrics(c->lane), METRIC_DATABASE_AWAY, 1);
        metric_add(lane_metrics(c->lane), METRIC_DATABASE_LOSSES, 1);
        if (atomic_fetch_add(&c->store->away, 1) == 0) {
            struct str line = str_from_cstr(why); /* libpq explains itself in several */
            line.len = str_find(line, '\n');
            log_warn("database_away", LOG_STR("why", str_trim(line)));
        }
    }
}

void pg_conn_back(struct pg_conn *c)
{
    if (c->away) {
        c->away = false;
        metric_add(lane_metrics(c->lane), METRIC_DATABASE_AWAY, (uint64_t)-1);
        if (atomic_fetch_sub(&c->store->away, 1) == 1) {
            log_info("database_back");
        }
    }
}

bool pg_conn_is_away(const struct pg_conn *c)
{
    return c->away;
}

uint64_t pg_conn_session(const struct pg_conn *c)
{
    return c->state == PG_STATE_READY ? c->session : 0;
}

/* ---- polling ---- */

static void poll_closed(uv_handle_t *handle)
{
    free(container_of(handle, struct pg_poll, uv));
}

static void poll_drop(struct pg_conn *c)
{
    if (c->poll) {
        c->poll->conn = NULL;
        uv_poll_stop(&c->poll->uv);
        uv_close((uv_handle_t *)&c->poll->uv, poll_closed);
        c->poll = NULL;
    }
}

static void conn_event(uv_poll_t *uv, int status, int events);

static bool poll_start(struct pg_conn *c, int events)
{
    if (!c->poll) {
        struct pg_poll *p = calloc(1, sizeof(*p));
        check(p);
        p->conn = c;
        if (uv_poll_init(lane_uv_loop(c->lane), &p->uv, PQsocket(c->pg)) != 0) {
            free(p);
            return false;
        }
        c->poll = p;
    }
    if (c->poll->events == events) {
        return true; /* libuv would take the socket out of the set and put it in again */
    }
    c->poll->events = events;
    return uv_poll_start(&c->poll->uv, events, conn_event) == 0;
}

void pg_conn_flush(struct pg_conn *c)
{
    int rc = PQflush(c->pg);
    if (rc < 0 || !poll_start(c, rc ? UV_READABLE | UV_WRITABLE : UV_READABLE)) {
        pg_conn_lost(c, PQerrorMessage(c->pg));
    }
}
/* ---- making and losing the connection ---- */

/* A machine that vanishes must not leave a session behind, with its locks: neither a quiet one nor one in the middle of a
 * pipeline, for which no timeout of the server's runs. The name is how it is ended when its process is fenced. */
#define VANISHING                                                                             \
    ", set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', " \
    "'1', false), set_config('tcp_keepalives_count', '3', false),"                            \
    " set_config('tcp_user_timeout', '6s', false), set_config('application_name', $2, false)"

static bool prepare_send(struct pg_request *r, struct pg_conn *c)
{
    static const char settings[] =
            "SELECT set_config('plan_cache_mode', 'force_generic_plan', false),"
            " set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', "
            "false),"
            " set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false), "
            "set_config('enable_bitmapscan', 'off', false),"
            " set_config('idle_in_transaction_session_timeout', '10s', false),"
            " set_config('client_min_messages', 'error', false),"
            " set_config('statement_timeout', $1, false)" VANISHING;
    static const char free_settings[] =
            "SELECT set_config('standard_conforming_strings', 'on', false),"
            " set_config('default_transaction_read_only', 'on', false), set_config('jit', 'off', "
            "false),"
            " set_config('client_min_messages', 'error', false),"
            " set_config('statement_timeout', $1, false)" VANISHING;
    char timeout[32];
    snprintf(timeout, sizeof(timeout), "%lld", (long long)duration_ms(c->store->statement_timeout));
    const char *values[] = { c->role == PG_WRITER ? "0" : timeout, c->store->name };
    if (c->role == PG_QUERIER) {
        return PQsendQueryParams(c->pg, free_settings, 2, NULL, values, NULL, NULL, 0);
    }
    if (!PQsendQueryParams(c->pg, settings, 2, NULL, values, NULL, NULL, 0)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(pg_statements); i++) {
        if (pg_statements[i].role == c->role &&
                !PQsendPrepare(c->pg, pg_statements[i].name, pg_statements[i].text, 0, NULL)) {
            return false;
        }
    }
    return true;
}

static void prepare_finish(struct pg_request *r, enum pg_outcome outcome)
{
    struct pg_conn *c = container_of(r, struct pg_conn, prepare);
    if (outcome == PG_OK) {
        c->state = PG_STATE_READY;
        c->since = lane_monotonic(c->lane);
        c->attempts = 0;
        c->session++;
        pg_conn_back(c);
        pg_pipe_pump(c);
    } else if (outcome == PG_ERROR) {
        pg_conn_lost(c, r->message); /* no schema, or not ours */
    }
}

static void conn_established(struct pg_conn *c)
{
    poll_drop(c);
    c->state = PG_STATE_PREPARING;
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg)) {
        pg_conn_lost(c, PQerrorMessage(c->pg));
        return;
    }
    c->prepare = (struct pg_request){ .send = prepare_send, .finish = prepare_finish };
    if (!pg_request_send(c, &c->prepare)) {
        pg_conn_lost(c, PQerrorMessage(c->pg));
        return;
    }
    pg_conn_flush(c);
}

/* libpq may change its socket at any step of connecting, so each step polls with a handle of its
 * own. */
static void conn_step(struct pg_conn *c, PostgresPollingStatusType status)
{
    if (status == PGRES_POLLING_OK) {
        conn_established(c);
    } else if (status == PGRES_POLLING_FAILED ||
               !poll_start(c, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE)) {
        pg_conn_lost(c, PQerrorMessage(c->pg));
    }
}

static void conn_event(uv_poll_t *uv, int status, int events)
{
    struct pg_conn *c = container_of(uv, struct pg_poll, uv)->conn;
    if (!c) {
        return;
    }
    lane_enter(c->lane);
    if (c->state == PG_STATE_CONNECTING) {
        poll_drop(c);
        conn_step(c, PQconnectPoll(c->pg));
        return;
    }
    if (status < 0) {
        c->poll->events =
                0; /* libuv has stopped it: what is still to be read must be polled for anew */
    }
    if (events & UV_WRITABLE) {
        PGconn *pg = c->pg;
        pg_conn_flush(c);
        if (c->pg != pg) {
            return;
        }
    }
    if (status < 0 || (events & UV_READABLE)) {
        pg_pipe_read(c);
    }
}

static void conn_notice(void *arg, const PGresult *res)
{
}

void pg_connect_params(const struct pg_store *store, const char **keywords, const char **values)
{
    static const char *const names[] = { "application_name", "connect_timeout", "keepalives_idle",
        "keepalives_interval", "keepalives_count", "tcp_user_timeout", "client_encoding",
        "target_session_attrs", "dbname" };
    static const char *const ours[] = { "perdure", "5", "5", "2", "3", "10000", "UTF8",
        "read-write" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        keywords[i] = names[i];
        values[i] = i < ARRAY_LEN(ours) ? ours[i] : store->conninfo;
    }
    keywords[ARRAY_LEN(names)] = values[ARRAY_LEN(names)] = NULL;
}

void pg_conn_connect(struct pg_conn *c)
{
    const char *keywords[PG_KEYWORDS], *values[PG_KEYWORDS];
    pg_connect_params(c->store, keywords, values);
    c->pg = PQconnectStartParams(keywords, values, 1);
    check(c->pg);
    c->state = PG_STATE_CONNECTING;
    c->since = lane_monotonic(c->lane);
    PQsetNoticeReceiver(c->pg, conn_notice, NULL);
    pg_pipe_watch(c);
    conn_step(c, PQstatus(c->pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING);
}

static void retry_fire(struct lane_timer *timer)
{
    pg_conn_connect(container_of(timer, struct pg_conn, retry));
}

static void conn_drop(struct pg_conn *c)
{
    poll_drop(c);
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = PG_STATE_AWAY;
    c->since = lane_monotonic(c->lane);
}

/* Back-off doubles from 30 ms to 0.5 s, with jitter of one half: the lanes of all processes must not
 * come back in one wave, and a database that restarts in two seconds must not be missed for four. Connecting goes on without anybody asking, so that the outage's end is
 * noticed. */
void pg_conn_lost(struct pg_conn *c, const char *why)
{
    pg_conn_away(c, why);
    conn_drop(c);
    int64_t ms = (int64_t)BACKOFF_MIN_MS << (c->attempts < 7 ? c->attempts : 7);
    ms = ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : ms;
    c->attempts++;
    ms = ms / 2 + (int64_t)rand_below(lane_rand(c->lane), (uint64_t)ms);
    lane_timer_start(c->lane, &c->retry, DURATION_MS(ms), retry_fire);
    struct list lost;
    list_init(&lost);
    for (struct list_node *n; (n = list_pop(&c->sent));) {
        list_append(&lost, n);
    }
    c->sent_count = 0;
    for (struct list_node *n; (n = list_pop(&lost));) {
        pg_request_end(list_entry(n, struct pg_request, node), PG_LOST);
    }
}

void pg_conn_break(struct pg_conn *c, const char *why)
{
    if (c->pg) {
        pg_conn_lost(c, why);
    }
}

struct pg_conn *pg_conn_new(struct pg_store *store, struct lane *lane, enum pg_role role)
{
    struct pg_conn *c = calloc(1, sizeof(*c));
    check(c);
    c->store = store;
    c->lane = lane;
    c->role = role;
    list_init(&c->waiting);
    list_init(&c->sent);
    return c;
}

void pg_conn_free(struct pg_conn *c)
{
    if (c->away) {
        atomic_fetch_sub(&c->store->away, 1); /* nobody knows whether it is back: no line */
    }
    conn_drop(c);
    lane_timer_stop(c->lane, &c->retry);
    lane_timer_stop(c->lane, &c->tick);
    c->closing = true;
    for (struct list_node *n; (n = list_pop(&c->sent)) || (n = list_pop(&c->waiting));) {
        pg_request_end(list_entry(n, struct pg_request, node), PG_CLOSED);
    }
    if (!c->pumping) {
        free(c);
    }
}
