/* One call:
 *
 *   client: waiting --answer or deadline or broken connection--> done()
 *   server: on its way --handler--> parked --reply, fail--> gone
 *
 * The two ends know of each other until one of them is over. What is on its way between them is an
 * event. */
#include "tests/sim/sim_grpc.h"

#include <stdlib.h>

#include "common/api/codec.h"
#include "frontend/grpc/grpc.h"
#include "tests/sim/host.h"

struct table {
    const struct grpc_method *rows;
    size_t count;
    void *ctx;
};

struct grpc_server {
    struct lane *lane;
    struct table table;
    struct list calls; /* struct sim_call.node */
    bool draining;
};

struct sim_call {
    struct grpc_call base;
    struct list_node node;
    struct api_call *client; /* NULL: nobody waits any more */
    struct host *host;
    struct lane_task arrive, cancel;
    struct sim_event travel;
    struct lane_timer deadline;
    const char *method;
    struct str request;
    enum grpc_cancel why;
    void *ctx;
    bool arrived, answered, cancelled;
};

static uint64_t call_count;

uint64_t sim_grpc_calls(void)
{
    return call_count;
}

/* ---- the client's end -------------------------------------------------------------------------- */

static void client_end(struct api_call *c)
{
    c->pending = false;
    c->server = NULL;
    event_stop(&c->timer);
    struct buf body = c->body;
    buf_init(&c->body, (size_t)64 << 20);
    record(NULL, "answered", c->err, (int64_t)body.len, 0);
    c->done(c, c->err, buf_str(&body), c->text);
    buf_deinit(&body);
}

static void on_answer(struct sim_event *event)
{
    client_end(container_of(event, struct api_call, timer));
}

static void cancel_server(struct sim_call *s, enum grpc_cancel why, struct duration after);

static void client_fail(struct api_call *c, enum err err, const char *text, struct duration after)
{
    c->err = err;
    snprintf(c->text, sizeof(c->text), "%s", text);
    buf_reset(&c->body);
    event_after(&c->timer, after, on_answer);
}

static void on_deadline(struct sim_event *event)
{
    struct api_call *c = container_of(event, struct api_call, timer);
    if (c->server) {
        cancel_server(c->server, GRPC_CANCEL_CLIENT, up_to(DURATION_MS(5)));
        c->server->client = NULL;
    }
    c->err = ERR_DEADLINE_EXCEEDED;
    snprintf(c->text, sizeof(c->text), "deadline");
    client_end(c);
}

void api_call_abandon(struct api_call *c)
{
    if (!c->pending) {
        return;
    }
    event_stop(&c->timer);
    if (c->server) {
        cancel_server(c->server, GRPC_CANCEL_CLIENT, up_to(DURATION_MS(5)));
        c->server->client = NULL;
    }
    c->server = NULL;
    c->pending = false;
}

/* ---- on the frontend's lane -------------------------------------------------------------------- */

static void server_end(struct sim_call *s)
{
    lane_timer_stop(s->base.lane, &s->deadline);
    list_remove(&s->node);
    if (s->client) {
        s->client->server = NULL;
        s->client = NULL;
    }
    s->answered = true;
    arena_deinit(&s->base.arena);
}

static void run_cancel(struct lane_task *task)
{
    struct sim_call *s = container_of(task, struct sim_call, cancel);
    if (s->answered || s->cancelled) {
        return;
    }
    s->cancelled = true;
    lane_timer_stop(s->base.lane, &s->deadline);
    if (s->base.on_cancel) {
        s->base.on_cancel(&s->base, s->why);
    }
}

static void post_cancel(struct sim_event *event)
{
    struct sim_call *s = container_of(event, struct sim_call, travel);
    if (s->host->state != HOST_DEAD && s->arrived && !s->answered && !s->cancel.queued) {
        s->cancel.run = run_cancel;
        lane_post(s->base.lane, &s->cancel);
    }
}

static void cancel_server(struct sim_call *s, enum grpc_cancel why, struct duration after)
{
    s->why = why;
    if (!s->arrived) {
        return; /* it never arrives, or arrives and answers nobody */
    }
    event_after(&s->travel, after, post_cancel);
}

static void on_server_deadline(struct lane_timer *timer)
{
    struct sim_call *s = container_of(timer, struct sim_call, deadline);
    s->why = GRPC_CANCEL_DEADLINE;
    run_cancel(&s->cancel);
}

static void arrive(struct lane_task *task)
{
    struct sim_call *s = container_of(task, struct sim_call, arrive);
    struct grpc_server *server = s->base.server;
    const struct grpc_method *row = NULL;
    for (size_t i = 0; i < server->table.count; i++) {
        const struct grpc_method *m = &server->table.rows[i];
        size_t n = strlen(s->method);
        if (m->path.len > n && !memcmp(m->path.ptr + m->path.len - n, s->method, n) &&
                m->path.ptr[m->path.len - n - 1] == '/') {
            row = m;
        }
    }
    check(row);
    s->arrived = true;
    s->base.method = row;
    s->base.lane = server->lane;
    s->base.message = s->request;
    list_remove(&s->node);
    list_append(&server->calls, &s->node);
    if (s->base.deadline.ns != INSTANT_NEVER.ns) {
        struct duration left = instant_since(s->base.deadline, lane_monotonic(server->lane));
        lane_timer_start(server->lane, &s->deadline, left, on_server_deadline);
    }
    row->handler(server->table.ctx, &s->base);
    if (server->draining && !s->answered && s->base.on_drain) {
        s->base.on_drain(&s->base);
    }
}

