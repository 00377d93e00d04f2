/* The rule of what is refused under load: no more than arithmetic. Leaves to admit.c what a lane sees of itself. */
#include "history/pressure.h"

enum { CACHE_SLACK_MIN = 16 << 20 };

static size_t cache_bound(const struct pressure_bounds *bounds)
{
    size_t slack = bounds->cache_bytes / 2;
    return bounds->cache_bytes + (slack > CACHE_SLACK_MIN ? slack : CACHE_SLACK_MIN);
}

enum pressure_class pressure_of(const struct pressure *p, const struct pressure_bounds *bounds)
{
    size_t calls = bounds->lead_bytes * PRESSURE_CALLS_PER_LEAD;
    if (p->lead_bytes > bounds->lead_bytes || p->call_bytes > calls) {
        return PRESSURE_READS;
    }
    if (p->lead_bytes > bounds->lead_bytes / 2 || p->call_bytes > calls / 2) {
        return PRESSURE_WORK;
    }
    bool is_late = p->delay.ns > bounds->delay.ns && p->waiting > PRESSURE_WAITING_MIN;
    return is_late || p->cache_bytes > cache_bound(bounds) ? PRESSURE_CLIENTS : PRESSURE_STARTS;
}
