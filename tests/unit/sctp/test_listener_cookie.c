/* The listener's answers to COOKIE ECHO, and to INIT beside an association. */
#include "sctp/closing.h"
#include "tests/unit/sctp/listener_bed.h"

/* ---- COOKIE ECHO ---- */

static void made(void)
{
    struct bed bed;
    struct packet packet;
    bed_open(&bed, false);
    ask(&bed, &good_init);
    struct answer answer;
    read_answer(&bed, &answer);
    uint32_t own_tag = answer.init.tag, own_tsn = answer.init.tsn;
    echo(&bed, &packet);
    uint8_t *data =
        sctp_wire_begin(&packet.writer, SCTP_CHUNK_DATA, SCTP_FLAG_BEGIN | SCTP_FLAG_END);
    wire_put_u32(&packet.writer, ITS_TSN);
    wire_put_u32(&packet.writer, 0);
    wire_put_u32(&packet.writer, 0x48575300);
    wire_put_bytes(&packet.writer, "early", 5);
    sctp_wire_end(&packet.writer, data);
    bed.now_us += 30000;
    ok(hear(&bed, &packet) == SCTP_HEARD_MADE && bed.made, "a good cookie makes an association");
    const struct sctp_association *made = bed.made;
    ok(made->state == SCTP_ESTABLISHED && made->own_tag == own_tag && made->peer_tag == ITS_TAG &&
           made->own_port == OUR_PORT && made->peer_port == ITS_PORT && made->used == 3 &&
           made->streams == 300 && made->flight.next_tsn == own_tsn &&
           made->sending.peer_window == 65536 && !made->peer_is_hawser && made->owes_cookie_ack,
       "as INIT and INIT ACK said");
    ok(made->nets[3]->srtt_us == 30000, "with a round trip");
    struct sctp_event event;
    ok(sctp_association_event(bed.made, &event) && event.kind == SCTP_EVENT_UP &&
           event.streams == 300,
       "it is up");
    ok(sctp_association_event(bed.made, &event) && event.kind == SCTP_EVENT_MESSAGE &&
           event.message->length == 5,
       "with what came behind the cookie");
    message_free(event.message);
    bed_close(&bed);
}

static void refused_cookies(void)
{
    struct bed bed;
    struct packet packet;
    bed_open(&bed, false);
    ask(&bed, &good_init);
    echo(&bed, &packet);
    uint32_t own_tag = sctp_wire_u32(packet.bytes + 4);
    unsigned taken = 0;
    size_t length = (size_t)(packet.writer.at - packet.bytes);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        if (bit / 8 == 8 || bit / 8 == 12 || bit / 8 == 13) /* checksum, type, flags of the chunk */
            bit += bit / 8 == 8 ? 32 : 16;
        if (bit / 8 == 14 || bit / 8 == 15) /* its length */
            continue;
        packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += hear(&bed, &packet) != SCTP_HEARD_NOTHING;
        packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ok(!taken, "no flipped bit of ports, tag or cookie");
    bed.from[0]++;
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "nor from elsewhere");
    bed.from[0]--;
    ok(hear(&bed, &packet) == SCTP_HEARD_MADE, "but as it was");
    sctp_listener_accept(bed.listener, false);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "nor when no more are taken");
    sctp_listener_accept(bed.listener, true);
    sctp_listener_ended(bed.listener, own_tag);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "nor once its association has ended");
    for (uint32_t i = 1; i < SCTP_LISTENER_ENDED; i++)
        sctp_listener_ended(bed.listener, own_tag + i);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "as long as it is among the last %d",
       SCTP_LISTENER_ENDED);
    sctp_listener_ended(bed.listener, own_tag + SCTP_LISTENER_ENDED);
    ok(hear(&bed, &packet) == SCTP_HEARD_MADE, "no longer");
    bed.now_us += SCTP_COOKIE_LIFE_US + 5;
    ok(hear(&bed, &packet) == SCTP_HEARD_REPLY &&
           replied_cause(&bed, SCTP_CHUNK_ERROR, SCTP_CAUSE_STALE_COOKIE) &&
           sctp_wire_u32(bed.reply + SCTP_HEADER + 8) == 5,
       "one that is too old: ERROR that says by how much");
    bed.now_us += 2 * (uint64_t)SCTP_SECRET_US;
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "one of a forgotten secret: dropped");
    bed_close(&bed);
}

