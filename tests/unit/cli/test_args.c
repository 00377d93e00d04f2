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
