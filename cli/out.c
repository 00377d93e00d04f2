/* Text and JSON on standard output. Relies on common/apijson for messages; decides nothing about what is shown. */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/apijson/json_text.h"
#include "common/apijson/time_format.h"
#include "common/base/check.h"

enum { OUT_BYTES_MAX = 256 << 20, FLUSH_BYTES = 64 << 10 };

static const char *const color_codes[] = {
    [COLOR_PLAIN] = "",
    [COLOR_HEADING] = "\033[35m",
    [COLOR_GOOD] = "\033[32m",
    [COLOR_BAD] = "\033[31m",
    [COLOR_WARN] = "\033[33m",
    [COLOR_START] = "\033[34m",
    [COLOR_DIM] = "\033[2m",
};

void out_init(struct out *out, struct arena *arena)
{
    *out = (struct out){ .arena = arena, .shorthand = true };
    buf_init(&out->text, OUT_BYTES_MAX);
}

void out_flush(struct out *out)
{
    while (out->text.len) {
        ssize_t n = write(STDOUT_FILENO, out->text.ptr, out->text.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            if (errno != EPIPE) {
                fprintf(stderr, "perdure: cannot write the output: %s\n", strerror(errno));
            }
            _exit(errno == EPIPE ? 0 : 1);
        }
        buf_consume(&out->text, (size_t)n);
    }
}

void out_deinit(struct out *out)
{
    buf_deinit(&out->text);
}

struct str out_colored(struct out *out, enum out_color color, struct str text)
{
    if (!out->has_color || color == COLOR_PLAIN || !text.len) {
        return text;
    }
    return str_printf(out->arena, "%s" STR_FMT "\033[0m", color_codes[color], STR_ARG(text));
}

static void put_line(struct out *out, enum out_color color, const char *fmt, va_list args)
{
    char text[1024];
    if (out->form != OUT_TEXT) {
        return;
    }
    vsnprintf(text, sizeof(text), fmt, args);
    buf_append_str(&out->text, out_colored(out, color, str_from_cstr(text)));
    buf_append_byte(&out->text, '\n');
}

void out_line(struct out *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_line(out, COLOR_PLAIN, fmt, args);
    va_end(args);
}

void out_heading(struct out *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_line(out, COLOR_HEADING, fmt, args);
    va_end(args);
}

void out_done(struct out *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_line(out, COLOR_GOOD, fmt, args);
    va_end(args);
}

static struct str relative(struct out *out, struct instant t)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 31536000, "year" }, { 2592000, "month" }, { 604800, "week" }, { 86400, "day" },
        { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ago = (int64_t)now.tv_sec - t.ns / 1000000000;
    int64_t distance = ago < 0 ? -ago : ago;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int64_t n = distance / units[i].seconds;
        if (n) {
            return str_printf(out->arena, "%lld %s%s %s", (long long)n, units[i].name,
                    n == 1 ? "" : "s", ago < 0 ? "from now" : "ago");
        }
    }
    return STR("now");
}

struct str out_time(struct out *out, struct instant t)
{
    char text[TIME_TEXT_BYTES] = "";
    if (!instant_is_set(t)) {
        return STR("");
    }
    if (out->times == TIMES_RELATIVE) {
        return relative(out, t);
    }
    int64_t seconds = t.ns / 1000000000 - (t.ns % 1000000000 < 0);
    int32_t nanos = (int32_t)(t.ns - seconds * 1000000000);
    (void)time_format_rfc3339(seconds, out->times == TIMES_ISO ? 0 : nanos, text);
    if (out->times == TIMES_RAW) {
        char *letter = strchr(text, 'T');
        if (letter) {
            *letter = ' ';
            text[strlen(text) - 1] = 0;
            return str_printf(out->arena, "%s +0000 UTC", text);
        }
    }
    return str_printf(out->arena, "%s", text);
}

struct str out_duration(struct out *out, struct duration d)
{
    char text[TIME_TEXT_BYTES];
    duration_format(d, text);
    return str_printf(out->arena, "%s", text);
}

