/* Pages of a run's history, in stored form: from the events kept in memory, else from the store. Bytes are copied once
 * into the call's arena and never decoded. */
#include <string.h>

#include "history/handlers.h"

static int64_t page_last(const struct page *page)
{
    int64_t last = page->end - 1;
    int64_t max = page->from + page->max_events - 1;
    return last < max ? last : max;
}

bool page_from_memory(struct page *page, const struct execution *ex)
{
    struct str events;
    if (page->backwards || !execution_recent(ex, page->from, page_last(page), &events)) {
        return false;
    }
    events = events_prefix(events, page->max_events, page->max_bytes, &page->count);
    page->events = str_dup(&page->call->arena, events);
    return true;
}

static void page_take_forwards(struct page *page, struct buf *out)
{
    int64_t next = page->from, last = page_last(page);
    for (size_t i = 0; i < page->read.row_count && next <= last; i++) {
        const struct store_log_row *row = &page->read.rows[i];
        struct str events = events_drop(row->events, next - row->first_event_id);
        size_t room = page->max_bytes > out->len ? page->max_bytes - out->len : 0;
        if (page->count && !room) {
            return;
        }
        int64_t count;
        struct str part = events_prefix(events, last - next + 1, room ? room : 1, &count);
        if (page->count && part.len > room) {
            return; /* the next page begins with it */
        }
        buf_append_str(out, part);
        page->count += count;
        next += count;
        if (count < row->first_event_id + row->event_count - (next - count)) {
            return; /* the row's rest does not fit */
        }
    }
}

/* Rows come newest first; the events of a row are turned around. */
static void page_take_backwards(struct page *page, struct buf *out)
{
    int64_t next = page->from;
    for (size_t i = 0; i < page->read.row_count; i++) {
        const struct store_log_row *row = &page->read.rows[i];
        while (next >= row->first_event_id && next > 0) {
            int64_t one;
            struct str event = events_prefix(
                    events_drop(row->events, next - row->first_event_id), 1, SIZE_MAX, &one);
            if (page->count >= page->max_events ||
                    (page->count && out->len + event.len > page->max_bytes)) {
                return;
            }
            buf_append_str(out, event);
            page->count++;
            next--;
        }
    }
}

static void page_read_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_read_history *read = container_of(op, struct store_read_history, op);
    struct page *page = container_of(read, struct page, read);
    struct call *call = page->call;
    struct history *h = call->history;
    h->reads--;
    if (err) {
        struct fail f = *fail;
        if (err != ERR_CORRUPT) {
            fail(&f, ERR_UNAVAILABLE, "the history cannot be read now");
        }
        call_fail_now(call, &f);
        history_idle(h);
        return;
    }
    struct buf out;
    buf_init_arena(&out, &call->arena, (size_t)128 << 20);
    if (page->backwards) {
        page_take_backwards(page, &out);
    } else {
        page_take_forwards(page, &out);
    }
    page->events = buf_str(&out);
    page->done(call, page);
    history_idle(h);
}

void page_read(struct page *page)
{
    struct history *h = page->call->history;
    h->stats.history_reads++;
    h->reads++;
    page->read = (struct store_read_history){
        .op.done = page_read_done,
        .key = page->key,
        .from_event_id = page->from,
        .backwards = page->backwards,
        .max_bytes = page->max_bytes,
    };
    store_read_history(h->store, &page->read);
}
