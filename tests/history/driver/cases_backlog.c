/* Tasks of runs that have left memory: what matching has of them, and what it loses. */
#include "common/model/priority.h"
#include "tests/history/driver/cases.h"
#include "tests/history/driver/world.h"

static void small_cache(struct history_config *config)
{
    config->cache_bytes = 1;
}

static void lose_offers(struct world *w)
{
    list_each(&w->offers, n)
    {
        list_remove(n);
    }
}

static void evicted(struct world *w)
{
    world_until(w, DURATION_SECONDS(20), history_stats(w->history).cached_runs == 0);
}

/* Matching is somebody else now, and knows nothing. */
static void new_matching(struct world *w)
{
    lose_offers(w);
    w->matching_away = true;
    history_matching_changed(w->history);
    w->matching_away = false;
}

void offers_lost_without_a_word_come_again(void)
{
    struct world *w = world_new_with(small_cache);
    for (int i = 0; i < 5; i++) {
        start(w, str_printf(&w->arena, "order-%d", i).ptr);
    }
    evicted(w);
    lose_offers(w);
    world_advance(w, DURATION_SECONDS(590));
    expect(!find_offer(w, "q"));
    for (int i = 0; i < 5; i++) {
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        complete_task(w, task->workflow_execution->workflow_id, task, complete_workflow(w));
    }
    expect(history_stats(w->history).closed == 5);
    expect(history_stats(w->history).lent_reread == 5);
    world_free(w);
}

/* The same for runs in memory. What matching has kept it knows by its key. */
void loaded_offers_lost_without_a_word_come_again(void)
{
    struct world *w = world_new();
    start(w, "order");
    expect(find_offer(w, "q"));
    lose_offers(w);
    world_advance(w, DURATION_SECONDS(590));
    expect(!find_offer(w, "q"));
    world_advance(w, DURATION_SECONDS(120)); /* the next sweep */
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    expect(history_stats(w->history).closed == 1);
    world_free(w);
}

void offers_that_matching_keeps_are_told_once(void)
{
    struct world *w = world_new_with(small_cache);
    start(w, "order");
    evicted(w);
    expect(find_offer(w, "q"));
    uint64_t sent = history_stats(w->history).offers_sent;
    world_advance(w, DURATION_SECONDS(590));
    expect(history_stats(w->history).offers_sent == sent);
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 3600));
    evicted(w);
    sent = history_stats(w->history).offers_sent;
    world_advance(w, DURATION_SECONDS(1300)); /* it is not lent any more */
    expect(history_stats(w->history).lent_reread == 0);
    expect(history_stats(w->history).offers_sent == sent);
    world_free(w);
}

/* A sticky task that nobody took in time is followed by one on the normal queue: what matching has of the first one
 * says nothing of the run any more. */
void overtaken_sticky_tasks_do_not_hide_the_next_one(void)
{
    struct world *w = world_new_with(small_cache);
    start(w, "order");
    answer_of(w, complete_task_begin(w, "order", poll_workflow(w, "q"), NULL, 0, "sticky"), NULL);
    signal_run(w, "order", "s");
    world_until(w, DURATION_SECONDS(1), find_offer(w, "sticky"));
    world_until(w, DURATION_SECONDS(60), find_offer(w, "q"));
    expect(find_offer(w, "sticky")); /* still held, and told to be gone only later */
    evicted(w);
    new_matching(w);
    world_until(w, DURATION_SECONDS(5), find_offer(w, "q"));
    expect(!find_offer(w, "sticky"));
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    world_free(w);
}

void overtaken_tasks_that_nobody_has_are_not_offered(void)
{
    struct world *w = world_new();
    start(w, "order");
    answer_of(w, complete_task_begin(w, "order", poll_workflow(w, "q"), NULL, 0, "sticky"), NULL);
    w->matching_away = true;
    history_matching_changed(w->history);
    signal_run(w, "order", "s");
    world_advance(w, DURATION_SECONDS(60)); /* scheduled to start in less */
    w->matching_away = false;
    world_until(w, DURATION_SECONDS(1), find_offer(w, "q"));
    world_advance(w, DURATION_SECONDS(2));
    expect(!find_offer(w, "sticky"));
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    world_free(w);
}

/* ---- priority and fairness ------------------------------------------------------------------------------ */

static void start_with(struct world *w, const char *id, int32_t level, const char *key)
{
    struct priority p = { level, str_from_cstr(key), 0 };
    struct buf message;
    Api__StartWorkflowExecutionRequest *r = start_request(w, id, id);
    buf_init_arena(&message, &w->arena, PRIORITY_BYTES_MAX);
    priority_write(&message, &p);
    r->priority = api_data(buf_str(&message));
    answer_of(w, call_api(w, API_START_WORKFLOW, id, &r->base),
            &api__start_workflow_execution_response__descriptor);
}

static void expect_next(struct world *w, const char *id)
{
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(strcmp(task->workflow_execution->workflow_id, id) == 0);
    complete_task(w, id, task, complete_workflow(w));
}

static void matching_goes(struct world *w)
{
    w->matching_away = true;
    history_matching_changed(w->history);
}

void urgent_tasks_are_told_first(void)
{
    struct world *w = world_new();
    matching_goes(w);
    start_with(w, "last", 5, "");
    start(w, "normal");
    start_with(w, "normal too", 3, "");
    start_with(w, "first", 1, "");
    w->matching_away = false;
    expect_next(w, "first");
    expect_next(w, "normal");
    expect_next(w, "normal too");
    expect_next(w, "last");
    world_free(w);
}

void evicted_backlogs_come_back_by_priority(void)
{
    struct world *w = world_new_with(small_cache);
    matching_goes(w);
    for (int i = 0; i < 40; i++) {
        start_with(w, str_printf(&w->arena, "last %d", i).ptr, 4, "");
    }
    start(w, "normal");
    start_with(w, "first", 1, "");
    evicted(w);
    world_kill(w); /* the rows alone tell it */
    world_boot(w);
    w->matching_away = false;
    expect_next(w, "first");
    expect_next(w, "normal");
    for (int i = 0; i < 40; i++) {
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        complete_task(w, task->workflow_execution->workflow_id, task, complete_workflow(w));
    }
    expect(history_stats(w->history).closed == 42);
    world_free(w);
}

void keys_of_fairness_share_the_credit(void)
{
    struct world *w = world_new();
    matching_goes(w);
    for (int i = 0; i < 30; i++) {
        start_with(w, str_printf(&w->arena, "large %d", i).ptr, 0, "large");
    }
    start_with(w, "small", 0, "small");
    start_with(w, "nameless", 0, "");
    w->matching_away = false;
    world_until(w, DURATION_SECONDS(1), find_offer(w, "q"));
    int small = 0, nameless = 0, all = 0;
    list_each(&w->offers, n)
    {
        const struct offered *o = list_entry(n, struct offered, node);
        small += str_eq(o->task.workflow_id, STR("small"));
        nameless += str_eq(o->task.workflow_id, STR("nameless"));
        all++;
    }
    expect(all == DEMAND_INITIAL && small == 1 && nameless == 1);
    world_free(w);
}
