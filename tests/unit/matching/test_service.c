/* The service behind its messages: one matching process, and others that call it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/rpc/messages.h"
#include "common/rpc/methods.h"
#include "matching/service.h"
#include "tests/sim/sim_store.h"
#include "tests/support/fake_rpc.h"
#include "tests/support/lane_manual.h"

struct process {
    struct uuid id;
    struct lane *lane;
    struct store *store;
    struct store_lane *sl;
    struct rpc *rpc;
    struct rpc_lane *rl;
    struct cluster *cluster;
    struct cluster_lane *cl;
};

struct caller {
    struct rpc_call call;
    bool is_done;
    enum rpc_result result;
    enum err err;
    struct msg_poll_answer answer;
};

static struct sim_db *db;
static struct process owner, frontend;
static struct matching *service;
static struct arena arena;
/* what the frontend's process heard as a history lane */
static struct msg_demand heard;
static unsigned heard_count;
static uint64_t heard_lane;

static void start(struct process *p, uint8_t id, unsigned roles)
{
    memset(p->id.b, id, sizeof(p->id.b));
    p->lane = lane_manual_new();
    p->store = sim_store_new(db);
    p->sl = store_lane_open(p->store, p->lane);
    struct rpc_config rpc = { .member_id = p->id };
    p->rpc = rpc_new(&rpc);
    p->rl = rpc_lane_new(p->rpc, p->lane);
    struct cluster_config config = {
        .member_id = p->id, .roles = roles, .address = STR("x"), .lanes = 1
    };
    p->cluster = cluster_new(&config, p->lane, p->rpc, p->rl, p->sl);
    p->cl = cluster_lane_new(p->cluster, p->lane, p->rl);
}

static void stop(struct process *p)
{
    cluster_lane_free(p->cl);
    store_lane_close(p->sl);
    lane_manual_turn(p->lane);
    cluster_free(p->cluster);
    rpc_free(p->rpc);
    store_free(p->store);
    lane_manual_free(p->lane);
}

static void pass(int ms)
{
    for (int i = 0; i < ms; i++) {
        lane_manual_advance(owner.lane, DURATION_MS(1));
        lane_manual_advance(frontend.lane, DURATION_MS(1));
    }
}

static void on_demand(void *ctx, struct uuid from, uint64_t key, struct str body)
{
    struct fail f = { 0 };
    struct str copy = str_dup(&arena, body);
    cr_assert_eq(msg_demand_decode(copy, &arena, &heard, &f), ERR_NONE);
    heard_lane = key;
    heard_count++;
}

static void setup(void)
{
    db = sim_db_new(1);
    start(&owner, 1, CLUSTER_MATCHING);
    start(&frontend, 2, CLUSTER_FRONTEND);
    service = matching_new(owner.lane, owner.rl, owner.cl, NULL);
    rpc_serve_notify(frontend.rl, RPC_HISTORY_DEMAND, on_demand, NULL);
    pass(2500);
}

static void teardown(void)
{
    matching_free(service);
    stop(&owner);
    stop(&frontend);
    sim_db_free(db);
    arena_deinit(&arena);
}

TestSuite(matching_service, .init = setup, .fini = teardown);

static void on_answer(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct caller *c = container_of(call, struct caller, call);
    struct fail fail = { 0 };
    cr_assert(!c->is_done, "answered twice");
    c->is_done = true;
    c->result = result;
    c->err = f ? f->err : ERR_NONE;
    if (result == RPC_OK) {
        cr_assert_eq(
                msg_poll_answer_decode(str_dup(&arena, body), &arena, &c->answer, &fail), ERR_NONE);
    }
}

static void on_goodbye(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct caller *c = container_of(call, struct caller, call);
    c->is_done = true;
    c->result = result;
}

static void send_poll_of(struct caller *c, int ms, const char *worker)
{
    struct uuid ns = owner.id;
    uint64_t hash = task_queue_hash(ns, STR("q"), TASK_QUEUE_WORKFLOW);
    struct msg_poll m = { .namespace_id = ns,
        .task_queue = STR("q"),
        .type = TASK_QUEUE_WORKFLOW,
        .poll_id = STR("p"),
        .identity = STR("me"),
        .worker_instance_key = str_from_cstr(worker) };
    struct buf body;
    buf_init_arena(&body, &arena, 4096);
    msg_poll_encode(&m, &body);
    c->call.done = on_answer;
    c->is_done = false;
    struct rpc_peer *peer = cluster_matching_peer(frontend.cl, hash);
    cr_assert_not_null(peer);
    rpc_call(frontend.rl, peer, RPC_MATCHING_POLL, hash, buf_str(&body), DURATION_MS(ms), &c->call);
}

