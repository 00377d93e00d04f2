/* Calls that this lane makes, and the lane's side of rpc as a whole.
 *
 *            rpc_call                       answer, time-out, link died
 *   IDLE ------------------> WAITING ------------------------------------> IDLE, then done()
 *    |                                                                      ^
 *    |  refused at once                     fail_task, at the latest next turn |
 *    +---------------------> FAILED ------------------------------------------+
 *
 * WAITING: in rl->calls, its frame was queued on call->link, which cannot be freed before this lane
 * has seen it die. FAILED: in a list, waiting for its done(). rpc_cancel leads from both to IDLE,
 * without done(). */
#include <stdlib.h>

#include "common/obs/metrics.h"
#include "common/rpc/link.h"

_Static_assert(RPC_BUSY + 1 == METRIC_CELLS_RESULT, "a metric for each result");

enum call_state { CALL_IDLE, CALL_WAITING, CALL_FAILED };

/* ---- the lane ---- */

static void flush_dirty(struct lane_hook *hook)
{
    struct rpc_lane *rl = container_of(hook, struct rpc_lane, hook);
    for (size_t i = 0; i < rl->dirty_len; i++) {
        struct rpc_link *link = rl->dirty[i];
        link->dirty[rl->index] = 0;
        link->ops->flush(link);
        rpc_link_unref(link);
    }
    rl->dirty_len = 0;
}

void rpc_lane_mark_dirty(struct rpc_lane *rl, struct rpc_link *link)
{
    if (!link->ops->flush || link->dirty[rl->index]) {
        return;
    }
    if (rl->dirty_len == rl->dirty_cap) {
        rl->dirty_cap = rl->dirty_cap ? 2 * rl->dirty_cap : 16;
        rl->dirty = realloc(rl->dirty, rl->dirty_cap * sizeof(struct rpc_link *));
        check(rl->dirty);
    }
    link->dirty[rl->index] = 1;
    rpc_link_ref(link);
    rl->dirty[rl->dirty_len++] = link;
}

static void run_failed(struct lane_task *task);

struct rpc_lane *rpc_lane_new(struct rpc *rpc, struct lane *lane)
{
    struct rpc_lane *rl = calloc(1, sizeof(*rl));
    check(rl);
    rl->rpc = rpc;
    rl->lane = lane;
    rl->index = lane_index(lane);
    map_init(&rl->calls, NULL);
    map_init(&rl->ins, NULL);
    list_init(&rl->failed);
    list_init(&rl->zombies);
    list_init(&rl->watches);
    rl->fail_task.run = run_failed;
    rl->hook.run = flush_dirty;
    lane_on_turn_end(lane, &rl->hook);
    check(rl->index < RPC_LANES_MAX);
    check(!atomic_load(&rpc->lanes[rl->index]));
    atomic_store_explicit(&rpc->lanes[rl->index], rl, memory_order_release);
    return rl;
}

void rpc_watch_links(struct rpc_lane *rl, struct rpc_watch *watch)
{
    list_append(&rl->watches, &watch->node);
}

void rpc_lane_take(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame)
{
    switch (frame->type) {
    case RPC_FRAME_REQUEST:
    case RPC_FRAME_CANCEL:
    case RPC_FRAME_NOTIFY:
        rpc_ins_arrived(rl, link, frame);
        return;
    case RPC_FRAME_RESPONSE:
    case RPC_FRAME_ERROR:
    case RPC_FRAME_BUSY:
        rpc_calls_answered(rl, link, frame);
        return;
    case RPC_FRAME_HELLO:
    case RPC_FRAME_PING:
    case RPC_FRAME_PONG:
    case RPC_FRAME_GOAWAY:
        break; /* never handed to a lane */
    }
    unreachable_state(frame->type);
}

/* ---- ends of a call ---- */

static struct str call_key(const struct rpc_call *call)
{
    return str_of(&call->id, sizeof(call->id));
}

static void call_unlink(struct rpc_call *call)
{
    if (call->state == CALL_WAITING) {
        map_remove(&call->lane->calls, &call->by_id);
        lane_timer_stop(call->lane->lane, &call->timer);
    } else {
        list_remove(&call->in_list);
    }
    call->state = CALL_IDLE;
    rpc_peer_put(call->peer);
}

static void call_finish(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *fail)
{
    metric_count_result(lane_metrics(call->lane->lane), METRIC_CALLS, result);
    call_unlink(call);
    call->done(call, result, body, fail); /* may free or reuse the call */
}

static void call_fail_later(struct rpc_call *call, enum rpc_result result)
{
    struct rpc_lane *rl = call->lane;
    call->state = CALL_FAILED;
    call->result = (uint8_t)result;
    list_append(&rl->failed, &call->in_list);
    if (!rl->fail_scheduled) {
        rl->fail_scheduled = true;
        lane_defer(rl->lane, &rl->fail_task);
    }
}

/* Calls that fail anew within a done() go to rl->failed again, not to this list. */
static void finish_all(struct list *list)
{
    struct list_node *n;
    while ((n = list_first(list))) {
        struct rpc_call *call = list_entry(n, struct rpc_call, in_list);
        struct fail f = { 0 };
        bool refused = call->result == RPC_APP_ERROR;
        if (refused) {
            (void)fail(&f, call->local_err, "message exceeds the internal size limit");
        }
        call_finish(call, (enum rpc_result)call->result, STR(""), refused ? &f : NULL);
    }
}

