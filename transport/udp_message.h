/* transport/udp_message.h: how a message marks itself on the wire: the payload protocol
 * identifier is "HWS" and the epoch. */
#pragma once

#define UDP_MESSAGE_PPID       0x48575300u
#define UDP_MESSAGE_PPID_MASK  0xffffff00u
#define UDP_MESSAGE_EPOCH_MASK 0x000000ffu
