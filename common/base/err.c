/* Names, classes and wire statuses of errors, and how a failure is recorded. */
#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>

enum err_class { OUTCOME, FAULT };

static const struct {
    const char *name;
    enum err_class cls;
    int grpc;
} table[ERR_COUNT] = {
    [ERR_NONE] = { "none", OUTCOME, 0 },
#define ERR(name, cls, grpc, text) [ERR_##name] = { text, cls, grpc },
#include "common/base/err.def"
#undef ERR
};

const char *err_name(enum err err)
{
    check(err < ERR_COUNT);
    return table[err].name;
}

int err_grpc_status(enum err err)
{
    check(err < ERR_COUNT);
    return table[err].grpc;
}

bool err_is_fault(enum err err)
{
    check(err < ERR_COUNT);
    return table[err].cls == FAULT;
}

/* Cuts a half character off the end after truncation. */
static void trim_utf8(char *text, size_t len)
{
    while (len && ((unsigned char)text[len - 1] & 0xc0) == 0x80) {
        len--;
    }
    if (len && (unsigned char)text[len - 1] >= 0xc0) {
        len--;
    }
    text[len] = 0;
}

enum err fail_at(struct fail *f, enum err err, const char *file, int line, const char *fmt, ...)
{
    if (!f) {
        return err;
    }
    f->err = err;
    f->file = file;
    f->line = line;
    f->text = f->detail_type = f->detail = (struct str){ 0 };
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(f->message, sizeof(f->message), fmt, args);
    va_end(args);
    if (n >= (int)sizeof(f->message)) {
        trim_utf8(f->message, sizeof(f->message) - 1);
    }
    return err;
}

enum err fail_text_at(struct fail *f, enum err err, const char *file, int line, struct str text)
{
    (void)fail_at(f, err, file, line, STR_FMT, STR_ARG(text));
    if (f && text.len >= sizeof(f->message)) {
        text.len = text.len < FAIL_TEXT_MAX ? text.len : FAIL_TEXT_MAX;
        while (text.len && !str_is_utf8(text)) {
            text.len--;
        }
        f->text = text;
    }
    return err;
}

struct str fail_text_of(const struct fail *f)
{
    return f->text.len ? f->text : str_from_cstr(f->message);
}

void fail_set_detail(struct fail *f, struct str type, struct str detail)
{
    if (f) {
        f->detail_type = type;
        f->detail = detail;
    }
}