static void send_poll(struct caller *c, int ms)
{
    send_poll_of(c, ms, "");
}

static void say_goodbye(const char *worker)
{
    struct caller c = { 0 };
    uint64_t hash = task_queue_hash(owner.id, STR("q"), TASK_QUEUE_WORKFLOW);
    struct msg_shutdown_worker m = { owner.id, STR(""), STR("q"), TASK_QUEUE_WORKFLOW,
        str_from_cstr(worker) };
    struct buf body;
    buf_init_arena(&body, &arena, 4096);
    msg_shutdown_worker_encode(&m, &body);
    c.call.done = on_goodbye;
    rpc_call(frontend.rl, cluster_matching_peer(frontend.cl, hash), RPC_MATCHING_SHUTDOWN, hash,
            buf_str(&body), DURATION_SECONDS(1), &c.call);
    pass(5);
    cr_assert(c.is_done);
    cr_assert_eq(c.result, RPC_OK);
}

static void advertise(unsigned first, unsigned count, uint64_t backlog)
{
    struct msg_offer *offers = NEW(&arena, struct msg_offer, count);
    for (unsigned i = 0; i < count; i++) {
        offers[i] = (struct msg_offer){ .task = { .namespace_id = owner.id,
                                                .workflow_id = STR("wf"),
                                                .key = first + i,
                                                .type = TASK_QUEUE_WORKFLOW,
                                                .scheduled_event_id = first + i,
                                                .attempt = 1 },
            .since = lane_now(frontend.lane) };
    }
    struct msg_advertised_queue q = { owner.id, STR("q"), TASK_QUEUE_WORKFLOW, false, backlog,
        { 5 }, offers, count };
    struct msg_advertise m = { 7, 1, &q, 1 };
    struct buf body;
    buf_init_arena(&body, &arena, 1 << 20);
    msg_advertise_encode(&m, &body);
    uint64_t hash = task_queue_hash(owner.id, STR("q"), TASK_QUEUE_WORKFLOW);
    rpc_notify(frontend.rl, cluster_matching_peer(frontend.cl, hash), RPC_MATCHING_ADVERTISE, hash,
            buf_str(&body));
}

Test(matching_service, a_parked_poll_gets_a_task)
{
    struct caller c = { 0 };
    send_poll(&c, 60000);
    pass(1000);
    cr_assert(!c.is_done);
    advertise(1, 1, 4);
    pass(2);
    cr_assert(c.is_done && c.answer.has_task);
    cr_assert_eq(c.answer.task.scheduled_event_id, 1);
    cr_assert(str_eq(c.answer.task.workflow_id, STR("wf")));
    cr_assert_eq(c.answer.backlog_hint, 4);
    pass(2);
    cr_assert_eq(heard_count, 1);
    cr_assert_eq(heard_lane, 7);
    cr_assert_eq(heard.incarnation, 1);
    cr_assert_eq(heard.queues[0].gone_count, 1);
    cr_assert_eq(heard.queues[0].more, 1);
}

Test(matching_service, demand_leaves_once_per_turn)
{
    struct caller c[10] = { 0 };
    for (unsigned i = 0; i < 10; i++) {
        send_poll(&c[i], 60000);
    }
    pass(5);
    advertise(1, 10, 0);
    pass(5);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(c[i].is_done && c[i].answer.has_task);
    }
    cr_assert_eq(heard_count, 1);
    cr_assert_eq(heard.queues[0].gone_count, 10);
}

Test(matching_service, an_empty_answer_comes_before_the_deadline)
{
    struct caller c = { 0 };
    send_poll(&c, 5000);
    pass(5100);
    cr_assert(c.is_done);
    cr_assert_eq(c.result, RPC_OK);
    cr_assert(!c.answer.has_task);
    cr_assert_eq(matching_stats(service).engine.polls, 0);
}

Test(matching_service, a_cancelled_poll_gets_nothing)
{
    struct caller a = { 0 }, b = { 0 };
    send_poll(&a, 60000);
    send_poll(&b, 60000);
    pass(5);
    rpc_cancel(&a.call);
    pass(5);
    cr_assert_eq(matching_stats(service).polls_gone, 1);
    advertise(1, 1, 0);
    pass(5);
    cr_assert(!a.is_done);
    cr_assert(b.is_done && b.answer.has_task);
}

