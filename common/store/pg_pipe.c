/* Requests on a connection: queued with a deadline, sent in order as one pipeline each, their results
 * collected until the Sync, watched for answers that never come. Each ends with finish() exactly once. */
#include <stdio.h>
#include <stdlib.h>

#include "common/store/pg_conn.h"

enum {
    QUEUE_MAX = 4096, /* requests waiting to be sent */
    SENT_MAX = 32,    /* requests under way */
    TICK_MS = 100,
};

/* The results outlive finish(), which may reuse or free the request. */
void pg_request_end(struct pg_request *r, enum pg_outcome outcome)
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

void pg_pipe_read(struct pg_conn *c)
{
    if (!PQconsumeInput(c->pg)) {
        pg_conn_lost(c, PQerrorMessage(c->pg));
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
                pg_conn_lost(c, PQerrorMessage(pg));
                return;
            }
            continue;
        }
        PQclear(res);
        c->sent_count--;
        pg_request_end(r, r->failed ? PG_ERROR : PG_OK);
    }
    if (c->pg != pg) {
        return;
    }
    for (PGnotify *n; (n = PQnotifies(pg));) {
        PQfreemem(n);
    }
    if (c->state == PG_STATE_READY) {
        pg_pipe_pump(c);
    }
}

bool pg_request_send(struct pg_conn *c, struct pg_request *r)
{
    memset(r->results, 0, sizeof(r->results));
    r->result_count = 0;
    r->failed = false;
    r->sent_at = lane_monotonic(c->lane);
    list_append(&c->sent, &r->node);
    c->sent_count++;
    return r->send(r, c) && PQpipelineSync(c->pg);
}

void pg_pipe_pump(struct pg_conn *c)
{
    if (c->state != PG_STATE_READY) {
        return;
    }
    PGconn *pg = c->pg;
    while (c->sent_count < SENT_MAX && !list_empty(&c->waiting)) {
        struct pg_request *r = list_entry(list_pop(&c->waiting), struct pg_request, node);
        c->waiting_count--;
        bool ok = pg_request_send(c, r);
        if (c->pg != pg) {
            return;
        }
        if (!ok) {
            pg_conn_lost(c, PQerrorMessage(pg));
            return;
        }
    }
    pg_conn_flush(c);
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
        pg_conn_connect(c);
    } else {
        pg_pipe_pump(c);
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
            pg_conn_lost(c, "no answer while connecting");
        }
    } else if (!list_empty(&c->sent)) {
        struct pg_request *r = list_entry(list_first(&c->sent), struct pg_request, node);
        struct duration limit = c->store->statement_timeout;
        limit.ns += DURATION_SECONDS(1).ns;
        if (instant_since(now, r->sent_at).ns > limit.ns * (c->role == PG_WRITER ? 4 : 1)) {
            pg_conn_lost(c, "no answer to a statement");
        }
    }
    list_each(&c->waiting, n)
    {
        struct pg_request *r = list_entry(n, struct pg_request, node);
        if (instant_before(r->deadline, now)) {
            c->waiting_count--;
            pg_request_end(r, PG_EXPIRED);
        }
    }
    if (!list_empty(&c->waiting) || !list_empty(&c->sent) || c->state == PG_STATE_CONNECTING) {
        lane_timer_start(c->lane, &c->tick, DURATION_MS(TICK_MS), tick_fire);
    }
}

void pg_pipe_watch(struct pg_conn *c)
{
    if (!lane_timer_running(&c->tick)) {
        lane_timer_start(c->lane, &c->tick, DURATION_MS(TICK_MS), tick_fire);
    }
}

struct duration pg_conn_waits_since(const struct pg_conn *c)
{
    if (!c || list_empty(&c->sent)) {
        return (struct duration){ 0 };
    }
    const struct pg_request *r = list_entry(list_first(&c->sent), struct pg_request, node);
    return instant_since(lane_monotonic(c->lane), r->sent_at);
}

bool pg_conn_submit(struct pg_conn *c, struct pg_request *r)
{
    if (c->waiting_count >= QUEUE_MAX) {
        return false;
    }
    memset(r->results, 0, sizeof(r->results)); /* of an earlier sending: freed by now */
    list_append(&c->waiting, &r->node);
    c->waiting_count++;
    pg_pipe_watch(c);
    if (!c->pumping) {
        c->pumping = true;
        c->pump.run = pump_task;
        lane_defer(c->lane, &c->pump);
    }
    return true;
}

bool pg_send(struct pg_conn *c, enum pg_statement statement, const struct pg_params *p)
{
    static const int binary[PG_PARAM_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1 };
    return PQsendQueryPrepared(c->pg, pg_statements[statement].name, p ? p->count : 0,
                   p ? p->values : NULL, p ? p->lengths : NULL, binary, 1) == 1;
}

bool pg_send_text(struct pg_conn *c, const char *sql)
{
    return PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 1) == 1;
}
