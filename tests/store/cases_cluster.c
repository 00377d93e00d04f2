/* Cases: members, assignments, the planner's lock, namespaces, migrations. */
#include "tests/store/contract.h"

static void beat_by_the_databases_clock(void)
{
    struct store *store = backend->fresh();
    struct store_lane *sl = open_lane(store);
    struct store_beat b = {
        .self = { .id = id_of(1), .roles = STR("history"), .address = STR("tcp://a:1"), .lanes = 2 }
    };
    expect_ok(run(sl, beat, &b));
    expect(b.member_count == 1 && uuid_eq(b.members[0].id, id_of(1)) && b.members[0].lanes == 2);
    expect(str_eq(b.members[0].roles, STR("history")) &&
            str_eq(b.members[0].address, STR("tcp://a:1")));
    expect(!b.members[0].draining && b.members[0].beat_at.ns <= b.database_now.ns);
    expect(b.database_now.ns > 1600000000000000000 && !uuid_is_zero(b.cluster_id));
    struct uuid cluster = b.cluster_id;
    struct instant first = b.members[0].beat_at;

    struct store_beat c = { .self = { .id = id_of(2),
                                    .roles = STR("frontend"),
                                    .address = STR("b"),
                                    .lanes = 1,
                                    .draining = true } };
    expect_ok(run(sl, beat, &c));
    expect(c.member_count == 2 && uuid_eq(c.cluster_id, cluster));
    usleep(2000);
    b.self.draining = true;
    expect_ok(run(sl, beat, &b));
    expect(b.member_count == 2 && b.members[0].draining && b.members[0].beat_at.ns > first.ns);
    struct store_beat look = { 0 };
    expect_ok(run(sl, beat, &look));
    expect(look.member_count == 2);
    struct store_leave leave = { .member = id_of(2) };
    expect_ok(run(sl, leave, &leave));
    expect_ok(run(sl, beat, &look));
    expect(look.member_count == 1 && uuid_eq(look.members[0].id, id_of(1)));
    close_lane(sl);
    store_free(store);
}

static void fence_respects_a_living_member(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct store_beat b = {
        .self = { .id = id_of(1), .roles = STR("history"), .address = STR("a") }
    };
    expect_ok(run(w.sl, beat, &b));
    struct fill fill = { 0 };
    struct store_fence_member fence = { .member = id_of(1), .silent_for = DURATION_SECONDS(60) };
    expect_ok(run(w.sl, fence_member, &fence));
    expect(!fence.fenced);
    expect_ok(commit(&w, &fill));
    usleep(30000);
    fence.silent_for = DURATION_MS(20);
    expect_ok(run(w.sl, fence_member, &fence));
    expect(fence.fenced);
    expect_err(commit(&w, &fill), ERR_FENCED);
    struct store_beat look = { 0 };
    expect_ok(run(w.sl, beat, &look));
    expect(look.member_count == 0);
    fence = (struct store_fence_member){ .member = id_of(9), .silent_for = DURATION_SECONDS(60) };
    expect_ok(run(w.sl, fence_member, &fence)); /* never seen */
    expect(fence.fenced);
    close_lane(w.sl);
    store_free(store);
}

static void assignments_move_by_compare_and_set(void)
{
    struct store *store = backend->fresh();
    struct store_lane *sl = open_lane(store);
    struct store_read_assignments read = { 0 };
    expect_ok(run(sl, read_assignments, &read));
    expect(read.row_count == 0);
    int64_t empty = read.version;
    struct uuid a = id_of(1), b = id_of(2), nobody = { { 0 } };
    struct store_assign_move moves[] = { { 5, nobody, a }, { 3, nobody, a }, { 4, nobody, b },
        { 9, b, a } };
    struct store_assign assign = { .moves = moves, .move_count = 4 };
    expect_ok(run(sl, assign, &assign));
    expect(assign.moved == 3 && assign.version > empty);
    expect_ok(run(sl, read_assignments, &read));
    expect(read.version == assign.version && read.row_count == 3);
    expect(read.rows[0].shard == 3 && uuid_eq(read.rows[0].owner, a));
    expect(read.rows[1].shard == 4 && uuid_eq(read.rows[1].owner, b));
    int64_t version = read.version;

    struct store_assign_move late[] = { { 3, b, a }, { 5, a, b }, { 4, b, nobody } };
    assign = (struct store_assign){ .moves = late, .move_count = 3 };
    expect_ok(run(sl, assign, &assign));
    expect(assign.moved == 2 && assign.version > version);
    read = (struct store_read_assignments){ .since = version };
    expect_ok(run(sl, read_assignments, &read));
    expect(read.row_count == 2 && read.rows[0].shard == 4 && uuid_is_zero(read.rows[0].owner));
    expect(read.rows[1].shard == 5 && uuid_eq(read.rows[1].owner, b));
    read.since = read.version;
    expect_ok(run(sl, read_assignments, &read));
    expect(read.row_count == 0);
    close_lane(sl);
    store_free(store);
}

