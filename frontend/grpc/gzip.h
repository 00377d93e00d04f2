/* gzip with its state kept for reuse: one per lane. */
#pragma once

#include "common/base/buf.h"

struct gzip;

enum gzip_result { GZIP_OK, GZIP_TOO_LARGE, GZIP_BAD };

struct gzip *gzip_new(void);
void gzip_free(struct gzip *gzip);
/* Appends at most out->max bytes in all; what would inflate to more is stopped there. */
enum gzip_result gzip_inflate(struct gzip *gzip, struct str in, struct buf *out);
/* Appends the fastest compression; false when it does not fit into out->max. */
bool gzip_deflate(struct gzip *gzip, struct str in, struct buf *out);
