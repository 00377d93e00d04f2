#include "common/apijson/time_format.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/model/time_text.h"

Test(time_format, durations_as_go_writes_them)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = { { 0, "0s" }, { 1, "1ns" }, { 1500, "1.5\xc2\xb5s" }, { 300000000, "300ms" },
        { 1500000000, "1.5s" }, { 65000000000, "1m5s" }, { 86400000000000, "24h0m0s" },
        { -90000000000, "-1m30s" }, { INT64_MAX, "2562047h47m16.854775807s" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TIME_TEXT_BYTES];
        struct duration back;
        duration_format((struct duration){ rows[i].ns }, text);
        cr_expect_str_eq(text, rows[i].text);
        cr_expect(duration_parse(str_from_cstr(text), &back) && back.ns == rows[i].ns);
    }
}

Test(time_format, times)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *text;
    } rows[] = { { 0, 0, "1970-01-01T00:00:00Z" }, { -1, 999000000, "1969-12-31T23:59:59.999Z" },
        { 951782400, 0, "2000-02-29T00:00:00Z" },
        { 1795914123, 4005006, "2026-11-29T01:02:03.004005006Z" },
        { 1795914123, 4005000, "2026-11-29T01:02:03.004005Z" },
        { -62135596800, 0, "0001-01-01T00:00:00Z" }, { 253402300799, 0, "9999-12-31T23:59:59Z" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TIME_TEXT_BYTES] = "";
        cr_expect(time_format_rfc3339(rows[i].seconds, rows[i].nanos, text));
        cr_expect_str_eq(text, rows[i].text);
    }
    char text[TIME_TEXT_BYTES];
    cr_expect(!time_format_rfc3339(253402300800, 0, text) && !time_format_rfc3339(0, -1, text));
}
