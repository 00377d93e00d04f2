#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/err.h"

Test(err, short_texts_are_in_the_message_alone)
{
    struct fail f;
    cr_assert_eq(fail_text(&f, ERR_NOT_FOUND, STR("gone")), ERR_NOT_FOUND);
    cr_assert_str_eq(f.message, "gone");
    cr_assert(str_empty(f.text) && str_eq(fail_text_of(&f), STR("gone")));
    cr_assert_eq(fail_text(NULL, ERR_NOT_FOUND, STR("gone")), ERR_NOT_FOUND);
}

/* Two bytes a letter, so that every other cut would be within one. */
static struct str long_text(char *to, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        to[i] = '\xc3';
        to[i + 1] = '\xa9';
    }
    return str_of(to, size / 2 * 2);
}

Test(err, long_texts_are_kept_beside_the_message)
{
    char bytes[6001] = "x";
    struct str text = { bytes, long_text(bytes + 1, 3000).len + 1 };
    struct fail f;
    (void)fail_text(&f, ERR_INVALID_ARGUMENT, text);
    cr_assert(str_eq(fail_text_of(&f), text));
    cr_assert(strlen(f.message) >= 509 && str_is_utf8(str_from_cstr(f.message)));
    text.len = long_text(bytes + 1, 6000).len + 1;
    (void)fail_text(&f, ERR_INVALID_ARGUMENT, text);
    cr_assert(fail_text_of(&f).len == FAIL_TEXT_MAX - 1 && str_is_utf8(fail_text_of(&f)));
    (void)fail(&f, ERR_INVALID_ARGUMENT, "another");
    cr_assert(str_eq(fail_text_of(&f), STR("another")));
}
