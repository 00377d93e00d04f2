/* Pages for probes and scrapers. Metrics and health are asked of every lane: each brings its figures up to date and thereby
 * shows that it turns; a lane that does not answer in time makes the process unhealthy. Relies on collect.c for what a lane
 * has to tell. */
#include "deploy/pages.h"

#include <stdlib.h>

#include "common/obs/log.h"
#include "common/obs/metrics.h"
#include "deploy/collect.h"
#include "deploy/process_lane.h"

enum { METRICS_BYTES_MAX = 8 << 20 };
static const struct duration patience = DURATION_SECONDS(5);

enum page { PAGE_METRICS, PAGE_HEALTH, PAGE_READY, PAGE_NONE, PAGE_FRONT };

/* A question to all lanes; lives until the slowest has answered, longer than the call perhaps. */
struct question {
    struct process_lane *home; /* where it was asked */
    struct grpc_call *call;    /* NULL: nobody waits any more */
    enum page page;
    unsigned open; /* lanes that have not answered */
    struct lane_timer timer;
    struct part {
        struct lane_task task;
        struct question *question;
        struct process_lane *pl;
    } parts[];
};

static void answer(struct grpc_call *call, unsigned status, struct str text)
{
    const struct http_answer a = { .status = status, .body = text };
    grpc_call_http(call, &a);
}

static void answer_metrics(struct process_lane *pl, struct grpc_call *call)
{
    const struct process *p = pl->process;
    const char *names[METRIC_METHODS];
    const struct metric_labels labels = { names, frontend_method_names(names) };
    const struct metrics **lanes = NEW(&call->arena, const struct metrics *, p->lane_count);
    for (unsigned i = 0; i < p->lane_count; i++) {
        lanes[i] = lane_metrics(p->lanes[i].lane);
    }
    struct buf out;
    buf_init(&out, METRICS_BYTES_MAX);
    metrics_write(&out, lanes, p->lane_count, &labels);
    const struct http_answer a = {
        .status = 200,
        .content_type = STR("text/plain; version=0.0.4; charset=utf-8"),
        .body = buf_str(&out),
    };
    grpc_call_http(call, &a);
    buf_deinit(&out);
}

static void close_call(struct question *q)
{
    lane_timer_stop(q->home->lane, &q->timer);
    q->call = NULL;
}

static void on_part_back(struct lane_task *task)
{
    struct question *q = container_of(task, struct part, task)->question;
    struct grpc_call *call = q->call;
    if (--q->open) {
        return;
    }
    if (call) {
        close_call(q);
        if (q->page == PAGE_METRICS) {
            answer_metrics(q->home, call);
        } else {
            answer(call, 200, STR("ok\n"));
        }
    }
    free(q);
}

/* On the lane that is asked. */
static void on_part(struct lane_task *task)
{
    struct part *part = container_of(task, struct part, task);
    collect_lane(part->pl);
    if (part->pl->index == 0) {
        collect_process(part->pl);
    }
    part->task.run = on_part_back;
    lane_post(part->question->home->lane, &part->task);
}

static void on_silence(struct lane_timer *timer)
{
    struct question *q = container_of(timer, struct question, timer);
    struct grpc_call *call = q->call;
    log_error("lanes_silent", LOG_U64("lanes", q->open));
    close_call(q);
    answer(call, 503, STR("not every lane answers\n"));
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    close_call(call->owner);
    answer(call, 503, STR(""));
}

static void ask_lanes(struct process_lane *pl, struct grpc_call *call, enum page page)
{
    struct process *p = pl->process;
    struct question *q = calloc(1, sizeof(*q) + p->lane_count * sizeof(q->parts[0]));
    check(q);
    *q = (struct question){ .home = pl, .call = call, .page = page, .open = p->lane_count };
    call->owner = q;
    call->on_cancel = on_cancel;
    lane_timer_start(pl->lane, &q->timer, patience, on_silence);
    for (unsigned i = 0; i < p->lane_count; i++) {
        q->parts[i] = (struct part){ .task.run = on_part, .question = q, .pl = &p->lanes[i] };
        lane_post(p->lanes[i].lane, &q->parts[i].task);
    }
}

static enum page page_of(const struct grpc_call *call)
{
    struct str query;
    struct str path = str_split(grpc_call_metadata(call, STR(":path")), '?', &query);
    bool is_operator = grpc_call_peer(call)->port == H2_PORT_OPERATOR;
    return str_eq(path, STR("/"))                         ? PAGE_FRONT
           : str_eq(path, STR("/healthz"))                ? PAGE_HEALTH
           : str_eq(path, STR("/readyz"))                 ? PAGE_READY
           : is_operator && str_eq(path, STR("/metrics")) ? PAGE_METRICS
                                                          : PAGE_NONE;
}

void pages_answer(void *ctx, struct grpc_call *call)
{
    struct process_lane *pl = ctx;
    struct str method = grpc_call_metadata(call, STR(":method"));
    metric_add(lane_metrics(pl->lane), METRIC_HTTP_REQUESTS, 1);
    if (!str_eq(method, STR("GET")) && !str_eq(method, STR("HEAD"))) {
        answer(call, 405, STR("only GET and HEAD\n"));
        return;
    }
    enum page page = page_of(call);
    switch (page) {
    case PAGE_METRICS:
    case PAGE_HEALTH:
        ask_lanes(pl, call, page);
        return;
    case PAGE_READY:
        if (atomic_load_explicit(&pl->process->is_ready, memory_order_relaxed)) {
            answer(call, 200, STR("ready\n"));
        } else {
            answer(call, 503, STR("starting or ending\n"));
        }
        return;
    case PAGE_FRONT:
        answer(call, 200,
                grpc_call_peer(call)->port == H2_PORT_OPERATOR
                        ? STR("perdure, for operators: /metrics /healthz /readyz\n")
                        : STR("perdure, for browsers: gRPC-web, /healthz /readyz; there is no web "
                              "UI yet\n"));
        return;
    case PAGE_NONE:
        answer(call, 404, STR("not found\n"));
        return;
    }
}
