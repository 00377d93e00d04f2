/* A workflow whose tasks keep failing says so: the search attribute TemporalReportedProblems appears when the fifth
 * task since the last completion has failed or timed out, changes with the reason, and goes with the next completion. No
 * event tells of it, since the workflow itself has no part in it. */
#include "common/model/wire.h"
#include "history/engine/retry.h"
#include "history/engine/step.h"

enum { FAILED_TASKS = 5 };

/* SearchAttributes with that one name; value empty: none. */
static struct str attribute(struct arena *arena, struct str value)
{
    struct buf b;
    buf_init_arena(&b, arena, 4096);
    size_t entry = wire_begin(&b, 1);
    wire_put_bytes(&b, 1, STR("TemporalReportedProblems"));
    size_t payload = wire_begin(&b, 2);
    static const char *const metadata[][2] = { { "encoding", "json/plain" },
        { "type", "KeywordList" } };
    for (size_t i = 0; value.len && i < ARRAY_LEN(metadata); i++) {
        size_t m = wire_begin(&b, 1);
        wire_put_bytes(&b, 1, str_from_cstr(metadata[i][0]));
        wire_put_bytes(&b, 2, str_from_cstr(metadata[i][1]));
        wire_end(&b, m);
    }
    wire_opt_bytes(&b, 2, value);
    wire_end(&b, payload);
    wire_end(&b, entry);
    return buf_str(&b);
}

/* Lists show it too. */
static void record(struct step *st, struct str value)
{
    step_record(st, &(struct record){ .kind = RECORD_PROBLEMS,
                            .text = value,
                            .attributes = attribute(st->fx->arena, value) });
    st->fx->shows_changed = true;
}

void problems_report(struct step *st, const struct history_event *he)
{
    struct arena *arena = st->fx->arena;
    bool is_timeout = he->type == HISTORY_WORKFLOW_TASK_TIMED_OUT;
    if (st->wf->failed_tasks < FAILED_TASKS || !workflow_is_open(st->wf)) {
        return;
    }
    struct str value =
            str_printf(arena, "[\"category=WorkflowTask%s\",\"cause=WorkflowTask%sCause%s\"]",
                    is_timeout ? "TimedOut" : "Failed", is_timeout ? "TimedOut" : "Failed",
                    is_timeout ? timeout_type_name((enum timeout_type)he->timeout_type)
                               : failed_cause_name((enum workflow_task_failed_cause)he->cause));
    if (!str_eq(value, st->wf->problems)) {
        record(st, value);
    }
}

void problems_clear(struct step *st)
{
    if (st->wf->problems.len) {
        record(st, (struct str){ 0 });
    }
}
