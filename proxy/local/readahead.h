/* proxy/local/readahead.h: bytes that were read of a connection's socket beyond the room of its
 * next record. Thread: the worker's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct connection;
struct message;
struct worker;

/* Room for a read. NULL: connections hold so much already that nothing more is read ahead. Owns:
 * caller, readahead_free or readahead_keep. */
struct message *readahead_new(struct worker *worker);
/* worker NULL: it has none any more. */
void readahead_free(struct worker *worker, struct message *ahead);

/* It has bytes for the connection, which has none now. Owns: the connection. */
void readahead_keep(struct connection *connection, struct message *ahead);
/* At most room of them; returns how many. */
size_t readahead_take(struct connection *connection, uint8_t *to, size_t room);
void readahead_drop(struct connection *connection);
