#include <criterion/criterion.h>

#include "common/model/json_value.h"
#include "common/model/search_attributes.h"
#include "common/model/wire.h"

static struct arena arena;

static const struct search_attribute custom[] = {
    { STR_INIT("Key"), SEARCH_ATTRIBUTE_KEYWORD },
    { STR_INIT("Word"), SEARCH_ATTRIBUTE_TEXT },
    { STR_INIT("Count"), SEARCH_ATTRIBUTE_INT },
    { STR_INIT("Ratio"), SEARCH_ATTRIBUTE_DOUBLE },
    { STR_INIT("Flag"), SEARCH_ATTRIBUTE_BOOL },
    { STR_INIT("When"), SEARCH_ATTRIBUTE_DATETIME },
    { STR_INIT("List"), SEARCH_ATTRIBUTE_KEYWORD_LIST },
};
static const struct search_attributes known = { STR_INIT("ns"), custom, ARRAY_LEN(custom) };
static const struct search_attribute_limits limits = { 3, 64, 200 };

static void put_metadata(struct buf *out, const char *key, const char *value)
{
    size_t entry = wire_begin(out, 1);
    wire_put_bytes(out, 1, str_from_cstr(key));
    wire_put_bytes(out, 2, str_from_cstr(value));
    wire_end(out, entry);
}

static void put(
        struct buf *out, const char *name, const char *encoding, const char *type, const char *json)
{
    size_t entry = wire_begin(out, 1);
    wire_put_bytes(out, 1, str_from_cstr(name));
    size_t payload = wire_begin(out, 2);
    put_metadata(out, "encoding", encoding);
    if (type) {
        put_metadata(out, "type", type);
    }
    wire_put_bytes(out, 2, str_from_cstr(json));
    wire_end(out, payload);
    wire_end(out, entry);
}

static struct str one(const char *name, const char *json)
{
    struct buf out;
    buf_init_arena(&out, &arena, 4096);
    put(&out, name, "json/plain", NULL, json);
    return buf_str(&out);
}

static void fits(const char *name, const char *json)
{
    struct fail f = { 0 };
    cr_assert_eq(search_attributes_check(one(name, json), &known, &limits, &f), ERR_NONE,
            "%s = %s: %s", name, json, f.message);
}

static void refused(const char *name, const char *json, const char *text)
{
    struct fail f = { 0 };
    cr_assert_eq(search_attributes_check(one(name, json), &known, &limits, &f),
            ERR_INVALID_ARGUMENT, "%s = %s", name, json);
    cr_assert_str_eq(f.message, text);
}

Test(search_attributes, values_of_each_type)
{
    fits("Key", "\"a\"");
    fits("Key", "[\"a\"]");
    fits("Key", "null");
    fits("Key", "[]");
    fits("Word", "\"two words \\u00e4\"");
    fits("Count", "-3");
    fits("Count", " [ 9223372036854775807 ] ");
    fits("Ratio", "1");
    fits("Ratio", "-1.5e-7");
    fits("Flag", "false");
    fits("When", "\"2026-02-03T04:05:06Z\"");
    fits("When", "\"2026-02-03T04:05:06.123456789+02:00\"");
    fits("List", "[\"a\", \"b\" , \"c\"]");
    fits("List", "[]");
    fits("TemporalChangeVersion", "[\"change-1\"]");
}

Test(search_attributes, values_of_other_types_are_named)
{
    refused("Key", "3", "invalid value for search attribute Key of type Keyword: 3");
    refused("Key", "[\"a\",\"b\"]",
            "invalid value for search attribute Key of type Keyword: [\"a\",\"b\"]");
    refused("Count", "\"three\"", "invalid value for search attribute Count of type Int: three");
    refused("Count", "1.5", "invalid value for search attribute Count of type Int: 1.5");
    refused("Count", "1e3", "invalid value for search attribute Count of type Int: 1e3");
    refused("Count", "9223372036854775808",
            "invalid value for search attribute Count of type Int: 9223372036854775808");
    refused("Flag", "1", "invalid value for search attribute Flag of type Bool: 1");
    refused("When", "\"yesterday\"",
            "invalid value for search attribute When of type Datetime: yesterday");
    refused("When", "\"2026-02-03T04:05:06\"",
            "invalid value for search attribute When of type Datetime: 2026-02-03T04:05:06");
    refused("List", "\"a\"", "invalid value for search attribute List of type KeywordList: a");
    refused("List", "[1]", "invalid value for search attribute List of type KeywordList: [1]");
    refused("Key", "{\"a\":1}",
            "invalid value for search attribute Key of type Keyword: {\"a\":1}");
    refused("Key", "\"a\" \"b\"",
            "invalid value for search attribute Key of type Keyword: \"a\" \"b\"");
}

