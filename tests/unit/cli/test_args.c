#include <criterion/criterion.h>

#include "cli/args.h"

static struct str ip;
static int64_t port;
static bool headless;
static struct flag_list names;
static struct arena arena;

static const struct flag flags[] = {
    { .name = "ip", .kind = FLAG_STR, .target = &ip },
    { .name = "port", .letter = 'p', .kind = FLAG_INT, .target = &port, .min = 0, .max = 65535 },
    { .name = "headless", .kind = FLAG_SWITCH, .target = &headless },
    { .name = "namespace", .letter = 'n', .kind = FLAG_LIST, .target = &names },
};

#define PARSE(words, f, ...)                                                                  \
    args_parse((int)ARRAY_LEN(((char *[]){ __VA_ARGS__ })), (char *[]){ __VA_ARGS__ }, flags, \
            ARRAY_LEN(flags), &arena, (words), (f))

Test(args, all_forms)
{
    struct flag_list words = { 0 };
    enum err err = PARSE(&words, NULL, (char[]){ "--ip=0.0.0.0" }, (char[]){ "-p" },
            (char[]){ "7" }, (char[]){ "--headless" }, (char[]){ "-n" }, (char[]){ "a" },
            (char[]){ "--namespace" }, (char[]){ "b" }, (char[]){ "word" }, (char[]){ "--" },
            (char[]){ "--ip" });
    cr_assert_eq(err, ERR_NONE);
    cr_assert(str_eq(ip, STR("0.0.0.0")));
    cr_assert_eq(port, 7);
    cr_assert(headless);
    cr_assert_eq(names.items.len, 2);
    cr_assert(str_eq(names.items.ptr[1], STR("b")));
    cr_assert_eq(words.items.len, 2);
    cr_assert(str_eq(words.items.ptr[1], STR("--ip")));
}

Test(args, mistakes_are_named)
{
    struct fail f = { 0 };
    cr_assert(PARSE(NULL, &f, (char[]){ "--port" }));
    cr_assert_str_eq(f.message, "--port needs a value");
    cr_assert(PARSE(NULL, &f, (char[]){ "--port=x" }));
    cr_assert_str_eq(f.message, "--port: 'x' is not a whole number from 0 to 65535");
    cr_assert(PARSE(NULL, &f, (char[]){ "--headless=maybe" }));
    cr_assert_str_eq(f.message, "--headless: 'maybe' is not true or false");
    cr_assert(PARSE(NULL, &f, (char[]){ "--what" }));
    cr_assert_str_eq(f.message, "unknown flag '--what'");
    cr_assert(PARSE(NULL, &f, (char[]){ "word" }));
    cr_assert_str_eq(f.message, "unexpected argument 'word'");
}

Test(args, kinds_beyond_texts_and_numbers)
{
    struct duration span = { 0 };
    double real = 0;
    struct str form = { 0 };
    bool is_given = false;
    const struct flag more[] = {
        { .name = "span", .kind = FLAG_DURATION, .target = &span, .alias = "time" },
        { .name = "real", .kind = FLAG_DOUBLE, .target = &real },
        { .name = "form",
                .letter = 'o',
                .kind = FLAG_STR,
                .target = &form,
                .choices = "text|json",
                .is_given = &is_given },
    };
    char *good[] = { (char[]){ "--time=1m30s" }, (char[]){ "--real" }, (char[]){ "-0.5" },
        (char[]){ "-o" }, (char[]){ "JSON" } };
    cr_assert(!args_parse(5, good, more, 3, &arena, NULL, NULL));
    cr_expect_eq(span.ns, 90 * (int64_t)1000000000);
    cr_expect_eq(real, -0.5);
    cr_expect(str_eq(form, STR("json")) && is_given,
            "a choice in either case, as the table writes it");
    static const struct {
        const char *word, *error;
    } bad[] = {
        { "--span=5", "--span: '5' is not a duration (300ms, 10s, 1h30m)" },
        { "--span=-1s", "--span: '-1s' is not a duration (300ms, 10s, 1h30m)" },
        { "--real=x", "--real: 'x' is not a number" },
        { "--form=yaml", "--form: 'yaml' is none of: text json" },
        { "--from=json", "unknown flag '--from=json'; did you mean --form?" },
        { "--zzz", "unknown flag '--zzz'" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fail f = { 0 };
        char *words[] = { (char *)(uintptr_t)bad[i].word };
        cr_expect(args_parse(1, words, more, 3, &arena, NULL, &f));
        cr_expect_str_eq(f.message, bad[i].error);
    }
}

Test(args, the_nearest_word)
{
    static const char *const words[] = { "workflow start", "workflow stack", "workflow list",
        "operator" };
    cr_expect_str_eq(args_nearest(STR("workflow strat"), words, 4), "workflow start");
    cr_expect_str_eq(args_nearest(STR("oper"), words, 4), "operator");
    cr_expect_null(args_nearest(STR("xyzzy"), words, 4));
}
