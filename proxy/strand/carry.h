/* proxy/strand/carry.h: a strand during a lease: the mux stream joined to the connection.
 * Private to strand.c and strand/carry.c. Thread: the strand's worker. */
#pragma once

struct strand;

/* Sets the callbacks of mux stream and connection. */
void strand_carry_init(struct strand *strand);

/* After the records of a turn: nothing of them may wait in the local socket for more. */
void strand_carry_push(struct strand *strand);

/* After a pump: if the peer's FIN came and the lease goes on, the local end gets its FIN now. */
void strand_carry_settle(struct strand *strand);

/* Sends what there is at the end of this turn: frames of many events share one record then. */
void strand_pump(struct strand *strand);
