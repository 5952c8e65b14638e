/* proxy/local/connector_why.h: why a target could not be connected: for the peer a code, for the
 * log of this end the words of the system and of the resolver. Private to connector.c. */
#pragma once

#include <stddef.h>

#include "proxy/local/connector.h"

#define CONNECTOR_WHY_MAX 640

/* The most telling of what the addresses tried said: an answer before silence, silence before a
 * missing route; of equals the last. why gets the endpoint as configured and what each address
 * said. look_up: NULL, or the one that gave no address; its why is empty while it has no answer.
 * An address without an error has not answered. */
enum err connector_why(const struct connector *connector, const struct resolver_answer *look_up,
                       char *why, size_t size);
