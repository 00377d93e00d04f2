/* Literals by the type of their attribute. Private to common/visibility. */
#pragma once

#include "common/visibility/filter_lex.h"

/* False when the literal is nothing of the attribute's type; why is then what the API says of it. */
bool filter_value_of(struct arena *arena, const struct attribute *attribute, const struct token *t,
        struct filter_value *ret, struct str *why);
bool filter_allows(const struct attribute *attribute, enum filter_kind kind);
