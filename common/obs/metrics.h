/* Metrics: numbers that each lane counts for itself and a reader adds up. metrics.def is the one list.
 *
 * Every value has its fixed place in a lane's `struct metrics`, found at compile time: counting is one load, one add
 * and one store, without a lock. Only the lane writes (lane_metrics(lane)); any thread may read, and sees each value
 * somewhere between its last two changes. */
#pragma once

#include "common/base/buf.h"
#include "common/base/time.h"

enum {
    METRIC_METHODS = 160, /* room for public methods; the last one stands for all beyond */
    METRIC_CODES = 17,    /* gRPC statuses */
    METRIC_BOUNDS = 16,   /* upper bounds of a histogram */

    /* values of one cell by kind: a histogram has its buckets, the one beyond all bounds, and the sum */
    METRIC_SLOTS_COUNTER = 1,
    METRIC_SLOTS_SECONDS_TOTAL = 1,
    METRIC_SLOTS_GAUGE = 1,
    METRIC_SLOTS_SECONDS = METRIC_BOUNDS + 2,
    METRIC_SLOTS_SIZES = METRIC_BOUNDS + 2,
    /* cells by label set */
    METRIC_CELLS_NONE = 1,
    METRIC_CELLS_METHOD = METRIC_METHODS,
    METRIC_CELLS_RESULT = 7, /* in the order of enum rpc_result */
    METRIC_CELLS_METHOD_CODE = METRIC_METHODS * METRIC_CODES,
};

/* The number of a metric is the place of its first value. */
enum metric {
#define METRIC(kind, ID, labels, name, help) \
    METRIC_##ID, METRIC_LAST_##ID = METRIC_##ID + METRIC_SLOTS_##kind * METRIC_CELLS_##labels - 1,
#include "common/obs/metrics.def"
#undef METRIC
    METRIC_VALUES
};

struct metrics {
    uint64_t values[METRIC_VALUES];
};

static inline void metric_add(struct metrics *m, enum metric metric, uint64_t n)
{
    uint64_t *v = &m->values[metric];
    __atomic_store_n(v, __atomic_load_n(v, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
/* A gauge, or a counter that somebody else has counted. */
static inline void metric_set(struct metrics *m, enum metric metric, uint64_t value)
{
    __atomic_store_n(&m->values[metric], value, __ATOMIC_RELAXED);
}
static inline uint64_t metric_get(const struct metrics *m, enum metric metric)
{
    return __atomic_load_n(&m->values[metric], __ATOMIC_RELAXED);
}

/* Histograms of SECONDS (negative ones count as 0) and of SIZES; of SECONDS by METHOD. */
void metric_observe_seconds(struct metrics *m, enum metric metric, struct duration value);
void metric_observe_size(struct metrics *m, enum metric metric, uint64_t value);
void metric_observe_method(
        struct metrics *m, enum metric metric, size_t method, struct duration value);
/* Counters by METHOD_CODE; codes beyond the known ones count as UNKNOWN. */
void metric_count_method(struct metrics *m, enum metric metric, size_t method, int code);

/* Counters by RESULT. */
static inline void metric_count_result(struct metrics *m, enum metric metric, unsigned result)
{
    metric_add(m, (enum metric)(metric + result), 1);
}

/* What the labels say, for the reader. */
struct metric_labels {
    const char *const *methods; /* by their numbers */
    size_t method_count;
};
/* Appends the sum of the lanes as Prometheus text (version 0.0.4). Cells of labelled metrics that never counted
 * are left out. */
void metrics_write(struct buf *out, const struct metrics *const *lanes, size_t lane_count,
        const struct metric_labels *labels);
