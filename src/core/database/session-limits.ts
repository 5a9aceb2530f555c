/** Bounds of client sessions, known to whoever asks for one and to whoever keeps them. */

/** Sessions open at a time. With 64 KiB of answers each, at most 640 MiB. */
export const sessionsMax = 10_000;
/** Shorter ones would end between two keep-alives of a healthy client. */
export const sessionTtlMsMin = 1_000;
/** One day. */
export const sessionTtlMsMax = 86_400_000;
/** Sessions that one command may end. */
export const sessionsExpiredAtOnceMax = 1_000;

/** `s`, the instance of birth, `-`, the place in its value. */
export const sessionIdPattern = /^s(?:0|[1-9][0-9]{0,15})-(?:0|[1-9][0-9]{0,4})$/;