Test(search_attributes, names)
{
    refused("Nope", "1", "Namespace ns has no mapping defined for search attribute Nope");
    refused("key", "1", "Namespace ns has no mapping defined for search attribute key");
    refused("WorkflowId", "\"w\"", "WorkflowId attribute can't be set in SearchAttributes");
    refused("TemporalWorkerDeployment", "\"w\"",
            "TemporalWorkerDeployment attribute can't be set in SearchAttributes");
    cr_assert(search_attribute_is_reserved(STR("RunId")));
    cr_assert(search_attribute_is_reserved(STR("TemporalAnything")));
    cr_assert(search_attribute_is_reserved(STR("Memo")));
    cr_assert_not(search_attribute_is_reserved(STR("Key")));
}

Test(search_attributes, sizes)
{
    char json[80];
    struct fail f = { 0 };
    struct buf out;
    memset(json, 'x', sizeof(json));
    json[0] = '"';
    json[64] = '"';
    json[65] = 0;
    refused("Key", json, "search attribute Key value size 65 exceeds size limit 64");
    buf_init_arena(&out, &arena, 4096);
    for (int i = 0; i < 3; i++) {
        put(&out, custom[i].name.ptr, "binary/null", NULL, "");
    }
    cr_assert_eq(search_attributes_check(buf_str(&out), &known, &limits, &f), ERR_NONE);
    put(&out, "Flag", "json/plain", NULL, "true");
    cr_assert_eq(search_attributes_check(buf_str(&out), &known, &limits, &f), ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(f.message, "number of search attributes 4 exceeds limit 3");
    struct search_attribute_limits narrow = { 10, 64, 20 };
    cr_assert_eq(search_attributes_check(buf_str(&out), &known, &narrow, &f), ERR_INVALID_ARGUMENT);
    cr_assert(strstr(f.message, "total size of search attributes"));
}

Test(search_attributes, types_are_written_where_they_are_missing)
{
    struct buf given, expected;
    buf_init_arena(&given, &arena, 4096);
    buf_init_arena(&expected, &arena, 4096);
    put(&given, "Key", "json/plain", "Keyword", "\"a\"");
    put(&expected, "Key", "json/plain", "Keyword", "\"a\"");
    struct str same = search_attributes_typed(buf_str(&given), &known, &arena);
    cr_assert_eq(same.ptr, given.ptr, "nothing to add: the same bytes");
    put(&given, "Count", "json/plain", NULL, "1");
    put(&given, "List", "json/plain", "Keyword", "[]");
    put(&expected, "Count", "json/plain", "Int", "1");
    put(&expected, "List", "json/plain", "KeywordList", "[]");
    struct str typed = search_attributes_typed(buf_str(&given), &known, &arena);
    cr_assert(str_eq(typed, buf_str(&expected)));
    struct str broken = str_of(given.ptr, given.len - 3);
    cr_assert_eq(search_attributes_typed(broken, &known, &arena).ptr, given.ptr);
}

Test(search_attributes, slots_tell_their_type)
{
    for (int type = SEARCH_ATTRIBUTE_TEXT; type <= SEARCH_ATTRIBUTE_KEYWORD_LIST; type++) {
        enum search_attribute_type t = (enum search_attribute_type)type;
        cr_assert_eq(search_attribute_slot_type(search_attribute_slot(&arena, t, 1)), t);
        cr_assert_eq(search_attribute_slot_type(search_attribute_slot(&arena, t, 99)), t);
    }
    cr_assert(str_eq(
            search_attribute_slot(&arena, SEARCH_ATTRIBUTE_KEYWORD_LIST, 3), STR("KeywordList03")));
    cr_assert_eq(search_attribute_slot_type(STR("Keyword00")), SEARCH_ATTRIBUTE_UNSPECIFIED);
    cr_assert_eq(search_attribute_slot_type(STR("keyword01")), SEARCH_ATTRIBUTE_UNSPECIFIED);
    cr_assert_eq(search_attribute_slot_type(STR("01")), SEARCH_ATTRIBUTE_UNSPECIFIED);
}

Test(json_value, malformed)
{
    static const char *const bad[] = { "", " ", "\"a", "\"\\x\"", "\"\x01\"", "01", "1.", "-", "1e",
        "nul", "[1", "[1,]", "[,1]", "[1 2]", "]", "\"\\u12g4\"", "\"\xff\"", "tru", "{\"a\"" };
    struct json_value v;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_not(json_parse(str_from_cstr(bad[i]), &v), "%s", bad[i]);
    }
    cr_assert(json_parse(STR(" {\"a\": [1, \"]\"]} "), &v));
    cr_assert_eq(v.kind, JSON_OBJECT);
}
