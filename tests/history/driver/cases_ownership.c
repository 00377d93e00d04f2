/* Moving shards, losing the writer and stopping while the store is still at work: nothing that the store reads goes
 * away under it. */
#include <string.h>

#include "tests/history/driver/cases.h"
#include "tests/history/driver/world.h"

/* ---- a commit that is out when the writer goes ----------------------------------------------------------- */

static enum sim_outcome next_outcome;

static struct sim_fault once(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct sim_fault f = { .outcome = kind == STORE_COMMIT ? next_outcome : SIM_GOOD,
        .reconnect = DURATION_MS(20) };
    next_outcome = kind == STORE_COMMIT ? SIM_GOOD : next_outcome;
    return f;
}

/* The connection is lost, the batch will be sent again; meanwhile this process is taken for dead. */
void a_commit_outlives_the_loss_of_the_writer(void)
{
    struct world *w = world_new();
    char id[900]; /* too long to be kept inline */
    memset(id, 'i', sizeof(id) - 1);
    id[sizeof(id) - 1] = 0;
    sim_db_set_faults(w->db, once, NULL);
    next_outcome = SIM_LOST_BEFORE;
    struct pending *p = call_api(w, API_START_WORKFLOW, id, &start_request(w, id, "r")->base);
    world_advance(w, DURATION_MS(5));
    expect(!p->answered && next_outcome == SIM_GOOD);
    uint32_t shard = shard_of(w->namespace_id, str_from_cstr(id));
    history_drop_shards(w->history, &shard, 1);
    expect(w->lost && !history_is_serving(w->history));
    expect(!p->answered && history_stats(w->history).cached_runs == 1); /* the store reads them */
    expect(error_of(w, p) == ERR_UNAVAILABLE);
    expect(history_stats(w->history).cached_runs == 0 &&
            history_stats(w->history).uncommitted_bytes == 0);
    world_crash(w);
    expect(!strcmp(history_types(w, id), "1 5"));
    world_free(w);
}

/* ---- a shard that comes back before it has gone ---------------------------------------------------------- */

static void on_given(void *ctx, const uint32_t *shards, size_t count)
{
    *(unsigned *)ctx += (unsigned)count;
}

void a_shard_may_come_back_while_it_goes(void)
{
    struct world *w = world_new();
    start(w, "order");
    uint32_t shard = shard_of(w->namespace_id, STR("order"));
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.signal_name = "s";
    struct pending *late = call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base);
    unsigned given = 0;
    history_release_shards(w->history, &shard, 1, on_given, &given);
    history_gain_shards(w->history, &shard, 1);
    expect(!given);
    expect(error_of(w, call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base)) == ERR_NOT_OWNER);
    world_until(w, DURATION_SECONDS(1), given == 1);
    expect(error_of(w, late) == ERR_NONE);
    signal_run(w, "order", "s");
    expect(!strcmp(history_types(w, "order"), "1 5 26 26"));
    /* And goes again, although it was to come back. */
    late = call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base);
    history_release_shards(w->history, &shard, 1, on_given, &given);
    history_gain_shards(w->history, &shard, 1);
    history_release_shards(w->history, &shard, 1, on_given, &given);
    world_until(w, DURATION_SECONDS(1), given == 3);
    expect(error_of(w, late) == ERR_NONE);
    expect(error_of(w, call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base)) == ERR_NOT_OWNER);
    world_free(w);
}

/* ---- stopping while something is being read -------------------------------------------------------------- */

struct slow_reads {
    enum store_kind kind;
    unsigned begun;
};

static struct sim_fault slow_reads(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct slow_reads *slow = arg;
    bool is_slow = kind == slow->kind;
    slow->begun += is_slow;
    return (struct sim_fault){ .delay = is_slow ? DURATION_MS(300) : DURATION_MS(0) };
}

static void on_stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static void stop_waits(struct world *w)
{
    bool stopped = false;
    history_stop(w->history, on_stopped, &stopped);
    world_advance(w, DURATION_MS(150));
    expect(!stopped);
    world_until(w, DURATION_SECONDS(1), stopped);
    world_free(w);
}

static void small_cache(struct history_config *config)
{
    config->cache_bytes = 1;
}

void stopping_waits_for_scans_of_backlogs(void)
{
    struct world *w = world_new_with(small_cache);
    for (int i = 0; i < 20; i++) {
        start(w, str_printf(&w->arena, "order-%d", i).ptr);
    }
    world_until(w, DURATION_SECONDS(10), history_stats(w->history).cached_runs == 0);
    world_crash(w);
    world_advance(w, DURATION_MS(20)); /* the take-over has read what it wants */
    struct slow_reads slow = { .kind = STORE_SCAN_BACKLOG };
    sim_db_set_faults(w->db, slow_reads, &slow);
    for (int i = 0; !slow.begun; i++) { /* tasks are taken until more have to be read */
        expect(i < 40);
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        complete_task(w, task->workflow_execution->workflow_id, task, complete_workflow(w));
    }
    stop_waits(w);
}

void stopping_waits_for_pages(void)
{
    struct world *w = world_new();
    start(w, "order");
    struct slow_reads slow = { .kind = STORE_READ_HISTORY };
    sim_db_set_faults(w->db, slow_reads, &slow);
    Api__GetWorkflowExecutionHistoryReverseRequest r =
            API__GET_WORKFLOW_EXECUTION_HISTORY_REVERSE_REQUEST__INIT; /* never from memory */
    r.execution = api_new(&w->arena, &api__workflow_execution__descriptor);
    r.execution->workflow_id = "order";
    struct pending *p = call_api(w, API_GET_HISTORY_REVERSE, "order", &r.base);
    world_until(w, DURATION_SECONDS(1), slow.begun);
    expect(!p->answered);
    stop_waits(w);
}
