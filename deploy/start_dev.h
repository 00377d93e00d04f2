/* `perdure server start-dev`: all services in one process on the embedded store. */
#pragma once

/* argv: what follows start-dev. Returns the exit status. */
int start_dev_main(int argc, char **argv);
