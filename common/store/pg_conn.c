/* One connection to PostgreSQL on a lane's loop: non-blocking, in pipeline mode, statements
 * prepared when it is made. Requests are sent in order, several may be under way; each ends with
 * finish() exactly once.
 *
 *   AWAY --connect--> CONNECTING --established--> PREPARING --prepared--> READY
 *    ^                    |                           |                     |
 *    +--------------------+---------------------------+---------------------+   conn_lost, then
 * back-off
 *
 * It decides nothing about what was asked: whoever sent a request reads the outcome. Relies on the
 * lane's loop; a name in the connection string is looked up by libpq, which blocks (use addresses
 * or a local resolver). */
#include <stdlib.h>
#include <uv.h>

#include "common/io/lane_uv.h"
#include "common/obs/log.h"
#include "common/store/pg.h"

enum {
    QUEUE_MAX = 4096, /* requests waiting to be sent */
    SENT_MAX = 32,    /* requests under way */
    BACKOFF_MIN_MS = 30,
    BACKOFF_MAX_MS = 2000,
    TICK_MS = 100,
};

/* Lives until libuv has let go of it, maybe longer than the connection. */
struct pg_poll {
    uv_poll_t uv;
    struct pg_conn *conn; /* NULL: abandoned */
};

struct pg_conn {
    struct pg_store *store;
    struct lane *lane;
    enum pg_role role;
    enum { PG_STATE_AWAY, PG_STATE_CONNECTING, PG_STATE_PREPARING, PG_STATE_READY } state;
    PGconn *pg;
    struct pg_poll *poll;
    struct list waiting, sent;
    size_t waiting_count, sent_count;
    unsigned attempts; /* failed ones in a row */
    bool away;
    uint64_t session;
    struct instant since; /* of the state, monotonic */
    struct lane_timer retry, tick;
    struct lane_task pump;
    bool pumping, closing;
    struct pg_request prepare;
};

static const struct {
    const char *name, *text;
    enum pg_role role;
} statements[] = {
#define WRITER                PG_WRITER
#define READER                PG_READER
#define SQL(name, role, text) { #name, text, role },
#include "common/store/pg_sql.def"
#undef SQL
};

static void conn_lost(struct pg_conn *c, const char *why);
static void conn_connect(struct pg_conn *c);
static void conn_pump(struct pg_conn *c);

/* ---- the log's view ---- */

void pg_conn_away(struct pg_conn *c, const char *why)
{
    if (!c->away) {
        c->away = true;
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
    return uv_poll_start(&c->poll->uv, events, conn_event) == 0;
}

static void conn_flush(struct pg_conn *c)
{
    int rc = PQflush(c->pg);
    if (rc < 0 || !poll_start(c, rc ? UV_READABLE | UV_WRITABLE : UV_READABLE)) {
        conn_lost(c, PQerrorMessage(c->pg));
    }
}

/* ---- requests ---- */

/* The results outlive finish(), which may reuse or free the request. */
static void request_end(struct pg_request *r, enum pg_outcome outcome)
{
    PGresult *results[PG_RESULTS_MAX];
    memcpy(results, r->results, sizeof(results));
    list_remove(&r->node);
    r->finish(r, outcome);
    for (size_t i = 0; i < PG_RESULTS_MAX; i++) {
        PQclear(results[i]);
    }
}

static void request_fail(struct pg_request *r, const char *sqlstate, const char *message)
{
    if (!r->failed) {
        r->failed = true;
        r->failed_at = r->result_count;
        snprintf(r->sqlstate, sizeof(r->sqlstate), "%s", sqlstate ? sqlstate : "");
        snprintf(
                r->message, sizeof(r->message), STR_FMT, STR_ARG(str_trim(str_from_cstr(message))));
    }
}

static void request_result(struct pg_request *r, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        if (r->result_count < PG_RESULTS_MAX) {
            r->results[r->result_count] = res;
            res = NULL;
        }
    } else if (status != PGRES_PIPELINE_ABORTED) {
        request_fail(r, PQresultErrorField(res, PG_DIAG_SQLSTATE), PQresultErrorMessage(res));
    }
    r->result_count++;
    PQclear(res);
}

