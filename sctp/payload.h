/* sctp/payload.h: the mark of a message of any SCTP transport on the wire: the
 * payload protocol identifier is "HWS" and the epoch (docs/PROTOCOL.md rule S3). */
#pragma once

#define SCTP_MESSAGE_PPID       0x48575300u
#define SCTP_MESSAGE_PPID_MASK  0xffffff00u
#define SCTP_MESSAGE_EPOCH_MASK 0x000000ffu