static void run_failed(struct lane_task *task)
{
    struct rpc_lane *rl = container_of(task, struct rpc_lane, fail_task);
    struct list now;
    struct list_node *n;
    rl->fail_scheduled = false;
    list_init(&now);
    while ((n = list_pop(&rl->failed))) {
        list_append(&now, n);
    }
    finish_all(&now);
}

void rpc_calls_link_died(struct rpc_lane *rl, struct rpc_link *link, uint64_t handed)
{
    struct list lost;
    list_init(&lost);
    if (rl->index == 0) { /* every lane is told */
        metric_add(lane_metrics(rl->lane), METRIC_LINKS_LOST, 1);
    }
    map_each(&rl->calls, n)
    {
        struct rpc_call *call = map_entry(n, struct rpc_call, by_id);
        if (call->link == link) {
            map_remove(&rl->calls, n);
            lane_timer_stop(rl->lane, &call->timer);
            call->state = CALL_FAILED;
            call->result = call->at >= handed ? RPC_NOT_SENT : RPC_UNKNOWN;
            list_append(&lost, &call->in_list);
        }
    }
    finish_all(&lost);
}

void rpc_calls_answered(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame)
{
    struct map_node *n = map_get(&rl->calls, str_of(&frame->id, sizeof(frame->id)));
    struct rpc_call *call = n ? map_entry(n, struct rpc_call, by_id) : NULL;
    if (!call || call->link != link) {
        return; /* timed out or cancelled meanwhile, or forged */
    }
    struct fail f = { 0 };
    switch (frame->type) {
    case RPC_FRAME_RESPONSE:
        call_finish(call, RPC_OK, frame->body, NULL);
        return;
    case RPC_FRAME_BUSY:
        call_finish(call, RPC_BUSY, STR(""), NULL);
        return;
    default:
        (void)fail_text(&f, frame->err, frame->text);
        if (!str_empty(frame->detail_type)) {
            fail_set_detail(&f, frame->detail_type, frame->detail);
        }
        call_finish(call, RPC_APP_ERROR, STR(""), &f);
        return;
    }
}

/* ---- calling ---- */

static void send_cancel(struct rpc_call *call)
{
    struct rpc_frame frame = {
        .type = RPC_FRAME_CANCEL, .id = call->id, .method = call->method, .key = call->key
    };
    uint64_t at;
    if (call->link->ops->send(call->link, call->lane, &frame, &at) == RPC_SEND_OK) {
        rpc_lane_mark_dirty(call->lane, call->link);
    }
}

static void on_timeout(struct lane_timer *timer)
{
    struct rpc_call *call = container_of(timer, struct rpc_call, timer);
    send_cancel(call);
    call_finish(call, RPC_TIMEOUT, STR(""), NULL);
}

void rpc_cancel(struct rpc_call *call)
{
    if (!rpc_call_pending(call)) {
        return;
    }
    if (call->state == CALL_WAITING) {
        send_cancel(call);
    }
    call_unlink(call);
}

static bool fits(const struct rpc_lane *rl, struct str body)
{
    return body.len <= rl->rpc->config.max_frame - RPC_FRAME_OVERHEAD;
}

static void call_send(
        struct rpc_call *call, struct rpc_link *link, struct str body, struct duration timeout)
{
    struct rpc_lane *rl = call->lane;
    struct rpc_frame frame = { .type = RPC_FRAME_REQUEST,
        .id = call->id,
        .method = call->method,
        .key = call->key,
        .body = body };
    bool is_bounded = timeout.ns != INT64_MAX;
    if (is_bounded) {
        frame.timeout_ms = (uint64_t)(timeout.ns - 1) / 1000000 + 1;
    }
    enum rpc_send sent = link->ops->send(link, rl, &frame, &call->at);
    if (sent != RPC_SEND_OK) {
        call_fail_later(call, sent == RPC_SEND_FULL ? RPC_BUSY : RPC_NOT_SENT);
        return;
    }
    call->link = link;
    call->state = CALL_WAITING;
    map_put(&rl->calls, &call->by_id, call_key(call));
    if (is_bounded) {
        lane_timer_start(rl->lane, &call->timer, timeout, on_timeout);
    }
    rpc_lane_mark_dirty(rl, link);
}

void rpc_call(struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key,
        struct str body, struct duration timeout, struct rpc_call *call)
{
    check(!rpc_call_pending(call));
    call->id = (uint64_t)rl->index << 48 | (++rl->next_call & (((uint64_t)1 << 48) - 1));
    call->lane = rl;
    call->peer = rpc_peer_ref(peer);
    call->link = NULL;
    call->method = method;
    call->key = key;
    call->timer = (struct lane_timer){ 0 };
    if (!fits(rl, body)) {
        call->local_err = ERR_RESOURCE_EXHAUSTED;
        call_fail_later(call, RPC_APP_ERROR);
        return;
    }
    if (timeout.ns <= 0) {
        call_fail_later(call, RPC_TIMEOUT);
        return;
    }
    struct rpc_link *link = rpc_peer_link(peer);
    if (!link) {
        call_fail_later(call, RPC_NOT_SENT);
        return;
    }
    call_send(call, link, body, timeout);
    rpc_link_unref(link);
}

void rpc_notify(
        struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key, struct str body)
{
    struct rpc_frame frame = {
        .type = RPC_FRAME_NOTIFY, .method = method, .key = key, .body = body
    };
    struct rpc_link *link = fits(rl, body) ? rpc_peer_link(peer) : NULL;
    uint64_t at;
    if (link) {
        if (link->ops->send(link, rl, &frame, &at) == RPC_SEND_OK) {
            rpc_lane_mark_dirty(rl, link);
        }
        rpc_link_unref(link);
    }
}