static void on_travel(struct sim_event *event)
{
    struct sim_call *s = container_of(event, struct sim_call, travel);
    if (s->host->state == HOST_DEAD) {
        return; /* host_died has told the client */
    }
    if (!s->client && chance(500)) {
        return; /* the connection was gone before */
    }
    s->arrive.run = arrive;
    s->base.lane = s->base.server->lane;
    lane_post(s->base.lane, &s->arrive);
}

/* ---- starting ---------------------------------------------------------------------------------- */

static struct host_lane *pick_frontend(void)
{
    struct host_lane *candidates[16];
    size_t count = 0;
    for (unsigned place = 0; place < host_places(); place++) {
        struct host *h = host_at(place);
        for (unsigned i = 0; h && i < h->lane_count; i++) {
            if (h->lanes[i].serves && count < ARRAY_LEN(candidates)) {
                candidates[count++] = &h->lanes[i];
            }
        }
    }
    return count ? candidates[rand_below(&world.rand, count)] : NULL;
}

static struct duration trip(void)
{
    return (struct duration){ 50000 + up_to(world.swarm.net_delay).ns };
}

void api_call_start(struct api_call *c, const char *method, const ProtobufCMessage *request,
        struct duration timeout)
{
    struct host_lane *hl = pick_frontend();
    check(!c->pending);
    c->pending = true;
    c->server = NULL;
    c->detail_type = STR("");
    buf_init(&c->body, (size_t)64 << 20);
    call_count++;
    if (!hl) {
        client_fail(c, ERR_UNAVAILABLE, "no frontend", DURATION_MS(20));
        return;
    }
    struct sim_call *s = calloc(1, sizeof(*s));
    check(s);
    s->base.server = hl->grpc;
    s->base.id = call_count;
    s->base.deadline = instant_add(world.now, timeout);
    s->host = hl->host;
    s->method = method;
    s->request = api_encode(&s->base.arena, request);
    s->client = c;
    c->server = s;
    list_append(&hl->host->api_calls, &s->node);
    event_after(&s->travel, trip(), on_travel);
    event_after(&c->timer, timeout, on_deadline);
}

/* ---- the doors of frontend/grpc ---------------------------------------------------------------- */

static bool answer_reaches(struct sim_call *s)
{
    if (!s->client || s->cancelled) {
        return false;
    }
    if (!world.calm && world.swarm.every[FAULT_CLIENT].ns && chance(10)) {
        client_fail(s->client, ERR_UNAVAILABLE, "connection lost", trip());
        s->client->server = NULL;
        s->client = NULL;
        return false;
    }
    return true;
}

static void answer(struct sim_call *s, struct str bytes, const struct fail *f)
{
    sim_effect();
    check(!s->answered);
    bool cancelled = s->cancelled;
    if (answer_reaches(s)) {
        struct api_call *c = s->client;
        c->err = f ? f->err : ERR_NONE;
        snprintf(c->text, sizeof(c->text), "%.150s", f ? f->message : "");
        c->detail_type = f ? str_dup(&world.arena, f->detail_type) : STR("");
        buf_append_str(&c->body, bytes);
        c->server = NULL;
        s->client = NULL;
        event_after(&c->timer, trip(), on_answer);
    } else if (!f && !cancelled && s->base.on_undelivered && chance(500)) {
        s->base.on_undelivered(&s->base);
    }
    server_end(s);
}

void grpc_call_reply(struct grpc_call *call, struct str bytes)
{
    answer(container_of(call, struct sim_call, base), bytes, NULL);
}

void grpc_call_fail(struct grpc_call *call, const struct fail *f)
{
    answer(container_of(call, struct sim_call, base), STR(""), f);
}

struct str grpc_call_metadata(const struct grpc_call *call, struct str name)
{
    return str_eq(name, STR("client-name")) ? STR("temporal-simulated") : STR("");
}

struct grpc_server *grpc_server_new(struct lane *lane, const struct grpc_config *unused)
{
    struct grpc_server *s = NEW(&world.arena, struct grpc_server, 1);
    s->lane = lane;
    list_init(&s->calls);
    return s;
}

void grpc_server_add(
        struct grpc_server *server, const struct grpc_method *methods, size_t count, void *ctx)
{
    server->table = (struct table){ methods, count, ctx };
}

void grpc_server_drain(struct grpc_server *server)
{
    server->draining = true;
    list_each(&server->calls, n)
    {
        struct sim_call *s = list_entry(n, struct sim_call, node);
        if (s->base.on_drain) {
            s->base.on_drain(&s->base);
        }
    }
}

/* ---- faults ------------------------------------------------------------------------------------ */

static void break_call(struct sim_call *s, struct duration after)
{
    struct api_call *c = s->client;
    if (c) {
        client_fail(c, ERR_UNAVAILABLE, "connection lost", after);
        c->server = NULL;
        s->client = NULL;
    }
}

void sim_grpc_break_some(void)
{
    struct host_lane *hl = pick_frontend();
    if (!hl) {
        return;
    }
    list_each(&hl->grpc->calls, n)
    {
        struct sim_call *s = list_entry(n, struct sim_call, node);
        if (chance(300)) {
            break_call(s, up_to(DURATION_MS(5)));
            cancel_server(s, GRPC_CANCEL_CLIENT, up_to(DURATION_MS(5)));
        }
    }
}

void sim_grpc_host_died(struct host *h)
{
    bool silently = chance(300);
    struct list *lists[3] = { &h->api_calls };
    for (unsigned i = 0; i < h->lane_count; i++) {
        lists[1 + i] = h->lanes[i].grpc ? &h->lanes[i].grpc->calls : NULL;
    }
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        if (!lists[k]) {
            continue;
        }
        list_each(lists[k], n)
        {
            struct sim_call *s = list_entry(n, struct sim_call, node);
            event_stop(&s->travel);
            break_call(s, silently ? DURATION_SECONDS(3) : up_to(DURATION_MS(5)));
        }
    }
}