/* ---- where there is one already ---- */

static struct sctp_association *connecting(struct bed *bed, enum sctp_state state)
{
    struct sctp_options options = bed->options;
    options.peer_port = ITS_PORT;
    struct sctp_association *self = sctp_association_connect(&options);
    if (state == SCTP_COOKIE_ECHOED) {
        static const uint8_t cookie[4];
        uint8_t bytes[64];
        struct wire_writer writer = wire_writer(bytes, sizeof bytes);
        uint8_t *begun = sctp_handshake_begin_chunk(&writer, SCTP_CHUNK_INIT_ACK, &good_init);
        sctp_wire_put_parameter(&writer, SCTP_PARAMETER_STATE_COOKIE, cookie, sizeof cookie);
        sctp_wire_end(&writer, begun);
        struct wire_reader reader = wire_reader(bytes, (size_t)(writer.at - bytes));
        struct sctp_chunk chunk;
        must(sctp_wire_next_chunk(&reader, &chunk));
        sctp_handshake_init_ack(self, bed->now_us, 0, &chunk);
    }
    must(self->state == state);
    return self;
}

/* One that the listener made, in that state. */
static struct sctp_association *established(struct bed *bed, enum sctp_state state)
{
    struct packet packet;
    struct sctp_association *existing = bed->existing;
    bed->existing = NULL;
    must(ask(bed, &good_init) == SCTP_HEARD_REPLY);
    echo(bed, &packet);
    must(hear(bed, &packet) == SCTP_HEARD_MADE);
    bed->existing = existing;
    struct sctp_association *self = bed->made;
    bed->made = NULL;
    self->state = state;
    return self;
}

/* Its peer asks anew. */
static struct sctp_init other_init(uint32_t tag)
{
    struct sctp_init init = good_init;
    init.tag = tag;
    return init;
}

static void own_init(enum sctp_state state, const char *name)
{
    struct bed bed;
    struct answer answer = {0};
    struct packet packet;
    bed_open(&bed, false);
    bed.existing = connecting(&bed, state);
    uint32_t tag = bed.existing->own_tag, tsn = bed.existing->handshake->initial_tsn;
    sctp_listener_accept(bed.listener, false);
    ok(ask(&bed, &good_init) == SCTP_HEARD_REPLY && read_answer(&bed, &answer) &&
           answer.init.tag == tag && answer.init.tsn == tsn && bed.existing->state == state &&
           bed.reply_length <= 96,
       "INIT in %s: INIT ACK with the parameters of our own", name);
    echo(&bed, &packet);
    ok(hear(&bed, &packet) == SCTP_HEARD_EXISTING && bed.existing->state == SCTP_ESTABLISHED &&
           bed.existing->owes_cookie_ack && bed.existing->peer_tag == ITS_TAG &&
           bed.existing->streams == 300 && !bed.existing->handshake,
       "its cookie: the same association is up");
    ok(hear(&bed, &packet) == SCTP_HEARD_EXISTING && bed.existing->owes_cookie_ack,
       "again: COOKIE ACK again");
    struct sctp_association *existing = bed.existing;
    bed.existing = NULL;
    sctp_listener_accept(bed.listener, true);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "without that association it makes none");
    bed.existing = existing;
    bed_close(&bed);
}

/* Behind its COOKIE ECHO, which is lost. */
static void send_early(struct bed *bed)
{
    struct sctp_event event;
    struct sctp_wants wants;
    uint8_t room[1500];
    struct message *message = message_new(900);
    message->length = 900;
    message->stream = 0;
    message->epoch = 0;
    memset(message->data, 'e', 900);
    must(sctp_association_event(bed->existing, &event) && event.kind == SCTP_EVENT_ANSWERED);
    must(sctp_association_send(bed->existing, bed->now_us, message) == ERR_OK);
    must(sctp_association_wants(bed->existing, bed->now_us, &wants));
    must(sctp_association_output(bed->existing, bed->now_us, &wants, room) > 900);
}

