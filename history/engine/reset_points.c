/* Reset points: for each build of the worker, the first workflow task that it has completed in the chain of runs, so
 * that work of a broken build can be found and undone. Kept as fields of the message ResetPoints, at most the newest
 * POINTS_MAX; those of this run have no run id yet, which describing and handing on fill in. Event 7 says all that is
 * needed. Whether and when anybody resets is not decided here. */
#include "common/model/wire.h"
#include "history/engine/apply.h"

enum { POINTS_MAX = 20, BYTES_MAX = 1024 * 1024, FIELD_POINTS = 1 };

struct point {
    struct str binary_checksum, run_id, build_id;
    int64_t event_id;
    struct instant created, expires;
    bool resettable;
};

static bool point_read(struct str bytes, struct point *ret)
{
    struct wire_field f;
    *ret = (struct point){ 0 };
    while (wire_next(&bytes, &f)) {
        switch (f.number) {
        case 1:
            ret->binary_checksum = f.bytes;
            break;
        case 2:
            ret->run_id = f.bytes;
            break;
        case 3:
            ret->event_id = (int64_t)f.varint;
            break;
        case 4:
            ret->created = wire_timestamp(f.bytes);
            break;
        case 5:
            ret->expires = wire_timestamp(f.bytes);
            break;
        case 6:
            ret->resettable = f.varint != 0;
            break;
        case 7:
            ret->build_id = f.bytes;
            break;
        default:
            return false;
        }
    }
    return wire_ok(bytes);
}

static void point_write(struct buf *out, const struct point *p)
{
    size_t mark = wire_begin(out, FIELD_POINTS);
    wire_opt_bytes(out, 1, p->binary_checksum);
    wire_opt_bytes(out, 2, p->run_id);
    wire_opt_varint(out, 3, (uint64_t)p->event_id);
    wire_put_timestamp(out, 4, p->created);
    if (p->expires.ns) {
        wire_put_timestamp(out, 5, p->expires);
    }
    wire_opt_varint(out, 6, p->resettable);
    wire_opt_bytes(out, 7, p->build_id);
    wire_end(out, mark);
}

static bool point_next(struct str *points, struct point *ret)
{
    struct wire_field f;
    return points->len && wire_next(points, &f) && f.number == FIELD_POINTS &&
           point_read(f.bytes, ret);
}

/* --- the state --------------------------------------------------------------------------------------- */

static struct str part(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str found = { 0 };
    while (message.len && wire_next(&message, &f)) {
        found = f.number == number && f.type == WIRE_LEN ? f.bytes : found;
    }
    return found;
}

static struct str build_id_of(const struct history_event *he)
{
    struct str id = part(he->deployment_version, 1);
    id = id.len ? id : part(he->deployment, 2);
    return id.len ? id : part(he->worker_version, 1);
}

/* A reset would lose or repeat what is under way to other runs. */
static bool is_resettable(const struct workflow *wf)
{
    return !wf->children.len && !wf->outbox.len;
}

void state_reset_point(struct workflow *wf, const struct history_event *he)
{
    struct point p, mine = { .binary_checksum = he->binary_checksum,
        .build_id = build_id_of(he),
        .event_id = he->event_id,
        .created = he->time,
        .resettable = is_resettable(wf) };
    struct str points = wf->reset_points, second = points;
    size_t count = 0;
    while (point_next(&points, &p)) {
        if (str_eq(p.binary_checksum, mine.binary_checksum) && str_eq(p.build_id, mine.build_id)) {
            return;
        }
        second = count++ ? second : points;
    }
    struct str kept = count < POINTS_MAX ? wf->reset_points : second;
    struct buf out;
    buf_init_arena(&out, wf->arena, kept.len + mine.binary_checksum.len + mine.build_id.len + 128);
    buf_append_str(&out, kept);
    point_write(&out, &mine);
    wf->reset_points = buf_str(&out);
}

/* --- for others ---------------------------------------------------------------------------------------- */

struct str workflow_reset_points(const struct workflow *wf, struct arena *arena)
{
    struct str points = wf->reset_points;
    struct point p;
    struct buf out;
    buf_init_arena(&out, arena, BYTES_MAX);
    while (point_next(&points, &p)) {
        p.run_id = p.run_id.len ? p.run_id : uuid_dup(arena, wf->run_id);
        point_write(&out, &p);
    }
    return buf_str(&out);
}

/* What this run has done can be undone for as long as its history is kept; what is gone already is left out. */
struct str reset_points_of_successor(struct step *st)
{
    const struct workflow *wf = st->wf;
    struct str points = wf->reset_points;
    struct point p;
    struct buf out;
    buf_init_arena(&out, st->fx->arena, BYTES_MAX);
    while (point_next(&points, &p)) {
        if (p.expires.ns && instant_before(p.expires, st->now)) {
            continue;
        }
        if (!p.run_id.len) {
            p.run_id = uuid_dup(st->fx->arena, wf->run_id);
            p.expires = st->limits->retention.ns ? instant_add(st->now, st->limits->retention)
                                                 : (struct instant){ 0 };
        }
        point_write(&out, &p);
    }
    return buf_str(&out);
}

/* --- the search attribute BinaryChecksums --------------------------------------------------------------- */

static void put_json(struct buf *out, struct str text)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            buf_append_byte(out, '\\');
            buf_append_byte(out, c);
        } else if (c < ' ') {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_append_byte(out, c);
        }
    }
    buf_append_byte(out, '"');
}

static struct str checksums_json(const struct workflow *wf, struct arena *arena)
{
    struct str points = wf->reset_points;
    struct point p;
    struct buf out;
    buf_init_arena(&out, arena, BYTES_MAX);
    while (point_next(&points, &p)) {
        if (p.binary_checksum.len) {
            buf_append_byte(&out, out.len ? ',' : '[');
            put_json(&out, p.binary_checksum);
        }
    }
    buf_append_byte(&out, ']');
    return buf_str(&out);
}

void checksums_show(struct step *st, int64_t completed_event_id)
{
    struct str points = st->wf->reset_points;
    struct point p = { 0 };
    while (point_next(&points, &p)) {
    }
    bool is_new = p.event_id == completed_event_id && !p.run_id.len;
    if (!is_new || !p.binary_checksum.len) {
        return;
    }
    step_record(st, &(struct record){ .kind = RECORD_ATTRIBUTES,
                            .attributes = properties_keywords(st->fx->arena, STR("BinaryChecksums"),
                                    checksums_json(st->wf, st->fx->arena)) });
    st->fx->shows_changed = true;
}
