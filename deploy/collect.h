/* What the services of a lane count in their own structs, copied into the lane's metrics before somebody reads
 * them. */
#pragma once

struct process_lane;

/* On the lane. */
void collect_lane(struct process_lane *pl);
/* What is the process's and not a lane's; on the first lane. */
void collect_process(struct process_lane *pl);