static void new_tag_while_connecting(void)
{
    struct bed bed;
    struct packet packet;
    bed_open(&bed, false);
    bed.existing = connecting(&bed, SCTP_COOKIE_ECHOED);
    send_early(&bed);
    struct sctp_init init = other_init(0x77777777);
    ask(&bed, &init);
    struct sctp_chunk chunk = reply_chunk(&bed, 0x77777777);
    struct answer answer;
    sctp_wire_read_init(&chunk, &answer.init);
    sctp_handshake_read_offer(answer.init.parameters, &answer.offer);
    begin(&packet, answer.init.tag);
    sctp_wire_put_chunk(&packet.writer, SCTP_CHUNK_COOKIE_ECHO, 0, answer.offer.cookie,
                        answer.offer.cookie_length);
    ok(hear(&bed, &packet) == SCTP_HEARD_EXISTING && bed.existing->peer_tag == 0x77777777 &&
           bed.existing->state == SCTP_ESTABLISHED,
       "5.2.4 B: the peer has another tag by now");
    struct sctp_wants wants;
    uint8_t room[1500];
    ok(sctp_association_wants(bed.existing, bed.now_us, &wants) &&
           sctp_association_output(bed.existing, bed.now_us, &wants, room) > 900 &&
           sctp_wire_u32(room + 4) == 0x77777777,
       "and gets what was said to the other one");
    bed.existing->peer_tag = ITS_TAG;
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING && bed.existing->peer_tag == ITS_TAG,
       "not once it is up with this one");
    bed_close(&bed);
}

/* Sections 5.2.2 and 9.2. */
static void init_when_up(void)
{
    static const enum sctp_state states[] = {SCTP_ESTABLISHED, SCTP_SHUTDOWN_PENDING,
                                             SCTP_SHUTDOWN_SENT, SCTP_SHUTDOWN_RECEIVED};
    struct bed bed;
    struct answer answer;
    bed_open(&bed, false);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        sctp_association_free(bed.existing);
        bed.existing = established(&bed, states[i]);
        ok(ask(&bed, &good_init) == SCTP_HEARD_REPLY && read_answer(&bed, &answer) &&
               answer.init.tag != bed.existing->own_tag && bed.existing->state == states[i],
           "INIT in state %d: INIT ACK with a new tag, and nothing changes", states[i]);
        ok(bed.reply_length == 92 &&
               !memmem(bed.reply, bed.reply_length, &bed.existing->own_tag, 4),
           "of 92 bytes, and the tag of the old one is not in it");
    }
    sctp_association_free(bed.existing);
    bed.existing = established(&bed, SCTP_SHUTDOWN_ACK_SENT);
    bed.existing->closing.owes_shutdown_ack = false;
    ok(ask(&bed, &good_init) == SCTP_HEARD_EXISTING && bed.existing->closing.owes_shutdown_ack,
       "INIT in SHUTDOWN_ACK_SENT: SHUTDOWN ACK again");
    sctp_association_end(bed.existing, ERR_TRANSPORT_CLOSED, NULL, 0);
    ok(ask(&bed, &good_init) == SCTP_HEARD_REPLY && bed.reply_length == 84,
       "one that has ended is none");
    bed_close(&bed);
}

