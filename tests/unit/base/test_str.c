#include <criterion/criterion.h>

#include "common/base/err.h"
#include "common/base/str.h"

Test(str, numbers_reject_overflow_and_trailing_bytes)
{
    int64_t i = 42;
    uint64_t u = 42;
    cr_assert(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    cr_assert(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    cr_assert_not(str_to_i64(STR("9223372036854775808"), &i));
    cr_assert_not(str_to_i64(STR("12x"), &i));
    cr_assert_not(str_to_i64(STR(""), &i));
    cr_assert_not(str_to_i64(STR("-"), &i));
    cr_assert_eq(i, INT64_MAX, "untouched on failure");
    cr_assert(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    cr_assert_not(str_to_u64(STR("18446744073709551616"), &u));
}

Test(str, split_and_trim)
{
    struct str rest;
    cr_assert(str_eq(str_split(STR("a=b=c"), '=', &rest), STR("a")));
    cr_assert(str_eq(rest, STR("b=c")));
    cr_assert(str_eq(str_split(STR("abc"), '=', &rest), STR("abc")));
    cr_assert(str_empty(rest));
    cr_assert(str_eq(str_trim(STR(" \t x y\n")), STR("x y")));
    cr_assert(str_eq_nocase(STR("Content-Type"), STR("content-type")));
}

Test(str, utf8_is_strict)
{
    cr_assert(str_is_utf8(STR("plain text that is longer than eight bytes")));
    cr_assert(str_is_utf8(STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80")));
    cr_assert_not(str_is_utf8(STR("\xc0\xaf")), "overlong");
    cr_assert_not(str_is_utf8(STR("\xed\xa0\x80")), "surrogate");
    cr_assert_not(str_is_utf8(STR("\xf4\x90\x80\x80")), "beyond U+10FFFF");
    cr_assert_not(str_is_utf8(STR("abcdefgh\xe2\x82")), "cut short");
}

Test(err, long_messages_are_cut_at_a_character)
{
    struct fail f;
    char text[1024];
    memset(text, 'x', 510);
    memcpy(text + 510, "\xe2\x82\xac tail", 9);
    cr_assert_eq(fail(&f, ERR_NOT_FOUND, "%s", text), ERR_NOT_FOUND);
    cr_assert_eq(strlen(f.message), 510);
    cr_assert_eq(err_grpc_status(f.err), 5);
}
