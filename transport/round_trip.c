#include "transport/round_trip.h"

void round_trip_mark(struct round_trip *self, uint32_t tsn, uint32_t window, uint64_t now_us)
{
    if (self->count == ROUND_TRIP_MARKS)
        return;
    unsigned at = (self->first + self->count++) % ROUND_TRIP_MARKS;
    self->marks[at] = (struct round_trip_mark){.tsn = tsn, .window = window, .sent_us = now_us};
}

bool round_trip_acknowledged(struct round_trip *self, uint32_t tsn, struct round_trip_mark *mark)
{
    bool any = false;
    while (self->count && (int32_t)(tsn - self->marks[self->first].tsn) >= 0) {
        *mark = self->marks[self->first];
        self->first = (self->first + 1) % ROUND_TRIP_MARKS;
        self->count--;
        any = true;
    }
    return any;
}