/* The rows of section 5.2.4. */
static void restart(void)
{
    struct bed bed;
    struct packet old, packet;
    struct sctp_init init = other_init(ITS_TAG);
    bed_open(&bed, false);
    ask(&bed, &good_init);
    echo(&bed, &old); /* tags differ later, and it has no tie */
    bed.now_us++;
    bed.existing = established(&bed, SCTP_ESTABLISHED);
    ok(hear(&bed, &old) == SCTP_HEARD_NOTHING, "5.2.4 C: a cookie that is late is dropped");
    bed.existing->peer_tag ^= 1;
    ok(hear(&bed, &old) == SCTP_HEARD_NOTHING, "one without a tie, too");
    ask(&bed, &init);
    echo(&bed, &packet);
    bed.existing->peer_tag ^= 2;
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "and one that was tied to another");
    bed.existing->peer_tag ^= 2;
    sctp_listener_accept(bed.listener, false);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "and a restart where no more are taken");
    sctp_listener_accept(bed.listener, true);
    ok(hear(&bed, &packet) == SCTP_HEARD_RESTARTED && bed.made && bed.made != bed.existing &&
           bed.made->own_tag != bed.existing->own_tag && bed.made->owes_cookie_ack,
       "5.2.4 A: a restart makes another association");
    bed.existing->state = SCTP_SHUTDOWN_ACK_SENT;
    bed.existing->closing.owes_shutdown_ack = false;
    ok(hear(&bed, &packet) == SCTP_HEARD_EXISTING && !bed.made &&
           bed.existing->closing.owes_shutdown_ack && bed.existing->replies.causes_length >= 4 &&
           sctp_wire_u16(bed.existing->replies.causes) == SCTP_CAUSE_COOKIE_IN_SHUTDOWN,
       "in SHUTDOWN_ACK_SENT: SHUTDOWN ACK and ERROR instead");
    bed_close(&bed);
}

static void duplicate(void)
{
    struct bed bed;
    struct packet packet;
    bed_open(&bed, false);
    ask(&bed, &good_init);
    echo(&bed, &packet);
    must(hear(&bed, &packet) == SCTP_HEARD_MADE);
    bed.existing = bed.made;
    bed.made = NULL;
    bed.existing->owes_cookie_ack = false;
    ok(hear(&bed, &packet) == SCTP_HEARD_EXISTING && bed.existing->owes_cookie_ack && !bed.made,
       "5.2.4 D: COOKIE ACK again");
    bed.now_us += SCTP_COOKIE_LIFE_US + 1;
    bed.existing->owes_cookie_ack = false;
    ok(hear(&bed, &packet) == SCTP_HEARD_EXISTING && bed.existing->owes_cookie_ack,
       "also when the cookie is too old");
    bed.now_us -= SCTP_COOKIE_LIFE_US + 1;
    sctp_association_end(bed.existing, ERR_TRANSPORT_CLOSED, NULL, 0);
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "not once it has ended");
    bed_close(&bed);
}

/* Two listeners share the address; the second one's socket was not there yet when the client's
 * COOKIE ECHO came. */
static void of_another(void)
{
    struct bed bed;
    struct packet packet;
    bed_open(&bed, false);
    struct sctp_listener *first = bed.listener;
    bed.options.sharing = (struct sctp_sharing){.count = 2, .secret = "of both"};
    bed.listener = sctp_listener_new(&bed.options, bed.now_us);
    sctp_listener_free(first);
    first = bed.listener;
    ask(&bed, &good_init);
    ask(&bed, &good_init);
    echo(&bed, &packet);
    ok(sctp_wire_u32(packet.bytes + 4) % 2 == 1, "the second tag is the second listener's");
    ok(hear(&bed, &packet) == SCTP_HEARD_NOTHING, "the first one takes no COOKIE ECHO for it");
    bed.options.sharing.index = 1;
    bed.listener = sctp_listener_new(&bed.options, bed.now_us);
    ok(hear(&bed, &packet) == SCTP_HEARD_MADE, "the second one does");
    sctp_listener_free(first);
    bed_close(&bed);
}

int main(void)
{
    bed_seed = (uint32_t)tap_seed();
    made();
    refused_cookies();
    own_init(SCTP_COOKIE_WAIT, "COOKIE_WAIT");
    own_init(SCTP_COOKIE_ECHOED, "COOKIE_ECHOED");
    new_tag_while_connecting();
    init_when_up();
    restart();
    duplicate();
    of_another();
    return tap_done();
}
