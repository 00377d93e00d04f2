/* The lists that came before the query language: each is written as a query and answered as such. There is no archive,
 * and asking for what it holds is answered so. */
#include "common/api/codec.h"
#include "common/api/view.h"
#include "frontend/visibility.h"

enum { QUERY_MAX = 64 << 10 };

/* A literal of the query language. */
static void put_text(struct buf *out, const char *text)
{
    buf_append_byte(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') {
            buf_append_byte(out, (uint8_t)*text);
        }
        buf_append_byte(out, (uint8_t)*text);
    }
    buf_append_byte(out, '\'');
}

static void put_equal(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " AND %s = ", name);
    put_text(out, value);
}

static bool put_times(
        struct request *rq, struct buf *out, const char *name, const Api__StartTimeFilter *filter)
{
    struct instant earliest = api_instant(filter ? filter->earliest_time : NULL);
    struct instant latest = api_instant(filter ? filter->latest_time : NULL);
    if (instant_is_set(earliest) && instant_is_set(latest) && earliest.ns > latest.ns) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "EarliestTime in StartTimeFilter should not be larger than LatestTime.");
        return false;
    }
    if (instant_is_set(earliest)) {
        buf_printf(out, " AND %s >= %lld", name, (long long)earliest.ns);
    }
    if (instant_is_set(latest)) {
        buf_printf(out, " AND %s <= %lld", name, (long long)latest.ns);
    }
    return true;
}

void frontend_list_open_workflow_executions(struct request *rq)
{
    const Api__ListOpenWorkflowExecutionsRequest *ask = (const void *)rq->message;
    struct buf query;
    buf_init_arena(&query, &rq->call->arena, QUERY_MAX);
    buf_append_str(&query, STR("ExecutionStatus = 1"));
    if (!put_times(rq, &query, "StartTime", ask->start_time_filter)) {
        request_fail(rq);
        return;
    }
    if (ask->filters_case == API__LIST_OPEN_WORKFLOW_EXECUTIONS_REQUEST__FILTERS_EXECUTION_FILTER) {
        put_equal(&query, "WorkflowId", ask->execution_filter->workflow_id);
    } else if (ask->filters_case ==
               API__LIST_OPEN_WORKFLOW_EXECUTIONS_REQUEST__FILTERS_TYPE_FILTER) {
        put_equal(&query, "WorkflowType", ask->type_filter->name);
    }
    visibility_list(rq, buf_str(&query), ask->maximum_page_size, api_bytes(ask->next_page_token));
}

static bool put_closed_filter(
        struct request *rq, struct buf *out, const Api__ListClosedWorkflowExecutionsRequest *ask)
{
    switch (ask->filters_case) {
    case API__LIST_CLOSED_WORKFLOW_EXECUTIONS_REQUEST__FILTERS_EXECUTION_FILTER:
        put_equal(out, "WorkflowId", ask->execution_filter->workflow_id);
        return true;
    case API__LIST_CLOSED_WORKFLOW_EXECUTIONS_REQUEST__FILTERS_TYPE_FILTER:
        put_equal(out, "WorkflowType", ask->type_filter->name);
        return true;
    case API__LIST_CLOSED_WORKFLOW_EXECUTIONS_REQUEST__FILTERS_STATUS_FILTER:
        if ((int)ask->status_filter->status <=
                API__WORKFLOW_EXECUTION_STATUS__WORKFLOW_EXECUTION_STATUS_RUNNING) {
            fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "StatusFilter must be specified and must be not Running.");
            return false;
        }
        buf_printf(out, " AND ExecutionStatus = %d", (int)ask->status_filter->status);
        return true;
    default:
        return true;
    }
}

/* Closed runs are filtered by the time of their end, whatever the filter's name says. */
void frontend_list_closed_workflow_executions(struct request *rq)
{
    const Api__ListClosedWorkflowExecutionsRequest *ask = (const void *)rq->message;
    struct buf query;
    buf_init_arena(&query, &rq->call->arena, QUERY_MAX);
    buf_append_str(&query, STR("ExecutionStatus != 1"));
    if (put_times(rq, &query, "CloseTime", ask->start_time_filter) &&
            put_closed_filter(rq, &query, ask)) {
        visibility_list(
                rq, buf_str(&query), ask->maximum_page_size, api_bytes(ask->next_page_token));
    } else {
        request_fail(rq);
    }
}

void frontend_scan_workflow_executions(struct request *rq)
{
    const Api__ScanWorkflowExecutionsRequest *ask = (const void *)rq->message;
    visibility_list(rq, str_from_cstr(ask->query), ask->page_size, api_bytes(ask->next_page_token));
}

enum { ARCHIVED_PAGE_MAX = 10000 };

void frontend_list_archived_workflow_executions(struct request *rq)
{
    const Api__ListArchivedWorkflowExecutionsRequest *ask = (const void *)rq->message;
    if (ask->page_size > ARCHIVED_PAGE_MAX) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "PageSize is larger than allowed %d.",
                ARCHIVED_PAGE_MAX);
    } else {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Cluster is not configured for visibility archival.");
    }
    request_fail(rq);
}
