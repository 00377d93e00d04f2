/* Lists and counts of workflows: reads the query, asks the store directly (any frontend sees what was acknowledged
 * before), makes the answer. Relies on common/visibility for the language and on the store for order and pages. */
#include "common/api/codec.h"
#include "common/api/view.h"
#include "common/model/wire.h"
#include "common/store/store_lists.h"
#include "common/visibility/filter.h"
#include "frontend/api.h"
#include "frontend/visibility.h"

enum {
    PAGE_BYTES_MAX = 3 << 20, /* of memos and attributes: clients refuse answers above 4 MiB */
};

/* ---- page tokens: a place, in wire form ---- */

enum { PLACE_CLOSED = 1, PLACE_CLOSE_TIME, PLACE_START_TIME, PLACE_KEY, PLACE_BEGAN, PLACE_MOMENT };

static struct str token_of(struct arena *arena, const struct store_place *place)
{
    struct buf b;
    buf_init_arena(&b, arena, 8192);
    wire_opt_varint(&b, PLACE_CLOSED, place->in_closed);
    wire_opt_varint(&b, PLACE_CLOSE_TIME, (uint64_t)place->close_time.ns);
    wire_opt_varint(&b, PLACE_START_TIME, (uint64_t)place->start_time.ns);
    wire_opt_varint(&b, PLACE_KEY, (uint64_t)place->key);
    wire_opt_varint(&b, PLACE_BEGAN, (uint64_t)place->began.ns);
    wire_opt_bytes(&b, PLACE_MOMENT, place->moment);
    return buf_str(&b);
}

static bool place_of(struct str token, struct store_place *ret)
{
    struct store_place place = { 0 };
    struct wire_field f;
    if (str_empty(token)) {
        *ret = place;
        return true;
    }
    while (wire_next(&token, &f)) {
        int64_t v = (int64_t)f.varint;
        switch (f.number) {
        case PLACE_CLOSED:
            place.in_closed = v != 0;
            break;
        case PLACE_CLOSE_TIME:
            place.close_time.ns = v;
            break;
        case PLACE_START_TIME:
            place.start_time.ns = v;
            break;
        case PLACE_KEY:
            place.key = v;
            break;
        case PLACE_BEGAN:
            place.began.ns = v;
            break;
        case PLACE_MOMENT:
            place.moment = f.bytes;
            break;
        default:
            return false;
        }
    }
    *ret = place;
    return wire_ok(token) && place.key > 0;
}

/* ---- one run ---- */

static Api__WorkflowExecution *execution(
        struct arena *arena, struct str workflow_id, struct str run_id)
{
    Api__WorkflowExecution *m = api_new(arena, &api__workflow_execution__descriptor);
    m->workflow_id = str_cstr(arena, workflow_id);
    m->run_id = str_cstr(arena, run_id);
    return m;
}

static Api__WorkflowExecutionInfo *info(struct request *rq, const struct store_listed *row)
{
    struct arena *arena = &rq->call->arena;
    const struct store_run_row *run = &row->run;
    const struct store_view *v = &row->view;
    Api__WorkflowExecutionInfo *m = api_new(arena, &api__workflow_execution_info__descriptor);
    m->execution = execution(arena, run->workflow_id, uuid_dup(arena, run->run_id));
    m->type = api_new(arena, &api__workflow_type__descriptor);
    m->type->name = str_cstr(arena, v->workflow_type);
    m->start_time = api_timestamp(arena, run->start_time);
    m->execution_time = api_timestamp(arena, v->execution_time);
    m->status = (Api__WorkflowExecutionStatus)run->status;
    m->history_length = v->history_length;
    m->history_size_bytes = v->history_size;
    m->state_transition_count = v->state_transitions;
    m->memo = api_data(v->memo);
    m->search_attributes =
            api_decode(&api__search_attributes__descriptor, arena, v->search_attributes, NULL);
    m->task_queue = str_cstr(arena, v->task_queue);
    m->root_execution = m->execution;
    if (v->parent_workflow_id.len) {
        m->parent_execution = execution(arena, v->parent_workflow_id, v->parent_run_id);
    }
    if (v->root_workflow_id.len) {
        m->root_execution = execution(arena, v->root_workflow_id, v->root_run_id);
    }
    if (instant_is_set(run->close_time)) {
        m->close_time = api_timestamp(arena, run->close_time);
        m->execution_duration =
                api_duration(arena, instant_since(run->close_time, v->execution_time));
    }
    return m;
}

/* ---- list ---- */

struct listing {
    struct request *rq;
    struct store_list_runs op;
};

static bool find_custom(const void *ctx, struct str name, enum search_attribute_type *ret)
{
    const struct request *rq = ctx;
    const struct namespace_entry *ns = namespaces_by_id(rq->fe->namespaces, rq->namespace_id);
    enum search_attribute_type type;
    if (!ns ||
            search_attribute_find(&ns->search_attributes, name, &type) != SEARCH_ATTRIBUTE_CUSTOM) {
        return false;
    }
    *ret = (enum search_attribute_type)type; /* both have the API's numbers */
    return true;
}

static bool parse(struct request *rq, struct str query, bool may_group, struct filter_query *ret)
{
    struct filter_names names = { find_custom, rq };
    return filter_parse(&rq->call->arena, query, &names, may_group, ret, &rq->fail) == ERR_NONE;
}