static void conn_read(struct pg_conn *c)
{
    if (!PQconsumeInput(c->pg)) {
        conn_lost(c, PQerrorMessage(c->pg));
        return;
    }
    PGconn *pg = c->pg;
    while (c->pg == pg && !list_empty(&c->sent) && !PQisBusy(pg)) {
        PGresult *res = PQgetResult(pg);
        if (!res) {
            continue; /* between two statements */
        }
        struct pg_request *r = list_entry(list_first(&c->sent), struct pg_request, node);
        if (PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
            request_result(r, res);
            if (PQstatus(pg) == CONNECTION_BAD) {
                conn_lost(c, PQerrorMessage(pg));
                return;
            }
            continue;
        }
        PQclear(res);
        c->sent_count--;
        request_end(r, r->failed ? PG_ERROR : PG_OK);
    }
    if (c->pg != pg) {
        return;
    }
    for (PGnotify *n; (n = PQnotifies(pg));) {
        PQfreemem(n);
    }
    if (c->state == PG_STATE_READY) {
        conn_pump(c);
    }
}

static bool request_send(struct pg_conn *c, struct pg_request *r)
{
    memset(r->results, 0, sizeof(r->results));
    r->result_count = 0;
    r->failed = false;
    r->sent_at = lane_monotonic(c->lane);
    list_append(&c->sent, &r->node);
    c->sent_count++;
    return r->send(r, c) && PQpipelineSync(c->pg);
}

static void conn_pump(struct pg_conn *c)
{
    if (c->state != PG_STATE_READY) {
        return;
    }
    PGconn *pg = c->pg;
    while (c->sent_count < SENT_MAX && !list_empty(&c->waiting)) {
        struct pg_request *r = list_entry(list_pop(&c->waiting), struct pg_request, node);
        c->waiting_count--;
        bool ok = request_send(c, r);
        if (c->pg != pg) {
            return;
        }
        if (!ok) {
            conn_lost(c, PQerrorMessage(pg));
            return;
        }
    }
    conn_flush(c);
}

static void pump_task(struct lane_task *task)
{
    struct pg_conn *c = container_of(task, struct pg_conn, pump);
    c->pumping = false;
    if (c->closing) {
        free(c);
        return;
    }
    if (c->state == PG_STATE_AWAY && !lane_timer_running(&c->retry)) {
        conn_connect(c);
    } else {
        conn_pump(c);
    }
}

/* Deadlines of waiting requests, and answers that never come: a peer that vanished without a word.
 */
static void tick_fire(struct lane_timer *timer)
{
    struct pg_conn *c = container_of(timer, struct pg_conn, tick);
    struct instant now = lane_monotonic(c->lane);
    struct duration age = instant_since(now, c->since);
    if (c->state == PG_STATE_CONNECTING || c->state == PG_STATE_PREPARING) {
        if (age.ns > c->store->connect_timeout.ns) {
            conn_lost(c, "no answer while connecting");
        }
    } else if (!list_empty(&c->sent)) {
        struct pg_request *r = list_entry(list_first(&c->sent), struct pg_request, node);
        struct duration limit = c->store->statement_timeout;
        limit.ns += DURATION_SECONDS(1).ns;
        if (instant_since(now, r->sent_at).ns > limit.ns * (c->role == PG_WRITER ? 4 : 1)) {
            conn_lost(c, "no answer to a statement");
        }
    }
    list_each(&c->waiting, n)
    {
        struct pg_request *r = list_entry(n, struct pg_request, node);
        if (instant_before(r->deadline, now)) {
            c->waiting_count--;
            request_end(r, PG_EXPIRED);
        }
    }
    if (!list_empty(&c->waiting) || !list_empty(&c->sent) || c->state == PG_STATE_CONNECTING) {
        lane_timer_start(c->lane, &c->tick, DURATION_MS(TICK_MS), tick_fire);
    }
}

static void tick_start(struct pg_conn *c)
{
    if (!lane_timer_running(&c->tick)) {
        lane_timer_start(c->lane, &c->tick, DURATION_MS(TICK_MS), tick_fire);
    }
}

