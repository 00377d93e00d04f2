#include <criterion/criterion.h>

#include "common/config/config.h"
#include "common/config/yaml.h"

static struct arena arena;

static enum err parse(struct config *c, const char *text, struct fail *f)
{
    config_init(c);
    return config_parse(c, &arena, STR("f.yaml"), str_from_cstr(text), f);
}

static void refuses(const char *text, const char *message)
{
    struct config c;
    struct fail f = { 0 };
    cr_assert_neq(parse(&c, text, &f), ERR_NONE, "accepted: %s", text);
    cr_assert(strstr(f.message, message), "'%s' does not contain '%s'", f.message, message);
}

Test(config, nested_keys_and_units)
{
    struct config c;
    struct fail f = { 0 };
    enum err err = parse(&c,
            "frontend:\n  listen: 127.0.0.1:7000\n  message_max: 8m\n  drain: 250ms\nlanes: 3\n"
            "store:\n  migrate: false\n",
            &f);
    cr_assert_eq(err, ERR_NONE, "%s", f.message);
    cr_assert(str_eq(c.frontend_listen, STR("127.0.0.1:7000")));
    cr_assert_eq(c.frontend_message_max, 8 << 20);
    cr_assert_eq(c.frontend_drain.ns, 250000000);
    cr_assert_eq(c.lanes, 3);
    cr_assert_not(c.store_migrate);
    cr_assert(str_eq(c.log_level, STR("info")), "untouched settings keep their default");
}

Test(config, errors_name_the_key_and_the_place)
{
    refuses("lanes: many\n", "f.yaml: line 1, column 1: lanes: 'many' is not a whole number");
    refuses("frontend:\n  port: 1\n", "f.yaml: line 2, column 3: unknown key 'frontend.port'");
    refuses("lanes: 1000\n", "is not between 0 and 256");
    refuses("lanes: 1\nlanes: 2\n", "line 2, column 1: lanes is set twice");
    refuses("store:\n  migrate: maybe\n", "is not true or false");
    refuses("a: [1, 2]\n", "line 1, column 4: lists are not used here");
    refuses("a: *x\n", "alias");
    refuses("a: 'open\n", "line");
    refuses("just text\n", "expected \"key: value\" lines");
    refuses("\x01\n", "f.yaml");
    refuses("lanes: &a 1\n", "line 1, column 8: anchors and tags are not allowed");
    refuses("lanes: 1\n---\nlanes: 2\n", "line 2, column 1: a second document");
    refuses("log:\n  level: \"a\\0b\"\n",
            "line 2, column 3: log.level: not one line of UTF-8 text");
}

Test(config, later_checks_name_the_place_of_the_key)
{
    struct config c;
    struct fail f = { 0 };
    cr_assert_eq(parse(&c, "lanes: 1\nlog:\n  level: loud\n", &f), ERR_NONE);
    cr_assert_eq(
            config_fail(&c, "log.level", &f, "'%s' is no level", "loud"), ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(f.message, "f.yaml: line 3, column 3: log.level: 'loud' is no level");
    cr_assert_eq(config_fail(&c, "log.format", &f, "bad"), ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(f.message, "log.format: bad");
    cr_assert_eq(config_set(&c, &arena, STR("log.level=quiet"), &f), ERR_NONE);
    cr_assert_eq(config_fail(&c, "log.level", &f, "bad"), ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(f.message, "log.level: bad", "an override does not stand in the file");
}

Test(config, overrides)
{
    struct config c;
    struct fail f = { 0 };
    config_init(&c);
    cr_assert_eq(config_set(&c, &arena, STR("rpc.listen=ipc:///x=y"), &f), ERR_NONE);
    cr_assert(str_eq(c.rpc_listen, STR("ipc:///x=y")));
    cr_assert_eq(config_set(&c, &arena, STR("rpc.listen"), &f), ERR_INVALID_ARGUMENT);
    cr_assert_eq(config_set(&c, &arena, STR("nope=1"), &f), ERR_INVALID_ARGUMENT);
    cr_assert_eq(config_set(&c, &arena, STR("rpc.listen=a\nb"), &f), ERR_INVALID_ARGUMENT);
    cr_assert_eq(config_set(&c, &arena, STR("rpc.listen=\xff"), &f), ERR_INVALID_ARGUMENT);
}

Test(config, what_is_printed_can_be_read_back)
{
    struct config c, back;
    struct fail f = { 0 };
    char *text = NULL;
    size_t len = 0;
    config_init(&c);
    c.lanes = 5;
    c.store_postgres = STR("password='a\"b\\c' \xc3\xa4\xe2\x80\xa8\xef\xbb\xbf\xf0\x9f\x90\x98");
    FILE *out = open_memstream(&text, &len);
    config_print(&c, out);
    fclose(out);
    cr_assert_eq(parse(&back, text, &f), ERR_NONE, "%s", f.message);
    cr_assert_eq(back.lanes, 5);
    cr_assert(str_eq(back.store_postgres, c.store_postgres), "%s", text);
    cr_assert_eq(back.limit_history_size, c.limit_history_size);
    free(text);
}
