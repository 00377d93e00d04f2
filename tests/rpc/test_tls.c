/* Who is let in over TLS: only certificates of our authority, only with the role that they name, never plain. */
#include <stdio.h>

#include "tests/rpc/harness.h"

static struct world w;
static struct test_call one;
static const struct rpc_config config = { .cluster_id = { { 9 } } };

static enum rpc_result call_once(const char *caller_cert, const char *callee_cert)
{
    world_open_tls(&w, &config, caller_cert, callee_cert);
    call_start(&w, &one, M_ECHO, 0, STR("secret"), DURATION_SECONDS(20));
    call_wait(&one);
    enum rpc_result result = one.result;
    world_close(&w);
    return result;
}

/* What the caller sees of the callee is checked before anything leaves; its own refusal by the callee may
 * reach it after that. */
static bool refused(enum rpc_result result)
{
    return result == RPC_NOT_SENT || result == RPC_UNKNOWN;
}

static void test_bad_files(void)
{
    struct rpc_tls *tls = NULL;
    struct fail f = { 0 };
    struct rpc_tls_config none = { STR("/nonexistent/ca"), STR("/nonexistent/c"), STR("/x") };
    check(rpc_tls_new(&none, &tls, &f) == ERR_INVALID_ARGUMENT && !tls);
    check(strstr(f.message, "/nonexistent/ca"));
}

int main(void)
{
    check(call_once("caller", "callee") == RPC_OK);
    check(call_once("caller", "other") == RPC_NOT_SENT);   /* a role that it does not have */
    check(refused(call_once("other", "callee")));          /* the same, on our side */
    check(call_once("caller", "foreign") == RPC_NOT_SENT); /* right name, wrong authority */
    check(refused(call_once("foreign", "callee")));
    check(call_once(NULL, "callee") == RPC_NOT_SENT); /* plain to TLS */
    check(call_once("caller", NULL) == RPC_NOT_SENT); /* TLS to plain */
    check(call_once(NULL, NULL) == RPC_OK);
    test_bad_files();
    call_free(&one);
    printf("ok\n");
    return 0;
}