static void all_shards_in_one_assignment(void)
{
    struct store *store = backend->fresh();
    struct store_lane *sl = open_lane(store);
    static struct store_assign_move moves[SHARD_COUNT];
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        moves[i] = (struct store_assign_move){ i, { { 0 } }, id_of(i % 3) };
    }
    struct store_assign assign = { .moves = moves, .move_count = SHARD_COUNT };
    expect_ok(run(sl, assign, &assign));
    expect(assign.moved == SHARD_COUNT);
    struct store_read_assignments read = { 0 };
    expect_ok(run(sl, read_assignments, &read));
    expect(read.row_count == SHARD_COUNT && uuid_eq(read.rows[7].owner, id_of(1)));
    close_lane(sl);
    store_free(store);
}

static void one_planner(void)
{
    struct store *store = backend->fresh();
    struct store_lane *a = open_lane(store), *b = open_lane(store);
    struct store_try_plan plan = { 0 };
    expect_ok(run(a, try_plan, &plan));
    expect(plan.held);
    expect_ok(run(b, try_plan, &plan));
    expect(!plan.held);
    expect_ok(run(a, try_plan, &plan));
    expect(plan.held);
    close_lane(a);
    plan.held = false;
    for (int i = 0; i < 500 && !plan.held;
            i++) { /* the server notices the end of a session in its time */
        usleep(10000);
        expect_ok(run(b, try_plan, &plan));
    }
    expect(plan.held);
    close_lane(b);
    store_free(store);
}

static void namespaces_change_by_compare_and_set(void)
{
    struct store *store = backend->fresh();
    struct store_lane *sl = open_lane(store);
    struct store_list_namespaces list = { .since = -1 };
    expect_ok(run(sl, list_namespaces, &list));
    expect(list.row_count == 0);
    struct store_put_namespace put = {
        .row = { .id = id_of(1), .name = STR("shop"), .state = 1, .data = STR("one\0two") }
    };
    expect_ok(run(sl, put_namespace, &put));
    expect(put.row.version == 1);
    list.since = list.version;
    expect_ok(run(sl, list_namespaces, &list));
    expect(list.row_count == 1 && list.version > list.since && list.rows[0].version == 1);
    expect(str_eq(list.rows[0].name, STR("shop")) && str_eq(list.rows[0].data, STR("one\0two")));
    expect(uuid_eq(list.rows[0].id, id_of(1)) && list.rows[0].state == 1);
    list.since = list.version;
    expect_ok(run(sl, list_namespaces, &list));
    expect(list.row_count == 0 && list.version == list.since);

    struct store_put_namespace clash = { .row = { .id = id_of(2), .name = STR("shop") } };
    expect_err(run(sl, put_namespace, &clash), ERR_ALREADY_EXISTS);
    clash.row = (struct store_namespace){ .id = id_of(1), .name = STR("other") };
    expect_err(run(sl, put_namespace, &clash), ERR_ALREADY_EXISTS);
    expect_ok(run(sl, list_namespaces, &list));
    expect(list.version == list.since); /* refused changes change nothing */

    put.row.state = 2;
    put.row.task_queues = STR("three\0four");
    expect_ok(run(sl, put_namespace, &put));
    expect(put.row.version == 2);
    put.row.version = 1;
    expect_err(run(sl, put_namespace, &put), ERR_ABORTED);
    put.row.id = id_of(3);
    expect_err(run(sl, put_namespace, &put), ERR_NOT_FOUND);
    struct store_put_namespace more = { .row = {
                                                .id = id_of(4), .name = STR("bank"), .state = 1 } };
    expect_ok(run(sl, put_namespace, &more));
    more.row.name = STR("shop");
    expect_err(run(sl, put_namespace, &more), ERR_ALREADY_EXISTS);
    expect_ok(run(sl, list_namespaces, &list));
    expect(list.row_count == 2 && str_eq(list.rows[0].name, STR("bank")) &&
            list.rows[1].state == 2);
    expect(str_eq(list.rows[1].task_queues, STR("three\0four")) &&
            str_empty(list.rows[0].task_queues));
    close_lane(sl);
    store_free(store);
}

