/* Reading a run's history: pages, both directions, the wait for new events, the close event alone, and the synthetic
 * suffix that only workers see. */
#include "history/engine/workflow.h"
#include "history/engine_view.h"
#include "history/handlers.h"

enum { EVENT_ID_MAX = INT32_MAX }; /* of a token that we gave: far more than a run may have */

struct read_call {
    Api__GetWorkflowExecutionHistoryRequest *request; /* NULL until the first run */
    Api__GetWorkflowExecutionHistoryReverseRequest *reverse;
    struct api_token token; /* of the page, or made at the first one */
    bool has_token, is_parked, is_expired;
    bool wait, close_only, is_open;
    struct page page;
};

/* ---- answers ------------------------------------------------------------------------------------------- */

static struct str page_token(struct call *call, const struct read_call *rc, int64_t next)
{
    struct api_token t = rc->token;
    t.next_event_id = next;
    return api_token_encode(&call->arena, &t);
}

static struct str encode_page(
        struct call *call, const struct read_call *rc, struct str events, struct str token)
{
    if (rc->reverse) {
        Api__GetWorkflowExecutionHistoryReverseResponse m =
                API__GET_WORKFLOW_EXECUTION_HISTORY_REVERSE_RESPONSE__INIT;
        m.history = api_data(events);
        m.next_page_token = api_data(token);
        return api_encode(&call->arena, &m.base);
    }
    Api__GetWorkflowExecutionHistoryResponse m = API__GET_WORKFLOW_EXECUTION_HISTORY_RESPONSE__INIT;
    m.history = api_data(events);
    m.next_page_token = api_data(token);
    return api_encode(&call->arena, &m.base);
}

/* Empty, with a token when the caller shall come back. */
static void reply_empty(
        struct call *call, struct execution *ex, struct read_call *rc, bool with_token)
{
    struct str token = with_token ? page_token(call, rc, rc->token.next_event_id) : STR("");
    call_reply(call, ex, encode_page(call, rc, STR(""), token));
}

static struct str finish_page(struct call *call, struct page *page)
{
    struct read_call *rc = call->state;
    int64_t next = page->backwards ? page->from - page->count : page->from + page->count;
    bool more = page->backwards ? next > 0 : next < page->end;
    struct str events = page->events;
    struct str token = STR("");
    if (rc->close_only) {
        more = false;
    }
    if (more || (rc->wait && rc->is_open && !rc->close_only)) {
        token = page_token(call, rc, next);
    } else if (rc->token.suffix.len && !page->backwards) {
        struct buf all;
        buf_init_arena(&all, &call->arena, (size_t)128 << 20);
        buf_append_str(&all, events);
        buf_append_str(&all, rc->token.suffix);
        events = buf_str(&all);
    }
    return encode_page(call, rc, events, token);
}

static void page_done(struct call *call, struct page *page)
{
    call_reply_now(call, finish_page(call, page));
}

