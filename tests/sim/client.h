/* Simulated clients: one for each script, with one call at a time, so that the order of what it was
 * promised is known. */
#pragma once

#include "tests/sim/ledger.h"

void clients_start(void);
/* Every script is over as its client sees it. */
bool clients_are_done(void);
