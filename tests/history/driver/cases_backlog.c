/* Tasks of runs that have left memory: what matching has of them, and what it loses. */
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