static void on_listed(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_list_runs *page = container_of(op, struct store_list_runs, op);
    struct request *rq = container_of(page, struct listing, op)->rq;
    struct arena *arena = &rq->call->arena;
    if (err) {
        rq->fail = *f;
        request_fail(rq);
        return;
    }
    Api__ListWorkflowExecutionsResponse m = API__LIST_WORKFLOW_EXECUTIONS_RESPONSE__INIT;
    m.executions = NEW(arena, Api__WorkflowExecutionInfo *, page->row_count + 1);
    size_t bytes = 0;
    for (size_t i = 0; i < page->row_count && bytes < PAGE_BYTES_MAX; i++) {
        const struct store_listed *row = &page->rows[i];
        m.executions[m.n_executions++] = info(rq, row);
        bytes += row->view.memo.len + row->view.search_attributes.len + 512;
    }
    if (m.n_executions && (page->more || m.n_executions < page->row_count)) {
        struct store_place place = store_place_behind(page, m.n_executions - 1);
        m.next_page_token = api_data(token_of(arena, &place));
    }
    request_reply(rq, &m.base);
}

void visibility_list(struct request *rq, struct str query, int32_t page_size, struct str token)
{
    struct listing *l = NEW(&rq->call->arena, struct listing, 1);
    int64_t max = request_config(rq)->limit_list_page;
    struct filter_query parsed;
    if (!parse(rq, query, false, &parsed)) {
        request_fail(rq);
        return;
    }
    l->rq = rq;
    l->op = (struct store_list_runs){
        .op.done = on_listed,
        .namespace_id = rq->namespace_id,
        .filter = parsed.filter,
        .limit = page_size > 0 && page_size < max ? (size_t)page_size : (size_t)max,
    };
    if (!place_of(str_dup(&rq->call->arena, token), &l->op.after)) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Invalid NextPageToken.");
        request_fail(rq);
    } else {
        store_list_runs(rq->fe->sl, &l->op);
    }
}

void frontend_list_workflow_executions(struct request *rq)
{
    const Api__ListWorkflowExecutionsRequest *ask = (const void *)rq->message;
    visibility_list(rq, str_from_cstr(ask->query), ask->page_size, api_bytes(ask->next_page_token));
}

/* ---- count ---- */

struct counting {
    struct request *rq;
    struct store_count_runs op;
    bool by_status;
};

/* A Payload with a Keyword, as search attributes are encoded. */
static struct str keyword_payload(struct arena *arena, struct str text)
{
    static const struct str metadata[][2] = {
        { STR_INIT("encoding"), STR_INIT("json/plain") },
        { STR_INIT("type"), STR_INIT("Keyword") },
    };
    struct buf b, json;
    buf_init_arena(&b, arena, 4096);
    buf_init_arena(&json, arena, 4096);
    for (size_t i = 0; i < ARRAY_LEN(metadata); i++) {
        size_t mark = wire_begin(&b, 1);
        wire_put_bytes(&b, 1, metadata[i][0]);
        wire_put_bytes(&b, 2, metadata[i][1]);
        wire_end(&b, mark);
    }
    json_put_string(&json, text);
    wire_put_bytes(&b, 2, buf_str(&json));
    return buf_str(&b);
}

static void on_counted(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_count_runs *got = container_of(op, struct store_count_runs, op);
    struct counting *c = container_of(got, struct counting, op);
    struct request *rq = c->rq;
    struct arena *arena = &rq->call->arena;
    if (err) {
        rq->fail = *f;
        request_fail(rq);
        return;
    }
    Api__CountWorkflowExecutionsResponse m = API__COUNT_WORKFLOW_EXECUTIONS_RESPONSE__INIT;
    m.groups =
            NEW(arena, Api__CountWorkflowExecutionsResponse__AggregationGroup *, STORE_STATUS_MAX);
    for (int64_t status = 0; status < STORE_STATUS_MAX; status++) {
        m.count += got->counts[status];
        if (c->by_status && got->counts[status]) {
            Api__CountWorkflowExecutionsResponse__AggregationGroup *group = api_new(
                    arena, &api__count_workflow_executions_response__aggregation_group__descriptor);
            group->group_values = NEW(arena, ProtobufCBinaryData, 1);
            group->n_group_values = 1;
            group->group_values[0] =
                    api_data(keyword_payload(arena, filter_status_name((int)status)));
            group->count = got->counts[status];
            m.groups[m.n_groups++] = group;
        }
    }
    request_reply(rq, &m.base);
}

void frontend_count_workflow_executions(struct request *rq)
{
    const Api__CountWorkflowExecutionsRequest *ask = (const void *)rq->message;
    struct filter_query query;
    if (!parse(rq, str_from_cstr(ask->query), true, &query)) {
        request_fail(rq);
        return;
    }
    struct counting *c = NEW(&rq->call->arena, struct counting, 1);
    c->rq = rq;
    c->by_status = query.group_by_status;
    c->op = (struct store_count_runs){
        .op.done = on_counted, .namespace_id = rq->namespace_id, .filter = query.filter
    };
    store_count_runs(rq->fe->sl, &c->op);
}
