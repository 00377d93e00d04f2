#include "common/base/base64.h"

#include <criterion/criterion.h>

static const struct {
    struct str plain, padded, bare;
} rows[] = {
    { STR_INIT(""), STR_INIT(""), STR_INIT("") },
    { STR_INIT("f"), STR_INIT("Zg=="), STR_INIT("Zg") },
    { STR_INIT("fo"), STR_INIT("Zm8="), STR_INIT("Zm8") },
    { STR_INIT("foo"), STR_INIT("Zm9v"), STR_INIT("Zm9v") },
    { STR_INIT("foob"), STR_INIT("Zm9vYg=="), STR_INIT("Zm9vYg") },
    { STR_INIT("\xff\xfe\xfd\xfc"), STR_INIT("//79/A=="), STR_INIT("//79/A") },
};

Test(base64, both_ways)
{
    struct arena arena = { 0 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str got;
        cr_expect(str_eq(base64_encode(&arena, rows[i].plain, true), rows[i].padded));
        cr_expect(str_eq(base64_encode(&arena, rows[i].plain, false), rows[i].bare));
        cr_expect(base64_decode(&arena, rows[i].padded, &got) && str_eq(got, rows[i].plain));
        cr_expect(base64_decode(&arena, rows[i].bare, &got) && str_eq(got, rows[i].plain));
    }
    struct str got;
    cr_expect(base64_decode(&arena, STR("__79_A"), &got) && str_eq(got, rows[5].plain));
    arena_deinit(&arena);
}

Test(base64, refusals)
{
    static const struct str bad[] = { STR_INIT("Z"), STR_INIT("Zg=a"), STR_INIT("Zg==="),
        STR_INIT("Zm9 v"), STR_INIT("===="), STR_INIT("Zm9v\n") };
    struct arena arena = { 0 };
    struct str got;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect(!base64_decode(&arena, bad[i], &got), STR_FMT, STR_ARG(bad[i]));
    }
    arena_deinit(&arena);
}