Test(matching_service, a_goodbye_ends_the_polls_of_one_worker)
{
    struct caller a = { 0 }, b = { 0 }, other = { 0 }, late = { 0 };
    send_poll_of(&a, 60000, "one");
    send_poll_of(&b, 60000, "one");
    send_poll_of(&other, 60000, "two");
    pass(5);
    say_goodbye("one");
    cr_assert(a.is_done && !a.answer.has_task && a.answer.is_over);
    cr_assert(b.is_done && b.answer.is_over);
    cr_assert(!other.is_done);
    send_poll_of(&late, 60000, "one");
    pass(5);
    cr_assert(late.is_done && late.answer.is_over, "it was still on its way");
    advertise(1, 1, 0);
    pass(5);
    cr_assert(other.is_done && other.answer.has_task);
    pass(10000);
    late = (struct caller){ 0 };
    send_poll_of(&late, 60000, "one");
    pass(5);
    cr_assert(!late.is_done, "a worker that has come back");
    rpc_cancel(&late.call);
}

Test(matching_service, a_lost_link_takes_no_offers_of_the_living)
{
    advertise(1, 3, 2);
    pass(5);
    cr_assert_eq(matching_stats(service).engine.offers, 3);
    struct caller other = { 0 };
    send_poll(&other, 60000);
    pass(5);
    cr_assert(other.is_done);
    fake_rpc_cut(frontend.id);
    pass(15000);
    cr_assert_eq(matching_stats(service).engine.offers, 2);
    for (int i = 0; i < 30000; i++) { /* it beats no more */
        lane_manual_advance(owner.lane, DURATION_MS(1));
    }
    cr_assert_eq(matching_stats(service).engine.offers, 0);
    cr_assert_eq(matching_stats(service).engine.advertisers, 0);
}

Test(matching_service, another_owner_is_told_to_callers)
{
    struct process second;
    struct caller c[20] = { 0 };
    uint64_t hash = task_queue_hash(owner.id, STR("q"), TASK_QUEUE_WORKFLOW);
    send_poll(&c[0], 600000);
    pass(5);
    /* further matching processes until one of them is the owner; it never runs, only its row counts */
    for (uint8_t id = 10; id < 40 && !c[0].is_done; id++) {
        start(&second, id, CLUSTER_MATCHING);
        lane_manual_advance(second.lane,
                instant_since(lane_monotonic(owner.lane), lane_monotonic(second.lane)));
        pass(1100);
        if (!c[0].is_done) {
            cr_assert(uuid_eq(rpc_peer_member(cluster_matching_peer(frontend.cl, hash)), owner.id));
        }
        stop(&second);
    }
    cr_assert(c[0].is_done);
    cr_assert_eq(c[0].result, RPC_APP_ERROR);
    cr_assert_eq(c[0].err, ERR_NOT_OWNER);
}

Test(matching_service, malformed_messages_harm_nobody)
{
    struct caller c = { 0 };
    uint64_t hash = task_queue_hash(owner.id, STR("q"), TASK_QUEUE_WORKFLOW);
    struct rpc_peer *peer = cluster_matching_peer(frontend.cl, hash);
    rpc_notify(frontend.rl, peer, RPC_MATCHING_ADVERTISE, hash, STR("\xdd\xff\xff\xff\xff"));
    c.call.done = on_answer;
    rpc_call(frontend.rl, peer, RPC_MATCHING_POLL, hash, STR("garbage"), DURATION_SECONDS(1),
            &c.call);
    pass(5);
    cr_assert(c.is_done);
    cr_assert_eq(c.err, ERR_PROTOCOL);
    cr_assert_eq(matching_stats(service).malformed, 2);
}

Test(matching_service, stopping_sends_polls_elsewhere)
{
    struct caller c = { 0 }, late = { 0 };
    send_poll(&c, 60000);
    pass(5);
    matching_free(service);
    service = NULL;
    send_poll(&late, 60000);
    pass(5);
    cr_assert(c.is_done && late.is_done);
    cr_assert_eq(c.err, ERR_UNAVAILABLE);
    cr_assert_eq(late.err, ERR_UNAVAILABLE);
}
