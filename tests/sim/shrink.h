/* Cutting a failing world down. A cut takes things away from what a seed switches on; the rest stays as it was, and so
 * does the schedule as far as it can. */
#pragma once

#include "tests/sim/swarm.h"

struct cut {                 /* all zero: nothing is taken away */
    unsigned faults;         /* kinds that do not happen: bits by enum fault */
    unsigned features;       /* that are off */
    unsigned workflows;      /* 0: as the seed says; so with the others that follow */
    unsigned workers, hosts; /* hosts: of each kind */
    unsigned max_faults;     /* so many happen in all */
    int64_t turmoil_ms;
    bool smooth;   /* no delays, no lost connections of the database, no skew */
    bool tame;     /* workers without vices */
    uint64_t salt; /* another schedule of the same world */
};

void cut_apply(const struct cut *cut, struct swarm *swarm);
/* Text form, without spaces, as --cut takes it. */
bool cut_parse(const char *text, struct cut *ret);
void cut_print(const struct cut *cut, char *ret, size_t size);
/* Runs the world in processes of their own, with less and less in it, as long as it fails in the same way; prints the
 * smallest one and its trace. run: plays the world, in the process it is called in. False: it does not fail. */
bool shrink(uint64_t seed, void (*run)(uint64_t seed, const struct cut *cut, bool follow));