/* How many columns of a terminal a text takes: characters without their colours. */
static size_t width_of(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\033') {
            while (i < text.len && text.ptr[i] != 'm') {
                i++;
            }
        } else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
            n++;
        }
    }
    return n;
}

static void put_padded(struct buf *to, struct str text, size_t width, bool to_right)
{
    size_t n = width_of(text), pad = n < width ? width - n : 0;
    buf_printf(to, "%*s", to_right ? (int)pad : 0, "");
    buf_append_str(to, text);
    buf_printf(to, "%*s", to_right ? 0 : (int)pad, "");
}

void card_begin(struct card *card, struct out *out)
{
    card->out = out;
    card->count = 0;
}

void card_text(struct card *card, const char *name, struct str value)
{
    check(card->count < ARRAY_LEN(card->rows));
    card->rows[card->count++] = (struct card_row){ name, value };
}

void card_int(struct card *card, const char *name, int64_t value)
{
    card_text(card, name, str_printf(card->out->arena, "%lld", (long long)value));
}

void card_bool(struct card *card, const char *name, bool value)
{
    card_text(card, name, value ? STR("true") : STR("false"));
}

void card_opt(struct card *card, const char *name, struct str value)
{
    if (value.len) {
        card_text(card, name, value);
    }
}

void card_opt_time(struct card *card, const char *name, struct instant t)
{
    card_opt(card, name, out_time(card->out, t));
}

void card_print(struct card *card)
{
    struct out *out = card->out;
    size_t width = 0;
    for (size_t i = 0; i < card->count; i++) {
        size_t n = strlen(card->rows[i].name);
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < card->count && out->form == OUT_TEXT; i++) {
        const struct card_row *row = &card->rows[i];
        buf_append_str(&out->text, STR("  "));
        put_padded(&out->text, str_from_cstr(row->name), width, false);
        buf_append_str(&out->text, STR("  "));
        buf_append_str(&out->text, row->value);
        buf_append_byte(&out->text, '\n');
    }
}

void table_begin(struct table *table, struct out *out, const char *const *names, size_t columns)
{
    *table = (struct table){ .out = out, .names = names, .columns = columns };
}

void table_cell(struct table *table, struct str value)
{
    vec_push(table->out->arena, &table->cells, value);
}

static struct str column_name(const struct table *table, size_t column, bool *is_number)
{
    struct str name = str_from_cstr(table->names[column]);
    *is_number = name.len && name.ptr[name.len - 1] == '#';
    return str_of(name.ptr, name.len - *is_number);
}

static void put_row(struct table *table, const struct str *cells, const size_t *widths)
{
    struct out *out = table->out;
    for (size_t c = 0; c < table->columns; c++) {
        bool is_number, is_last = c + 1 == table->columns;
        struct str name = column_name(table, c, &is_number);
        buf_append_str(&out->text, STR("  "));
        put_padded(&out->text, cells ? cells[c] : out_colored(out, COLOR_HEADING, name),
                is_last && !is_number ? 0 : widths[c], is_number);
    }
    buf_append_byte(&out->text, '\n');
}

void table_print(struct table *table, bool with_names)
{
    size_t *widths = NEW(table->out->arena, size_t, table->columns + 1);
    if (table->out->form != OUT_TEXT) {
        return;
    }
    for (size_t c = 0; c < table->columns; c++) {
        bool is_number;
        widths[c] = column_name(table, c, &is_number).len;
    }
    for (size_t i = 0; i < table->cells.len; i++) {
        size_t n = width_of(table->cells.ptr[i]), *width = &widths[i % table->columns];
        *width = n > *width ? n : *width;
    }
    if (with_names) {
        put_row(table, NULL, widths);
    }
    for (size_t i = 0; i + table->columns <= table->cells.len; i += table->columns) {
        put_row(table, table->cells.ptr + i, widths);
    }
}
