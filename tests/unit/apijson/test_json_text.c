#include "common/apijson/json_text.h"

#include <criterion/criterion.h>

static struct arena arena;

Test(json_text, valid)
{
    static const char *const rows[] = { "null", "true", " false ", "0", "-1.5e+3", "\"\"", "[]",
        "{}", "[1,[2,{\"a\":[]}]]", "{\"a\":{\"b\":null},\"c\":\"\\u00e9\\n\"}",
        "\t[ 1 , 2 ]\r\n" };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect(json_is_valid(str_from_cstr(rows[i])), "%s", rows[i]);
    }
}

Test(json_text, invalid)
{
    static const char *const rows[] = { "", " ", "nul", "tru", "01", "1.", ".5", "+1", "1e", "-",
        "\"", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "[", "]", "[1", "[1,]", "[,1]", "[1 2]", "{",
        "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:2}", "{\"a\":1 \"b\":2}", "[}", "{]", "1 2",
        "nulll", "\"\xff\"", "[1]]" };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect(!json_is_valid(str_from_cstr(rows[i])), "%s", rows[i]);
    }
}

Test(json_text, depth_is_bounded)
{
    char text[2 * (JSON_DEPTH_MAX + 1) + 1];
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    cr_assert(!json_is_valid(str_of(text, sizeof(text) - 1)));
    cr_assert(json_is_valid(str_of(text + 1, sizeof(text) - 3)));
}

Test(json_text, strings_both_ways)
{
    static const struct {
        const char *json;
        struct str text;
    } rows[] = {
        { "\"a\\\"b\\\\\"", STR_INIT("a\"b\\") },
        { "\"\\n\\t\\u0001\"", STR_INIT("\n\t\x01") },
        { "\"caf\xc3\xa9\"", STR_INIT("caf\xc3\xa9") },
        { "\"\xf0\x9f\x98\x80\"", STR_INIT("\xf0\x9f\x98\x80") },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init_arena(&out, &arena, 1000);
        json_quote(&out, rows[i].text);
        cr_expect(str_eq(buf_str(&out), str_from_cstr(rows[i].json)), STR_FMT,
                STR_ARG(buf_str(&out)));
        cr_expect(str_eq(json_unquote(&arena, str_from_cstr(rows[i].json)), rows[i].text));
    }
    cr_expect(str_eq(json_unquote(&arena, STR("\"\\ud83d\\ude00\\/\"")), STR("\xf0\x9f\x98\x80/")));
    cr_expect(str_eq(json_unquote(&arena, STR("\"\\ud83dx\"")), STR("\xef\xbf\xbdx")),
            "a lone surrogate");
    struct buf out;
    buf_init_arena(&out, &arena, 1000);
    json_quote(&out, STR("a\xff\x62\xc3"));
    cr_expect(str_eq(buf_str(&out), STR("\"a\xef\xbf\xbd\x62\xef\xbf\xbd\"")), "what is not UTF-8");
    arena_deinit(&arena);
}

Test(json_text, numbers)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = { { 0, "0" }, { 1, "1" }, { -2.5, "-2.5" }, { 0.1, "0.1" },
        { 1e15, "1000000000000000" }, { 1e300, "1e+300" }, { 1.0 / 3, "0.3333333333333333" },
        { __builtin_inf(), "\"Infinity\"" }, { __builtin_nan(""), "\"NaN\"" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init_arena(&out, &arena, 100);
        json_number(&out, rows[i].value);
        cr_expect(str_eq(buf_str(&out), str_from_cstr(rows[i].text)), STR_FMT,
                STR_ARG(buf_str(&out)));
    }
    arena_deinit(&arena);
}

Test(json_text, layout)
{
    static const struct {
        int indent;
        const char *text;
    } rows[] = { { -1, "{\"a\":[1,{}],\"b\":[]}" },
        { 0, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}" },
        { 1, "{\n    \"a\": [\n      1,\n      {}\n    ],\n    \"b\": []\n  }" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init_arena(&out, &arena, 1000);
        json_layout(&out, STR(" { \"a\":[1, {} ],\n\"b\" : [ ] } "), rows[i].indent);
        cr_expect(str_eq(buf_str(&out), str_from_cstr(rows[i].text)), STR_FMT,
                STR_ARG(buf_str(&out)));
    }
    arena_deinit(&arena);
}