bool pg_conn_submit(struct pg_conn *c, struct pg_request *r)
{
    if (c->waiting_count >= QUEUE_MAX) {
        return false;
    }
    list_append(&c->waiting, &r->node);
    c->waiting_count++;
    tick_start(c);
    if (!c->pumping) {
        c->pumping = true;
        c->pump.run = pump_task;
        lane_defer(c->lane, &c->pump);
    }
    return true;
}

bool pg_send(struct pg_conn *c, enum pg_statement statement, const struct pg_params *p)
{
    static const int binary[PG_PARAM_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    return PQsendQueryPrepared(c->pg, statements[statement].name, p ? p->count : 0,
                   p ? p->values : NULL, p ? p->lengths : NULL, binary, 1) == 1;
}

/* ---- making and losing the connection ---- */

static bool prepare_send(struct pg_request *r, struct pg_conn *c)
{
    static const char settings[] =
            "SELECT set_config('plan_cache_mode', 'force_generic_plan', false),"
            " set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', "
            "false),"
            " set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),"
            " set_config('idle_in_transaction_session_timeout', '10s', false),"
            " set_config('client_min_messages', 'error', false),"
            " set_config('statement_timeout', $1, false)";
    char timeout[32];
    snprintf(timeout, sizeof(timeout), "%lld", (long long)duration_ms(c->store->statement_timeout));
    const char *values[] = { c->role == PG_WRITER ? "0" : timeout };
    if (!PQsendQueryParams(c->pg, settings, 1, NULL, values, NULL, NULL, 0)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        if (statements[i].role == c->role &&
                !PQsendPrepare(c->pg, statements[i].name, statements[i].text, 0, NULL)) {
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
        conn_pump(c);
    } else if (outcome == PG_ERROR) {
        conn_lost(c, r->message); /* no schema, or not ours */
    }
}

static void conn_established(struct pg_conn *c)
{
    poll_drop(c);
    c->state = PG_STATE_PREPARING;
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg)) {
        conn_lost(c, PQerrorMessage(c->pg));
        return;
    }
    c->prepare = (struct pg_request){ .send = prepare_send, .finish = prepare_finish };
    if (!request_send(c, &c->prepare)) {
        conn_lost(c, PQerrorMessage(c->pg));
        return;
    }
    conn_flush(c);
}

/* libpq may change its socket at any step of connecting, so each step polls with a handle of its
 * own. */
static void conn_step(struct pg_conn *c, PostgresPollingStatusType status)
{
    if (status == PGRES_POLLING_OK) {
        conn_established(c);
    } else if (status == PGRES_POLLING_FAILED ||
               !poll_start(c, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE)) {
        conn_lost(c, PQerrorMessage(c->pg));
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
    if (events & UV_WRITABLE) {
        PGconn *pg = c->pg;
        conn_flush(c);
        if (c->pg != pg) {
            return;
        }
    }
    if (status < 0 || (events & UV_READABLE)) {
        conn_read(c);
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

static void conn_connect(struct pg_conn *c)
{
    const char *keywords[PG_KEYWORDS], *values[PG_KEYWORDS];
    pg_connect_params(c->store, keywords, values);
    c->pg = PQconnectStartParams(keywords, values, 1);
    check(c->pg);
    c->state = PG_STATE_CONNECTING;
    c->since = lane_monotonic(c->lane);
    PQsetNoticeReceiver(c->pg, conn_notice, NULL);
    tick_start(c);
    conn_step(c, PQstatus(c->pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING);
}

static void retry_fire(struct lane_timer *timer)
{
    conn_connect(container_of(timer, struct pg_conn, retry));
}

static void conn_drop(struct pg_conn *c)
{
    poll_drop(c);
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = PG_STATE_AWAY;
    c->since = lane_monotonic(c->lane);
}

/* Back-off doubles from 30 ms to 2 s, with jitter of one half: the lanes of all processes must not
 * come back in one wave. Connecting goes on without anybody asking, so that the outage's end is
 * noticed. */
static void conn_lost(struct pg_conn *c, const char *why)
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
        request_end(list_entry(n, struct pg_request, node), PG_LOST);
    }
}

void pg_conn_break(struct pg_conn *c, const char *why)
{
    if (c->pg) {
        conn_lost(c, why);
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
        request_end(list_entry(n, struct pg_request, node), PG_CLOSED);
    }
    if (!c->pumping) {
        free(c);
    }
}
