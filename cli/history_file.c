/* Histories as files: rewrites one in the form that replayers read, whatever older form of names it has. */
#include <errno.h>
#include <stdio.h>

#include "cli/workflow.h"

enum { HISTORY_BYTES_MAX = 256 << 20 };

enum err workflow_fix_history_run(struct cli *cli, struct fail *f)
{
    const struct api_type *type = api_type_named(STR("temporal.api.history.v1.History"));
    struct str source = cli_text(cli, "source"), target = cli_text(cli, "target"), text;
    struct buf bytes, json;
    struct fail inner = { 0 };
    enum err err = input_file(cli, source, &text, f);
    if (err) {
        return err;
    }
    buf_init_arena(&bytes, cli->arena, HISTORY_BYTES_MAX);
    buf_init_arena(&json, cli->arena, HISTORY_BYTES_MAX);
    err = api_json_parse(cli->arena, text, type, &bytes, &inner);
    if (err) {
        return fail(f, err, STR_FMT ": %s", STR_ARG(source), inner.message);
    }
    if (!api_json_print(
                &json, (struct message_ref){ type, buf_str(&bytes) }, &(struct json_style){ 0 })) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "the history is too large");
    }
    buf_append_byte(&json, '\n');
    if (!target.len) {
        buf_append_str(&cli->out.text, buf_str(&json));
        return ERR_NONE;
    }
    FILE *file = fopen(str_cstr(cli->arena, target), "w");
    bool ok = file && fwrite(json.ptr, 1, json.len, file) == json.len;
    ok = file && fclose(file) == 0 && ok;
    return ok ? ERR_NONE
              : fail(f, ERR_INVALID_ARGUMENT, "cannot write " STR_FMT ": %s", STR_ARG(target),
                        strerror(errno));
}
