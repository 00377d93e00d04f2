/* Shared by the two files about updates; for nobody else. */
#pragma once

#include "history/engine/step.h"

/* ERR_FAILED_PRECONDITION: the run has had too many updates for `more` and one. */
enum err update_check_total(const struct workflow *wf, size_t more,
        const struct engine_limits *limits, struct fail *f) MUST_USE;
/* attach.c: is there room for the callbacks of this Request? */
enum err update_check_callbacks(struct step *st, struct str request) MUST_USE;
/* The same update is asked for again: the new request's callbacks are told of it, too. */
enum err update_attach(struct step *st, const struct update *u) MUST_USE;
/* News for those who wait. */
void update_tell(
        struct step *st, struct str update_id, enum update_news_kind kind, struct str outcome);
/* It is refused: gone, if it was there at all. */
void update_reject(struct step *st, struct str update_id, struct str failure);