static void read_page(struct call *call)
{
    struct read_call *rc = call->state;
    page_read(&rc->page);
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

static void poll_expired(struct lane_timer *timer)
{
    struct call *call = container_of(timer, struct call, timer);
    struct read_call *rc = call->state;
    rc->is_expired = true;
    if (rc->is_parked) {
        rc->is_parked = false;
        list_remove(&call->node);
        chain_submit(call->chain, call);
    }
}

static void poll_gone(struct call *call)
{
    struct read_call *rc = call->state;
    if (rc->is_parked) {
        list_remove(&call->node);
        call_reply_now(call, STR(""));
    }
}

/* Until something is committed, the run closes, or the time is over: a second before the caller gives up. */
static void park(struct call *call, struct execution *ex, struct read_call *rc)
{
    struct history *h = call->history;
    if (!call->in) {
        call_reply_now(call, STR(""));
        return;
    }
    if (!lane_timer_running(&call->timer)) {
        struct duration left = instant_since(call->in->deadline, lane_monotonic(h->lane));
        left.ns =
                left.ns > DURATION_MS(1500).ns ? left.ns - DURATION_SECONDS(1).ns : left.ns * 2 / 3;
        lane_timer_start(
                h->lane, &call->timer, duration_min(left, h->config.long_poll), poll_expired);
    }
    rc->is_parked = true;
    call->gone = poll_gone;
    list_append(&ex->polls, &call->node);
}

/* ---- the request --------------------------------------------------------------------------------------- */

static bool take_token(
        struct call *call, struct read_call *rc, ProtobufCBinaryData bytes, const char *run_id)
{
    rc->has_token = bytes.len > 0;
    if (!rc->has_token) {
        return true;
    }
    struct fail f = { 0 };
    struct uuid id;
    if (api_token_decode(api_bytes(bytes), &call->arena, &rc->token, &f) ||
            rc->token.kind != API_TOKEN_HISTORY_PAGE ||
            rc->token.is_reverse != (rc->reverse != NULL) || rc->token.next_event_id < 0 ||
            rc->token.next_event_id > EVENT_ID_MAX ||
            !str_eq(rc->token.workflow_id, call->chain->workflow_id) ||
            !uuid_eq(rc->token.namespace_id, call->chain->namespace_id) ||
            (*run_id && (!uuid_parse(text(run_id), &id) || !uuid_eq(id, rc->token.run_id)))) {
        fail(&f, ERR_INVALID_ARGUMENT, "Invalid NextPageToken.");
        call_fail_now(call, &f);
        return false;
    }
    return true;
}

static struct read_call *take_request(struct call *call, bool reverse)
{
    if (call->state) {
        return call->state; /* it was parked, or waited for a load */
    }
    struct read_call *rc = NEW(&call->arena, struct read_call, 1);
    const Api__WorkflowExecution *execution;
    ProtobufCBinaryData token;
    int32_t size;
    if (reverse) {
        rc->reverse = HANDLER_DECODE(call, api__get_workflow_execution_history_reverse_request);
        if (!rc->reverse) {
            return NULL;
        }
        execution = rc->reverse->execution;
        token = rc->reverse->next_page_token;
        size = rc->reverse->maximum_page_size;
    } else {
        rc->request = HANDLER_DECODE(call, api__get_workflow_execution_history_request);
        if (!rc->request) {
            return NULL;
        }
        execution = rc->request->execution;
        token = rc->request->next_page_token;
        size = rc->request->maximum_page_size;
        rc->wait = rc->request->wait_new_event;
        rc->close_only = rc->request->history_event_filter_type ==
                         API__HISTORY_EVENT_FILTER_TYPE__HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT;
    }
    if (!take_token(call, rc, token, execution ? execution->run_id : "")) {
        return NULL;
    }
    if (!rc->has_token && execution && *execution->run_id &&
            !uuid_parse(text(execution->run_id), &rc->token.run_id)) {
        struct fail f = { 0 };
        fail(&f, ERR_INVALID_ARGUMENT, "Invalid RunId.");
        call_fail_now(call, &f);
        return NULL;
    }
    int32_t max = history_limits(call->history, call->api.namespace_id)->history_page;
    rc->page.max_events = size > 0 && size < max ? size : max;
    rc->page.max_bytes = PAGE_BYTES;
    rc->page.call = call;
    rc->page.done = page_done;
    call->state = rc;
    return rc;
}

/* A worker without the page token of its task reads the whole history: it needs the started event that is not stored
 * yet, as it was promised. Claiming again with the same poll id changes nothing. Of a retry that waits for a
 * worker it sees that it is scheduled. */
static void add_suffix(struct call *call, struct execution *ex, struct read_call *rc)
{
    const struct workflow *wf = ex->wf;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    if (!call->api.from_worker || rc->reverse || rc->wait) {
        return;
    }
    if (wf->task.state != WORKFLOW_TASK_STARTED) {
        rc->token.suffix = workflow_task_promised(wf, &call->arena);
        return;
    }
    execution_event(call->history, ex, EVENT_CLAIM_WORKFLOW_TASK, &ev);
    ev.claim = (struct event_claim){
        .scheduled_event_id = wf->task.scheduled_event_id,
        .attempt = wf->task.attempt,
        .poll_id = str_dup(&call->arena, wf->task.request_id),
        .identity = str_dup(&call->arena, wf->task.identity),
        .task_queue = str_dup(&call->arena,
                wf->task.started_sticky ? wf->sticky_queue : engine_view_task_queue(wf)),
    };
    if (!execution_step(ex, &ev, &call->arena, &fx, &f) && fx.has_workflow_task) {
        rc->token.suffix = str_dup(&call->arena, fx.workflow_task.suffix);
        rc->token.end_event_id = fx.workflow_task.to_event_id + 1;
    }
}

static void first_page(struct call *call, struct execution *ex, struct read_call *rc)
{
    int64_t next = workflow_next_event_id(ex->wf);
    rc->token = (struct api_token){
        .kind = API_TOKEN_HISTORY_PAGE,
        .namespace_id = ex->chain->namespace_id,
        .run_id = ex->run_id,
        .workflow_id = ex->chain->workflow_id,
        .key = ex->key,
        .next_event_id = rc->reverse ? next - 1 : 1,
        .end_event_id = next,
        .is_reverse = rc->reverse != NULL,
    };
    rc->token.workflow_id = str_dup(&call->arena, rc->token.workflow_id);
    rc->has_token = true;
    add_suffix(call, ex, rc);
}

static void read_history(struct call *call, struct execution *ex, struct read_call *rc)
{
    int64_t next = workflow_next_event_id(ex->wf);
    rc->is_open = ex->status == WORKFLOW_RUNNING;
    rc->is_parked = false;
    if (rc->wait) {
        rc->token.end_event_id = next;
    }
    bool waits = rc->wait && rc->is_open && (rc->close_only || rc->token.next_event_id >= next);
    if (waits && !rc->is_expired) {
        park(call, ex, rc);
        return;
    }
    if (waits || (rc->close_only && rc->is_open)) {
        reply_empty(call, ex, rc, waits);
        return;
    }
    struct page *page = &rc->page;
    page->key = ex->key;
    page->from = rc->close_only ? next - 1 : rc->token.next_event_id;
    page->end = rc->close_only ? next : rc->token.end_event_id;
    page->backwards = rc->reverse != NULL;
    if (page->from < 1 || (!page->backwards && page->from >= page->end)) {
        call_reply(call, ex, finish_page(call, page)); /* nothing left but the suffix */
    } else if (page_from_memory(page, ex)) {
        call_reply(call, ex, finish_page(call, page));
    } else {
        call_then(call, ex, read_page);
    }
}

static void handle(struct call *call, bool reverse)
{
    struct read_call *rc = take_request(call, reverse);
    struct execution *ex;
    if (!rc || !handler_find_key(call, rc->token.run_id, rc->token.key, &ex)) {
        return;
    }
    if (!rc->has_token) {
        first_page(call, ex, rc);
    }
    read_history(call, ex, rc);
}

void handle_get_history(struct call *call)
{
    handle(call, false);
}

void handle_get_history_reverse(struct call *call)
{
    handle(call, true);
}
