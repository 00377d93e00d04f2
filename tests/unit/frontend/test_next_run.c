#include <criterion/criterion.h>

#include "common/base/arena.h"
#include "common/model/wire.h"
#include "frontend/next_run.h"

static struct arena arena;

/* A response with one event whose attributes, in the given field, have one string. */
static struct str response(uint32_t attributes, uint32_t field, const char *text)
{
    struct buf out;
    buf_init_arena(&out, &arena, 512);
    size_t history = wire_begin(&out, 1);
    size_t event = wire_begin(&out, 1);
    wire_put_varint(&out, 1, 5);
    wire_put_timestamp(&out, 2, (struct instant){ 1000 });
    wire_put_varint(&out, 3, 3);
    wire_put_varint(&out, 5, 77);
    size_t inner = wire_begin(&out, attributes);
    wire_put_bytes(&out, 1, STR("the failure"));
    wire_put_bytes(&out, field, str_from_cstr(text));
    wire_end(&out, inner);
    wire_end(&out, event);
    wire_end(&out, history);
    return buf_str(&out);
}

static struct wire_field find(struct str message, uint32_t number)
{
    struct wire_field f;
    while (wire_next(&message, &f)) {
        if (f.number == number) {
            return f;
        }
    }
    cr_assert_fail("there is no field %u", number);
    return f;
}

Test(next_run, the_feature_is_one_of_a_list)
{
    cr_assert(next_run_is_followed(STR("follows-next-run-id")));
    cr_assert(next_run_is_followed(STR("other, follows-next-run-id,more")));
    cr_assert(!next_run_is_followed(STR("")));
    cr_assert(!next_run_is_followed(STR("follows-next-run-ids,x")));
}

Test(next_run, a_failure_with_a_next_run_looks_continued)
{
    struct str out = next_run_as_continued(&arena, response(8, 4, "the next run"));
    struct str event = find(find(out, 1).bytes, 1).bytes;
    cr_assert_eq(find(event, 1).varint, 5);
    cr_assert_eq(find(event, 3).varint, 28);
    cr_assert_eq(find(event, 5).varint, 77);
    cr_assert_eq(wire_timestamp(find(event, 2).bytes).ns, 1000);
    struct str attributes = find(event, 33).bytes;
    cr_assert(str_eq(find(attributes, 1).bytes, STR("the next run")));
    cr_assert(str_eq(find(attributes, 10).bytes, STR("the failure")));
}

Test(next_run, an_end_without_a_next_run_stays_what_it_is)
{
    struct str failed = response(8, 4, "");
    cr_assert(next_run_as_continued(&arena, failed).ptr == failed.ptr);
    struct str terminated = response(27, 4, "no run id");
    cr_assert(next_run_as_continued(&arena, terminated).ptr == terminated.ptr);
    cr_assert_eq(next_run_as_continued(&arena, STR("")).len, 0);
}
