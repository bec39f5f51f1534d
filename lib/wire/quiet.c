/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps SIGPIPE away from the host program while a library of ours may write to a dead socket. */
#include <pthread.h>
#include <time.h>

#include "wire/wire_priv.h"

/* OpenSSL writes without MSG_NOSIGNAL, so the signal is held back in this thread meanwhile. */
void tns__quiet_begin(struct tns_quiet *q)
{
    sigset_t pipe_only, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    q->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_only, &q->before);
}

/* One that came up meanwhile was ours: it is taken away before the mask is put back. */
void tns__quiet_end(struct tns_quiet *q)
{
    static const struct timespec at_once;
    sigset_t pipe_only;

    if (!q->was_pending) {
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        while (sigtimedwait(&pipe_only, NULL, &at_once) == SIGPIPE)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}
