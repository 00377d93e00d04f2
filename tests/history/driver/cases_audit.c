/* The invariant of the stored wake-ups broken on purpose, and other lies about runs that are not in memory: the sweep and
 * the auditor find them, name them, and put right what can be. */
#include <string.h>

#include "tests/history/driver/cases.h"

static void audited(struct history_config *config)
{
    config->cache_bytes = 1; /* all runs leave memory as soon as they rest */
}

static struct sim_rows rows_of(struct world *w, const char *id)
{
    struct sim_rows rows;
    expect(sim_db_spoil(w->db, str_from_cstr(id), &rows));
    return rows;
}

static void rest(struct world *w)
{
    world_until(w, DURATION_SECONDS(20), history_stats(w->history).cached_runs == 0);
}

/* A run with a snapshot and rows after it. */
static void start_large(struct world *w, const char *id)
{
    start(w, id);
    complete_task(w, id, poll_workflow(w, "q"), start_timer(w, 36000));
    for (int i = 0; i < 200; i++) {
        signal_run(w, id, "s");
    }
    complete_task(w, id, poll_workflow(w, "q"), schedule_activity(w, "a"));
    rest(w);
    signal_run(w, id, "t");
    complete_task(w, id, poll_workflow(w, "q"), schedule_activity(w, "b"));
    rest(w);
    struct sim_rows rows = rows_of(w, id);
    expect(rows.snapshot->seq > 0 && (size_t)rows.snapshot->seq < *rows.log_count);
}

static void expect_audit(struct world *w, uint64_t mismatches, uint64_t healed)
{
    struct history_stats s = history_stats(w->history);
    expect(s.audit_mismatches == mismatches && s.audit_healed == healed);
}

void audits_find_nothing_in_good_runs(void)
{
    struct world *w = world_new_with(audited);
    for (int i = 0; i < 10; i++) {
        const char *id = str_printf(&w->arena, "order-%d", i).ptr;
        start(w, id);
        if (i % 3 == 0) {
            complete_task(w, id, poll_workflow(w, "q"), start_timer(w, 36000));
        } else if (i % 3 == 1) {
            complete_task(w, id, poll_workflow(w, "q"), complete_workflow(w));
        } else {
            complete_task(w, id, poll_workflow(w, "q"), schedule_activity(w, "a"));
        }
    }
    start_large(w, "large");
    start(w, "waiting"); /* its task is in a backlog */
    rest(w);
    world_until(w, DURATION_SECONDS(200), history_stats(w->history).audited_runs >= 2 * 12);
    expect_audit(w, 0, 0);
    world_crash(w);
    world_until(w, DURATION_SECONDS(200), history_stats(w->history).audited_runs >= 2 * 12);
    expect_audit(w, 0, 0);
    world_free(w);
}

void late_wake_ups_are_found(void)
{
    struct world *w = world_new_with(audited);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 30));
    rest(w);
    rows_of(w, "order").run->wake_at = INSTANT_NEVER;
    world_crash(w); /* what was in memory would still wake it */
    expect(!find_offer(w, "q"));
    world_until(w, DURATION_SECONDS(100), find_offer(w, "q") != NULL);
    expect_audit(w, 1, 1);
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    world_advance(w, DURATION_SECONDS(130));
    expect_audit(w, 1, 1);
    world_free(w);
}

/* Before its time a late wake-up is put right, too. */
void late_wake_ups_are_written_anew(void)
{
    struct world *w = world_new_with(audited);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 36000));
    rest(w);
    struct instant right = rows_of(w, "order").run->wake_at;
    rows_of(w, "order").run->wake_at.ns += DURATION_SECONDS(1).ns;
    world_crash(w);
    world_until(w, DURATION_SECONDS(100), history_stats(w->history).audit_healed == 1);
    world_until(w, DURATION_SECONDS(60), rows_of(w, "order").run->wake_at.ns == right.ns);
    world_free(w);
}

void forgotten_wake_ups_are_swept_up(void)
{
    struct world *w = world_new_with(audited);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 36000));
    rest(w);
    world_crash(w);
    rest(w);
    struct sim_rows rows = rows_of(w, "order");
    struct instant right = rows.run->wake_at;
    rows.run->wake_at = (struct instant){ lane_now(w->lane).ns - DURATION_SECONDS(600).ns };
    world_until(w, DURATION_SECONDS(100), history_stats(w->history).stuck_runs == 1);
    world_until(w, DURATION_SECONDS(60), rows_of(w, "order").run->wake_at.ns == right.ns);
    expect_audit(w, 0, 0); /* too early is no lie */
    world_free(w);
}

