#include <criterion/criterion.h>

#include "common/base/uuid.h"

Test(uuid, text_round_trips_and_versions_are_marked)
{
    struct rand r = { 1 };
    struct uuid id = uuid_v7((struct instant){ 1700000000000000000 }, &r), back;
    struct uuid_text text = uuid_format(id);
    cr_assert(uuid_parse(str_from_cstr(text.s), &back));
    cr_assert(uuid_eq(id, back));
    cr_assert_eq(text.s[14], '7');
    cr_assert_eq(uuid_format(uuid_v4(&r)).s[14], '4');
}

Test(uuid, version_7_sorts_by_time)
{
    struct rand r = { 1 };
    struct uuid a = uuid_v7((struct instant){ 1700000000000000000 }, &r);
    struct uuid b = uuid_v7((struct instant){ 1700000000001000000 }, &r);
    cr_assert_lt(memcmp(a.b, b.b, 16), 0);
}

Test(uuid, refuses_what_is_not_one)
{
    struct uuid id;
    cr_assert_not(uuid_parse(STR("00000000-0000-0000-0000-00000000000"), &id));
    cr_assert_not(uuid_parse(STR("00000000-0000-0000-0000-00000000000g"), &id));
    cr_assert_not(uuid_parse(STR("00000000a0000-0000-0000-000000000000"), &id));
    cr_assert(uuid_parse(STR("ABCDEF00-0000-0000-0000-000000000000"), &id));
}
