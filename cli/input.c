/* What users give as values: payloads from flags and files, key=value pairs, and their consent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/apijson/json_text.h"
#include "common/base/base64.h"

enum { INPUT_BYTES_MAX = 32 << 20, METADATA_MAX = 64 };

const struct input_flags input_flags_usual = { "input", "input-file", "input-meta",
    "input-base64" };

enum err input_file(struct cli *cli, struct str path, struct str *ret, struct fail *f)
{
    bool is_stdin = str_eq(path, STR("-"));
    int fd = is_stdin ? STDIN_FILENO : open(str_cstr(cli->arena, path), O_RDONLY | O_CLOEXEC);
    struct buf text;
    ssize_t n = fd < 0 ? -1 : 1;
    buf_init_arena(&text, cli->arena, INPUT_BYTES_MAX);
    while (n > 0) {
        char *to = buf_reserve(&text, 64 << 10);
        if (!to) {
            close(fd);
            return cli_usage(
                    cli, f, STR_FMT " is larger than %d MiB", STR_ARG(path), INPUT_BYTES_MAX >> 20);
        }
        n = read(fd, to, 64 << 10);
        text.len += n > 0 ? (size_t)n : 0;
    }
    int error = errno;
    if (fd >= 0 && !is_stdin) {
        close(fd);
    }
    if (n < 0) {
        return cli_usage(cli, f, "cannot read " STR_FMT ": %s", STR_ARG(path), strerror(error));
    }
    *ret = buf_str(&text);
    return ERR_NONE;
}

struct metadata {
    struct str key;
    struct flag_list values; /* one for all inputs, or one for each */
};

static enum err read_metadata(struct cli *cli, const struct flag_list *given, size_t inputs,
        struct metadata *all, size_t *count, struct fail *f)
{
    *count = 0;
    for (size_t i = 0; i < given->items.len; i++) {
        struct str value, pair = given->items.ptr[i], key = str_split(pair, '=', &value);
        size_t at = 0;
        if (!key.len || key.len == pair.len) {
            return cli_usage(
                    cli, f, "input metadata '" STR_FMT "' is not KEY=VALUE", STR_ARG(pair));
        }
        while (at < *count && !str_eq(all[at].key, key)) {
            at++;
        }
        if (at == METADATA_MAX || (at < *count && all[at].values.items.len >= inputs)) {
            return cli_usage(cli, f, "more metadata '" STR_FMT "' than inputs", STR_ARG(key));
        }
        if (at == *count) {
            all[(*count)++] = (struct metadata){ .key = key };
        }
        vec_push(cli->arena, &all[at].values.items, value);
    }
    return ERR_NONE;
}

/* Most often it is a text without its quotes. */
enum err input_not_json(struct cli *cli, struct fail *f, struct str what, struct str value)
{
    bool is_word = value.len && value.len <= 80 && str_is_utf8(value) &&
                   str_find(value, '"') == value.len && str_find(value, '{') == value.len;
    if (is_word) {
        return cli_usage(cli, f,
                STR_FMT " is not JSON: " STR_FMT "; a text is written as '\"" STR_FMT "\"'",
                STR_ARG(what), STR_ARG(value), STR_ARG(value));
    }
    return cli_usage(cli, f, STR_FMT " is not JSON", STR_ARG(what));
}

static enum err add_payload(struct cli *cli, struct message *payloads, struct str data,
        size_t index, const struct metadata *all, size_t count, bool is_base64, struct fail *f)
{
    struct message *payload = message_add(payloads, "payloads");
    struct str encoding = STR("json/plain");
    bool has_encoding = false;
    for (size_t i = 0; i < count; i++) {
        size_t given = all[i].values.items.len;
        struct str value = all[i].values.items.ptr[index < given ? index : 0];
        message_put_entry(payload, "metadata", all[i].key, value);
        if (str_eq(all[i].key, STR("encoding"))) {
            encoding = value;
            has_encoding = true;
        }
    }
    if (!has_encoding) {
        message_put_entry(payload, "metadata", STR("encoding"), encoding);
    }
    if (is_base64 && !base64_decode(cli->arena, str_trim(data), &data)) {
        return cli_usage(cli, f, "input %zu is not base64", index + 1);
    }
    if (str_starts_with(encoding, STR("json/")) && !json_is_valid(data)) {
        return input_not_json(cli, f, str_printf(cli->arena, "input %zu", index + 1), data);
    }
    message_put_text(payload, "data", data);
    return ERR_NONE;
}