void wrong_snapshots_are_replaced(void)
{
    struct world *w = world_new_with(audited);
    start_large(w, "a");
    start_large(w, "b");
    const char *types = history_types(w, "a");
    rest(w);
    struct sim_rows a = rows_of(w, "a"), b = rows_of(w, "b"); /* another state, which can be read */
    a.snapshot->data = b.snapshot->data;
    world_until(w, DURATION_SECONDS(100), history_stats(w->history).audit_healed == 1);
    expect_audit(w, 1, 1);
    expect((size_t)rows_of(w, "a").snapshot->seq == *rows_of(w, "a").log_count);
    expect(!strcmp(history_types(w, "a"), types));
    signal_run(w, "a", "s");
    world_advance(w, DURATION_SECONDS(130));
    expect_audit(w, 1, 1);
    world_free(w);
}

/* Nobody has to wait for the auditor's turn. */
void unreadable_runs_heal_when_used(void)
{
    struct world *w = world_new_with(audited);
    start_large(w, "order");
    struct sim_rows rows = rows_of(w, "order");
    rows.snapshot->data = STR("\xff\xff\xff\xff");
    Api__DescribeWorkflowExecutionRequest r = API__DESCRIBE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.execution = execution_of(w, "order", NULL);
    expect(error_of(w, call_api(w, API_DESCRIBE_WORKFLOW, "order", &r.base)) == ERR_CORRUPT);
    world_until(w, DURATION_SECONDS(2), history_stats(w->history).audit_healed == 1);
    expect(error_of(w, call_api(w, API_DESCRIBE_WORKFLOW, "order", &r.base)) == ERR_NONE);
    rest(w);
    rows_of(w, "order").snapshot->seq -= 5; /* what follows does not fit */
    expect(error_of(w, call_api(w, API_DESCRIBE_WORKFLOW, "order", &r.base)) == ERR_CORRUPT);
    world_until(w, DURATION_SECONDS(2), history_stats(w->history).audit_healed == 2);
    expect(error_of(w, call_api(w, API_DESCRIBE_WORKFLOW, "order", &r.base)) == ERR_NONE);
    world_free(w);
}

/* Nobody calls; the timer alone brings it in. */
void unreadable_runs_heal_when_due(void)
{
    struct world *w = world_new_with(audited);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 30));
    rest(w);
    struct sim_rows rows = rows_of(w, "order");
    rows.snapshot->seq = 1;
    rows.snapshot->data = STR("\xff\xff\xff\xff");
    world_until(w, DURATION_SECONDS(40), find_offer(w, "q") != NULL);
    struct history_stats s = history_stats(w->history);
    expect(s.corrupt_runs == 1 && s.audit_healed == 1);
    world_free(w);
}

void what_cannot_be_healed_is_told(void)
{
    struct world *w = world_new_with(audited);
    start_large(w, "gap");
    start_large(w, "status");
    rows_of(w, "gap").log[3].records = STR("\xff");
    rows_of(w, "status").run->status = WORKFLOW_COMPLETED;
    world_until(w, DURATION_SECONDS(100), history_stats(w->history).audit_mismatches >= 2);
    expect(history_stats(w->history).audit_healed == 0);
    world_free(w);
}

static struct sim_fault slow_logs(void *arg, enum store_kind kind, const struct store_op *op)
{
    unsigned *begun = arg;
    *begun += kind == STORE_READ_LOG;
    return (struct sim_fault){ .delay = DURATION_MS(kind == STORE_READ_LOG ? 300 : 0) };
}

static void on_given(void *ctx, const uint32_t *shards, size_t count)
{
    *(unsigned *)ctx += (unsigned)count;
}

/* What its next owner writes while it is being read does not fit to what was read before. */
void runs_that_move_are_not_judged(void)
{
    struct world *w = world_new_with(audited);
    start_large(w, "order");
    unsigned begun = 0, given = 0;
    sim_db_set_faults(w->db, slow_logs, &begun);
    world_until(w, DURATION_SECONDS(200), begun > 0);
    uint32_t shard = shard_of(w->namespace_id, STR("order"));
    history_release_shards(w->history, &shard, 1, on_given, &given);
    world_until(w, DURATION_MS(200), given == 1);
    struct sim_rows rows = rows_of(w, "order");
    rows.run->status = WORKFLOW_COMPLETED;
    rows.log[3].records = STR("\xff");
    world_advance(w, DURATION_SECONDS(30));
    expect_audit(w, 0, 0);
    world_free(w);
}
