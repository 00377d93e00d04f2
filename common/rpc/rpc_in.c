/* Calls that others make to this lane, and batches of frames on their way to it.
 *
 *   LIVE   in rl->ins, counted against its link's bound, may have a deadline timer
 *   DYING  the link died; in a local list until its gone() runs
 *   ZOMBIE gone without a gone(): its handler does not know yet and will still answer; in
 * rl->zombies
 *
 * A call ends by rpc_reply or by gone(); both free it. */
#include <stdlib.h>

#include "common/rpc/link.h"

enum in_state { IN_LIVE, IN_DYING, IN_ZOMBIE };

struct in_call {
    struct rpc_in in;
    struct rpc_link *link; /* valid while LIVE: this lane has not seen it die */
    struct {
        uint64_t link, call;
    } id;
    struct map_node node;
    struct list_node in_list;
    struct lane_timer timer;
    enum in_state state;
};

/* ---- answers ---- */

static void send_answer(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame)
{
    uint64_t at;
    if (link->ops->send(link, rl, frame, &at) == RPC_SEND_OK) {
        rpc_lane_mark_dirty(rl, link);
    }
}

static void send_error(
        struct rpc_lane *rl, struct rpc_link *link, uint64_t id, const struct fail *f)
{
    struct rpc_frame frame = { .type = RPC_FRAME_ERROR,
        .id = id,
        .err = f->err,
        .text = fail_text_of(f),
        .detail_type = f->detail_type,
        .detail = f->detail };
    if (f->detail.len + f->detail_type.len > rl->rpc->config.max_frame - RPC_FRAME_OVERHEAD) {
        frame.detail_type = frame.detail = STR("");
    }
    send_answer(rl, link, &frame);
}

/* ---- life of an inbound call ---- */

static struct str in_key(const struct in_call *c)
{
    return str_of(&c->id, sizeof(c->id));
}

/* From LIVE: nobody finds it any more. */
static void in_detach(struct in_call *c)
{
    struct rpc_lane *rl = c->in.lane;
    map_remove(&rl->ins, &c->node);
    lane_timer_stop(rl->lane, &c->timer);
    atomic_fetch_sub_explicit(&c->link->inbound, 1, memory_order_relaxed);
    c->link = NULL;
}

static void in_free(struct in_call *c)
{
    list_remove(&c->in_list);
    free(c);
}

/* Detached: tells the handler, or waits for its answer that nobody wants. */
static void in_tell_gone(struct in_call *c)
{
    if (!c->in.gone) {
        c->state = IN_ZOMBIE;
        list_append(&c->in.lane->zombies, &c->in_list);
        return;
    }
    c->in.gone(&c->in);
    free(c);
}

static void on_deadline(struct lane_timer *timer)
{
    struct in_call *c = container_of(timer, struct in_call, timer);
    in_detach(c);
    in_tell_gone(c);
}

void rpc_ins_link_died(struct rpc_lane *rl, struct rpc_link *link)
{
    struct list lost;
    struct list_node *n;
    list_init(&lost);
    map_each(&rl->ins, m)
    {
        struct in_call *c = map_entry(m, struct in_call, node);
        if (c->link == link) {
            in_detach(c);
            c->state = IN_DYING;
            list_append(&lost, &c->in_list);
        }
    }
    while ((n = list_pop(&lost))) {
        in_tell_gone(list_entry(n, struct in_call, in_list));
    }
}

void rpc_ins_drop_all(struct rpc_lane *rl)
{
    struct list_node *z;
    map_each(&rl->ins, m)
    {
        struct in_call *c = map_entry(m, struct in_call, node);
        map_remove(&rl->ins, m);
        free(c);
    }
    while ((z = list_pop(&rl->zombies))) {
        free(list_entry(z, struct in_call, in_list));
    }
}

/* ---- arrival ---- */

static void request_arrived(
        struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame)
{
    struct rpc_method_entry *e =
            frame->method < RPC_METHODS_MAX ? &rl->methods[frame->method] : NULL;
    if (!e || !e->handler) {
        struct fail f = { 0 };
        (void)fail(&f, ERR_UNIMPLEMENTED, "internal method %u is not served here", frame->method);
        send_error(rl, link, frame->id, &f);
        return;
    }
    unsigned before = atomic_fetch_add_explicit(&link->inbound, 1, memory_order_relaxed);
    if (before >= rl->rpc->config.inbound_max) {
        atomic_fetch_sub_explicit(&link->inbound, 1, memory_order_relaxed);
        send_answer(rl, link, &(struct rpc_frame){ .type = RPC_FRAME_BUSY, .id = frame->id });
        return;
    }
    struct in_call *c = calloc(1, sizeof(*c));
    check(c);
    c->in = (struct rpc_in){ .lane = rl,
        .method = frame->method,
        .key = frame->key,
        .deadline = INSTANT_NEVER,
        .from = link->remote };
    c->link = link;
    c->id.link = link->id;
    c->id.call = frame->id;
    if (map_get(&rl->ins, in_key(c))) { /* an id used twice: the other side's mistake */
        atomic_fetch_sub_explicit(&link->inbound, 1, memory_order_relaxed);
        free(c);
        return;
    }
    map_put(&rl->ins, &c->node, in_key(c));
    if (frame->timeout_ms) {
        struct duration left = { (int64_t)frame->timeout_ms * 1000000 };
        c->in.deadline = instant_add(lane_monotonic(rl->lane), left);
        lane_timer_start(rl->lane, &c->timer, left, on_deadline);
    }
    e->handler(e->ctx, &c->in, frame->body);
}