enum err input_payloads(
        struct cli *cli, const struct input_flags *flags, struct str *ret, struct fail *f)
{
    const struct flag_list *texts = cli_list(cli, flags->text), *files = cli_list(cli, flags->file);
    bool is_file = files->items.len > 0;
    size_t inputs = is_file ? files->items.len : texts->items.len, count = 0;
    struct metadata *all = NEW(cli->arena, struct metadata, METADATA_MAX);
    struct message *payloads =
            message_new(cli->arena, api_type_named(STR("temporal.api.common.v1.Payloads")));
    if (is_file && texts->items.len) {
        return cli_usage(cli, f, "--%s and --%s exclude each other", flags->text, flags->file);
    }
    enum err err =
            read_metadata(cli, cli_list(cli, flags->meta), inputs ? inputs : 1, all, &count, f);
    for (size_t i = 0; i < inputs && !err; i++) {
        struct str data = is_file ? (struct str){ 0 } : texts->items.ptr[i];
        err = is_file ? input_file(cli, files->items.ptr[i], &data, f) : ERR_NONE;
        err = err ? err
                  : add_payload(
                            cli, payloads, data, i, all, count, cli_switch(cli, flags->base64), f);
    }
    if (err) {
        return err;
    }
    struct buf bytes;
    buf_init_arena(&bytes, cli->arena, (size_t)2 * INPUT_BYTES_MAX);
    message_encode(payloads, &bytes);
    if (bytes.overflow) {
        return cli_usage(cli, f, "the inputs together are too large");
    }
    *ret = buf_str(&bytes);
    return ERR_NONE;
}

struct str input_json_payload(struct cli *cli, struct str json)
{
    struct message *payload =
            message_new(cli->arena, api_type_named(STR("temporal.api.common.v1.Payload")));
    struct buf bytes;
    message_put_entry(payload, "metadata", STR("encoding"), STR("json/plain"));
    message_put_text(payload, "data", json);
    buf_init_arena(&bytes, cli->arena, json.len + 256);
    message_encode(payload, &bytes);
    return buf_str(&bytes);
}

enum err input_json_map(struct cli *cli, const char *flag, struct message *message,
        const char *field, struct fail *f)
{
    const struct flag_list *list = cli_list(cli, flag);
    for (size_t i = 0; i < list->items.len; i++) {
        struct str value, pair = list->items.ptr[i], key = str_split(pair, '=', &value);
        if (!key.len || key.len == pair.len) {
            return cli_usage(cli, f, "--%s: '" STR_FMT "' is not KEY=JSON", flag, STR_ARG(pair));
        }
        if (!json_is_valid(value)) {
            struct str what =
                    str_printf(cli->arena, "--%s: the value of " STR_FMT, flag, STR_ARG(key));
            return input_not_json(cli, f, what, value);
        }
        message_put_entry(message, field, key, input_json_payload(cli, value));
    }
    return ERR_NONE;
}

enum err input_header(struct cli *cli, struct message *message, struct fail *f)
{
    return cli_list(cli, "headers")->items.len
                   ? input_json_map(cli, "headers", message_at(message, "header"), "fields", f)
                   : ERR_NONE;
}

enum err input_confirm(struct cli *cli, const char *question, const char *answer, struct fail *f)
{
    char line[512] = "";
    if (cli_switch(cli, "yes")) {
        return ERR_NONE;
    }
    if (!isatty(STDIN_FILENO)) {
        return cli_usage(cli, f, "this needs a confirmation: --yes, or an answer on a terminal");
    }
    fprintf(stderr, "%s ", question);
    if (fgets(line, sizeof(line), stdin)) {
        struct str said = str_trim(str_from_cstr(line));
        bool is_yes = str_eq_nocase(said, str_from_cstr(answer)) ||
                      (!strcmp(answer, "y") && str_eq_nocase(said, STR("yes")));
        if (is_yes) {
            return ERR_NONE;
        }
    }
    return fail(f, ERR_CANCELLED, "not confirmed; nothing was done");
}
