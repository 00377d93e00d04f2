/* Filters that only ask for the status: what counters can answer. Pure. */
#include "common/visibility/filter.h"

/* 1, 0, or -1: it depends on other attributes. */
static int accepts(const struct filter *f, int64_t status)
{
    int left, right;
    switch (f->kind) {
    case FILTER_AND:
    case FILTER_OR:
        left = accepts(f->left, status);
        right = accepts(f->right, status);
        if (left == (f->kind == FILTER_OR) || right == (f->kind == FILTER_OR)) {
            return f->kind == FILTER_OR;
        }
        return left < 0 || right < 0 ? -1 : f->kind == FILTER_AND;
    case FILTER_NOT:
        left = accepts(f->left, status);
        return left < 0 ? -1 : !left;
    default:
        break;
    }
    if (f->attribute.source != SOURCE_STATUS) {
        return -1;
    }
    int64_t first = f->value_count ? f->values[0].number : 0;
    switch (f->kind) {
    case FILTER_LT:
        return status < first;
    case FILTER_LE:
        return status <= first;
    case FILTER_GT:
        return status > first;
    case FILTER_GE:
        return status >= first;
    case FILTER_BETWEEN:
        return status >= first && status <= f->values[1].number;
    case FILTER_IS_NULL:
        return 0;
    default:
        break;
    }
    for (size_t i = 0; i < f->value_count; i++) {
        if (f->values[i].number == status) {
            return 1;
        }
    }
    return 0;
}

static bool hides_divisions(const struct filter *f)
{
    return f->kind == FILTER_IS_NULL && str_eq(f->attribute.name, STR("TemporalNamespaceDivision"));
}

/* The parts that are joined by AND at the top: each about the status, or the one about divisions. */
static bool narrow(const struct filter *f, bool *wanted, size_t count, bool *hides)
{
    while (f->kind == FILTER_AND) {
        if (!narrow(f->right, wanted, count, hides)) {
            return false;
        }
        f = f->left;
    }
    if (hides_divisions(f)) {
        *hides = true;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        int yes = accepts(f, (int64_t)i);
        if (yes < 0) {
            return false;
        }
        wanted[i] = wanted[i] && yes;
    }
    return true;
}

bool filter_statuses(const struct filter *f, bool *wanted, size_t count)
{
    bool hides = false;
    for (size_t i = 0; i < count; i++) {
        wanted[i] = true;
    }
    return f && narrow(f, wanted, count, &hides) && hides;
}

bool filter_may_accept(const struct filter *f, int status)
{
    return !f || accepts(f, status) != 0;
}