static void cancel_arrived(struct rpc_lane *rl, struct rpc_link *link, uint64_t call)
{
    uint64_t key[2] = { link->id, call };
    struct map_node *n = map_get(&rl->ins, str_of(key, sizeof(key)));
    if (n) {
        struct in_call *c = map_entry(n, struct in_call, node);
        in_detach(c);
        in_tell_gone(c);
    }
}

void rpc_ins_arrived(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame)
{
    /* After its death the lane is told once; nothing may be parked on it behind that. */
    if (atomic_load_explicit(&link->dead, memory_order_acquire)) {
        return;
    }
    if (frame->type == RPC_FRAME_REQUEST) {
        request_arrived(rl, link, frame);
    } else if (frame->type == RPC_FRAME_CANCEL) {
        cancel_arrived(rl, link, frame->id);
    } else if (frame->method < RPC_METHODS_MAX && rl->methods[frame->method].notify) {
        struct rpc_method_entry *e = &rl->methods[frame->method];
        e->notify(e->notify_ctx, link->remote, frame->key, frame->body);
    }
}

void rpc_serve(struct rpc_lane *rl, uint16_t method, rpc_handler handler, void *ctx)
{
    check(method < RPC_METHODS_MAX);
    rl->methods[method].handler = handler;
    rl->methods[method].ctx = ctx;
}

void rpc_serve_notify(struct rpc_lane *rl, uint16_t method, rpc_notify_handler handler, void *ctx)
{
    check(method < RPC_METHODS_MAX);
    rl->methods[method].notify = handler;
    rl->methods[method].notify_ctx = ctx;
}

/* ---- replies ---- */

static void reply(struct rpc_in *in, struct str body, const struct fail *f)
{
    struct in_call *c = container_of(in, struct in_call, in);
    struct rpc_lane *rl = in->lane;
    if (c->state != IN_LIVE) {
        in_free(c);
        return;
    }
    struct rpc_link *link = c->link;
    struct fail too_big = { 0 };
    if (!f && body.len > rl->rpc->config.max_frame - RPC_FRAME_OVERHEAD) {
        (void)fail(&too_big, ERR_RESOURCE_EXHAUSTED, "answer exceeds the internal size limit");
        f = &too_big;
    }
    if (f) {
        send_error(rl, link, c->id.call, f);
    } else {
        send_answer(rl, link,
                &(struct rpc_frame){ .type = RPC_FRAME_RESPONSE, .id = c->id.call, .body = body });
    }
    in_detach(c);
    free(c);
}

void rpc_reply(struct rpc_in *in, struct str body)
{
    reply(in, body, NULL);
}

void rpc_reply_fail(struct rpc_in *in, const struct fail *fail)
{
    reply(in, STR(""), fail);
}

/* ---- batches ---- */

struct rpc_batch *rpc_batch_new(struct rpc_link *link, struct rpc_lane *rl)
{
    struct rpc_batch *batch = calloc(1, sizeof(*batch));
    check(batch);
    rpc_link_ref(link);
    batch->link = link;
    batch->lane = rl;
    return batch;
}

void rpc_batch_add(struct rpc_batch *batch, struct str frame)
{
    size_t need = batch->len + sizeof(size_t) + frame.len;
    if (need > batch->cap) {
        batch->cap = need > 2 * batch->cap ? need : 2 * batch->cap;
        batch->data = realloc(batch->data, batch->cap);
        check(batch->data);
    }
    memcpy(batch->data + batch->len, &frame.len, sizeof(size_t));
    memcpy(batch->data + batch->len + sizeof(size_t), frame.ptr, frame.len);
    batch->len = need;
}

static void run_batch(struct lane_task *task)
{
    struct rpc_batch *batch = container_of(task, struct rpc_batch, task);
    size_t at = 0, frame_bytes = 0;
    while (at < batch->len) {
        size_t n;
        struct rpc_frame frame;
        memcpy(&n, batch->data + at, sizeof(n));
        at += sizeof(n);
        check(rpc_frame_get(str_of(batch->data + at, n), &frame)); /* it was, before */
        rpc_lane_take(batch->lane, batch->link, &frame);
        at += n;
        frame_bytes += n;
    }
    if (batch->link->ops->consumed) {
        batch->link->ops->consumed(batch->link, frame_bytes);
    }
    rpc_link_unref(batch->link);
    free(batch->data);
    free(batch);
}

void rpc_batch_post(struct rpc_batch *batch)
{
    batch->task.run = run_batch;
    lane_post(batch->lane->lane, &batch->task);
}
