#include <criterion/criterion.h>

#include "common/model/wire.h"
#include "frontend/grpc/text.h"

static struct arena arena;

Test(grpc_text, content_types)
{
    cr_assert(grpc_content_type_ok(STR("application/grpc")));
    cr_assert(grpc_content_type_ok(STR("application/grpc+proto")));
    cr_assert(grpc_content_type_ok(STR("application/grpc; charset=utf-8")));
    cr_assert_not(grpc_content_type_ok(STR("application/grpc-web")));
    cr_assert_not(grpc_content_type_ok(STR("application/json")));
    cr_assert_not(grpc_content_type_ok(STR("application/grp")));
    cr_assert_not(grpc_content_type_ok(STR("")));
}

Test(grpc_text, timeouts)
{
    static const struct {
        struct str text;
        int64_t ns;
    } good[] = {
        { STR_INIT("699m"), 699000000 }, { STR_INIT("30000000u"), 30000000000 },
        { STR_INIT("1H"), 3600000000000 }, { STR_INIT("2M"), 120000000000 }, { STR_INIT("0S"), 0 },
        { STR_INIT("99999999n"), 99999999 }, { STR_INIT("99999999H"), INT64_MAX }, /* saturates */
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct duration d = { -1 };
        cr_assert(grpc_timeout_parse(good[i].text, &d), STR_FMT, STR_ARG(good[i].text));
        cr_assert_eq(d.ns, good[i].ns);
    }
    static const struct str bad[] = { STR_INIT(""), STR_INIT("S"), STR_INIT("1"), STR_INIT("1s"),
        STR_INIT("-1S"), STR_INIT("1.5S"), STR_INIT("123456789S"), STR_INIT(" 1S"),
        STR_INIT("1S ") };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct duration d = { 7 };
        cr_assert_not(grpc_timeout_parse(bad[i], &d), STR_FMT, STR_ARG(bad[i]));
        cr_assert_eq(d.ns, 7);
    }
}

Test(grpc_text, paths)
{
    struct str s, m;
    cr_assert(grpc_path_split(STR("/a.b.C/Do"), &s, &m));
    cr_assert(str_eq(s, STR("a.b.C")) && str_eq(m, STR("Do")));
    cr_assert_not(grpc_path_split(STR(""), &s, &m));
    cr_assert_not(grpc_path_split(STR("/"), &s, &m));
    cr_assert_not(grpc_path_split(STR("/a"), &s, &m));
    cr_assert_not(grpc_path_split(STR("/a/"), &s, &m));
    cr_assert_not(grpc_path_split(STR("//a"), &s, &m));
    cr_assert_not(grpc_path_split(STR("a/b"), &s, &m));
}

Test(grpc_text, accepted_encodings)
{
    cr_assert(grpc_accepts(STR("identity,deflate,gzip"), STR("gzip")));
    cr_assert(grpc_accepts(STR("gzip"), STR("gzip")));
    cr_assert(grpc_accepts(STR("identity, gzip"), STR("gzip")));
    cr_assert_not(grpc_accepts(STR("identity,xgzip"), STR("gzip")));
    cr_assert_not(grpc_accepts(STR(""), STR("gzip")));
}

Test(grpc_text, percent_encoding)
{
    struct str s = grpc_percent_encode(&arena, STR("100% caf\xc3\xa9\n~ok"));
    cr_assert(str_eq(s, STR("100%25 caf%C3%A9%0A~ok")), STR_FMT, STR_ARG(s));
    cr_assert(str_empty(grpc_percent_encode(&arena, STR(""))));
    arena_deinit(&arena);
}

Test(grpc_text, status_details)
{
    struct fail f;
    fail(&f, ERR_NOT_FOUND, "no namespace %s", "x");
    cr_assert(str_empty(grpc_status_details(&arena, &f)));
    fail_set_detail(&f, STR("NamespaceNotFoundFailure"), STR("\x0a\x01x"));
    struct str got = grpc_status_details(&arena, &f), any = { 0 };
    struct wire_field field;
    while (wire_next(&got, &field)) {
        if (field.number == 1) {
            cr_assert_eq(field.varint, 5);
        } else if (field.number == 2) {
            cr_assert(str_eq(field.bytes, STR("no namespace x")));
        } else if (field.number == 3) {
            any = field.bytes;
        }
    }
    cr_assert(wire_ok(got));
    cr_assert(wire_next(&any, &field) && field.number == 1);
    cr_assert(str_eq(field.bytes,
            STR("type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure")));
    cr_assert(wire_next(&any, &field) && field.number == 2);
    cr_assert(str_eq(field.bytes, STR("\x0a\x01x")));
    arena_deinit(&arena);
}
