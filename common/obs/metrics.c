/* Buckets of histograms, and the text that Prometheus reads. Relies on metrics.def for what there is; leaves to the
 * lanes when something counts, and to the process who collects and who may ask. */
#include "common/obs/metrics.h"

#include <inttypes.h>
#include <stdio.h>

enum metric_kind {
    METRIC_KIND_COUNTER,
    METRIC_KIND_SECONDS_TOTAL,
    METRIC_KIND_GAUGE,
    METRIC_KIND_SECONDS,
    METRIC_KIND_SIZES,
};

static const struct metric_row {
    const char *name, *help;
    enum metric_kind kind;
    size_t at, cells, slots;
} rows[] = {
#define METRIC(kind, ID, labels, name, help) \
    { name, help, METRIC_KIND_##kind, METRIC_##ID, METRIC_CELLS_##labels, METRIC_SLOTS_##kind },
#include "common/obs/metrics.def"
#undef METRIC
};

#define US 1000LL
#define MS 1000000LL
#define S  1000000000LL

static const int64_t seconds_bounds[METRIC_BOUNDS] = { 250 * US, 500 * US, MS, 2500 * US, 5 * MS,
    10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, S, 2500 * MS, 5 * S, 10 * S, 60 * S };
static const char *const seconds_texts[METRIC_BOUNDS] = { "0.00025", "0.0005", "0.001", "0.0025",
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "60" };

static size_t bucket_of_seconds(int64_t ns)
{
    size_t i = 0;
    while (i < METRIC_BOUNDS && ns > seconds_bounds[i]) {
        i++;
    }
    return i;
}

/* Powers of two from 1 on. */
static size_t bucket_of_size(uint64_t value)
{
    size_t i = value <= 1 ? 0 : 64 - (size_t)__builtin_clzll(value - 1);
    return i < METRIC_BOUNDS ? i : METRIC_BOUNDS;
}

static void observe(struct metrics *m, size_t at, size_t bucket, uint64_t value)
{
    metric_add(m, (enum metric)(at + bucket), 1);
    metric_add(m, (enum metric)(at + METRIC_BOUNDS + 1), value);
}

void metric_observe_seconds(struct metrics *m, enum metric metric, struct duration value)
{
    int64_t ns = value.ns < 0 ? 0 : value.ns;
    observe(m, metric, bucket_of_seconds(ns), (uint64_t)ns);
}

void metric_observe_size(struct metrics *m, enum metric metric, uint64_t value)
{
    observe(m, metric, bucket_of_size(value), value);
}

static size_t known_method(size_t method)
{
    return method < METRIC_METHODS ? method : METRIC_METHODS - 1;
}

void metric_observe_method(
        struct metrics *m, enum metric metric, size_t method, struct duration value)
{
    metric_observe_seconds(
            m, (enum metric)(metric + known_method(method) * METRIC_SLOTS_SECONDS), value);
}

void metric_count_method(struct metrics *m, enum metric metric, size_t method, int code)
{
    enum { UNKNOWN = 2 };
    size_t c = code >= 0 && code < METRIC_CODES ? (size_t)code : UNKNOWN;
    metric_add(m, (enum metric)(metric + known_method(method) * METRIC_CODES + c), 1);
}

/* ---- the text ---- */

struct writer {
    struct buf *out;
    const struct metrics *const *lanes;
    size_t lane_count;
    const struct metric_labels *labels;
};

static const char *const code_names[METRIC_CODES] = { "OK", "CANCELLED", "UNKNOWN",
    "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED" };

static const char *const result_names[METRIC_CELLS_RESULT] = { "ok", "error", "timeout",
    "cancelled", "not_sent", "unknown", "busy" };

static uint64_t sum_at(const struct writer *w, size_t at)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->lane_count; i++) {
        sum += metric_get(w->lanes[i], (enum metric)at);
    }
    return sum;
}

/* The labels of a cell, without braces; empty for a metric that has none. */
static void name_cell(
        const struct writer *w, const struct metric_row *row, size_t cell, char *to, size_t size)
{
    to[0] = 0;
    if (row->cells == METRIC_CELLS_NONE) {
        return;
    }
    if (row->cells == METRIC_CELLS_RESULT) {
        snprintf(to, size, "result=\"%s\"", result_names[cell]);
        return;
    }
    bool has_code = row->cells == METRIC_CELLS_METHOD_CODE;
    size_t method = has_code ? cell / METRIC_CODES : cell;
    const char *name = method < w->labels->method_count ? w->labels->methods[method] : "other";
    int n = snprintf(to, size, "method=\"%s\"", name);
    if (has_code && n > 0 && (size_t)n < size) {
        snprintf(to + n, size - (size_t)n, ",code=\"%s\"", code_names[cell % METRIC_CODES]);
    }
}

static void write_seconds(struct buf *out, uint64_t ns)
{
    buf_printf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / (uint64_t)S, ns % (uint64_t)S);
}

static void write_histogram(
        struct writer *w, const struct metric_row *row, size_t at, const char *labels)
{
    bool seconds = row->kind == METRIC_KIND_SECONDS;
    const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    uint64_t count = 0;
    for (size_t i = 0; i <= METRIC_BOUNDS; i++) {
        char number[24];
        snprintf(number, sizeof(number), "%llu", 1ULL << i);
        const char *bound = i == METRIC_BOUNDS ? "+Inf" : seconds ? seconds_texts[i] : number;
        count += sum_at(w, at + i);
        buf_printf(w->out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", row->name, labels, comma,
                bound, count);
    }
    uint64_t sum = sum_at(w, at + METRIC_BOUNDS + 1);
    buf_printf(w->out, "%s_sum%s%s%s ", row->name, open, labels, close);
    if (seconds) {
        write_seconds(w->out, sum);
    } else {
        buf_printf(w->out, "%" PRIu64 "\n", sum);
    }
    buf_printf(w->out, "%s_count%s%s%s %" PRIu64 "\n", row->name, open, labels, close, count);
}

static void write_cell(struct writer *w, const struct metric_row *row, size_t cell)
{
    char labels[160];
    size_t at = row->at + cell * row->slots;
    uint64_t any = 0;
    for (size_t i = 0; i < row->slots; i++) {
        any |= sum_at(w, at + i);
    }
    if (!any && row->cells > 1) {
        return;
    }
    name_cell(w, row, cell, labels, sizeof(labels));
    if (row->slots > 1) {
        write_histogram(w, row, at, labels);
        return;
    }
    buf_printf(w->out, "%s%s%s%s ", row->name, *labels ? "{" : "", labels, *labels ? "}" : "");
    if (row->kind == METRIC_KIND_SECONDS_TOTAL) {
        write_seconds(w->out, sum_at(w, at));
    } else if (row->kind == METRIC_KIND_GAUGE) {
        buf_printf(w->out, "%" PRId64 "\n", (int64_t)sum_at(w, at));
    } else {
        buf_printf(w->out, "%" PRIu64 "\n", sum_at(w, at));
    }
}

void metrics_write(struct buf *out, const struct metrics *const *lanes, size_t lane_count,
        const struct metric_labels *labels)
{
    static const char *const types[] = { "counter", "counter", "gauge", "histogram", "histogram" };
    struct writer w = { out, lanes, lane_count, labels };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct metric_row *row = &rows[i];
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                types[row->kind]);
        for (size_t cell = 0; cell < row->cells; cell++) {
            write_cell(&w, row, cell);
        }
    }
}
