/* Rebuilds a run from its stored log rows: the same records through the same apply functions, in the same order.
 * Refuses rows that do not fit: a gap in the ids, an unknown record, events left over. */
#include "history/engine/step.h"

typedef bool apply_fn(struct workflow *wf, const struct history_event *he, struct str bytes);

static bool fold_events(struct workflow *wf, struct str *events, int64_t count, apply_fn *apply)
{
    while (count-- > 0) {
        struct str bytes;
        struct history_event he;
        if (!history_next(events, &bytes) || !history_event_read(bytes, wf->arena, &he)) {
            return false;
        }
        if (!apply(wf, &he, bytes)) {
            return false;
        }
    }
    return true;
}

enum err workflow_fold(struct workflow *wf, int64_t first_event_id, struct str events,
        struct str records, struct fail *f)
{
    struct record r;
    if (first_event_id != wf->next_event_id) {
        return fail(f, ERR_CORRUPT, "log row begins at event %lld, expected %lld",
                (long long)first_event_id, (long long)wf->next_event_id);
    }
    while (record_next(&records, &r)) {
        bool ok;
        if (r.kind == RECORD_EVENTS) {
            ok = fold_events(wf, &events, r.count, apply_event);
        } else {
            ok = apply_record(wf, &r);
            if (ok && r.kind == RECORD_FLUSH) {
                ok = fold_events(wf, &events, r.count, apply_flushed_event);
            } else if (ok && r.kind == RECORD_COPIED) {
                ok = fold_events(wf, &events, r.count, apply_copied_event);
            }
        }
        if (!ok) {
            return fail(f, ERR_CORRUPT, "record of kind %d does not fit before event %lld",
                    (int)r.kind, (long long)wf->next_event_id);
        }
    }
    if (!records.ptr || events.len) {
        return fail(f, ERR_CORRUPT, "malformed log row before event %lld",
                (long long)wf->next_event_id);
    }
    workflow_forget_volatile(wf);
    return ERR_NONE;
}
