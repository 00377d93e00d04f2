/* Tokens: what goes in comes out, and nothing else is taken for one. */
#include <criterion/criterion.h>

#include "common/api/token.h"
#include "common/model/wire.h"

static struct api_token sample(void)
{
    return (struct api_token){
        .kind = API_TOKEN_WORKFLOW_TASK,
        .namespace_id = { { 1, 2, 3 } },
        .run_id = { { 4, 5 } },
        .workflow_id = STR("order"),
        .key = 123456789012345,
        .scheduled_event_id = 5,
        .started_event_id = 6,
        .attempt = 2,
        .scheduled_time = { 17 },
        .started_time = { 1700000000123456789 },
        .identity = STR("worker"),
        .request_id = STR("poll"),
        .history_size = 999,
        .suggest_continue_as_new = true,
        .suggest_reasons = 3,
        .worker_version = STR("\x0a\x02v1"),
        .suffix = STR("\x0a\x00"),
    };
}

Test(api, token_round_trip)
{
    struct arena arena = { 0 };
    struct api_token in = sample(), out;
    struct str bytes = api_token_encode(&arena, &in);
    cr_assert_eq(api_token_decode(bytes, &arena, &out, NULL), ERR_NONE);
    struct str again = api_token_encode(&arena, &out);
    cr_assert(str_eq(bytes, again));
    cr_assert(out.started_time.ns == in.started_time.ns && str_eq(out.workflow_id, in.workflow_id));
    cr_assert(out.suggest_reasons == 3 && str_eq(out.worker_version, in.worker_version));
    arena_deinit(&arena);
}

Test(api, token_of_a_newer_release)
{
    struct arena arena = { 0 };
    struct api_token in = sample(), out;
    struct buf more;
    buf_init_arena(&more, &arena, 4096);
    buf_append_str(&more, api_token_encode(&arena, &in));
    wire_put_varint(&more, 99, 1);
    wire_put_bytes(&more, 98, STR("new"));
    cr_assert_eq(api_token_decode(buf_str(&more), &arena, &out, NULL), ERR_NONE);
    cr_assert_eq(out.attempt, 2);
    arena_deinit(&arena);
}

Test(api, token_refuses_what_is_none)
{
    struct arena arena = { 0 };
    struct api_token in = sample(), out;
    struct fail f = { 0 };
    cr_assert_eq(api_token_decode(STR(""), &arena, &out, &f), ERR_INVALID_ARGUMENT);
    cr_assert_eq(api_token_decode(STR("token"), &arena, &out, &f), ERR_INVALID_ARGUMENT);
    struct str bytes = api_token_encode(&arena, &in);
    for (size_t n = 0; n < 20; n++) { /* cut within the ids */
        cr_assert_eq(api_token_decode(str_of(bytes.ptr, n), &arena, &out, &f), ERR_INVALID_ARGUMENT,
                "%zu", n);
    }
    in.workflow_id = STR("\xff\xfe");
    bytes = api_token_encode(&arena, &in);
    cr_assert_eq(api_token_decode(bytes, &arena, &out, &f), ERR_INVALID_ARGUMENT);
    in = sample();
    in.kind = (enum api_token_kind)9;
    bytes = api_token_encode(&arena, &in);
    cr_assert_eq(api_token_decode(bytes, &arena, &out, &f), ERR_INVALID_ARGUMENT);
    arena_deinit(&arena);
}