static void namespaces_go_when_nothing_is_left(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct store_put_namespace put = {
        .row = { .id = ns, .name = STR("shop"), .state = 1, .data = STR("x") }
    };
    struct store_remove_namespace gone = { .id = ns, .state = 3 };
    struct fill fill = { 0 };
    run_key key = key_of(w.claim.writer, 1);
    expect_ok(run(w.sl, put_namespace, &put));
    expect_ok(run(w.sl, remove_namespace, &gone));
    expect(!gone.removed); /* not deleted */
    put.row.state = 3;
    expect_ok(run(w.sl, put_namespace, &put));
    fill_start(&fill, key, "order");
    expect_ok(commit(&w, &fill));
    expect_ok(run(w.sl, remove_namespace, &gone));
    expect(!gone.removed); /* a run is left */
    struct store_run_row row = run_of(key, "order");
    fill_reset(&fill);
    row.status = (enum workflow_status)0;
    vec_push(&fill.arena, &fill.batch.run_updates, row);
    struct store_delete_row whole = { .key = row.key, .through_seq = 1, .whole = true };
    vec_push(&fill.arena, &fill.batch.deletes, whole);
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    struct store_list_namespaces list = { .since = -1 };
    expect_ok(run(w.sl, list_namespaces, &list));
    list.since = list.version;
    expect_ok(run(w.sl, remove_namespace, &gone));
    expect(gone.removed);
    expect_ok(run(w.sl, list_namespaces, &list));
    expect(list.version != list.since && list.row_count == 0);
    expect_ok(run(w.sl, remove_namespace, &gone));
    expect(!gone.removed);
    close_lane(w.sl);
    store_free(store);
}

static void migrating_again_changes_nothing(void)
{
    struct store *store = backend->fresh();
    int found = 0, ours = 0;
    struct fail f = { 0 };
    struct store_lane *sl = open_lane(store);
    struct store_beat before = { 0 };
    expect_ok(run(sl, beat, &before));
    struct uuid cluster = before.cluster_id;
    close_lane(sl);
    expect(store_migrate(store, &f) == ERR_NONE && store_migrate(store, &f) == ERR_NONE);
    expect(store_schema_version(store, &found, &ours, &f) == ERR_NONE && found == ours &&
            ours >= 1);
    sl = open_lane(store);
    expect_ok(run(sl, beat, &before));
    expect(uuid_eq(cluster, before.cluster_id));
    close_lane(sl);
    store_free(store);
}

const struct test_case cases_cluster[] = {
    { "beat_by_the_databases_clock", beat_by_the_databases_clock },
    { "fence_respects_a_living_member", fence_respects_a_living_member },
    { "assignments_move_by_compare_and_set", assignments_move_by_compare_and_set },
    { "all_shards_in_one_assignment", all_shards_in_one_assignment },
    { "one_planner", one_planner },
    { "namespaces_change_by_compare_and_set", namespaces_change_by_compare_and_set },
    { "namespaces_go_when_nothing_is_left", namespaces_go_when_nothing_is_left },
    { "migrating_again_changes_nothing", migrating_again_changes_nothing },
    { 0 },
};
