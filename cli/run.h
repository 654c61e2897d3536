/* SPDX-License-Identifier: MIT */
/* `xenolith run`: one partition on this terminal. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

/* argv[0] is the verb. Returns the exit status, as lab/run: 0 off, 10 reset, 20 crash, 2 bad usage, 3 failure. */
int cli_run(int argc, char **argv);

#endif
